"""The figure of PatchTransformer draws the numbers that it is given."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.widgets.patch_transformer.figure import distances_and_words


@pytest.mark.parametrize("dark", [False, True])
def test_lines_are_percentages_and_each_word_has_a_bar(dark):
    shares = {"attention": np.array([0.25, 0.75]), "all patches alike": np.array([0.5, 0.5])}
    attention, alike, bars = distances_and_words(shares, ["a", "cat", "a"], np.array([0.1, 0.2, 0.3]), dark).data
    assert list(attention.y) == [25, 75] and list(alike.y) == [50, 50] and attention.line.dash != alike.line.dash
    assert list(bars.x) == pytest.approx([10, 20, 30]) and len(set(bars.y)) == 3
