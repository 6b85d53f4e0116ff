"""Recorded attention weights against an independent record of them: see tests/shared/attention_oracle.py."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from attention_oracle import record_attention

import explorable as ex

STEPS = 2
MAX_TOKENS = tp.MAX_TOKENS
# The weights of one evaluation, in the order in which each network computes them.
U = ("self", "cross")
NAMES = {
    "sd": [f"{way}.{kind}.weights" for way in ("down.0.0", "middle", "up.0.0", "up.0.1") for kind in U],
    "sdxl": [f"{way}.{b}.{kind}.weights" for way in ("down.1.0", "middle", "up.1.0", "up.1.1") for b in (0, 1)
             for kind in U],
    "sd3": ["blocks.0.joint.weights", "blocks.0.self.weights", "blocks.1.joint.weights", "blocks.2.joint.weights"],
    "flux": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "chroma": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "bria": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "ovis": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "flux2": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "klein": [f"{way}.joint.weights" for way in ("blocks.0", "blocks.1", "single.0", "single.1")],
    "zimage": ["refiner.img.0.self.weights", "refiner.txt.0.self.weights", "blocks.0.joint.weights",
               "blocks.1.joint.weights"],
    "lumina": ["refiner.txt.0.self.weights", "refiner.img.0.self.weights", "blocks.0.joint.weights",
               "blocks.1.joint.weights"],
    "sana": [f"blocks.{k}.cross.weights" for k in range(4)],  # its self-attention is linear
    "qwen": [f"blocks.{k}.joint.weights" for k in range(3)],
    "pixart": [f"blocks.{k}.{kind}.weights" for k in (0, 1) for kind in U],
}
# The token of each piece of tp.PROMPT, counted by hand. <start> a gol|den dog on a road , at ni|ght <end>.
CLIP = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10] + [11] * (MAX_TOKENS - 13)
T5 = [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9] + [10] * (MAX_TOKENS - 12)
CHAT = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9, 0]  # the template's first and last piece are token 0
PIECES = {"klein": CHAT + [10] * (MAX_TOKENS - 13), "zimage": CHAT + [10] * (32 - 13),
          "qwen": CHAT[1:-1] + [0] * 5,  # the template's end; its beginning is dropped
          "flux2": [10] * 3 + [0] * 5 + CHAT[1:],  # padded on the left
          "ovis": CHAT[1:] + [10] * (MAX_TOKENS - 12),
          "lumina": [0] * 4 + CHAT[1:-1], "sana": CHAT[:-1] + [10] * (MAX_TOKENS - 12),
          "sd": CLIP, "sdxl": CLIP, "sd3": CLIP + [1 + k for k in T5], "flux": T5, "pixart": T5,
          "chroma": T5, "bria": T5}
# The same of the empty prompt of the uncond branch: <start> <end>, and padding.
BLANK_CLIP, BLANK_T5 = [0, 1] + [2] * (MAX_TOKENS - 2), [0] + [1] * (MAX_TOKENS - 1)
BLANKS = {"klein": [0, 0] + [1] * (MAX_TOKENS - 2), "zimage": [0, 0] + [1] * 30, "qwen": [0] * 5, "lumina": [0],
          "ovis": [0, 0] + [1] * (MAX_TOKENS - 2), "sana": [0] + [1] * (MAX_TOKENS - 1),
          "sd": BLANK_CLIP, "sdxl": BLANK_CLIP, "sd3": BLANK_CLIP + [1 + k for k in BLANK_T5], "pixart": BLANK_T5,
          "chroma": BLANK_T5, "bria": BLANK_T5}
PROMPT_PIECES = {tp.PROMPT: 15, tp.OTHER: 7}  # Lumina's, with its template


def image_first(weights: np.ndarray, positions: int, pieces: int) -> np.ndarray:
    """Move the pieces at the start of both last axes behind the image's positions; padding stays behind both."""
    rest = range(pieces + positions, weights.shape[-1])
    order = [*range(pieces, pieces + positions), *range(pieces), *rest]
    return weights[..., order, :][..., order]


