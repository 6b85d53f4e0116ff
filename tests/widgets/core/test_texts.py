"""Small texts that several explorables share: minus signs, and counts by scale."""

from __future__ import annotations

import pytest

from explorable.widgets.core.layout import with_minus_signs
from explorable.widgets.core.scale_grid import counts_text


@pytest.mark.parametrize(("text", "shown"), [
    ("a point -2.6 and the noise -.5", "a point −2.6 and the noise −.5"), ("(-1, 2)", "(−1, 2)"),
    ("x = (1 - t) x0, so -1.3 - -2.6 = 1.3", "x = (1 − t) x0, so −1.3 − −2.6 = 1.3"),
    ("w (cond - uncond)", "w (cond − uncond)"), ("dit-flow, 0-255, 1e-4", "dit-flow, 0-255, 1e-4")])
def test_negative_numbers_and_differences_have_minus_signs(text, shown):
    assert with_minus_signs(text) == shown == with_minus_signs(shown)


@pytest.mark.parametrize(("scales", "counts", "text"), [
    ([0, 1, 3, 10, 30.0, 300], [0, 0, 0, 1, 2, 2], "none at 0 to 3, 1 at 10, 2 at 30 to 300"),
    ([0.5, 1], [4, 0], "4 at 0.5, none at 1"), ([7], [3], "3 at 7"), ([], [], "")])
def test_neighbouring_scales_with_the_same_count_are_named_together(scales, counts, text):
    assert counts_text(scales, counts) == text
