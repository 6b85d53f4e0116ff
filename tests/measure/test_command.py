"""`python -m explorable measure`: every measure can be called by name, and what it does not have is refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from explorable.__main__ import app
from explorable.measure import MEASURES, Table
from explorable.measure.table import check_counts


def run(*arguments: str):
    return CliRunner().invoke(app, ["measure", *arguments])


def test_the_list_names_every_measure():
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(MEASURES)


def test_only_what_was_said_reaches_the_measure(monkeypatch):
    told: list[dict] = []
    monkeypatch.setattr("explorable.measure.steps.steps",
                        lambda model="all", prompts=1, quick=False: told.append({"model": model, "quick": quick})
                        or Table("T", [{"a": 1}]))
    done = run("steps", "--model", "unet-flow,dit-flow", "--quick", "--json")
    assert told == [{"model": "unet-flow,dit-flow", "quick": True}] and json.loads(done.output)["rows"] == [{"a": 1}]


@pytest.mark.parametrize("arguments", [("guidance", "--guidance", "3"), ("latent", "--model", "unet-flow"),
                                       ("steps", "--steps", "3"), ("world", "--quick")])
def test_an_option_that_a_measure_does_not_have_is_refused_in_words(arguments):
    done = run(*arguments)
    assert done.exit_code == 2 and f"has no option {arguments[1][2:]!r}" in done.output


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3"])
def test_a_count_is_a_whole_number_and_enough(value):
    with pytest.raises(ValueError, match=r"^prompts is .*: choose a whole number, 1 or more$"):
        check_counts(1, prompts=value)


@pytest.mark.parametrize(("arguments", "says"), [
    (("exam", "--quick"), "leave out --quick"), (("exam", "--prompts", "1", "--steps", "1"), "--steps, --prompts"),
    (("exam", "--guidance", "2"), "leave out --guidance"), (("steps",), "is for the whole of")])
def test_a_card_takes_no_table_of_another_exam(arguments, says, monkeypatch):
    monkeypatch.setattr("explorable.measure.measure", lambda *a, **k: pytest.fail("it was measured"))
    monkeypatch.setattr("explorable.zoo.update_card", lambda *a, **k: pytest.fail("it was written"))
    done = run(*arguments, "--card")
    assert done.exit_code == 2 and says in done.output
