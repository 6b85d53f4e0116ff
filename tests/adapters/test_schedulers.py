"""Schedulers: state that they keep, noise that no seed determines, and calls that end before the noise is gone."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp

import explorable as ex

STEPS = 4


def with_scheduler(family: str, name: str, **more: Any) -> Any:
    pipeline = tp.fresh(family)
    kind = getattr(diffusers, f"{name}Scheduler")
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **more)
    return pipeline


@pytest.mark.parametrize(("name", "config"), (
    ("PNDM", {"skip_prk_steps": False}),  # adds to a tensor in place
    ("DPMSolverMultistep", {"algorithm_type": "sde-dpmsolver++"}),
), ids=lambda value: value if isinstance(value, str) else "")
def test_a_branch_without_changes_equals_its_parent_whatever_state_the_scheduler_keeps(name, config):
    run = ex.open(with_scheduler("sd", name, **config))(tp.OTHER, steps=4)
    for step in (1, 2, 3):
        for _ in range(2):  # the first branch must not change the state that the second starts from
            branch = run.branch(step)
            assert np.array_equal(branch.image, run.image), step
            assert np.array_equal(branch.latents.values, run.latents.values), step


def test_a_scheduler_inside_another_is_refused_by_name():
    pipeline = with_scheduler("sd", "UniPCMultistep", solver_p=diffusers.DPMSolverMultistepScheduler())
    with pytest.raises(ex.SettingError, match=r"the UniPCMultistepScheduler steps with .* make it without solver_p="):
        ex.open(pipeline)


SCHEDULERS = sorted(name for name in dir(diffusers) if name.endswith("Scheduler"))


@pytest.mark.parametrize("family", ("sd", "sd3"))
def test_with_each_scheduler_of_diffusers_a_branch_equals_its_parent_or_it_is_refused_by_name(family):
    pipeline, equal = tp.fresh(family), set()
    config = pipeline.scheduler.config
    for name in SCHEDULERS:
        try:
            pipeline.scheduler = getattr(diffusers, name).from_config(config)
            tp.untouched(pipeline, family, num_inference_steps=2)
        except Exception:  # diffusers itself cannot make it, or sample with it
            continue
        try:
            with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
                run = pipe(tp.OTHER, steps=2)
                assert np.array_equal(run.branch(run.steps - 1).image, run.image), name
                assert np.array_equal(run.branch(1).latents.values, run.latents.values), name
                equal.add(name.removesuffix("Scheduler"))
        except ex.SettingError as error:
            assert name in str(error)
    assert len(equal) >= (13 if family == "sd" else 10), equal


@pytest.mark.parametrize(("name", "config"), (
    ("FlowMatchEulerDiscrete", {"stochastic_sampling": True}), ("DDPM", {}), ("EulerAncestralDiscrete", {}),
    ("LCM", {}), ("TCD", {})), ids=lambda value: value if isinstance(value, str) else "")
def test_noise_that_the_seed_does_not_determine_is_refused_by_the_schedulers_name(name, config):
    pipe = ex.open(with_scheduler("sd3", name, **config), **tp.CALL_DEFAULTS["sd3"])
    with pytest.raises(ex.SettingError, match=f"the {name}Scheduler draws noise at each step, and a "
                                              "StableDiffusion3Pipeline gives it no generator"):
        pipe(tp.PROMPT, steps=STEPS)


@pytest.mark.parametrize("name", ("DDIM", "PNDM", "DPMSolverMultistep", "EulerDiscrete", "HeunDiscrete"))
def test_where_a_call_ends_early_the_last_latent_has_the_noise_that_is_left(name):
    pipe = ex.open(with_scheduler("sdxl", name))
    whole, part = (pipe(tp.PROMPT, steps=6, **more) for more in ({}, {"denoising_end": 0.5}))
    taken = part.steps
    assert 0 < taken < whole.steps
    assert np.array_equal(part.latents.t.values, whole.latents.t.values[:taken + 1])
    assert 0.3 < float(part.latents.t[-1]) < 0.7
    assert np.array_equal(part.latents.values, whole.latents.values[:taken + 1])
    assert float(whole.latents.t[-1]) == 0
