"""What an ablation costs: which parts are set to 0, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.analysis.spectrum import high_frequency_share
from explorable.analysis.unet_activations import unet_parts
from explorable.analysis.verdict import Detection, Verdict
from explorable.diffusion.settings import Settings
from explorable.hooks import Scale, edit
from explorable.measure import unet_ablation as module
from explorable.measure.statistics import interval_text
from explorable.world import parse


def verdict(place: str, **colours: str) -> Verdict:
    things = {kind: Detection(1, colour, "left", "alone") for kind, colour in colours.items()}
    return Verdict(things, place, "day", None)


def test_every_skip_and_backbone_stage_is_ablated(pipe):
    parts = module.ablations(unet_parts(pipe.points(optional=False)))
    assert list(parts) == ["nothing", "skip 16 × 16", "skip 8 × 8", "all skips", "backbone 16 × 16", "backbone 8 × 8"]
    assert parts["all skips"] == {"up.0.skip": Scale(0.0), "up.1.skip": Scale(0.0)}
    assert parts["backbone 8 × 8"] == {"up.1.backbone": Scale(0.0)}


def test_the_images_are_those_with_the_part_at_0(pipe):
    prompts, seeds, settings = ["a red car", "a black cat"], [0, 3], Settings("", steps=2)
    parts = {"nothing": {}, "skip": {"up.0.skip": Scale(0.0)}}
    images = module.ablated_images(pipe, prompts, seeds, parts, settings)
    with edit(pipe, parts["skip"]):
        without = pipe.sample_images(prompts, seeds, settings)
    assert np.array_equal(images["skip"], without) and not np.array_equal(images["skip"], images["nothing"])


def test_what_is_kept():
    before = verdict("beach", cat="black", car="red")
    names = ("things kept", "colours kept", "place kept", "time kept")
    assert module.preserved_traits(before, before) == dict.fromkeys(names, 1)
    after = module.preserved_traits(before, verdict("meadow", cat="blue"))
    assert after["things kept"] == 0.5 and after["colours kept"] == 0 and after["place kept"] == 0
    gone = module.preserved_traits(before, verdict("beach"))
    assert gone["things kept"] == 0 and np.isnan(gone["colours kept"]) and gone["place kept"] == 1
    assert module.preserved_traits(verdict("beach"), verdict("beach"))["things kept"] == 1


def test_costs_compare_with_the_image_with_nothing_at_0(monkeypatch):
    rng = np.random.default_rng(0)
    plain = rng.integers(0, 256, (4, 128, 128, 3)).astype(np.uint8)
    flat = np.full_like(plain, 128)
    scenes = [parse("a black cat on a beach").scene] * 4
    right, wrong = verdict("beach", cat="black"), verdict("meadow")
    monkeypatch.setattr(module, "examine", lambda images, examiner: [wrong if (i == 128).all() else right
                                                                     for i in images])
    rows = module.costs({"nothing": plain, "skip": flat}, scenes, 2)
    assert rows[0] | {"moved": 0.0, "things kept %": 100, "place kept %": 100, "right %": 100} == rows[0]
    assert rows[0]["fine detail %"] == pytest.approx(100 * float(high_frequency_share(plain).mean()), abs=0.01)
    assert rows[1] | {"fine detail %": 0.0, "things kept %": 0, "colours kept %": None, "right %": 0} == rows[1]
    gone = -100 * high_frequency_share(plain)
    assert rows[1]["difference"] == pytest.approx(float(gone.mean()), abs=0.01) and rows[0]["difference"] == 0
    assert rows[1]["difference 95%"] == interval_text(gone.reshape(-1, 2), 1)
    assert rows[1]["moved"] == pytest.approx(np.sqrt(np.square(plain / 255 - 128 / 255).mean()), abs=0.001)


def test_the_table_has_every_part(tiny, monkeypatch):
    tiny("unet_ablation")
    monkeypatch.setattr(module, "Settings", lambda prompt, guidance: Settings(prompt, steps=1))
    table = module.unet_ablation(prompts=2, seeds=2)
    assert [row["at 0"] for row in table.rows] == ["nothing", "skip 16 × 16", "skip 8 × 8", "all skips",
                                                   "backbone 16 × 16", "backbone 8 × 8"]
    assert table.rows[0]["things kept %"] == 100 and "2 prompts" in table.notes[0]
    assert table.as_markdown()
    with pytest.raises(ValueError, match="seeds is 0"):
        module.unet_ablation(seeds=0)
