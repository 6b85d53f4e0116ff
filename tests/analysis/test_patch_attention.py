"""Attention of patches: against the network's own softmax, and what the edits leave of it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from tiny_pipes import PROMPT, same, tiny

from explorable.analysis.patch_attention import PatchEdits, gather_attention, patch_layout, with_means
from explorable.analysis.patch_influence import patch_distances
from explorable.hooks import edit


@pytest.fixture(scope="module")
def pipe():
    return tiny("dit")


@pytest.fixture(scope="module")
def layout(pipe):
    return patch_layout(pipe.points(optional=False))


def attention_with(pipe, layout, edits: PatchEdits):
    with edit(pipe, edits.points(layout)):
        return gather_attention(pipe(PROMPT, steps=3, record=layout.record), layout)


def test_only_missing_attention_between_patches_is_the_reason_that_it_cannot_be_shown(pipe):
    """Other points may be missing too."""

    class Table(list):
        missing: ClassVar = {"blocks.0.mlp.added": "no MLP", "blocks.0.self.weights": "linear"}

    words = [replace(point, name=f"blocks.{k}.cross.weights") for k, point in enumerate(pipe.points()) if k < 2]
    with pytest.raises(ValueError, match="between patches cannot be shown: linear"):
        patch_layout(Table(words))
    Table.missing = {"blocks.0.mlp.added": "no MLP"}
    with pytest.raises(ValueError, match="has no patches"):
        patch_layout(Table(words))


def test_the_layout_of_a_transformer(layout):
    assert layout.grid == (4, 4) and layout.heads == 2 and list(layout.blocks) == ["0", "1"]
    assert layout.prefix("1") == "blocks.1." and layout.can_move_positions


def test_a_u_net_is_refused_in_words():
    with pytest.raises(ValueError, match="no patches, for it is not a transformer: look into a U-Net with UNetXRay"):
        patch_layout(tiny("unet").points(optional=False))


def test_a_patch_attends_to_patches_and_words_and_to_nothing_else(pipe, layout):
    attention = attention_with(pipe, layout, PatchEdits())
    assert attention.patches.shape == (3, 2, 2, 16, 4, 4) and attention.words.shape[:4] == (3, 2, 2, 16)
    total = attention.patches.astype(float).sum((-2, -1)) + attention.words.astype(float).sum(-1)
    np.testing.assert_allclose(total, 1, atol=5e-3)
    patches, words = attention.of_patch((1, 2))
    assert patches.shape == (3, 3, 3, 4, 4) and words.shape[:3] == (3, 3, 3)
    np.testing.assert_array_equal(patches[:, 2, 1], attention.patches[:, 1, 0, 6])


def test_means_come_first():
    values = np.arange(24.0).reshape(1, 2, 3, 4)
    mean = with_means(values)
    assert np.allclose(mean[:, 0, 0], values.mean((1, 2))) and np.allclose(mean[:, 1, 0], values[:, 0].mean(1))
    assert np.allclose(mean[:, 0, 2], values[:, :, 1].mean(1)) and np.array_equal(mean[:, 1:, 1:], values)


@pytest.mark.parametrize("radius", [0.0, 1.0, 2.3])
def test_a_radius_cuts_off_what_is_farther_and_keeps_the_proportions(pipe, layout, radius):
    first = (0, 1)  # acts on the first step only, whose input is the same noise
    free, cut = (attention_with(pipe, layout, e) for e in (PatchEdits(), PatchEdits(radius=radius, steps=first)))
    for patch in ((0, 0), (2, 1)):
        near = patch_distances(layout.grid, patch) <= radius
        query = 4 * patch[0] + patch[1]
        before, after = (a.patches[0, 0, 0, query].astype(float) for a in (free, cut))
        words = [a.words[0, 0, 0, query].astype(float) for a in (free, cut)]
        assert not after[~near].any()
        total = before[near].sum() + words[0].sum()
        np.testing.assert_allclose(after[near], before[near] / total, atol=2e-3)
        np.testing.assert_allclose(words[1], words[0] / total, atol=2e-3)
        assert attention_with(pipe, layout, PatchEdits()).patches[1, 0, 0, query].all()


def test_a_radius_over_all_patches_changes_nothing_but_rounding(pipe, layout):
    with edit(pipe, PatchEdits(radius=9.0).points(layout)):
        wide = pipe(PROMPT, steps=3)
    np.testing.assert_allclose(wide.latents.values, pipe(PROMPT, steps=3).latents.values, atol=1e-4)


def test_a_dropped_block_is_the_identity(pipe, layout):
    with edit(pipe, PatchEdits(block="0").points(layout)):
        run = pipe(PROMPT, steps=3, record=["img_in", "blocks.0.img.out"])
    assert np.array_equal(run["img_in"].values, run["blocks.0.img.out"].values)
    assert PatchEdits(block="0").drops_whole_block(layout)


def test_a_dropped_head_attends_to_nothing(pipe, layout):
    attention = attention_with(pipe, layout, PatchEdits(block="1", head=0))
    assert not attention.patches[:, 1, 0].any() and attention.patches[:, 1, 1].any()


def test_positions_are_permuted_or_removed(pipe, layout):
    own = pipe.denoiser.pos_embed.detach().numpy()
    seen = {}
    for positions in ("shuffled", "removed"):
        with edit(pipe, PatchEdits(positions=positions).points(layout)):
            seen[positions] = pipe(PROMPT, steps=3, record=["pos_embed"])["pos_embed"].values[0, -1].reshape(16, -1)
    assert not np.array_equal(seen["shuffled"], own) and not seen["removed"].any()
    assert np.array_equal(np.sort(seen["shuffled"], 0), np.sort(own, 0))


def test_no_edit_is_no_edit(pipe, layout):
    assert not PatchEdits() and not PatchEdits(steps=(0, 1)) and PatchEdits(radius=0.0)
    with edit(pipe, PatchEdits(radius=0.0, block="0", positions="shuffled", steps=(3, 3)).points(layout)):
        assert same(pipe(PROMPT, steps=3), pipe(PROMPT, steps=3))


@pytest.mark.parametrize(("edits", "message"), [
    (PatchEdits(block="7"), "choose one of 0, 1"), (PatchEdits(block="0", head=2), "choose 1 to 2"),
    (PatchEdits(radius=-1.0), "0 or more")])
def test_what_is_not_there_is_refused(layout, edits, message):
    with pytest.raises(ValueError, match=message):
        edits.points(layout)
