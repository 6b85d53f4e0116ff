"""Learning on the page: modes, pausing, drawing, and what is taken away."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import tiny_pipelines as tp
from tiny import controls_of, status
from tiny_pipes import tiny

import explorable as ex
from explorable.analysis.training_step import training_step
from explorable.widgets.flow_paths.compute import DRAWN
from explorable.widgets.learning.compute import REAL_RUN_STEPS, ImageResult, LiveTraining, Result, stage_models
from explorable.widgets.learning.microscope import PLANE_TIMES, StepResult
from explorable.widgets.learning.widget import Learning
from explorable.world import draw, parse

SMALL = {"width": 16, "batch": 32, "steps": 30}


@pytest.fixture
def made():
    open_ones: list[Learning] = []

    def make(*args: object, **values: object) -> Learning:
        learning = Learning(*args, **{**SMALL, **values})
        open_ones.append(learning)
        learning.wait(120)
        return learning

    yield make
    for learning in open_ones:
        learning.close()


def test_it_trains_to_the_end_and_says_how_good_it_is(made):
    w = made()
    assert w.error is None and isinstance(w.result, Result) and w.result.is_finished
    assert "Trained: 30 steps" in status(w)
    assert f"{100 * w.result.checkpoints[-1].share:.0f}%" in w.status_area.score.value
    assert len(w.stage.captions) == len(w.result.checkpoints) and w.stage.frame == len(w.stage.captions) - 1
    assert [axis["labels"] for axis in w.stage.axes] == [["0.1", "0.3", "0.5", "0.7", "0.9"]]


def test_it_is_paused_and_continued_as_if_it_had_not_been(made, monkeypatch):
    through = made(seed=3).result
    reached, go_on, step = threading.Event(), threading.Event(), LiveTraining.run

    def held_up(live, request, progress, show_partial):
        def slow(done, total):
            if done == 10 and not request.paused:
                reached.set()
                assert go_on.wait(20)
            progress(done, total)

        return step(live, request, slow, show_partial)

    monkeypatch.setattr(LiveTraining, "run", held_up)
    w = Learning(**SMALL, seed=3)
    assert reached.wait(20)
    w.paused = True
    go_on.set()
    w.wait()
    assert w.result.steps_taken == 10 and "Paused after 10 of 30 steps" in status(w)
    assert controls_of(w)["continue"].value is True
    w.paused = False
    w.wait()
    assert w.result.is_finished and np.array_equal(w.result.losses, through.losses)
    assert "pause" in controls_of(w)
    w.close()


def test_a_newer_setting_wins_over_a_training_that_runs(made):
    w = Learning(width=16, batch=32, steps=50_000)
    time.sleep(0.5)
    assert w.busy
    w.steps = 20
    w.wait(30)
    assert w.result.is_finished and w.result.request.settings.steps == 20
    w.close()


def test_five_hundred_events_end_in_one_finished_training(made, monkeypatch):
    w, finished, run = made(), [], LiveTraining.run

    def counted(live, request, progress, show_partial):
        result = run(live, request, progress, show_partial)
        finished.append(request)
        return result

    w.steps = 2000
    w.wait()
    monkeypatch.setattr(LiveTraining, "run", counted)
    for seed in range(500):
        controls_of(w)["seed"].set_state({"value": seed + 1})
    w.wait(120)
    assert [request.settings.seed for request in finished] == [500]


def test_a_preview_shows_a_training_that_runs(made, monkeypatch):
    monkeypatch.setattr("explorable.widgets.learning.compute.SECONDS_BETWEEN_VIEWS", 0.0)
    w, seen = made(), []
    w.stage.observe(lambda change: seen.append(len(w.stage.captions)), names="recording_id")
    w.seed = 5
    w.wait()
    assert seen == sorted(seen) and seen[0] == 1 and len(seen) > 5  # frame by frame
    assert w.preview_label == "" and w.stage.frame == seen[-1] - 1


def test_the_frame_that_the_user_chose_stays_while_the_training_goes_on(made):
    w = made(paused=True)
    assert w.stage.frame == 0 == w.result.steps_taken
    live = next(iter(w._trainings.values()))
    for _ in range(20):
        live.training.step()
        live.checkpoints.append(live.record())
    w.recompute()
    w.wait()
    assert w.stage.frame == 20
    w.stage.frame = 2
    w.paused = False
    w.wait()
    assert w.result.is_finished and w.stage.frame == 2
    w.seed = 9  # another training is followed to its end
    w.wait()
    assert w.stage.frame == len(w.stage.captions) - 1


def test_the_same_settings_again_are_not_trained_again(made, monkeypatch):
    w = made()
    first = w.result
    w.seed = 1
    w.wait()
    monkeypatch.setattr("explorable.flow2d.training.Training.step", None)
    w.seed = 0
    w.wait()
    assert w.error is None and np.array_equal(w.result.losses, first.losses)


def test_one_step_is_of_the_network_as_far_as_it_is_trained(made):
    w = made()
    w.mode = "step"
    w.wait()
    assert isinstance(w.result, StepResult) and w.result.trained == 30
    assert len(w.stage.captions) == len(PLANE_TIMES) and w.table().index.tolist() == list(PLANE_TIMES)
    assert "1 draw x0" in w._quantities.value and f"t = {PLANE_TIMES[w.stage.frame]:.2f}" in w.status_area.score.value
    w.stage.frame = 40
    assert f"t = {PLANE_TIMES[40]:.2f}" in w.status_area.score.value
    assert f"<td>{PLANE_TIMES[40]:.2f}</td>" in w._quantities.value
    x0 = w.data.x0.values
    w.draw = 1
    w.wait()
    assert not np.array_equal(w.data.x0.values, x0) and w.stage.frame == 40
    found: dict = {}
    exec(compile(w.code(), "code", "exec"), found)
    np.testing.assert_allclose(found["batch"].target.numpy(), w.data.target.sel(t=[0.9, 0.5, 0.1], method="nearest"),
                               atol=1e-5)


def test_its_code_repeats_the_training(made):
    w, found = made(prediction="x0", path="linear"), {}
    exec(compile(w.code() + "\nshare = _ = test.errors(learnt_field(training)).share", "code", "exec"), found)
    assert found["share"] == pytest.approx(w.result.checkpoints[-1].share, rel=1e-6)


def test_an_image_needs_a_model_and_the_other_modes_none(made):
    w = made()
    assert w.pipe is None
    w = made(tiny(), mode="image", prompt="a red car")
    assert w.error is None and isinstance(w.result, ImageResult) and len(w.table()) == 20
    assert {panel["name"] for panel in w.stage.panels} == {"x0", "noisy", "denoised", "error"}
    for frame in (3, 12):
        w.stage.frame = frame
        assert f"Loss at t = {float(w.data.t[frame]):.2f}" in w.status_area.score.value


def test_a_pipeline_of_another_world_is_refused_in_words(made):
    with ex.open(tp.shared("sd")) as opened:
        w = made(opened, mode="image", prompt=tp.PROMPT)
        assert isinstance(w.error, ValueError) and "was not trained on drawings of the picture world" in status(w)
        w.mode = "train"
        w.wait()
        assert w.error is None and w.result.is_finished


def test_an_unknown_word_is_refused_and_the_last_image_stays(made):
    w = made(tiny(), mode="image", prompt="a red car")
    before = w.result
    w.prompt = "a red zeppelin"
    w.wait()
    assert isinstance(w.error, ValueError) and w.result is before and "zeppelin" in status(w)


def test_data_can_be_drawn_by_hand_and_cleared(made):
    w = made(distribution=DRAWN)
    assert [panel["interaction"] for panel in w.stage.panels] == ["", "", "draw"]
    stroke = [[0.2, 0.2], [0.5, 0.5], [0.8, 0.3]]
    w.stage.set_state({"pointer": {"panel": "samples", "kind": "draw", "x": 0.8, "y": 0.3, "points": stroke}})
    w.wait()
    assert w.error is None and len(w.drawing) == 3 and len(w.data.points) == 3
    w.clear_drawing()
    w.wait()
    assert w.drawing is None and len(w.data.points) > 3


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("prediction", "x1", "prediction is 'x1'"), ("path", "bent", "path is 'bent'"), ("width", 1, "width is 1"),
    ("steps", 0, "steps is 0"), ("draw", -1, "draw is -1"), ("mode", "film", "mode is 'film'"),
    ("distribution", "three moons", "distribution is 'three moons'")])
def test_a_setting_out_of_range_is_refused_by_name(made, trait, value, message):
    w = made()
    old = getattr(w, trait)
    with pytest.raises(ValueError, match=message):
        setattr(w, trait, value)
    assert getattr(w, trait) == old


def test_a_control_out_of_range_is_refused_in_the_status_line(made):
    w = made()
    controls_of(w)["seed"].set_state({"value": -1})
    w.wait()
    assert "Seed is -1" in status(w) and w.seed == 0 and controls_of(w)["seed"].value == 0


def test_a_saved_page_has_the_chart_and_the_settings(made, tmp_path):
    text = made(prediction="v").save_html(tmp_path / "saved.html").read_text("utf-8")
    assert "How did it learn?" in text and "prediction" in text and "TrainingSettings" in text


def test_a_real_run_paints_the_same_noise_with_every_checkpoint(made):
    w = made(mode="run", prompt="a red car on a beach")
    stages = w.result.stages
    assert w.error is None and [stage.trained for stage in stages] == sorted(stage_models())
    assert len({stage.run.latents.values[0].tobytes() for stage in stages}) == 1, "the same initial noise"
    assert [layer["name"] for layer in w.stage.layers] == [f"after {stage.trained}" for stage in stages]
    assert w.stage.frame == len(w.stage.captions) - 1 == REAL_RUN_STEPS - 1
    for stage in stages:
        assert np.array_equal(stage.images[-1], ex.load(stage.model)("a red car on a beach", steps=20, seed=0).image)
    right = sum(w.table()["as the prompt says"])
    assert f"{right} of {len(stages)}" in w.status_area.score.value
    assert w.data.images.shape == (len(stages), REAL_RUN_STEPS, 128, 128, 3)


def test_a_longer_training_comes_closer_to_the_data():
    """The noise and prompts are the same, so only the weights differ."""
    first, *_, last = (ex.load(name) for name in stage_models().values())
    step = [training_step(pipe, draw(parse(text).scene, masks=False).image, text, (0.3, 0.6)).loss.mean()
            for pipe in (first, last) for text in ("a red car on a beach", "a cat in a forest at night")]
    assert sum(step[2:]) < 0.7 * sum(step[:2])
