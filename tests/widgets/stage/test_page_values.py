"""What the page sends to a stage is clamped or ignored, whatever it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from explorable.widgets.stage.stage import Axis, Fader, Images, Panel, Stage

HOSTILE = [-5, 10**9, 10**400, -(10**400),
           1.5, 1e308, math.nan, math.inf, "2", None, True, [], {}, [1, 2], {"word": "car"}, {"word": -3},
           {"word": None, "zzz": 1}, {"panel": "one"}, {"panel": ["one"], "kind": "drag"}, object(),
           [0.1, 0.2, 0.3], [0.1, 0.2, 0.3, math.nan], [0, 0, 1, "1"], {"red": "2"}, {"red": math.nan}, {"zzz": 1.0}]
DRAG = {"panel": "one", "kind": "drag", "x": 0.3, "y": 0.4, "done": True, "count": 3}


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    frames = np.zeros((2, 3, 4, 4, 3), np.uint8)
    stage.show([Images("image", "Image", frames, axes=("word", "frame"))], ["a", "b", "c"],
               axes=[Axis("word", "Word", ("red", "car"), fader=Fader(("red", ""), "attention to"))],
               panels=[Panel("one", ("image",), interaction="drag"), Panel("two", ("image",), interaction="draw"),
                       Panel("three", ("image",), interaction="brush")])
    stage.faders = {"red": 0.5}
    return stage


@pytest.mark.parametrize("name", ["frame", "layer", "selection", "pointer", "opacity", "dark", "region", "faders"])
def test_whatever_the_page_sends_the_stage_stays_valid(stage: Stage, name: str):
    for value in HOSTILE:
        stage.set_state({name: value})
        assert stage.frame in (0, 1, 2) and type(stage.frame) is int
        assert stage.layer == "image" and 0 <= stage.opacity <= 1 and type(stage.dark) is bool
        assert set(stage.selection) == {"word"} and stage.selection["word"] in (0, 1)
        assert stage.pointer == {} and stage.region == [] and stage.faders == {"red": 0.5}


def test_values_that_make_sense_are_taken_and_clamped(stage: Stage):
    stage.set_state({"frame": 1, "selection": {"word": 1}, "opacity": 0.25, "dark": True, "pointer": DRAG,
                     "region": [0.1, 0.2, 0.3, 0.4], "faders": {"red": 3}})
    assert (stage.frame, stage.selection, stage.opacity, stage.dark) == (1, {"word": 1}, 0.25, True)
    assert (stage.pointer, stage.region, stage.faders) == (DRAG, [0.1, 0.2, 0.3, 0.4], {"red": 3})
    stage.set_state({"frame": -5, "selection": {"word": 7}, "opacity": 3, "pointer": DRAG | {"x": 9.0, "y": -1},
                     "region": [-1, 0, 5, 1], "faders": {"red": -1}})
    assert (stage.frame, stage.selection, stage.opacity) == (0, {"word": 1}, 1)
    assert (stage.pointer["x"], stage.pointer["y"]) == (1, 0)
    assert (stage.region, stage.faders) == ([0, 0, 1, 1], {"red": 0})
    stage.set_state({"region": []})
    assert stage.region == []


def test_a_choice_that_there_is_not_is_clamped(stage: Stage):
    frames = np.zeros((2, 3, 4, 4, 3), np.uint8)
    stage.show([Images("image", "Image", frames, axes=("layer", "head"))], ["a"], axes=[
        Axis("layer", "layer", ("all", "up")), Axis("head", "head", ("mean", "1", "2"), counts_along="layer",
                                                    counts=(1, 2))])
    stage.set_state({"selection": {"layer": 1, "head": 2}})
    assert stage.selection == {"layer": 1, "head": 1}
    stage.set_state({"selection": {"layer": 0, "head": 1}})
    assert stage.selection == {"layer": 0, "head": 0}


@pytest.mark.parametrize("wrong", [{"x": None}, {"y": "0.1"}, {"x": math.nan}, {"kind": "click"}, {"panel": "two"},
                                   {"panel": "three", "kind": "brush"}])
def test_a_gesture_that_its_panel_does_not_have_is_ignored(stage: Stage, wrong: dict[str, Any]):
    stage.set_state({"pointer": DRAG | wrong})
    assert stage.pointer == {}


def test_strokes_are_pairs_of_numbers(stage: Stage):
    stroke = {"panel": "two", "kind": "draw", "x": 0.5, "y": 0.5}
    for points in (None, [[1]], [["a", 2]], [3], [[math.inf, 0]]):
        stage.set_state({"pointer": stroke | {"points": points}})
        assert stage.pointer == {}
    stage.set_state({"pointer": stroke | {"points": [[0.1, 0.2], [2, -1]]}})
    assert stage.pointer["points"] == [[0.1, 0.2], [1, 0]]


def test_the_page_sets_nothing_else(stage: Stage):
    before = stage.get_state()
    stage.set_state({"captions": [], "layers": [], "panels": [{}], "axes": [], "recording_id": -1, "bytes image": b""})
    after = stage.get_state()
    assert {name: after[name] for name in ("captions", "layers", "panels", "axes", "recording_id", "bytes image")} == {
        name: before[name] for name in ("captions", "layers", "panels", "axes", "recording_id", "bytes image")}


def test_a_frame_set_from_code_is_clamped_and_numpy_counts(stage: Stage):
    stage.frame = -5
    assert stage.frame == 0
    stage.frame = np.int64(99)
    assert stage.frame == 2 and type(stage.frame) is int
    stage.show([Images("image", "Image", np.zeros((5, 4, 4, 3), np.uint8))], list("abcde"), autoplay=False, frame=4)
    assert stage.frame == 4
