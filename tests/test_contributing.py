"""The example explorable of CONTRIBUTING is a file of the tests, and works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from example_explorable import Halves
from tiny_pipes import tiny

ROOT = Path(__file__).parents[1]


@pytest.fixture
def halves():
    widget = Halves(tiny("unet"), prompt="a red car")
    widget.wait()
    yield widget
    widget.close()


def test_the_guide_contains_the_example_verbatim():
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.*?class Halves.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert example == (ROOT / "tests/widgets/example_explorable.py").read_text("utf-8")
    assert example.count("\n") < 100


def test_every_name_in_the_guides_tables_exists():
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    chapter = guide.partition("### The base class")[2].partition("### Registering")[0]
    cells = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    names = [name for cell in cells for name in re.findall(r"`(\w+)", cell)]
    missing = {name for name in names if not hasattr(Halves, name)} - {"stage", "result", "error"}  # set in __init__
    assert len(names) > 20 and not missing


def test_the_example_works(halves: Halves, tmp_path: Path):
    assert halves.error is None and halves.stage.captions
    assert halves.data.distance.sizes == {"step": 20, "half": 2} and halves.data.denoised.sizes["step"] == 20
    assert list(halves.table()) == ["left", "right"]
    page = halves.save_html(tmp_path / "halves.html").read_text("utf-8")
    assert "closer to its end" in page
    halves.prompt = "a blue car"
    halves.wait()
    assert halves.error is None and "a blue car" in halves.code()
    compile(halves.code(), "code", "exec")
