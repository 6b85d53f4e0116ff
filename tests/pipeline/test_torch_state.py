"""What a user sets in torch for a whole program changes no run of a shipped model."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import explorable as ex
from explorable.analysis.receptive_field import receptive_field
from explorable.analysis.verdict import examine
from explorable.pipeline import Pipeline

PROMPT = "a red car on a beach"
SETTINGS = {"steps": 2, "seed": 1}
STATES: dict[str, tuple[Any, Any, Any]] = {
    "float64": (torch.set_default_dtype, torch.float64, torch.float32),
    "float16": (torch.set_default_dtype, torch.float16, torch.float32),
    "device": (torch.set_default_device, "meta", None),  # what is created there by default cannot be read
    "deterministic": (torch.use_deterministic_algorithms, True, False),
}


@contextmanager
def torch_state(name: str) -> Iterator[None]:
    change, value, default = STATES[name]
    change(value)
    try:
        yield
    finally:
        change(default)


def results(pipe: Pipeline) -> dict[str, Any]:
    """Arrays that pass through every network and each place where a tensor is made."""
    attention = "*.cross.weights"
    run = pipe(PROMPT, **SETTINGS, record=attention)
    found = {"image": run.image, "attention": run[attention].values, "branch": run.branch(1, seed=3).image}
    found["fresh noise"] = pipe(PROMPT, **SETTINGS, sampler="ddpm").image
    found["classifier"] = pipe(PROMPT, **SETTINGS, target="car", classifier_scale=2.0).image
    edits = {attention: [ex.Reweight("red", 0.3), ex.Reweight("car", 2.0, region=np.eye(128))],
             "*.self.weights": ex.Ablate(heads=(0,)), "text.words": ex.MaskToken("red")}
    if "unet" in pipe.name:
        found["field"] = receptive_field(pipe, run, 1, "middle.res.out", 1, 1)
    with ex.edit(pipe, edits):
        found["edited"] = pipe(PROMPT, **SETTINGS).image
    return found | {"inspected": pipe.inspect(run.image, PROMPT)[attention].values, "points": len(pipe.points()),
                    "verdict": repr(examine(run.image[None]))}


CASES = [*(("unet-flow", state, loaded) for state in STATES for loaded in ("before", "within")),
         ("dit-flow", "float64", "before"), ("dit-flow", "device", "within")]  # the tensors that only a DiT makes


@functools.cache
def reference(name: str) -> tuple[Pipeline, dict[str, Any]]:
    pipe = ex.load(name, device="cpu")
    return pipe, results(pipe)


@pytest.mark.parametrize(("name", "state", "loaded"), CASES)
def test_results_do_not_depend_on_the_state_of_torch(name: str, state: str, loaded: str):
    pipe, expected = reference(name)
    with torch_state(state), warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe = pipe if loaded == "before" else ex.load(name, device="cpu")
        found = results(pipe)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
        assert getattr(found[key], "dtype", None) == getattr(value, "dtype", None)
