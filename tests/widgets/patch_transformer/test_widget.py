"""PatchTransformer on a tiny transformer: attention and influence of a patch, edits, traits and stage in step."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipes

import explorable as ex
from explorable.analysis.patch_attention import PatchEdits, gather_attention, patch_layout
from explorable.analysis.patch_influence import patch_influence
from explorable.widgets.patch_transformer import view
from explorable.widgets.patch_transformer.compute import in_few_steps

SETTINGS = {"prompt": tiny_pipes.PROMPT, "steps": 4, "step": 2, "patch": (1, 2)}


@pytest.fixture
def pipe():
    return tiny_pipes.tiny("dit")


@pytest.fixture
def w(pipe):
    made = ex.PatchTransformer(pipe, **SETTINGS)
    made.wait()
    assert made.error is None, made.error
    yield made
    made.close()


def settled(w: ex.PatchTransformer) -> ex.PatchTransformer:
    w.wait()
    assert w.error is None, w.error
    return w


def test_it_shows_the_attention_and_the_influence_of_the_patch(w, pipe):
    layout = patch_layout(pipe.points(optional=False))
    run = pipe(tiny_pipes.PROMPT, steps=4, guidance=w.guidance, record=layout.record)
    attention, words = gather_attention(run, layout).of_patch((1, 2))
    assert np.array_equal(w.data.attention, attention) and np.array_equal(w.data.attention_to_words, words)
    assert np.array_equal(w.data.influence, patch_influence(pipe, run, 2, (1, 2), layout.grid))
    assert np.array_equal(w.data.image.sel(run="edited"), run.image)
    assert [p["name"] for p in w.stage.panels] == ["image edited", "image original", "attention", "influence"]
    assert w.table().shape == (9, 3)


@pytest.mark.parametrize("edits", [
    {"radius": 1.0}, {"dropped_block": "1"}, {"dropped_block": "0", "dropped_head": 2}, {"positions": "shuffled"},
    {"positions": "removed", "edit_steps": (1, 3)}])
def test_each_edit_is_made_beside_the_unedited_image(w, pipe, edits):
    before = w.result.original
    with w.hold_trait_notifications():
        for name, value in edits.items():
            setattr(w, name, value)
    settled(w)
    assert w.result.original is before
    head = edits.get("dropped_head")
    meant = PatchEdits(edits.get("radius"), edits.get("dropped_block", ""), head and head - 1,
                       edits.get("positions", "kept"), edits.get("edit_steps"))
    points = meant.points(w.result.layout)
    with ex.edit(pipe, points):
        run = pipe(tiny_pipes.PROMPT, steps=4, guidance=w.guidance)
    assert np.array_equal(w.data.image.sel(run="edited"), run.image)
    assert not np.array_equal(run.latents, before.run.latents)
    assert np.array_equal(w.data.influence, patch_influence(pipe, run, 2, (1, 2), (4, 4), points))
    assert "Edited: " in w.status_area.caption_text
    found: dict = {"pipe": pipe}
    exec(compile(w.code(), "code", "exec"), found)
    assert np.array_equal(found["run"].image, run.image) and np.array_equal(found["influence"], w.data.influence)


def test_a_click_chooses_the_patch_and_samples_nothing(w):
    run = w.result.original
    w.stage.frame = 1
    settled(w)
    assert w.step == 1
    w.stage.pointer = {"panel": "attention", "kind": "click", "x": 0.9, "y": 0.1}
    settled(w)
    assert w.patch == (0, 3) and w.result.request.patch == (0, 3) and w.result.original is run


def test_block_and_head_are_those_of_the_stage(w):
    w.stage.selection = {"block": 2, "head": 1}
    assert (w.block, w.head) == ("1", "1") and "(block 1, head 1)" in w.status_area.score_text
    w.block = "mean"
    assert w.stage.selection == {"block": 0, "head": 1} and "(head 1)" in w.status_area.score_text


def test_without_a_patch_it_is_the_one_at_the_centre(w):
    w.patch = None
    assert settled(w).result.request.patch == (2, 2)


def test_the_controls_offer_what_the_network_has(w):
    assert [v for _, v in w._edit_controls.block.options] == ["", "0", "1"]
    assert [v for _, v in w._edit_controls.head.options] == ["all", 1, 2]
    w.radius = 2.5
    assert w._edit_controls.row.children[0].value == 2.5


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("radius", -1.0, "0 or more in patches"), ("positions", "gone", "choose one of kept, shuffled, removed"),
    ("edit_steps", (3, 1), "0 <= first <= end"), ("model", "dit-flow", "leave it out")])
def test_values_out_of_range_are_refused(w, trait, value, message):
    with pytest.raises(ValueError, match=message):
        setattr(w, trait, value)


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("patch", (4, 0), "rows are 0 to 3"), ("dropped_block", "9", "choose one of 0, 1"), ])
def test_what_this_network_does_not_have_is_said(w, trait, value, message):
    before = w.result
    setattr(w, trait, value)
    w.wait()
    assert w.result is before and message in w.status_area.status.value


def test_a_u_net_is_refused_and_told_where_to_go():
    made = ex.PatchTransformer(tiny_pipes.tiny("unet"), **SETTINGS)
    made.wait()
    assert isinstance(made.error, ValueError) and "look into a U-Net with UNetXRay" in made.status_area.status.value
    made.close()


def test_a_preview_edits_the_same_part_of_the_run(w):
    w.steps, w.radius, w.edit_steps, w.step = 20, 1.0, (10, 12), 19
    few = in_few_steps(w.request())
    assert few.settings.steps == 4 and few.edits.steps == (2, 3) and few.step == 3  # a range that there is stays one
    settled(w)


def test_maps_are_scaled_to_the_other_patches():
    maps = np.array([[[4.0, 1.0], [0.5, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert view.scaled_to_others(maps, (0, 0)).tolist() == [[[1, 0.5], [0.25, 1]], [[0, 0], [0, 0]]]


def test_the_training_of_both_networks_is_said():
    assert "5,500 steps." in view.describe_training({"a": 5500, "b": 5500})
    assert "a 5,500 steps, b 14,000" in view.describe_training({"a": 5500, "b": 14000})


def test_attention_to_nobody_else_has_no_correlation(w):
    w.radius = 0.0
    settled(w)
    assert "no rank correlation" in w.status_area.score_text
