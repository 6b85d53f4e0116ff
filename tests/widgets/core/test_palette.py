"""The palette has one source, and its colours can be read on light and on dark pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorable.widgets.core.palette import COLOURS, THEME, colour, css_variables
from explorable.widgets.stage.layers import Arrows, Heatmap, Points

WIDGETS = Path(__file__).parents[3] / "explorable" / "widgets"


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_has_enough_contrast(name: str):
    on_white = 1.05 / (luminance(colour(name)) + 0.05)
    on_black = (luminance(colour(name, dark=True)) + 0.05) / (luminance("#161616") + 0.05)
    assert on_white >= 4.5 and on_black >= 4.5


def test_no_file_repeats_a_colour_of_the_palette():
    values = {value for pair in COLOURS.values() for value in pair}
    for path in (p for p in WIDGETS.rglob("*") if p.suffix in (".py", ".js", ".css") and p.name != "palette.py"):
        found = values & set(re.findall(r"#[0-9a-f]{6}\b", path.read_text("utf-8")))
        assert found <= {"#212121"}, f"{path.name} repeats {found}"  # the text colour of an offline page


def test_every_variable_that_a_stylesheet_uses_is_defined():
    rules = css_variables(".ex-stage")
    assert all(f"--ex-{name}:" in rules for name in (*COLOURS, *THEME))
    for path in WIDGETS.rglob("*.css"):
        text = path.read_text("utf-8")
        used = set(re.findall(r"var\(--ex-([a-z-]+)", text)) - {"columns", "rows", "image-height", "part"}
        assert used <= set(COLOURS) | set(THEME), path.name


def test_the_layers_default_colours_are_in_the_palette():
    assert {Heatmap.colour, Arrows.colour, *Points.colours} <= set(COLOURS)
