"""Edits of Studio's run: which of them an opened explorable can make itself, and what the chips say of them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import traitlets as tr
from tiny import CountingPipeline, settle, shown_nodes, status

import explorable as ex
from explorable.hooks import Ablate
from explorable.widgets.guidance_scale.widget import GuidanceScale
from explorable.widgets.pipeline_map.edits import as_edits, chips_of, describe, without
from explorable.widgets.pipeline_map.nodes import TRANSFORMER, U_NET
from explorable.widgets.pipeline_map.sources import SOURCES
from explorable.widgets.studio.widget import Studio

WORDS, TEXT = "*.cross.weights", "text.words"
HALF = np.eye(8)


@pytest.mark.parametrize(("source", "edits", "own"), [
    ("UNetXRay", {"up.0.skip": ex.Scale(0.5), "middle.*": ex.Scale(0.5)}, {"up.0.skip": ex.Scale(0.5)}),
    ("UNetXRay", {"up.0.skip": ex.Scale(0.5, steps=(1, 2))}, {"up.0.skip": ex.Scale(0.5, steps=(1, 2))}),
    ("UNetXRay", {"up.0.skip": ex.Scale(0.5, steps=(1, None))}, {}),
    ("UNetXRay", {"up.0.skip": ex.Scale(0.5, steps=slice(0, 3, 2))}, {}),
    ("UNetXRay", {"up.0.skip": ex.Scale(0.5, branch="cond")}, {}),
    ("UNetXRay", {"up.0.skip": ex.Scale(20.0), "up.1.skip": ex.Scale(-1.0)}, {}),
    ("UNetXRay", {"up.0.skip": (ex.Scale(0.5), ex.Scale(2.0))}, {}),
    ("UNetXRay", {"up.0.skip": (ex.Scale(0.5), ex.Replace(HALF))}, {}),
    ("UNetXRay", {"up.0.skip": ex.Scale(0.5), "up.*.skip": ex.Replace(HALF)}, {}),
    ("UNetXRay", {"up.*.skip": ex.Replace(HALF), "up.0.skip": ex.Scale(0.5)}, {"up.0.skip": ex.Scale(0.5)}),
    ("TokenAttention", {WORDS: (ex.Reweight("red", 3), ex.MaskToken("car")), TEXT: ex.MaskToken("car")},
     {WORDS: (ex.Reweight("red", 3), ex.MaskToken("car")), TEXT: ex.MaskToken("car")}),
    ("TokenAttention", {WORDS: ex.MaskToken("car")}, {WORDS: ex.MaskToken("car")}),
    ("TokenAttention", {WORDS: (ex.MaskToken("red"), ex.MaskToken("car")), TEXT: ex.MaskToken("car")},
     {WORDS: ex.MaskToken("car"), TEXT: ex.MaskToken("car")}),
    ("TokenAttention", {WORDS: (ex.Reweight("red", 3.0), ex.Reweight("red", 2.0))}, {}),
    ("TokenAttention", {WORDS: ex.Reweight("red", 3.0, region=HALF)}, {}),
    ("TokenAttention", {WORDS: ex.Reweight("red", 3.0, steps=(0, 2))}, {}),
    ("TokenAttention", {"up.0.0.cross.weights": ex.Reweight("red", 3.0)}, {}),
    ("TokenAttention", {WORDS: ex.Reweight("red", 1000.0)}, {}),
])
def test_an_edit_is_of_an_explorable_if_its_settings_make_the_same_edit(pipe: CountingPipeline, source: str, edits,
                                                                         own):
    found, others = SOURCES[source].split(edits, pipe.points())
    expected = {point: edit if isinstance(edit, tuple) else (edit,) for point, edit in own.items()}
    assert as_edits(found) == expected
    assert len(found) + len(others) == sum(len(e) if isinstance(e, tuple) else 1 for e in edits.values())


def test_edits_that_a_part_cannot_make_stay_when_others_are_made_in_it(studio: Studio, pipe: CountingPipeline):
    twice = {"sampler.denoised": (ex.Scale(0.9), ex.Scale(0.8)), WORDS: (ex.Reweight("red", 3.0, region=HALF),)}
    studio.edits = twice
    opened = studio.open_part(U_NET)
    settle(studio)
    assert opened.faders == {} and np.array_equal(opened.result.original.image, studio.run.image)
    opened.faders = {"up.0.skip": 0.5}
    settle(studio)
    assert studio.edits == twice | {"up.0.skip": (ex.Scale(0.5),)}
    with ex.edit(pipe, studio.edits):
        expected = pipe("a red car", steps=3, guidance=studio.guidance, seed=0).image
    assert np.array_equal(studio.run.image, expected) and np.array_equal(opened.result.edited.image, expected)


def test_edits_with_arrays_replace_each_other(studio: Studio):
    plain = studio.run.image
    for value in (np.zeros(1), np.full(1, 0.5), np.full((1, 1, 1), 0.5)):
        studio.edits = {"sampler.denoised": ex.Replace(value)}
        studio.wait()
        assert studio.error is None and not np.array_equal(studio.run.image, plain)
    before = studio.result
    studio.edits = {"sampler.denoised": ex.Replace(np.full((1, 1, 1), 0.5))}
    studio.wait()
    assert studio.result is before, "the same edit samples nothing"


def test_an_edit_of_another_word_leaves_what_is_open_as_it_is(studio: Studio, pipe: CountingPipeline):
    studio.edits = {WORDS: (ex.Reweight("boat", 3.0, steps=(0, 2)), ex.Reweight("blue", 3.0))}
    for part in (U_NET, "reading"):
        opened = studio.open_part(part)
        settle(studio)
        assert opened.error is None and studio.error is None
    assert opened.scales == {}
    studio.prompt = "a blue boat"
    settle(studio)
    opened = studio.opened_explorable
    assert opened.error is None and studio.error is None and opened.scales == {"blue": 3.0}
    opened.scales = {"blue": 2.0}
    settle(studio)
    assert studio.edits == {WORDS: (ex.Reweight("boat", 3.0, steps=(0, 2)), ex.Reweight("blue", 2.0))}


def refuse_seed_7(monkeypatch: pytest.MonkeyPatch) -> None:
    set_trait = GuidanceScale.__setattr__

    def checked(self, name, value):
        if name == "seed" and value == 7:
            raise tr.TraitError("seed is 7: choose another")
        set_trait(self, name, value)

    monkeypatch.setattr(GuidanceScale, "__setattr__", checked)


def test_a_setting_that_a_part_refuses_is_said_there_and_the_run_is_good(studio: Studio, monkeypatch):
    opened = studio.open_part("guidance")
    settle(studio)
    refuse_seed_7(monkeypatch)
    studio.prompt, studio.seed = "a blue boat", 7
    settle(studio)
    assert studio.error is None and studio.run.settings.seed == 7 and "alert" not in status(studio)
    assert "Seed is 7: choose another." in status(opened) and "alert" in status(opened)
    assert opened.seed == 0, "it keeps what it had"
    studio.seed = 8
    settle(studio)
    assert opened.error is None and np.array_equal(opened.run.image, studio.run.image)


def test_a_part_that_cannot_open_says_why_in_its_place(studio: Studio, monkeypatch):
    def refuse(self, proposal):
        raise ValueError("guidance is 4: choose another")

    monkeypatch.setattr("explorable.widgets.core.inputs.validate_setting", lambda name, value: refuse(None, None))
    with pytest.raises(ValueError, match="guidance is 4"):
        studio.opened = "guidance"
    note, = studio._navigation.box.children
    assert "Guidance is 4: choose another." in note.value and studio.opened_explorable is None
    monkeypatch.undo()
    studio.seed = 3
    settle(studio)
    assert studio.opened_explorable is not None and studio.error is None


@pytest.mark.parametrize(("edit", "text"), [
    (Ablate(heads=(0, 2)), "x ablated, heads 1, 3"),
    (Ablate(heads=(1,), steps=(4, 5)), "x ablated, head 2, step 4"),
    (ex.Scale(0.3, steps=(5, None)), "x × 0.3, from step 5 on"),
    (ex.Scale(0.3, steps=slice(5, 15)), "x × 0.3, steps 5 to 14"),
    (ex.Scale(0.3, steps=slice(0, 10, 2)), "x × 0.3, steps 0 to 9, every 2nd"),
    (ex.Scale(0.3, steps=(5, 5)), "x × 0.3, no step"),
    (ex.Reweight("red", 2.0, region=np.eye(2)), "“red” × 2 at x, in a region of 50% of the image"),
    (ex.Replace(HALF), "x replaced"), (ex.PatchFrom(None), "x from another run"),
    (ex.PromptToPrompt(None), "layout of another prompt at x"),
    (ex.LocalAttention(1.5, grid=(8, 8), steps=(0, 2)), "attention within 1.5 patches, steps 0 to 1"),
    (ex.ShufflePositions(), "positions shuffled"),
])
def test_a_chip_says_where_and_when_an_edit_acts(edit, text: str):
    assert describe("x", edit) == text


def test_different_edits_that_read_the_same_have_a_chip_each():
    left, right = np.zeros((2, 2, 2))
    left[:, 0], right[:, 1] = 1, 1
    edits = {WORDS: (ex.Reweight("red", 2.0, region=left), ex.Reweight("red", 2.0, region=right))}
    first, second = (chip["key"] for chip in chips_of(edits, "a red car"))
    assert second == f"{first} (2)" and without(edits, first) == {WORDS: edits[WORDS][1:]}
    assert without(edits, second) == {WORDS: edits[WORDS][:1]}


def test_the_map_and_the_status_count_the_same_evaluations(studio: Studio):
    for sampler, guidance in (("euler", 4.0), ("heun", 4.0), ("euler", 1.0)):
        studio.sampler, studio.guidance = sampler, guidance
        studio.wait()
        run = studio.run
        texts = (shown_nodes(studio)[U_NET]["detail"], status(studio), studio._diagram.value, studio._timings.value)
        counts = [re.search(r"(\d+) evaluations", text)[1] for text in texts]
        assert set(counts) == {str(run.evaluations * run.branches)}


TRANSFORMER_EDITS = [
    ({"radius": 1.5}, ["attention within 1.5 patches"]),
    ({"dropped_block": "1"}, ["block 1 dropped"]),
    ({"dropped_block": "0", "dropped_head": 2}, ["blocks.0.joint.weights ablated, head 2"]),
    ({"positions": "removed"}, ["positions removed"]),
    ({"positions": "shuffled", "radius": 2.0, "edit_steps": (0, 2)},
     ["positions shuffled, steps 0 to 1", "attention within 2 patches, steps 0 to 1"]),
]


@pytest.mark.parametrize("name", ["PatchTransformer"])  # its pipeline is a transformer
@pytest.mark.parametrize(("settings", "chips"), TRANSFORMER_EDITS)
def test_what_is_limited_in_the_transformer_is_a_chip(studio: Studio, pipe: CountingPipeline, name: str, settings,
                                                      chips: list[str]):
    torch.manual_seed(0)
    for parameter in pipe.denoiser.parameters():  # its gates start at 0
        torch.nn.init.normal_(parameter, std=0.2)
    studio.recompute()
    studio.wait()
    plain = studio.run.image
    opened = studio.open_part(TRANSFORMER)
    settle(studio)
    with opened.hold_trait_notifications():
        for trait, value in settings.items():
            setattr(opened, trait, value)
    settle(studio)
    assert sorted(chip["text"] for chip in studio._navigation.map.chips) == sorted(chips)
    image = studio.run.image
    assert np.array_equal(opened.result.edited.run.image, image) and not np.array_equal(image, plain)
    with ex.edit(pipe, studio.edits):
        assert np.array_equal(pipe("a red car", steps=3, guidance=studio.guidance, seed=0).image, image)
    studio.open_part("")
    assert len(studio._navigation.map.chips) == len(chips), "closing leaves them"
    again = studio.open_part(TRANSFORMER)
    settle(studio)
    assert {trait: getattr(again, trait) for trait in settings} == settings
    for chip in chips:
        studio._navigation.map.removed = chip
    settle(studio)
    assert studio.edits == {} and np.array_equal(studio.run.image, plain)
    assert (again.radius, again.dropped_block, again.positions) == (None, "", "kept")


@pytest.mark.parametrize("name", ["PatchTransformer"])
@pytest.mark.parametrize("edits", [
    {"blocks.*.joint.weights": ex.LocalAttention(1.5, grid=(8, 8))},
    {"blocks.0.joint.weights": ex.LocalAttention(1.5, grid=(8, 8))},  # of one block only
    {"blocks.0.joint.weights": Ablate(heads=(0, 1))}, {"blocks.0.joint.weights": Ablate(branch="cond")},
    {"blocks.0.*.added": Ablate(), "blocks.1.*.added": Ablate()}, {"pos_embed": ex.ShufflePositions(seed=3)},
    {"blocks.0.img.attn.added": Ablate()}])
def test_edits_that_the_transformer_cannot_show_stay_as_they_are(pipe: CountingPipeline, name: str, edits):
    own, others = SOURCES["PatchTransformer"].split(edits, pipe.points())
    assert own == [] and as_edits(others) == {point: (edit,) for point, edit in edits.items()}
