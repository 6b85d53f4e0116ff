"""The still image of an explorable: what is on it, its size, and text that Pillow's own font can draw."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from explorable.widgets.core.lettering import NORMAL, drawable, shortened, wrapped
from explorable.widgets.core.still import MARGIN, MAX_BYTES, SINGLE, WIDTH, Texts, grid_areas, paint_still, still_png
from explorable.widgets.stage.painting import Snapshot
from explorable.widgets.stage.stage import Images, Panel, Stage

TEXTS = Texts("Why?", "prompt: a red car", "step 2 of 3", "This is a caption.", "Score: 0.41; out of 1")
NOISE = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)


def snapshot_of(panels: int, thumbnails: str = "") -> Snapshot:
    stage = Stage()
    layers = [Images(f"layer {k}", f"Layer {k}", NOISE) for k in range(panels)]
    stage.show(layers, ["one", "two", "three"], thumbnails,
               panels=[Panel(f"panel {k}", (f"layer {k}",), f"Panel {k}") for k in range(panels)])
    return Snapshot.of(stage)


@pytest.mark.parametrize("panels", [0, 1, 2, 5])
def test_it_is_small_and_the_same_every_time(panels: int):
    snapshot = snapshot_of(panels, "layer 0") if panels else Snapshot.of(Stage())
    data = still_png(snapshot, TEXTS)
    image = Image.open(io.BytesIO(data))
    assert image.width == WIDTH and image.height < 700 and len(data) <= MAX_BYTES
    assert data == still_png(snapshot, TEXTS)


def test_noise_of_the_largest_size_is_still_small():
    """Noise compresses worst. What is asked for is 5 panels of it, in full width."""
    assert len(still_png(snapshot_of(2, "layer 0"), TEXTS)) <= MAX_BYTES


def test_a_single_panel_is_painted_whole():
    snapshot = snapshot_of(1)
    panel = np.asarray(Image.fromarray(NOISE[2]).resize((SINGLE, SINGLE), Image.Resampling.BICUBIC))
    sheet = np.asarray(paint_still(snapshot, TEXTS))
    tops = [y for y in range(sheet.shape[0] - SINGLE) if np.array_equal(sheet[y, MARGIN : MARGIN + SINGLE], panel[0])]
    assert len(tops) == 1
    assert np.array_equal(sheet[tops[0] : tops[0] + SINGLE, MARGIN : MARGIN + SINGLE], panel)


@pytest.mark.parametrize("name", ["question", "settings", "position", "caption", "score"])
def test_every_text_is_written(name: str):
    snapshot = snapshot_of(1)
    without = np.asarray(paint_still(snapshot, replace(TEXTS, **{name: ""})))
    written = np.asarray(paint_still(snapshot, TEXTS))
    assert without.shape != written.shape or (without != written).any()


@given(st.text(max_size=40))
def test_any_text_can_be_drawn(text: str):
    font = ImageFont.load_default(NORMAL)
    missing = bytes(font.getmask("\uffff"))
    assert not [c for c in drawable(text) if not c.isascii() and bytes(font.getmask(c)) == missing]


def test_mathematics_is_spelled_out():
    assert drawable("16 × 16, 85°, “red”, ρ = −0.5, t → ∞") == "16 x 16, 85°, “red”, rho = -0.5, t -> infinity"


def test_lines_keep_all_words_and_their_width():
    text = "In a hole in the ground there lived one extraordinarily long sentence " * 3
    lines = wrapped(text, NORMAL, 200)
    assert " ".join(lines).split() == text.split() and len(lines) > 3
    assert shortened("abc", NORMAL, 200) == "abc"
    assert shortened("a" * 100, NORMAL, 50).endswith("a…") and len(shortened("a" * 100, NORMAL, 50)) < 12


def test_panels_without_an_area_follow_in_order():
    panels = [Panel(str(k), ()).spec() for k in range(3)]
    assert grid_areas(panels, 2) == [(0, 0, 1, 1), (1, 0, 1, 1), (0, 1, 1, 1)]
    assert grid_areas([Panel("a", (), grid_area=(2, 3, 4, 5)).spec()], 1) == [(1, 2, 4, 5)]
