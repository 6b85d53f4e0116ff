"""Edits of an opened pipeline change its own activations and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp

import explorable as ex


def test_a_masked_token_gets_no_attention_and_changes_the_image(pipe):
    run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("golden")}), \
            ex.record(pipe, "*.cross.weights", before_edits=True) as unmasked:
        masked = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    assert not np.array_equal(masked.image, run.image)
    for name, array in masked.recorded.items():
        after, before = array.isel(branch=-1), run[name].isel(branch=-1, step=0)
        assert after.sel(token="golden").max() == 0 < before.sel(token="golden").max()
        total = unmasked[name].isel(branch=-1, step=0).sum("token")  # of the same input, which earlier layers changed
        np.testing.assert_allclose(after.isel(step=0).sum("token"), total, atol=5e-3)
    with pytest.raises(ex.EditError, match="the prompt does not contain 'purple'; its words are a, golden, dog"), \
            ex.edit(pipe, {"*.cross.weights": ex.MaskToken("purple")}):
        pipe(tp.PROMPT, steps=2)


def test_an_edit_that_returns_its_input_does_not_change_the_image(pipe):
    plain = pipe(tp.PROMPT, steps=2)
    with ex.edit(pipe, {"*.weights": lambda x, context: x}):  # attention is computed from the weights
        same = pipe(tp.PROMPT, steps=2)
    np.testing.assert_allclose(same.latents.values, plain.latents.values, atol=2e-3 * np.abs(plain.latents).max())
    with ex.edit(pipe, {"prediction": lambda x, context: x, "sampler.latent": lambda x, context: x}):
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, plain.image)


def test_reweight_multiplies_the_weights_of_one_token(pipe):
    before = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    with ex.edit(pipe, {"*.cross.weights": ex.Reweight("dog", 2.0)}):
        after = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    name = next(iter(before.recorded))  # the first layer: later ones have another input
    first = {"step": 0, "branch": -1}
    old, new = (run[name].isel(first).astype(np.float32) for run in (before, after))
    np.testing.assert_allclose(new.sel(token="dog"), 2 * old.sel(token="dog"), atol=2e-3)
    np.testing.assert_allclose(new.sel(token="road"), old.sel(token="road"), atol=2e-3)


def test_reweighting_a_word_reweights_each_of_its_pieces(pipeline, family):
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS[family]) as words, ex.open(
            pipeline, merge_subwords=False, half_precision=False, **tp.CALL_DEFAULTS[family]) as pieces:
        edit = {"*.cross.weights": ex.Reweight("golden", 3.0)}
        with ex.edit(words, edit):
            one = words(tp.PROMPT, steps=2)
        both = [ex.Reweight("gol", 3.0), ex.Reweight("·den", 3.0)]
        with ex.edit(pieces, {"*.cross.weights": both}):
            other = pieces(tp.PROMPT, steps=2)
    np.testing.assert_allclose(one.latents.values, other.latents.values, atol=1e-3 * np.abs(one.latents).max())


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_scaling_a_skip_equals_scaling_it_by_a_forward_hook(family, pipeline):
    resnet = pipeline.unet.up_blocks[0].resnets[0]
    channels = pipeline.unet.mid_block.resnets[-1].out_channels

    def scale_skip(_: Any, inputs: tuple) -> tuple:
        x = inputs[0].clone()
        x[:, channels:] *= 0.25
        return (x, *inputs[1:])

    handle = resnet.register_forward_pre_hook(scale_skip)
    expected = tp.untouched(pipeline, family, num_inference_steps=2)
    handle.remove()
    with ex.open(pipeline) as pipe:
        plain = pipe(tp.PROMPT, steps=2)
        with ex.edit(pipe, {"up.1.0.skip": ex.Scale(0.25)}):
            edited = pipe(tp.PROMPT, steps=2)
    assert np.array_equal(edited.image, expected) and not np.array_equal(edited.image, plain.image)


def test_coordinates_shared_by_both_branches_have_no_branch_axis():
    """Bria computes rotary positions once for its batch of uncond and cond."""
    with ex.open(tp.shared("bria"), **tp.CALL_DEFAULTS["bria"]) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="pos_embed")
        coordinates = run["pos_embed"].isel(step=-1)
        assert coordinates.dims == ("y", "x", "channel")
        grid = np.stack([np.zeros((4, 4)), *np.mgrid[:4, :4]], -1)
        np.testing.assert_array_equal(coordinates, grid)
        with ex.edit(pipe, {"pos_embed": ex.Ablate()}):
            assert not np.array_equal(pipe(tp.PROMPT, steps=2).image, run.image)
        with pytest.raises(ex.EditError, match="pos_embed has no branches"), \
                ex.edit(pipe, {"pos_embed": ex.Ablate(branch="cond")}):
            pipe(tp.PROMPT, steps=2)


def test_edited_joint_weights_change_the_image_and_text_comes_last(pipe, family):
    if family not in tp.JOINT:
        assert not [p for p in pipe.points() if "joint" in p.name]
        return
    edited = []

    def ignore_text(x, context):
        """Remove the image's attention to the text, which is in the last rows and columns."""
        positions = 16
        assert context.axes == ("head", "query", "key")
        lengths = {"zimage": (48,), "qwen": (5, 16), "lumina": (1, 15)}  # of the text; others pad it to a fixed length
        assert x.shape[-1] - positions in lengths.get(family, (tp.MAX_TOKENS, 2 * tp.MAX_TOKENS))
        edited.append(context.name)
        x[..., :positions, positions:] = 0
        return x

    plain = pipe(tp.PROMPT, steps=1)
    with ex.edit(pipe, {"blocks.0.joint.weights": ignore_text}):
        run = pipe(tp.PROMPT, steps=1, record=["blocks.0.cross.weights", "blocks.0.joint.weights"])
    assert edited and not np.array_equal(run.image, plain.image)
    assert float(run["blocks.0.cross.weights"].max()) == 0
