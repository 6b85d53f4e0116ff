"""A U-Net seen from inside: its stages, its colours, its skips."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_pipes import OTHER, PROMPT, tiny

from explorable.analysis.unet_activations import (
    ColourMappings,
    channel_colours,
    fader_edits,
    fit_colour_mapping,
    principal_colours,
    prompt_activations,
    sample_activations,
    unet_parts,
)
from explorable.hooks import edit


@pytest.fixture(scope="module")
def pipe():
    return tiny()


@pytest.fixture(scope="module")
def stages(pipe):
    return unet_parts(pipe.points(optional=False))


def test_the_parts_are_those_of_the_network(pipe, stages):
    assert list(stages) == ["conv_in", "down.0.0", "up.0.skip", "down.1.0", "up.1.skip", "middle", "up.1.backbone",
                            "up.1.0", "up.0.backbone", "up.0.0", "prediction"]
    assert [s.kind for s in stages.values()] == ["conv_in", "down", "skip", "down", "skip", "middle", "backbone", "up",
                                                 "backbone", "up", "prediction"]
    assert (stages["middle"].level, stages["middle"].side, stages["down.1.0"].side) == (2, 4, 8)
    run = pipe(PROMPT, steps=2, record=[s.point for s in stages.values()])
    for stage in stages.values():
        assert prompt_activations(run[stage.point]).shape == (2, stage.channels, stage.side, stage.side)
    down, skip = (prompt_activations(run[stages[name].point]) for name in ("down.0.0", "up.0.skip"))
    assert np.array_equal(down, skip), "what a level gives out is what goes across"


def test_a_network_without_skips_is_refused():
    with pytest.raises(ValueError, match="use a U-Net"):
        unet_parts(tiny("dit").points(optional=False))


def known(rng: np.random.Generator) -> np.ndarray:
    """Activations (4, 6, 8, 8) of three patterns of known strength, far apart, on one brightness a step."""
    mixing = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    patterns = rng.normal(size=(4, 6, 8, 8)) * np.array([9, 3, 1, 0, 0, 0])[:, None, None]
    return np.einsum("spyx,pc->scyx", patterns, mixing) + 50 * np.arange(4)[:, None, None, None]


def test_the_colours_are_the_principal_components():
    a = known(np.random.default_rng(0))
    look = fit_colour_mapping(a)
    np.testing.assert_allclose(look.axes @ look.axes.T, np.eye(3), atol=1e-6)
    rows = (a - a.mean((2, 3), keepdims=True)).transpose(0, 2, 3, 1).reshape(-1, 6)
    singular = np.linalg.svd(rows, compute_uv=False) ** 2
    np.testing.assert_allclose(look.shares, (singular / singular.sum())[:3], atol=1e-6)
    assert look.shares.sum() == pytest.approx(1)


def test_colours_do_not_flicker_with_the_brightness_of_a_step():
    a = known(np.random.default_rng(1))
    look = fit_colour_mapping(a)
    brighter = a + 7 * np.arange(4)[:, None, None, None]
    assert np.array_equal(principal_colours(a, look), principal_colours(brighter, look))
    flat = np.ones((4, 6, 8, 8))
    assert (np.abs(principal_colours(flat, look).astype(int) - 127.5) <= 0.5).all()
    assert (channel_colours(flat, look) == 246).all()
    colours = channel_colours(a, look)
    channel = (a - a.mean((2, 3), keepdims=True))[:, look.strongest[0]]
    assert (colours[:, 0, ..., 0] < colours[:, 0, ..., 2])[channel < -1].all(), "blue below the mean"
    assert (colours[:, 0, ..., 0] > colours[:, 0, ..., 2])[channel > 1].all(), "orange above it"


def test_few_channels_and_dead_ones_can_be_shown():
    for a in (np.zeros((2, 6, 4, 4)), np.random.default_rng(0).normal(size=(2, 2, 4, 4))):
        look = fit_colour_mapping(a)
        assert principal_colours(a, look).shape == (2, 4, 4, 3) and channel_colours(a, look).shape == (2, 3, 4, 4, 3)


def test_recording_the_parts_leaves_the_image_unchanged(pipe, stages):
    inside = sample_activations(pipe, stages, ColourMappings(), prompt=PROMPT, steps=3, seed=1)
    assert np.array_equal(inside.run.image, pipe(PROMPT, steps=3, seed=1).image)
    assert inside.tiles["up.1.0"].shape == (3, 4, 8, 8, 3) and not inside.run.recorded


def test_the_share_of_a_skip_is_of_the_input_of_the_up_path(pipe, stages):
    inside = sample_activations(pipe, stages, ColourMappings(), prompt=PROMPT, steps=2)
    run = pipe(PROMPT, steps=2, record=["up.1.*"])
    skip, below = (np.square(prompt_activations(run[f"up.1.{n}"])).sum((1, 2, 3)) for n in ("skip", "backbone"))
    np.testing.assert_allclose(inside.skip_shares["up.1.skip"], skip / (skip + below), rtol=1e-5)
    quiet = sample_activations(pipe, stages, ColourMappings(), fader_edits({"up.1.skip": 0.0}), prompt=PROMPT, steps=2)
    assert (quiet.skip_shares["up.1.skip"] == 0).all() and (quiet.skip_shares["up.0.skip"] > 0).all()


def test_an_edited_run_uses_the_same_colours(pipe, stages):
    looks = ColourMappings()
    first = sample_activations(pipe, stages, looks, prompt=PROMPT, steps=2)
    axes = looks.by_part["middle"].axes.copy()
    louder = sample_activations(pipe, stages, looks, fader_edits({"conv_in": 2.0}), prompt=PROMPT, steps=2)
    assert np.array_equal(looks.by_part["middle"].axes, axes)
    assert not np.array_equal(first.tiles["conv_in"], louder.tiles["conv_in"])


def test_fader_edits_act_on_their_points_and_steps(pipe):
    assert fader_edits({"up.0.skip": 1.0}) == {}
    run = pipe(PROMPT, steps=3, record=["up.0.skip", "up.1.skip"])
    other = pipe(OTHER, steps=3, record=["up.0.skip", "up.1.skip"])
    made = fader_edits({"up.0.skip": 0.5}, {"up.0.skip": (0, 1)}, ["up.0.skip"], other.recorded)
    with edit(pipe, made):
        changed = pipe(PROMPT, steps=3, record=["up.0.skip"])["up.0.skip"]
    np.testing.assert_allclose(changed[0], 0.5 * other["up.0.skip"][0], rtol=1e-5)
    assert not np.allclose(changed[1], 0.5 * other["up.0.skip"][1])
    with edit(pipe, fader_edits({"up.1.skip": 0.0}, {"up.1.skip": (2, 3)})):
        late = pipe(PROMPT, steps=3, record=["up.1.skip"])["up.1.skip"]
    assert np.array_equal(late[:2], run["up.1.skip"][:2]) and not late[2].any()
