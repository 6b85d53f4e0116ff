"""Edits of an opened pipeline act on its own networks, and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp

import explorable as ex


def test_silencing_a_word_acts_and_says_what_is_read(pipe):
    run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("golden")}):
        silent = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    assert not np.array_equal(silent.image, run.image)
    for name, array in silent.recorded.items():
        read, before = array.isel(branch=-1), run[name].isel(branch=-1, step=0)
        assert read.sel(token="golden").max() == 0 < before.sel(token="golden").max()
        np.testing.assert_allclose(read.isel(step=0).sum("token"), before.sum("token"), atol=5e-3)
    with pytest.raises(ex.EditError, match="the prompt does not contain 'purple'; its words are a, golden, dog"), \
            ex.edit(pipe, {"*.cross.weights": ex.MaskToken("purple")}):
        pipe(tp.PROMPT, steps=2)


def test_an_edit_that_changes_nothing_changes_nothing_that_can_be_seen(pipe):
    plain = pipe(tp.PROMPT, steps=2)
    with ex.edit(pipe, {"*.weights": lambda x, at: x}):  # weights are formed, and what comes of them is computed
        same = pipe(tp.PROMPT, steps=2)
    np.testing.assert_allclose(same.latents.values, plain.latents.values, atol=2e-3 * np.abs(plain.latents).max())
    with ex.edit(pipe, {"prediction": lambda x, at: x, "sampler.latent": lambda x, at: x}):
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, plain.image)


def test_louder_is_as_much_louder_as_said(pipe):
    before = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    with ex.edit(pipe, {"*.cross.weights": ex.Reweight("dog", 2.0)}):
        after = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    name = next(iter(before.recorded))  # the first layer: what comes after it sees another picture
    first = {"step": 0, "branch": -1}
    one, two = (run[name].isel(first).astype(np.float32) for run in (before, after))
    np.testing.assert_allclose(two.sel(token="dog"), 2 * one.sel(token="dog"), atol=2e-3)
    np.testing.assert_allclose(two.sel(token="road"), one.sel(token="road"), atol=2e-3)


def test_a_gathered_word_is_made_louder_piece_by_piece_in_proportion(pipeline, family):
    with ex.open(pipeline, half_precision=False, **tp.ALWAYS[family]) as words, ex.open(
            pipeline, merge_subwords=False, half_precision=False, **tp.ALWAYS[family]) as pieces:
        edit = {"*.cross.weights": ex.Reweight("golden", 3.0)}
        with ex.edit(words, edit):
            one = words(tp.PROMPT, steps=2)
        both = [ex.Reweight("gol", 3.0), ex.Reweight("·den", 3.0)]
        with ex.edit(pieces, {"*.cross.weights": both}):
            other = pieces(tp.PROMPT, steps=2)
    np.testing.assert_allclose(one.latents.values, other.latents.values, atol=1e-3 * np.abs(one.latents).max())


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_a_skip_turned_down_acts_and_is_the_same_as_turning_it_down_by_hand(family, pipeline):
    res = pipeline.unet.up_blocks[0].resnets[0]
    below = pipeline.unet.mid_block.resnets[-1].out_channels

    def down(_: Any, given: tuple) -> tuple:
        x = given[0].clone()
        x[:, below:] *= 0.25
        return (x, *given[1:])

    handle = res.register_forward_pre_hook(down)
    by_hand = tp.untouched(pipeline, family, num_inference_steps=2)
    handle.remove()
    with ex.open(pipeline) as pipe:
        plain = pipe(tp.PROMPT, steps=2)
        with ex.edit(pipe, {"up.1.0.skip": ex.Scale(0.25)}):
            edited = pipe(tp.PROMPT, steps=2)
    assert np.array_equal(edited.image, by_hand) and not np.array_equal(edited.image, plain.image)


def test_joint_weights_changed_are_the_picture_changed_and_words_stand_last(pipe, family):
    if family not in ("sd3", "flux"):
        assert not [p for p in pipe.points() if "joint" in p.name]
        return
    seen = []

    def deaf(x, at):
        """Places read no words: the last rows and columns are words."""
        places = 16
        assert at.axes == ("head", "query", "key") and x.shape[-1] - places in (tp.ROOM, 2 * tp.ROOM)
        seen.append(at.name)
        x[..., :places, places:] = 0
        return x

    plain = pipe(tp.PROMPT, steps=1)
    with ex.edit(pipe, {"blocks.0.joint.weights": deaf}):
        run = pipe(tp.PROMPT, steps=1, record=["blocks.0.cross.weights", "blocks.0.joint.weights"])
    assert seen and not np.array_equal(run.image, plain.image)
    assert float(run["blocks.0.cross.weights"].max()) == 0
