"""What the page sends to a stage is clamped or ignored, whatever it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from explorable.widgets.stage.stage import Axis, Images, Panel, Stage

HOSTILE = [-5, 10**9, 10**400, -(10**400),
           1.5, 1e308, math.nan, math.inf, "2", None, True, [], {}, [1, 2], {"word": "car"}, {"word": -3},
           {"word": None, "zzz": 1}, {"panel": "one"}, {"panel": ["one"], "kind": "brush"}, object()]
BRUSH = {"panel": "one", "kind": "brush", "x0": 0.1, "y0": 0.2, "x": 0.3, "y": 0.4, "done": True, "count": 3}


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    frames = np.zeros((2, 3, 4, 4, 3), np.uint8)
    stage.show([Images("image", "Image", frames, axes=("word", "frame"))], ["a", "b", "c"],
               axes=[Axis("word", "Word", ("red", "car"))],
               panels=[Panel("one", ("image",), interaction="brush"), Panel("two", ("image",), interaction="draw")])
    return stage


@pytest.mark.parametrize("name", ["frame", "layer", "selection", "pointer", "opacity", "dark"])
def test_whatever_the_page_sends_the_stage_stays_valid(stage: Stage, name: str):
    for value in HOSTILE:
        stage.set_state({name: value})
        assert stage.frame in (0, 1, 2) and type(stage.frame) is int
        assert stage.layer == "image" and 0 <= stage.opacity <= 1 and type(stage.dark) is bool
        assert set(stage.selection) == {"word"} and stage.selection["word"] in (0, 1)
        assert stage.pointer == {}


def test_values_that_make_sense_are_taken_and_clamped(stage: Stage):
    stage.set_state({"frame": 1, "selection": {"word": 1}, "opacity": 0.25, "dark": True, "pointer": BRUSH})
    assert (stage.frame, stage.selection, stage.opacity, stage.dark) == (1, {"word": 1}, 0.25, True)
    assert stage.pointer == BRUSH
    stage.set_state({"frame": -5, "selection": {"word": 7}, "opacity": 3, "pointer": BRUSH | {"x": 9.0, "y": -1}})
    assert (stage.frame, stage.selection, stage.opacity) == (0, {"word": 1}, 1)
    assert (stage.pointer["x"], stage.pointer["y"]) == (1, 0)


@pytest.mark.parametrize("wrong", [{"x0": None}, {"y": "0.1"}, {"x": math.nan}, {"kind": "click"}, {"panel": "two"}])
def test_a_gesture_that_its_panel_does_not_have_is_ignored(stage: Stage, wrong: dict[str, Any]):
    stage.set_state({"pointer": BRUSH | wrong})
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
