"""The figure of attention and effect has one point per word whose edit is computed."""

from __future__ import annotations

import numpy as np

from explorable.widgets.core.palette import colour
from explorable.widgets.token_attention.figure import attention_and_effect


def test_words_whose_edit_is_not_computed_are_left_out():
    weight, effect = np.array([0.1, 0.2, 0.3]), np.array([0.05, np.nan, 0.01])
    fig = attention_and_effect(["red", "car", "road"], weight, effect, "road")
    trace, = fig.data
    assert list(trace.text) == ["red", "road"] and list(trace.x) == [0.1, 0.3] and list(trace.y) == [0.05, 0.01]
    assert list(trace.marker.symbol) == ["circle", "diamond"] and trace.marker.size[1] > trace.marker.size[0]


def test_the_axes_name_the_region_and_the_edit():
    fig = attention_and_effect(["red"], np.array([0.1]), np.array([0.2]), region="the brushed region", scale=3.0)
    assert "the brushed region" in fig.layout.xaxis.title.text and "by 3" in fig.layout.yaxis.title.text
    assert "masking" in attention_and_effect(["red"], np.array([0.1]), np.array([0.2])).layout.yaxis.title.text


def test_the_word_has_the_words_colour_in_light_and_dark():
    for dark in (False, True):
        fig = attention_and_effect(["red"], np.array([0.1]), np.array([0.2]), dark=dark)
        assert fig.data[0].marker.color == colour("word", dark)


def test_without_any_effect_the_figure_is_empty():
    assert len(attention_and_effect(["red"], np.array([0.1]), np.array([np.nan])).data[0].x) == 0
