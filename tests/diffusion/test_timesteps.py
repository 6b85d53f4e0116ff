"""The times of a walk."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorable.diffusion.paths import PATHS, Straight
from explorable.diffusion.timesteps import (
    SPACINGS,
    karras_timesteps,
    make_timesteps,
    shift_timesteps,
    uniform_timesteps,
)

paths = st.sampled_from(tuple(PATHS.values()))


@given(st.integers(1, 1000))
def test_times_fall_evenly_from_one_to_zero(steps):
    times = uniform_timesteps(steps)
    assert len(times) == steps + 1 and times[0] == 1 and times[-1] == 0
    assert np.diff(times) == pytest.approx(np.full(steps, -1 / steps))
    assert all(type(t) is float for t in times)


@given(st.sampled_from(SPACINGS), st.integers(1, 200), paths, st.floats(0.2, 8))
def test_all_spacings_fall_from_one_to_zero(spacing, steps, path, shift):
    times = make_timesteps(spacing, steps, path, shift)
    assert len(times) == steps + 1 and times[0] == 1 and times[-1] == 0
    assert all(b < a for a, b in itertools.pairwise(times))


@given(st.integers(3, 60), paths)
def test_karras_ratios_fall_evenly_in_their_seventh_root(steps, path):
    ratios = [path.sigma(t) / path.alpha(t) for t in karras_timesteps(steps, path)[1:-1]]
    assert np.diff(np.array(ratios) ** (1 / 7), n=2) == pytest.approx(np.zeros(max(steps - 3, 0)), abs=1e-6)
    assert ratios[-1] == pytest.approx(0.02, rel=1e-6)


@given(st.floats(0.1, 10), st.integers(1, 50))
def test_a_shift_is_undone_by_its_inverse_and_leaves_the_ends(shift, steps):
    times = uniform_timesteps(steps)
    assert shift_timesteps(shift_timesteps(times, shift), 1 / shift) == pytest.approx(times)
    assert shift_timesteps(times, 1.0) == pytest.approx(times)


def test_a_shift_of_three_moves_the_middle_to_three_quarters():
    assert shift_timesteps([0.5], 3.0) == [0.75]


@pytest.mark.parametrize("shift", [0, -1.0, float("nan")])
def test_a_shift_must_be_positive(shift):
    with pytest.raises(ValueError, match=r"shift is .*above 0"):
        make_timesteps("uniform", 5, Straight(), shift)


def test_an_unknown_spacing_is_named():
    with pytest.raises(ValueError, match=r"'log'.*uniform, karras"):
        make_timesteps("log", 5, Straight())
