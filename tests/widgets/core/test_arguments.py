"""What an explorable is made from: a pipeline or a prompt, and the edits that hold."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
from tiny import CountingPipeline

import explorable as ex
from explorable.adapters import OpenedPipeline
from explorable.hooks.attachments import attached_to
from explorable.widgets.core.arguments import HeldEdits, call_text, split_arguments
from explorable.widgets.studio.widget import Studio


def test_the_first_argument_is_a_pipeline_or_a_prompt(pipe: CountingPipeline):
    assert split_arguments(pipe, {"seed": 1}) == (pipe, {"seed": 1})
    assert split_arguments(None, {}) == (None, {})
    assert split_arguments("a red car", {"seed": 1}) == (None, {"prompt": "a red car", "seed": 1})
    opened, values = split_arguments(tp.shared("sd"), {})
    assert isinstance(opened, OpenedPipeline) and opened.pipeline is tp.shared("sd") and values == {}


@pytest.mark.parametrize("wrong", [3, ["a red car"], CountingPipeline, np.zeros(3), object()])
def test_anything_else_is_refused_in_words(wrong: object):
    with pytest.raises(TypeError, match=r"is no pipeline of explorable: open a diffusers pipeline with pipe = ex.open"):
        split_arguments(wrong, {})


def test_a_part_of_a_diffusers_pipeline_is_refused():
    with pytest.raises(TypeError, match=r"ex\.open"):
        split_arguments(tp.shared("sd").unet, {})


def test_two_prompts_are_refused():
    with pytest.raises(TypeError, match=r"two prompts, 'a red car' and 'a cat'"):
        split_arguments("a red car", {"prompt": "a cat"})


def test_a_call_is_written_on_one_line():
    assert call_text("Studio", {"prompt": "a cat", "negative": None, "guidance": 4.0}) == "Studio('a cat', guidance=4)"
    assert len(call_text("Studio", {"prompt": "a cat " * 90})) < 110


def test_edits_that_hold_are_kept_and_recorders_are_not(pipe: CountingPipeline):
    with ex.edit(pipe, {"up.0.skip": ex.Scale(0.0)}) as edits, ex.record(pipe, "up.0.skip"):
        held = HeldEdits()
    assert attached_to(pipe) == ()
    with held.holding():
        assert attached_to(pipe) == (edits,)
    assert attached_to(pipe) == ()
    assert held.annotate("Done.", " ", lambda: pipe).startswith("Done. Edited at up.0.skip by")
    assert "another pipeline" in held.annotate("", " ", lambda: None)
    assert HeldEdits().annotate("Done.", " ", lambda: pipe) == "Done."


def test_an_explorable_computes_with_the_edits_that_held_when_it_was_made(pipe: CountingPipeline):
    settings = {"prompt": "a red car", "steps": 3}
    with ex.edit(pipe, {"prediction": lambda x, context: x + 1}):
        edited = Studio(pipe, **settings)
        image = pipe(**settings).image
    plain = Studio(pipe, **settings)
    try:
        edited.wait()
        plain.wait()
        assert np.array_equal(edited.run.image, image) and edited.run.edited_points == ("prediction",)
        assert not np.array_equal(plain.run.image, image)
        assert "Edited at prediction" in edited.status_area.status.value and "\n# Edited at prediction" in edited.code()
        assert "Edited" not in plain.status_area.status.value + plain.code()
        edited.seed = 1  # and still holds, outside of the block
        edited.wait()
        assert edited.run.edited_points == ("prediction",)
    finally:
        edited.close()
        plain.close()


def test_an_explorable_of_another_pipeline_says_that_the_edits_are_not_its_own(pipe: CountingPipeline):
    with ex.edit(pipe, {"up.*.skip": ex.Scale(0.0)}):
        studio = Studio(steps=2)
    studio.wait()
    assert "edits another pipeline" in studio.status_area.status.value and not studio.run.edited_points
    studio.close()
