"""What an ablation costs: what is taken away, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.analysis.spectrum import high_frequency_share
from explorable.analysis.unet_activations import unet_parts
from explorable.analysis.verdict import Detection, Verdict
from explorable.diffusion.settings import Settings
from explorable.hooks import Scale, edit
from explorable.measure import unet_ablation as module
from explorable.world import held_out, parse


def verdict(place: str, **colours: str) -> Verdict:
    things = {kind: Detection(1, colour, "left", "alone") for kind, colour in colours.items()}
    return Verdict(things, place, "day", None)


def test_every_skip_and_backbone_is_taken_away(pipe):
    what = module.parts(unet_parts(pipe.points(optional=False)))
    assert list(what) == ["nothing", "skip 16 × 16", "skip 8 × 8", "all skips", "backbone 16 × 16", "backbone 8 × 8"]
    assert what["all skips"] == {"up.0.skip": Scale(0.0), "up.1.skip": Scale(0.0)}
    assert what["backbone 8 × 8"] == {"up.1.backbone": Scale(0.0)}


def test_the_pictures_are_those_without_the_part(pipe):
    asked, settings = [("a red car", 0), ("a black cat", 3)], Settings("", steps=2)
    what = {"nothing": {}, "skip": {"up.0.skip": Scale(0.0)}}
    made = module.pictures(pipe, asked, what, settings)
    with edit(pipe, what["skip"]):
        without = pipe.sample_images(["a red car", "a black cat"], [0, 3], settings)
    assert np.array_equal(made["skip"], without) and not np.array_equal(made["skip"], made["nothing"])


def test_what_is_kept():
    before = verdict("beach", cat="black", car="red")
    names = ("things kept", "colours kept", "place kept", "time kept")
    assert module.preserved_traits(before, before) == dict.fromkeys(names, 1)
    after = module.preserved_traits(before, verdict("meadow", cat="blue"))
    assert after["things kept"] == 0.5 and after["colours kept"] == 0 and after["place kept"] == 0
    gone = module.preserved_traits(before, verdict("beach"))
    assert gone["things kept"] == 0 and np.isnan(gone["colours kept"]) and gone["place kept"] == 1
    assert module.preserved_traits(verdict("beach"), verdict("beach"))["things kept"] == 1


def test_the_costs_are_of_the_pictures(monkeypatch):
    rng = np.random.default_rng(0)
    plain = rng.integers(0, 256, (4, 128, 128, 3)).astype(np.uint8)
    flat = np.full_like(plain, 128)
    said = [parse("a black cat on a beach").scene] * 4
    right, wrong = verdict("beach", cat="black"), verdict("meadow")
    monkeypatch.setattr(module, "examine", lambda images, examiner: [wrong if (i == 128).all() else right
                                                                     for i in images])
    rows = module.costs({"nothing": plain, "skip": flat}, said, 2)
    assert rows[0] | {"moved": 0.0, "things kept %": 100, "place kept %": 100, "as asked %": 100} == rows[0]
    assert rows[0]["fine detail %"] == pytest.approx(100 * float(high_frequency_share(plain).mean()), abs=0.01)
    assert rows[1] | {"fine detail %": 0.0, "things kept %": 0, "colours kept %": None, "as asked %": 0} == rows[1]
    assert rows[1]["moved"] == pytest.approx(np.sqrt(np.square(plain / 255 - 128 / 255).mean()), abs=0.001)


def test_the_whole_measure(tiny, monkeypatch):
    tiny("unet_ablation")
    monkeypatch.setattr(module, "Settings", lambda prompt, guidance: Settings(prompt, steps=1))
    table = module.unet_ablation(prompts=2, seeds=2)
    assert [row["at 0"] for row in table.rows] == ["nothing", "skip 16 × 16", "skip 8 × 8", "all skips",
                                                   "backbone 16 × 16", "backbone 8 × 8"]
    assert table.rows[0]["things kept %"] == 100 and "2 prompts" in table.notes[0]
    assert table.as_markdown()
    with pytest.raises(ValueError, match="seeds is 0"):
        module.unet_ablation(seeds=0)


def test_a_portrait_has_a_face():
    shown = module.portraits(8)
    for image, face, caption in shown:
        assert image.shape == (128, 128, 3) and 50 < face.sum() < 2000
        assert parse(caption).scene.groups[0].kind in module.ANIMALS and not held_out(parse(caption).scene)
    assert {parse(c).scene.groups[0].kind for _, _, c in shown} == set(module.ANIMALS)


def test_likeness_tells_detail_from_the_rest():
    image, face, _ = module.portraits(1)[0]
    assert module.likeness(image, image, face) == pytest.approx((1, 1))
    assert module.likeness(np.full_like(image, 9), image, face) == (0, 0)
    blurred = module.gaussian_filter(image, (2, 2, 0))
    detail, rest = module.likeness(blurred, image, face)
    assert rest > 0.95 and detail < rest
    noise = np.random.default_rng(0).normal(0, 25, image.shape)
    detail, rest = module.likeness((image + noise).clip(0, 255).astype(np.uint8), image, face)
    assert detail < rest and rest > 0.9


def test_faces_are_looked_at_with_each_part_at_0(tiny):
    tiny("unet_ablation")
    table = module.faces(count=1)
    assert [row["at 0"] for row in table.rows][:3] == ["the autoencoder alone", "nothing", "skip 16 × 16"]
    assert len(table.rows) == 7 and "detail, t = 0.4" in table.rows[0] and "1 drawn animals" in table.notes[0]
    assert all(-1 <= row[f"{said}, t = {t:g}"] <= 1 for row in table.rows for said in module.SAID for t in module.TIMES)
    assert [row["detail kept %"] for row in table.rows[:2]] == [None, 100], "the autoencoder is no part of the network"
    assert "eyes and whiskers" in table.notes[-1]


def test_the_share_kept_is_of_the_means_and_its_interval_of_the_pairs():
    whole = np.random.default_rng(0).uniform(0.2, 0.8, 20)
    assert module.share_kept(0.7 * whole, whole) == pytest.approx((70, 70, 70)), "every animal keeps as much"
    share, low, high = module.share_kept(np.where(np.arange(20) % 2, 0.4, 1.0) * whole, whole)
    assert 50 < low < share < high < 90


def test_the_answer_follows_from_the_intervals():
    rng = np.random.default_rng(1)
    whole = rng.uniform(0.4, 0.9, (40, 2))

    def told(detail: float, rest: float, spread: float = 0.02) -> str:
        return module.answer(whole * (np.array([detail, rest]) + spread * rng.standard_normal((40, 2))), whole)

    assert "are forgotten" in told(0.1, 0.9) and "more than the rest" in told(0.1, 0.9)
    assert "not forgotten: 90%" in told(0.9, 0.5, 0) and "less than the rest" in told(0.9, 0.5)
    assert "about as much as the rest" in told(0.8, 0.8)
    assert "perhaps forgotten" in told(0.5, 0.5, 0.3)
