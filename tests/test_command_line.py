"""`python -m explorable export` and `notebooks`; measure has its own tests."""

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


@pytest.mark.parametrize(("arguments", "message"), [
    (("Cinema", "p.html"), "no explorable is called 'Cinema'"), (("FlowPaths", "p.html", "seed"), "write name=value"),
    (("FlowPaths", "p.html", "colour=red"), "'colour=red' is not a setting of FlowPaths"),
    (("FlowPaths", "p.html", "steps=0"), "steps")])
def test_a_bad_export_is_refused_and_writes_nothing(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("export", *arguments)
    assert done.exit_code == 2 and message in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("export", "FlowPaths"), ("draw",), ("paint",)], ids=lambda a: a[0])
def test_a_missing_folder_is_refused_before_anything_is_computed(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr("explorable.pipeline.load", None)
    done = run(*arguments, str(tmp_path / "nowhere" / "file.png"))
    assert done.exit_code == 2 and "error: " in done.output and "there is no folder" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["draw", "paint"])
@pytest.mark.parametrize("name", ["x.foo", "x.psd", "x"])
def test_a_suffix_of_no_image_format_is_refused_before_anything_is_computed(command, name, tmp_path, monkeypatch):
    monkeypatch.setattr("explorable.pipeline.load", None)
    done = run(command, str(tmp_path / name))
    assert done.exit_code == 2 and f"error: {name}: no image format is written" in done.output
    assert not list(tmp_path.iterdir())


def test_a_drawing_replaces_the_file_at_once(tmp_path):
    path = tmp_path / "car.png"
    path.write_text("old")
    with path.open() as file:
        assert run("draw", str(path), "a red car").exit_code == 0
        assert file.read() == "old" and path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_notebooks_are_not_copied_onto_or_below_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in ("file", "file/below"):
        done = run("notebooks", str(tmp_path / folder))
        assert done.exit_code == 2 and "is a file, or lies below one: choose another folder" in done.output
    assert (tmp_path / "file").read_text() == "mine"


def test_every_explorable_can_be_exported():
    from explorable.widgets.core.explorable import Explorable

    kinds = {name: getattr(ex, name) for name in ex.__all__}
    found = [name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Explorable)]
    assert sorted(ex.EXPLORABLES) == sorted(found)


def test_the_notebooks_are_copied_and_existing_files_are_kept(tmp_path):
    assert "copied" in run("notebooks", str(tmp_path)).output
    assert (tmp_path / "TEACHING.md").exists()  # the contents link to it
    first = sorted(tmp_path.glob("*.ipynb"))
    first[0].write_text("mine")
    assert "kept" in run("notebooks", str(tmp_path)).output and first[0].read_text() == "mine"


@pytest.mark.parametrize("command", ["train", "measure", "draw", "paint", "export", "notebooks"])
def test_every_command_has_help(command):
    done = run(command, "--help")
    assert done.exit_code == 0 and "Usage" in done.output
