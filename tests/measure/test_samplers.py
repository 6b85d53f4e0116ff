"""Our samplers agree with the schedulers of diffusers."""

from __future__ import annotations

import pytest

from explorable.measure.samplers import samplers


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # theirs
@pytest.mark.parametrize("steps", [10, 50])
def test_the_results_agree(steps):
    rows = samplers(steps).rows
    assert {r["sampler"] for r in rows} == {"ddim", "dpmpp_2m", "euler", "heun"}
    assert len({r["of diffusers"] for r in rows}) == 5
    assert all(r["largest difference"] < 1e-5 for r in rows), rows
