"""Both kinds of pipeline offer all that the protocol promises, and say truthfully what they can do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from tiny_pipes import PROMPT

import explorable as ex
from explorable.adapters import OpenedPipeline
from explorable.pipeline import Pipeline, PipelineProtocol

MEMBERS = [n for n in {**PipelineProtocol.__annotations__, **vars(PipelineProtocol)}
           if not n.startswith("_") or n == "__call__"]


@pytest.mark.parametrize("kind", [Pipeline, OpenedPipeline])
@pytest.mark.parametrize("name", MEMBERS)
def test_both_pipelines_have_every_member_of_the_protocol(kind, name):
    instance_attributes = kind.__init__.__code__.co_names
    assert hasattr(kind, name) or name in instance_attributes


@pytest.mark.parametrize("kind", [Pipeline, OpenedPipeline])
def test_methods_accept_the_protocols_arguments(kind):
    for name, method in inspect.getmembers(PipelineProtocol, inspect.isfunction):
        if name in MEMBERS:
            own = inspect.signature(getattr(kind, name)).parameters
            assert {p for p in inspect.signature(method).parameters if p not in ("settings", "changes")} <= own.keys()


def test_a_shipped_pipeline_says_what_it_can_do(pipe):
    assert pipe.has_examiner and pipe.has_limited_vocabulary and pipe.has_text_points
    assert pipe.takes_exact_steps and pipe.supports_preview
    assert pipe.uses_cfg and pipe.has_own_guidance and "w = 1 is plain conditional" in pipe.guidance_meaning
    with pytest.raises(ex.UnknownWordError):
        pipe("a zeppelin", steps=1)
    assert pipe.image_size == pipe(PROMPT, steps=1).image.shape[:2]
    assert pipe.text_width == pipe.text.config.width
    assert any(p.name.startswith("text.") and p.name.endswith("weights") for p in pipe.points())


def test_an_evaluated_step_predicts_what_the_run_predicted(pipe):
    run = pipe(PROMPT, steps=3, guidance=3, record="prediction")
    x = torch.from_numpy(np.repeat(run.latents.values[1][None], 2, 0)).double()
    with ex.record(pipe, "prediction") as recorder:
        pipe.evaluate_step(run, 1, x)
    again = recorder["prediction"]
    assert again.step.values.tolist() == [1]
    expected = run["prediction"].sel(step=1).isel(branch=-1).values
    np.testing.assert_allclose(again.sel(step=1).isel(branch=-1).values, np.stack([expected] * 2), atol=1e-5)
