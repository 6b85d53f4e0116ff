"""`python -m explorable measure`: every measure can be called by name, and unknown options are refused."""

from __future__ import annotations

import importlib
import json

import pytest
from typer.testing import CliRunner

from explorable.__main__ import app
from explorable.measure import MEASURES, Table


def run(*arguments: str):
    return CliRunner().invoke(app, ["measure", *arguments])


def test_the_list_names_every_measure():
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(MEASURES)


def test_only_given_options_reach_the_measure(monkeypatch):
    calls: list[dict] = []
    monkeypatch.setattr("explorable.measure.steps.steps",
                        lambda model="all", prompts=1, quick=False: calls.append({"model": model, "quick": quick})
                        or Table("T", [{"a": 1}]))
    done = run("steps", "--model", "unet-flow,dit-flow", "--quick", "--json")
    assert calls == [{"model": "unet-flow,dit-flow", "quick": True}] and json.loads(done.output)["rows"] == [{"a": 1}]


def test_every_measure_can_be_loaded():
    for where, _ in MEASURES.values():
        module, _, function = where.partition(":")
        assert callable(getattr(importlib.import_module(f"explorable.measure.{module}"), function))


def test_an_unknown_measure_is_refused_with_the_known_ones():
    done = run("exams")
    assert done.exit_code == 2 and "no measure is called 'exams'" in done.output and "exam, lesson" in done.output


@pytest.mark.parametrize("arguments", [("guidance", "--guidance", "3"), ("latent", "--model", "unet-flow"),
                                       ("steps", "--steps", "3"), ("world", "--quick")])
def test_an_option_that_a_measure_does_not_have_is_refused(arguments):
    done = run(*arguments)
    assert done.exit_code == 2 and f"has no option {arguments[1][2:]!r}" in done.output


@pytest.mark.parametrize(("arguments", "message"), [
    (("exam", "--quick"), "leave out --quick"), (("exam", "--prompts", "1", "--steps", "1"), "--steps, --prompts"),
    (("exam", "--guidance", "2"), "leave out --guidance"), (("steps",), "needs a full measurement")])
def test_only_a_full_measurement_goes_onto_a_card(arguments, message, monkeypatch):
    monkeypatch.setattr("explorable.measure.measure", lambda *a, **k: pytest.fail("it was measured"))
    monkeypatch.setattr("explorable.zoo.update_card", lambda *a, **k: pytest.fail("it was written"))
    done = run(*arguments, "--card")
    assert done.exit_code == 2 and message in done.output
