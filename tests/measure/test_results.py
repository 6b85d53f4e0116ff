"""Saved measurements: what is saved is read again, for each model, and a change of the weights is noticed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from explorable.__main__ import app
from explorable.measure import MEASURES, Table, results, saved_table
from explorable.measure.results import FOLDER, measured_model, save_command, save_table
from explorable.zoo import model_names

TABLE = Table("Title", [{"w": 1.0, "right %": 50.0, "95%": "40 to 60"}], ["a note"])


def test_each_model_has_its_own_table(tmp_path):
    other = Table("Other", [{"w": 2.0}])
    save_table("guidance", TABLE, folder=tmp_path)
    save_table("guidance", other, "dit-flow", folder=tmp_path)
    own, second = saved_table("guidance", folder=tmp_path), saved_table("guidance", "dit-flow", tmp_path)
    assert own is not None and own.table == TABLE and second is not None and second.table == other
    assert saved_table("guidance", "unet-diffusion", tmp_path) is None and saved_table("exam", folder=tmp_path) is None


def test_changed_weights_are_noticed(tmp_path, monkeypatch):
    save_table("guidance", TABLE, folder=tmp_path)
    saved = saved_table("guidance", folder=tmp_path)
    assert saved is not None and saved.is_current and {"unet-flow", "vae", "text", "examiner"} <= set(saved.weights)
    monkeypatch.setattr(results, "read_card", lambda name: {"sha256": "other"})
    assert not saved.is_current


def test_the_command_that_is_named_saves_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr("explorable.measure.guidance.guidance", lambda model="unet-flow", quick=False: TABLE)
    for model in ("unet-flow", "dit-flow"):
        command = save_command("guidance", model).split()
        assert CliRunner().invoke(app, command[3:]).exit_code == 0
        saved = saved_table("guidance", model)
        assert saved is not None and saved.table == TABLE and saved.command == " ".join(command)


def test_a_quick_measurement_is_not_saved(monkeypatch):
    monkeypatch.setattr("explorable.measure.measure", lambda *a, **k: pytest.fail("it was measured"))
    done = CliRunner().invoke(app, ["measure", "guidance", "--quick", "--save"])
    assert done.exit_code == 2 and "--save needs a full measurement: leave out --quick" in done.output


def test_a_measure_without_models_has_one_table(tmp_path):
    assert measured_model("world") == "" and save_command("world") == "python -m explorable measure world --save"
    save_table("world", TABLE, folder=tmp_path)
    saved = saved_table("world", folder=tmp_path)
    assert saved is not None and saved.table == TABLE


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_what_the_package_ships_is_of_its_own_measures_and_models(path):
    assert path.stem in MEASURES
    for model in json.loads(path.read_text("utf-8")):
        saved = saved_table(path.stem, model)
        assert saved is not None and saved.table.rows and model in (*model_names(), "")
        assert saved.command == save_command(path.stem, model)


def test_a_measure_that_compares_models_is_saved_with_their_weights(tmp_path):
    save_table("supervision", TABLE, folder=tmp_path)
    saved = saved_table("supervision", folder=tmp_path)
    assert saved is not None and {"unet-small", "unet-small-unsupervised"} < set(saved.weights)
