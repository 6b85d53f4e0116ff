"""The words below a prompt's box: folded at first; a click adds them to the prompt as they would be typed."""

from __future__ import annotations

import functools

import ipywidgets as ipw
import pytest
import tiny_pipelines as tp
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import CountingPipeline

import explorable as ex
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.vocabulary import GROUPS, add_phrase, with_vocabulary
from explorable.widgets.studio.widget import Studio
from explorable.world import parse


def unfold(studio: Studio) -> tuple[ipw.Text, dict[str, ipw.Button]]:
    """Show the words of the prompt. Returns its box and their buttons."""
    box, button, panel = with_vocabulary(studio, next(w for w in descendants(studio) if w.description == "prompt"))
    button.value = True
    return box, {w.description: w for w in descendants(panel) if isinstance(w, ipw.Button)}


def test_the_groups_are_those_of_the_picture_world():
    assert {name: len(phrases) for name, phrases in GROUPS.items()} == {
        "things": 16, "colours": 10, "sizes": 2, "moods": 3, "counts": 2, "places": 8, "times": 4, "relations": 7}


@pytest.mark.parametrize(("phrases", "prompt"), [
    (("car",), "a car"), (("red", "car", "on a beach", "at sunset"), "a red car on a beach at sunset"),
    (("two", "big", "blue", "cat", "in a forest"), "two big blue cats in a forest"),
    (("three", "sports car"), "three sports cars"),
    (("cat", "to the left of", "golden", "dog"), "a cat to the left of a golden dog"),
    (("cat", "and", "two", "dog"), "a cat and two dogs"), (("majestic", "lion", "by day"), "a majestic lion by day")])
def test_words_clicked_together_make_a_prompt_that_can_be_drawn(phrases, prompt):
    assert functools.reduce(add_phrase, phrases, "") == prompt
    assert parse(prompt).words


@pytest.mark.parametrize(("typed", "prompt"), [("a red", "a red car"), ("red", "red car"), ("the", "the car"),
                                               ("  a  cat and ", "a cat and a car")])
def test_a_word_goes_on_from_what_was_typed(typed, prompt):
    assert add_phrase(typed, "car") == prompt


def test_the_words_are_folded_and_made_when_they_are_first_shown(studio):
    (button, panel), *_ = [row.children[1:3] for row in descendants(studio) if isinstance(row, ipw.Box) and row.children
                           and getattr(row.children[0], "description", "") == "prompt"]
    assert button.description == "▸ words" and panel.layout.display == "none" and not panel.children
    before = len(MODELS)
    button.value = True
    made = len(MODELS) - before
    assert panel.layout.display is None and made < 2 * sum(map(len, GROUPS.values()))  # layout and style are shared
    button.value = False
    assert panel.layout.display == "none"
    button.value = True
    assert len(MODELS) == before + made


def test_a_click_adds_words_and_samples(studio):
    box, buttons = unfold(studio)
    for phrase in ("clear", "blue", "boat", "by a lake"):
        buttons[phrase].click()
    studio.wait()
    assert studio.prompt == box.value == studio.run.settings.prompt == "a blue boat by a lake"
    buttons["remove the last word"].click()
    assert studio.prompt == "a blue boat by a"


def test_a_pipeline_that_knows_all_words_has_no_vocabulary():
    studio = Studio(tp.shared("sd"), prompt=tp.PROMPT)
    assert not [w for w in descendants(studio) if getattr(w, "description", "") == "▸ words"]
    studio.close()


@pytest.mark.parametrize(("name", "boxes"), [
    ("Studio", ["prompt", "negative prompt"]), ("NoiseTrajectory", ["prompt", "branch prompt"]),
    ("UNetXRay", ["prompt", "with those of"]), ("TokenAttention", ["prompt"]), ("FlowPaths", ["prompt"])])
def test_every_prompt_has_its_words(name: str, boxes: list[str], pipe: CountingPipeline):
    made = getattr(ex, name)(pipe, steps=3)
    made.wait()
    rows = [w.children for w in descendants(made) if isinstance(w, ipw.Box) and w.children] + [made.children]
    found = [row[k - 1].description for row in rows for k, w in enumerate(row)
             if isinstance(w, ipw.ToggleButton) and w.description == "▸ words"]
    made.close()
    assert sorted(found) == sorted(boxes)
