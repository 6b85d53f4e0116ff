"""Recorded maps against an oracle that knows nothing of this package: see tests/shared/attention_oracle.py."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from attention_oracle import noted

import explorable as ex

STEPS = 2
ROOM = tp.ROOM
# The weights of one look, in the order in which each library network asks for them.
U = ("self", "cross")
NAMES = {
    "sd": [f"{way}.{kind}.weights" for way in ("down.0.0", "middle", "up.0.0", "up.0.1") for kind in U],
    "sdxl": [f"{way}.{b}.{kind}.weights" for way in ("down.1.0", "middle", "up.1.0", "up.1.1") for b in (0, 1)
             for kind in U],
    "sd3": ["blocks.0.joint.weights", "blocks.0.self.weights", "blocks.1.joint.weights", "blocks.2.joint.weights"],
    "flux": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "pixart": [f"blocks.{k}.{kind}.weights" for k in (0, 1) for kind in U],
}
# Of tp.PROMPT, counted by hand: which token each piece is part of. <start> a gol|den dog on a road , at ni|ght <end>.
CLIP = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10] + [11] * (ROOM - 13)
T5 = [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9] + [10] * (ROOM - 12)
PIECES = {"sd": CLIP, "sdxl": CLIP, "sd3": CLIP + [1 + k for k in T5], "flux": T5, "pixart": T5}
# Of the blank text that the prompt is compared with: <start> <end>, and padding.
BLANK_CLIP, BLANK_T5 = [0, 1] + [2] * (ROOM - 2), [0] + [1] * (ROOM - 1)
BLANKS = {"sd": BLANK_CLIP, "sdxl": BLANK_CLIP, "sd3": BLANK_CLIP + [1 + k for k in BLANK_T5], "pixart": BLANK_T5}


def expected(family: str, found: list[torch.Tensor]) -> dict[str, np.ndarray]:
    """By point, (step, branch, head, query, key), picture first, as the oracle has them."""
    names, made = NAMES[family], {}
    assert len(found) % len(names) == 0
    for k, name in enumerate(names):
        weights = torch.stack(found[k::len(names)]).numpy()  # (step, branch, head, query, key): one row a branch
        if "joint" in name and family == "flux":  # whose words stand first
            order = [*range(ROOM, weights.shape[-1]), *range(ROOM)]
            weights = weights[..., order, :][..., order]
        made[name] = weights
        if "joint" in name:
            places = weights.shape[-1] - len(PIECES[family])
            made[name.replace("joint", "cross")] = weights[..., :places, places:]
    return made


def gathered(family: str, pieces: np.ndarray) -> np.ndarray:
    """(step, branch, head, place, piece) to (…, token), by the hand-made lists."""
    tokens = max(PIECES[family]) + 1
    found = np.zeros((*pieces.shape[:-1], tokens))
    for branch in range(pieces.shape[1]):
        cond = branch == pieces.shape[1] - 1
        for k, token in enumerate(PIECES[family] if cond else BLANKS[family]):
            found[:, branch, ..., token] += pieces[:, branch, ..., k]
    return found


def oracle(family: str, **more: object) -> dict[str, np.ndarray]:
    pipeline = tp.shared(family)
    with noted(tp.network_of(pipeline)) as found:
        tp.untouched(pipeline, family, num_inference_steps=STEPS, **more)
    return expected(family, found)


@pytest.mark.parametrize("words", [True, False])
def test_recorded_weights_are_the_oracles(family, pipeline, words):
    truth = oracle(family)
    with ex.open(pipeline, merge_subwords=words, half_precision=False, **tp.ALWAYS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS, record="*.weights")
    assert set(run.recorded) == set(truth)
    for name, array in run.recorded.items():
        true = truth[name]
        if "cross" in name:
            assert array.dims == ("step", "branch", "head", "y", "x", "token")
            true = gathered(family, true) if words else true
        else:
            assert array.dims == ("step", "branch", "head", "query", "key")
        assert array.dtype == np.float32 and array.values.std() > 1e-3
        np.testing.assert_allclose(array.values.reshape(true.shape), true, atol=1e-5, rtol=0, err_msg=name)


def test_a_part_recorded_alone_is_the_part_of_the_whole(family, pipeline):
    """Of a joint attention only the words' part is formed, head by head, where nothing else is asked for."""
    truth = oracle(family)
    with ex.open(pipeline, half_precision=False, **tp.ALWAYS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
        for name, array in run.recorded.items():
            true = gathered(family, truth[name])
            np.testing.assert_allclose(array.values.reshape(true.shape), true, atol=1e-5, rtol=0, err_msg=name)


def test_half_precision_is_the_same_rounded(family, pipeline):
    with ex.open(pipeline, half_precision=False, **tp.ALWAYS[family]) as fine, ex.open(
            pipeline, **tp.ALWAYS[family]) as pipe:
        exact, run = (p(tp.PROMPT, steps=STEPS, record="*.cross.weights") for p in (fine, pipe))
    for name, array in run.recorded.items():
        assert array.dtype == np.float16
        np.testing.assert_array_equal(array, exact[name].astype(np.float16))


def test_pictures_that_are_not_square_have_maps_of_their_shape(family, pipeline):
    shape = {"height": 16, "width": 24}
    truth = oracle(family, **shape)
    with ex.open(pipeline, half_precision=False, **{**tp.ALWAYS[family], **shape}) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
    assert run.image.shape == (16, 24, 3) and run.latents.shape[-2:] == (8, 12)
    assert np.array_equal(run.image, tp.untouched(pipeline, family, num_inference_steps=STEPS, **shape))
    for name, array in run.recorded.items():
        assert 3 * array.sizes["y"] == 2 * array.sizes["x"]
        assert array.y.values.max() < 16 < array.x.values.max() < 24
        true = gathered(family, truth[name]).reshape(*array.shape)
        np.testing.assert_allclose(array, true, atol=1e-5, rtol=0)


def test_a_batch_is_the_librarys_own(family, pipeline):
    prompts, seeds = [tp.PROMPT, tp.OTHER], [3, 4]
    always = tp.ALWAYS[family]
    with noted(tp.network_of(pipeline)) as found:
        dice = [torch.Generator().manual_seed(seed) for seed in seeds]
        painted = pipeline(prompts, generator=dice, num_inference_steps=STEPS, **always).images
    truth = expected(family, found)
    with ex.open(pipeline, merge_subwords=False, half_precision=False, **always) as pipe:
        settings = pipe("", steps=STEPS).settings
        with ex.record(pipe, "*.cross.weights") as recorder:
            pictures = pipe.sample_images(prompts, seeds, settings)
    assert np.array_equal(pictures, np.stack([np.asarray(p) for p in painted]))
    assert not np.array_equal(pictures[0], pictures[1])
    for name in recorder.last:
        seen = recorder[name].transpose("step", "branch", "batch", ...).values
        np.testing.assert_allclose(seen.reshape(truth[name].shape), truth[name], atol=1e-5, rtol=0)


def test_words_of_a_batch_cannot_be_edited_by_name(pipe):
    with pytest.raises(ex.EditError, match="edit words in one image at a time"), \
            ex.edit(pipe, {"*.cross.weights": ex.Reweight("red")}):
        pipe.sample_images([tp.PROMPT, tp.OTHER], [0, 1])
