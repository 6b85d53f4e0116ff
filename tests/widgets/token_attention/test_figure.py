"""Attention beside ablation, as a figure: one point a word, unmeasured ones left out."""

from __future__ import annotations

import numpy as np

from explorable.widgets.core.theme import colour
from explorable.widgets.token_attention.figure import beside


def test_one_point_a_word_that_was_measured():
    made = beside(["red", "car", "road"], np.array([0.1, 0.2, 0.3]), np.array([0.05, np.nan, 0.01]), "road")
    trace, = made.data
    assert list(trace.text) == ["red", "road"] and list(trace.x) == [0.1, 0.3] and list(trace.y) == [0.05, 0.01]
    assert list(trace.marker.symbol) == ["circle", "diamond"] and trace.marker.size[1] > trace.marker.size[0]


def test_axes_say_what_was_done_where():
    made = beside(["red"], np.array([0.1]), np.array([0.2]), where="the brushed region", scale=3.0)
    assert "the brushed region" in made.layout.xaxis.title.text and "3 times" in made.layout.yaxis.title.text
    assert "silencing" in beside(["red"], np.array([0.1]), np.array([0.2])).layout.yaxis.title.text


def test_the_word_has_the_words_colour_in_light_and_dark():
    for dark in (False, True):
        made = beside(["red"], np.array([0.1]), np.array([0.2]), dark=dark)
        assert made.data[0].marker.color == colour("word", dark)


def test_nothing_measured_is_an_empty_figure():
    assert len(beside(["red"], np.array([0.1]), np.array([np.nan])).data[0].x) == 0
