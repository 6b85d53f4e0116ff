"""The same picture on a GPU as on the CPU."""

import numpy as np
import pytest

import explorable as ex

PROMPT = "a red sports car on a mountain road"


@pytest.mark.gpu
def test_a_gpu_draws_what_the_cpu_draws():
    here, there = (ex.load(device=device)(PROMPT, steps=10, seed=3) for device in ("cpu", "cuda"))
    assert abs(here.latents - there.latents).max() < 1e-2
    assert np.abs(here.image.astype(int) - there.image).max() <= 4
