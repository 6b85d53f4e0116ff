"""The table of `rewrite` is derived from WordNet, whose licence has to be on every copy."""

from __future__ import annotations

import tomllib
from pathlib import Path

from explorable.training.nearest_words import HEADER
from explorable.world.rewriting.words import TABLE


def test_the_licence_of_wordnet_travels_with_the_table():
    """The notice is in the package's folder, and among the licences of the distribution."""
    notice = TABLE.with_name("LICENSE.wordnet")
    assert "WordNet 3.0 Copyright 2006 by Princeton University." in notice.read_text("utf-8")
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert notice.relative_to(root).as_posix() in project["project"]["license-files"]
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["explorable"] and "exclude" not in wheel
    assert "LICENSE.wordnet" in HEADER and TABLE.read_text("utf-8").startswith(HEADER)