def by_point(family: str, recorded: list[torch.Tensor], positions: int = 16,
             prompts: tuple[str, ...] = (tp.PROMPT,)) -> dict[str, np.ndarray]:
    """Arrange recorded weights by point, (step, branch, head, query, key), with the image before the text."""
    names, weights_by_point = NAMES[family], {}
    assert len(recorded) % len(names) == 0
    for k, name in enumerate(names):
        calls = [w.numpy() for w in recorded[k::len(names)]]  # (branch, head, query, key)
        if "joint" in name and family in tp.TEXT_FIRST:
            lengths = [[w.shape[-1] - positions] * len(w) for w in calls]
            if family == "lumina" and len(prompts) > 1:  # the shorter of two texts is padded behind the image
                lengths = [[PROMPT_PIECES[p] for p in prompts], [1] * len(prompts)] * (len(calls) // 2)
            calls = [np.stack([image_first(row, positions, n) for row, n in zip(w, each, strict=True)])
                     for w, each in zip(calls, lengths, strict=True)]
        longest = max(w.shape[-1] for w in calls)  # the branches' texts may differ in length
        calls = [np.pad(w, [(0, 0)] * 2 + [(0, longest - w.shape[-1])] * 2, constant_values=np.nan) for w in calls]
        weights = np.stack(calls)  # (step, branch, head, query, key)
        if family in tp.SEPARATE:
            weights = np.concatenate([weights[1::2], weights[::2]], 1)
        if family == "zimage":  # its batch has cond first
            weights = np.concatenate(np.split(weights, 2, 1)[::-1], 1)
        weights_by_point[name] = weights
        if "joint" in name:
            assert family == "zimage" or weights.shape[-1] == positions + len(PIECES[family])  # it pads the image too
            cross = weights[..., :positions, -len(PIECES[family]):]
            weights_by_point[name.replace("joint", "cross")] = np.nan_to_num(cross)
    return weights_by_point


def merged(family: str, pieces: np.ndarray) -> np.ndarray:
    """Sum weights (step, branch, head, position, piece) over the pieces of each token, with the lists above."""
    tokens = max(PIECES[family]) + 1
    tokens_weights = np.zeros((*pieces.shape[:-1], tokens))
    for branch in range(pieces.shape[1]):
        cond = branch == pieces.shape[1] - 1
        for k, token in enumerate(PIECES[family] if cond else BLANKS[family]):
            tokens_weights[:, branch, ..., token] += pieces[:, branch, ..., k]
    return tokens_weights


def reference_weights(family: str, **more: int) -> dict[str, np.ndarray]:
    pipeline = tp.shared(family)
    with record_attention(tp.network_of(pipeline)) as recorded:
        tp.untouched(pipeline, family, num_inference_steps=STEPS, **more)
    return by_point(family, recorded, more.get("height", 16) * more.get("width", 16) // 16)


@pytest.mark.parametrize("merge_subwords", [True, False])
def test_recorded_weights_are_the_reference_weights(family, pipeline, merge_subwords):
    reference = reference_weights(family)
    with ex.open(pipeline, merge_subwords=merge_subwords, half_precision=False, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS, record="*.weights")
    assert set(run.recorded) == set(reference)
    for name, array in run.recorded.items():
        expected = reference[name]
        if "cross" in name:
            assert array.dims == ("step", "branch", "head", "y", "x", "token")
            expected = merged(family, expected) if merge_subwords else expected
        else:
            assert array.dims == ("step", "branch", "head", "query", "key")
        assert array.dtype == np.float32 and np.nanstd(array) > 1e-3
        np.testing.assert_allclose(array.values.reshape(expected.shape), expected, atol=1e-5, rtol=0, err_msg=name)


def test_cross_weights_recorded_alone_are_the_reference_weights_too(family, pipeline):
    """Of joint attention only the part from image to text is then computed, head by head."""
    reference = reference_weights(family)
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
        for name, array in run.recorded.items():
            expected = merged(family, reference[name])
            np.testing.assert_allclose(array.values.reshape(expected.shape), expected, atol=1e-5, rtol=0, err_msg=name)


def test_half_precision_weights_are_the_same_rounded(family, pipeline):
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS[family]) as single, ex.open(
            pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        exact, run = (p(tp.PROMPT, steps=STEPS, record="*.cross.weights") for p in (single, pipe))
    for name, array in run.recorded.items():
        assert array.dtype == np.float32 and array.encoding["dtype"] == np.float16
        np.testing.assert_array_equal(array, exact[name].astype(np.float16).astype(np.float32))


def test_images_that_are_not_square_have_maps_of_their_proportions(family, pipeline):
    shape = {"height": 16, "width": 24}
    reference = reference_weights(family, **shape)
    with ex.open(pipeline, half_precision=False, **{**tp.CALL_DEFAULTS[family], **shape}) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
    assert run.image.shape == (16, 24, 3) and run.latents.shape[-2:] == (
        (4, 6) if family in ("klein", "flux2") else (8, 12))
    assert np.array_equal(run.image, tp.untouched(pipeline, family, num_inference_steps=STEPS, **shape))
    for name, array in run.recorded.items():
        assert 3 * array.sizes["y"] == 2 * array.sizes["x"]
        assert array.y.values.max() < 16 < array.x.values.max() < 24
        expected = merged(family, reference[name]).reshape(*array.shape)
        np.testing.assert_allclose(array, expected, atol=1e-5, rtol=0)


def test_a_batch_is_bit_identical_to_diffusers_batch(family, pipeline):
    prompts, seeds = [tp.PROMPT, tp.OTHER], [3, 4]
    arguments, counted = tp.own_arguments(family, {}, len(prompts)), []
    with record_attention(tp.network_of(pipeline)) as recorded:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        expected_images = pipeline(prompt=list(prompts), generator=generators, num_inference_steps=STEPS,
                                   **arguments).images
    reference = by_point(family, recorded, prompts=(tp.PROMPT, tp.OTHER))
    with ex.open(pipeline, merge_subwords=False, half_precision=False, **tp.CALL_DEFAULTS[family]) as pipe:
        settings = pipe("", steps=STEPS).settings
        with ex.record(pipe, "*.cross.weights") as recorder:
            images = pipe.sample_images(prompts, seeds, settings, lambda *done: counted.append(done))
    assert np.array_equal(images, np.stack([np.asarray(image) for image in expected_images]))
    assert not np.array_equal(images[0], images[1])
    assert len(counted) >= STEPS and counted[-1] == (len(counted), len(counted))
    for name in recorder.last:
        weights = recorder[name].transpose("step", "branch", "batch", ...).values
        np.testing.assert_allclose(weights.reshape(reference[name].shape), reference[name], atol=1e-5, rtol=0)


def test_words_of_a_batch_of_prompts_cannot_be_edited(pipe):
    with pytest.raises(ex.EditError, match="edit words in one image at a time"), \
            ex.edit(pipe, {"*.cross.weights": ex.Reweight("red")}):
        pipe.sample_images([tp.PROMPT, tp.OTHER], [0, 1])
