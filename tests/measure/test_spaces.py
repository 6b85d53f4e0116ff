"""What an image costs in pixels and in latents: what is counted, and that times are measured once."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tiny_pipes

from explorable.measure import spaces as module
from explorable.measure.spaces import SpaceCosts, count_costs, known_costs, measure_costs, seconds_text, step_seconds
from explorable.pipeline.progress import no_progress


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(module, "_MEASURED", {})
    step_seconds.cache_clear()


def test_sizes_are_those_of_the_lesson():
    costs = SpaceCosts((128, 128), (4, 16, 16))
    assert costs.values == (49_152, 1_024) and costs.positions == (16_384, 256)
    assert costs.ratios() == {"values": 48.0, "positions": 64.0, "bytes in a network": 48.0}
    assert SpaceCosts((512, 512), (16, 64, 64)).ratios()["values"] == 12.0


def test_the_whole_image_on_pixels_is_calculated_from_the_step():
    costs = SpaceCosts((128, 128), (4, 16, 16), step_pixels=0.6, step_latent=0.02, sampling=0.2, decoding=0.05)
    assert costs.speedup == pytest.approx(30) and costs.whole == pytest.approx((6.0, 0.25))
    table = costs.to_table()
    assert table.loc["one step of the same U-Net"].tolist() == ["0.60 s", "20 ms", "30"]
    assert table.loc["an image in 8 steps, with the decoder"].tolist() == ["6.00 s, calculated", "0.25 s", "24"]
    assert table.loc["bytes in a file (8 and 16 bits)"].tolist() == ["49,152", "2,048", "24"]


def test_what_was_not_measured_is_left_out():
    costs = SpaceCosts((512, 512), (4, 64, 64), sampling=2.0, decoding=1.0)
    assert set(costs.ratios()) == {"values", "positions", "bytes in a network"}
    assert costs.to_table().loc["an image in 8 steps, with the decoder"].tolist() == ["not measured", "3.00 s", ""]


def test_times_are_measured_once_a_kernel(monkeypatch):
    calls, pipe = [], tiny_pipes.tiny()

    def step_cost(channels, side, repeats, warm_ups):
        calls.append((channels, side))
        return {"seconds": 0.5 if channels == 3 else 0.01}

    monkeypatch.setattr(module, "step_cost", step_cost)
    image = np.zeros((128, 128, 3), np.uint8)
    assert known_costs(pipe, (4, 16, 16)) is None and math.isnan(count_costs(pipe, (4, 16, 16)).speedup)
    costs = measure_costs(pipe, image, (4, 16, 16), no_progress)
    assert calls == [(3, 128), (4, 16)] and costs.speedup == 50
    assert costs.sampling > 0 and costs.decoding > 0 and costs.evaluations == costs.steps == module.WHOLE_STEPS
    assert known_costs(pipe, (4, 16, 16)) is costs
    assert measure_costs(pipe, image, (8, 16, 16), no_progress).speedup == 50 and calls[2:] == [(8, 16)]


def test_large_images_are_not_timed_on_pixels(monkeypatch):
    monkeypatch.setattr(module, "step_cost", lambda *args, **kwargs: pytest.fail("it was timed"))
    pipe = tiny_pipes.tiny()
    monkeypatch.setattr(pipe, "image_size", (512, 512))
    monkeypatch.setattr(type(pipe), "takes_image", False)
    costs = measure_costs(pipe, np.zeros((512, 512, 3), np.uint8), (4, 64, 64), no_progress)
    assert math.isnan(costs.step_pixels) and costs.sampling > 0


def test_a_superseded_measurement_stops():
    def stop(done, total):
        raise RuntimeError("superseded")

    with pytest.raises(RuntimeError, match="superseded"):
        measure_costs(tiny_pipes.tiny(), np.zeros((128, 128, 3), np.uint8), (4, 16, 16), stop)


def test_durations_have_their_unit():
    assert (seconds_text(0.0042), seconds_text(0.0999), seconds_text(0.1), seconds_text(12)) == (
        "4.2 ms", "99.9 ms", "0.10 s", "12.00 s")
