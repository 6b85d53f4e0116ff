"""Attribution: what is taken away, and that what changes is put down where it changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_pipes import PROMPT, tiny

import explorable as ex
from explorable.measure.attribution import attribute, head, parts, seen_regions


@pytest.fixture(scope="module", params=["unet", "dit"])
def pipe(request):
    return tiny(request.param)


def test_every_word_skip_and_block_is_a_part(pipe):
    found = parts(pipe, PROMPT)
    words = [n.removeprefix("word ") for n in found if n.startswith("word ")]
    assert words == ["a", "red", "car", "on", "mountain", "road"]
    assert sum(n.startswith("skip ") for n in found) == (2 if pipe.name == "tiny-unet" else 0)
    assert sum(n.startswith("block ") for n in found) >= 8
    for edits in found.values():
        pipe.points().match(edits)


def test_what_changes_is_put_down_where_it_changes(pipe, examiner):
    left = np.zeros((128, 128), bool)
    left[:, :64] = True
    last = [p.name for p in pipe.points()][-1]  # the decoder's picture
    what = {"nothing": {"sampler.latent": ex.Scale(1.0)}, "word red": {"*.cross.weights": ex.Silence("red")},
            "corner": {last: lambda x, at: x.index_fill(3, torch.arange(64), 0.0)}}
    found = attribute(pipe, PROMPT, what, {"left": left, "right": ~left}, examiner, steps=2, seed=3)
    plain = pipe(PROMPT, steps=2, seed=3)
    assert np.array_equal(found.picture, plain.image)
    assert not found.change.sel(part="nothing").any() and np.array_equal(found.sel(part="nothing").without, plain.image)
    assert found.change.sel(part="word red").any()
    corner = found.by_region.sel(part="corner")
    assert corner.sel(region="left") > 0 and corner.sel(region="right") == 0
    assert found.attention.sel(part="word red").notnull().all() and found.attention.sel(part="corner").isnull().all()
    assert found.verdict.shape == (3,) and found.verdict.values[0] == found.attrs["verdict of the picture"]


def test_a_head_is_a_part(pipe, examiner):
    layer = next(p.name for p in pipe.points() if p.name.endswith("cross.weights")).removesuffix(".weights")
    found = attribute(pipe, PROMPT, {"head": head(layer, 0)}, None, examiner, steps=1)
    assert found.change.max() > 0


def test_regions_share_out_the_picture(examiner):
    masks = seen_regions(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8), examiner)
    assert sum(m.astype(int) for m in masks.values()).max() == 1
