"""`python -m explorable`: what is not measured or trained."""

from __future__ import annotations

import html

import pytest
from typer.testing import CliRunner

import explorable as ex
from explorable.__main__ import app


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_an_explorable_is_exported_with_its_settings(tmp_path):
    path = tmp_path / "page.html"
    done = run("export", "FlowPaths", str(path), "seed=3", "steps=7")
    assert done.exit_code == 0 and str(path) in done.output
    same = ex.FlowPaths(seed=3, steps=7)
    same.wait()
    page = path.read_text("utf-8")
    assert page.startswith("<!doctype html>") and html.escape(same.code()) in page
    same.close()


@pytest.mark.parametrize(("arguments", "says"), [
    (("Cinema", "p.html"), "no explorable is called 'Cinema'"), (("FlowPaths", "p.html", "seed"), "write name=value"),
    (("FlowPaths", "p.html", "colour=red"), "'colour=red' is no setting"),
    (("FlowPaths", "p.html", "steps=0"), "steps")])
def test_what_cannot_be_exported_is_said(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("export", *arguments)
    assert done.exit_code == 2 and says in done.output
    assert not list(tmp_path.iterdir())


def test_every_explorable_can_be_exported():
    from explorable.widgets.core.explorable import Explorable

    kinds = {name: getattr(ex, name) for name in ex.__all__}
    found = [name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Explorable)]
    assert sorted(ex.EXPLORABLES) == sorted(found)


def test_the_notebooks_are_copied_once(tmp_path):
    assert "copied" in run("notebooks", str(tmp_path)).output
    first = sorted(tmp_path.glob("*.ipynb"))
    first[0].write_text("mine")
    assert "left alone" in run("notebooks", str(tmp_path)).output and first[0].read_text() == "mine"
