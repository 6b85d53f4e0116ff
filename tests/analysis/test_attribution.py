"""Attribution: what is taken away, and that what changes is put down where it changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_pipes import PROMPT, tiny

import explorable as ex
from explorable.analysis.attribution import (
    KINDS,
    Part,
    attribute,
    attribution_table,
    detected_regions,
    model_parts,
    word_part,
)


@pytest.fixture(scope="module", params=["unet", "dit"])
def pipe(request):
    return tiny(request.param)


def found_in(pipe, kinds=KINDS):
    return model_parts(pipe.points(), pipe(PROMPT, steps=1).tokens, kinds)


def test_every_word_head_skip_and_block_is_a_part(pipe):
    found = found_in(pipe)
    assert [n for n in found if found[n].kind == "word"] == [f"word {w}" for w in dict.fromkeys(PROMPT.split())]
    assert sum(p.kind == "skip" for p in found.values()) == (2 if pipe.name == "tiny-unet" else 0)
    assert sum(p.kind == "block" for p in found.values()) >= 8
    run = pipe(PROMPT, steps=1, record=["*.joint.weights" if pipe.name == "tiny-dit" else "*.weights"])
    heads = {n: a.sizes["head"] for n, a in run.recorded.items() if not n.startswith("text.")}
    assert sum(p.kind == "head" for p in found.values()) == sum(heads.values())
    for part in found.values():
        pipe.points().match(part.edits)
    assert list(found_in(pipe, ["skip", "word"])) == [n for n in found if found[n].kind in ("skip", "word")]


def test_an_unknown_kind_is_refused(pipe):
    with pytest.raises(ValueError, match="kinds names 'layer': choose among word, head, skip, block"):
        found_in(pipe, ["word", "layer"])


def test_changes_are_assigned_to_their_region(pipe, examiner):
    left = np.zeros((128, 128), bool)
    left[:, :64] = True
    last = [p.name for p in pipe.points() if p.name.startswith("vae.")][-1]  # the decoder's picture
    what = {"nothing": Part("mine", {"sampler.latent": ex.Scale(1.0)}), "word red": word_part("red"),
            "corner": Part("mine", {last: lambda x, at: x.index_fill(3, torch.arange(64), 0.0)})}
    found = attribute(pipe, PROMPT, what, regions={"left": left, "right": ~left}, examiner=examiner, steps=2, seed=3)
    plain = pipe(PROMPT, steps=2, seed=3)
    assert np.array_equal(found.image, plain.image)
    assert not found.change.sel(part="nothing").any() and np.array_equal(found.sel(part="nothing").without, plain.image)
    assert found.change.sel(part="word red").any()
    corner = found.by_region.sel(part="corner")
    assert corner.sel(region="left") > 0 and corner.sel(region="right") == 0
    assert found.attention.sel(part="word red").notnull().all() and found.attention.sel(part="corner").isnull().all()
    assert found.verdict.values[0] == found.attrs["verdict of the image"]
    assert (found.kept.sel(part="nothing").dropna("trait") == 1).all()
    assert found.kind.values.tolist() == ["mine", "word", "mine"]


def test_a_part_is_compared_with_its_own_attention(pipe, examiner):
    """Every kind has a row of the same shape, and its map is what a recording says."""
    found_parts = {name: part for name, part in found_in(pipe).items()
                   if part.layer is None or part.layer.startswith(("down.1", "blocks.1"))}
    left = np.arange(128 * 128).reshape(128, 128) % 128 < 64
    found = attribute(pipe, PROMPT, found_parts, regions={"left": left, "right": ~left}, examiner=examiner, steps=2)
    run = pipe(PROMPT, steps=2, record=["*.weights"])
    side = found.sizes["row"]

    def mean(name):
        return run[name].isel(branch=-1).mean("step").astype("float32")

    def large(maps):
        return np.asarray(maps).repeat(side // len(maps), 0).repeat(side // len(maps), 1)

    layer = "blocks.1" if pipe.name == "tiny-dit" else "down.1.0"
    words = mean(f"{layer}.cross.weights")[..., 1 : 1 + len(PROMPT.split())]
    whose = "joint" if pipe.name == "tiny-dit" else "cross"
    for k in range(words.sizes["head"]):
        np.testing.assert_allclose(found.attention.sel(part=f"head {layer}.{whose} {k}"),
                                   large(words.isel(head=k).sum("token")), rtol=0.01, atol=1e-4)
    if pipe.name == "tiny-unet":
        keys = mean("down.1.0.self.weights").mean("query").values
        seen = keys.reshape(len(keys), *2 * [round(keys.shape[1] ** 0.5)])
        np.testing.assert_allclose(found.attention.sel(part="head down.1.0.self 0"), large(seen[0]), atol=1e-6)
        np.testing.assert_allclose(found.attention.sel(part="block down.1.0.self"), large(seen.mean(0)), atol=1e-6)
        assert found.attention.sel(part="skip up.0").isnull().all()
    share = found.attended.sel(part=f"head {layer}.{whose} 0")
    assert float(share.mean()) == pytest.approx(1, rel=1e-4)

    rows = attribution_table(found)
    assert set(rows.index) == set(found_parts) and rows.change.is_monotonic_decreasing
    assert {"kind", "change", "verdict", "attention agrees", "keeps things"} <= set(rows.columns)
    assert rows["attention agrees"].isna().equals(
        found.attention.isnull().any(("row", "column")).to_series().reindex(rows.index).rename("attention agrees"))
    for region in found.region.values:
        assert np.allclose(rows[f"in {region}"], found.by_region.sel(region=region, part=rows.index))


def test_regions_partition_the_image(examiner):
    masks = detected_regions(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8), examiner)
    assert sum(m.astype(int) for m in masks.values()).max() == 1
