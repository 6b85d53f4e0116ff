"""NoiseTrajectory on a tiny untrained model: both ways, the plane, branches, and what is kept when one grows."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_pipes
from ipywidgets.widgets.widget import _instances as MODELS

from explorable.analysis.trajectory import rms_distance
from explorable.diffusion.settings import SettingError
from explorable.pipeline import Pipeline
from explorable.widgets.core.preview import PREVIEW_LABEL, PREVIEW_STEPS
from explorable.widgets.noise_trajectory import compute as journey
from explorable.widgets.noise_trajectory import widget as trajectory
from explorable.widgets.noise_trajectory.controls import ELSEWHERE
from explorable.widgets.noise_trajectory.view import BLANK, ROUGH, ways
from explorable.widgets.noise_trajectory.widget import NoiseTrajectory
from explorable.world import draw, parse

STEPS = 4


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return tiny_pipes.tiny()


@pytest.fixture
def walk(pipe: Pipeline):
    walk = NoiseTrajectory(pipe, prompt="a red car", steps=STEPS)
    walk.wait()
    yield walk
    walk.close()


def frames(walk: NoiseTrajectory, name: str) -> np.ndarray:
    """The pictures of a layer, as the page has them."""
    k = [spec["name"] for spec in walk.stage.layers].index(name)
    found = np.frombuffer(walk.stage.buffers[k], np.uint8).reshape(walk.stage.layers[k]["shape"])
    frame_indices = walk.stage.layers[k]["frame_indices"]
    return found if frame_indices is None else found[frame_indices]


def controls_of(walk: NoiseTrajectory) -> dict:
    return {w.description: w for row in walk.children if hasattr(row, "children") for w in row.children
            if hasattr(w, "description")}


def test_one_slider_goes_both_ways(walk: NoiseTrajectory, pipe: Pipeline):
    captions = walk.stage.captions
    assert captions[:2] == ["dissolving, t = 0.00, signal to noise ∞", "dissolving, t = 0.25, signal to noise 9"]
    assert captions[STEPS] == "step 0 of 4, t = 1.00, signal to noise 0"
    assert captions[-1] == "step 4 of 4, t = 0.00, signal to noise ∞" and len(captions) == 2 * STEPS + 1
    run = pipe("a red car", steps=STEPS)
    noisy, denoised = frames(walk, "noisy"), frames(walk, "denoised")
    assert np.abs(noisy[STEPS:-1].astype(int) - run.noisy[:-1].values).max() <= ROUGH / 2 + 1
    assert np.array_equal(walk.data.noisy[:-1], run.noisy[:-1]) and np.array_equal(denoised[STEPS:-1], run.previews)
    assert np.array_equal(noisy[-1], run.image) and np.array_equal(denoised[-1], run.image)
    assert (denoised[:STEPS] == walk.result.source).all()


def test_what_dissolves_ends_in_the_noise_that_the_run_starts_from(walk: NoiseTrajectory, pipe: Pipeline):
    journey = walk.result
    assert journey.drawn and np.array_equal(journey.source, draw(parse("a red car").scene).image)
    start, t = walk.run.latents.values[0], journey.times[-1]
    latent = pipe.encode(journey.source[None]).numpy()[0]
    np.testing.assert_allclose(journey.gone[-1], (1 - t) * latent + t * start, atol=1e-6)
    walk.origin = "finished"
    walk.wait()
    assert not walk.result.drawn and walk.result.parent is journey.parent
    np.testing.assert_allclose(walk.result.gone[0], walk.run.latents.values[-1], atol=1e-6)
    assert np.array_equal(frames(walk, "denoised")[0], walk.run.image)


def test_words_that_cannot_be_drawn_dissolve_the_finished_picture(walk: NoiseTrajectory):
    walk.prompt = "car red"
    walk.wait()
    assert walk.error is None and not walk.result.drawn and "no drawing of this prompt" in walk._status.value


def test_a_branch_grows_beside_its_parent(walk: NoiseTrajectory):
    parent = walk.run
    walk.branch(step=2, prompt="a blue boat")
    walk.wait()
    assert walk.run is parent, "the parent was walked again"
    branch = walk.branch_run
    assert branch.parent is parent and branch.branched_at == 2 and branch.settings.prompt == "a blue boat"
    noisy = frames(walk, "branch noisy")
    assert (noisy[: STEPS + 2] == BLANK).all() and np.array_equal(noisy[-1], branch.image)
    assert [p["name"] for p in walk.stage.panels][-3:] == ["branch noisy", "branch denoised", "branch noise"]
    assert list(walk.data.run.values) == ["parent", "branch"]
    assert np.isnan(walk.data.latent_distance.sel(run="branch")[:2]).all()
    assert float(walk.data.latent_distance.sel(run="branch")[-1]) == 0
    gap = float(rms_distance(parent.latents.values[-1], branch.latents.values[-1]))
    assert f"{gap:.2f} from the run" in walk._score.value and not walk.stage.autoplay


def test_without_a_change_there_is_no_branch(walk: NoiseTrajectory):
    walk.branch_prompt, walk.branch_seed, walk.branch_guidance = walk.prompt, walk.seed, walk.guidance
    walk.wait()
    assert walk.branch_run is None and len(walk.stage.panels) == 4
    walk.branch_seed = 7
    walk.wait()
    assert walk.branch_run.settings.seed == 7
    controls_of(walk)["no branch"].click()
    walk.wait()
    assert walk.branch_run is None


def test_a_branch_that_leaves_beyond_the_last_step_leaves_at_it(walk: NoiseTrajectory):
    walk.branch(step=9, guidance=1.0)
    walk.wait()
    assert walk.branch_run.branched_at == STEPS - 1 and controls_of(walk)["rewind to step"].value == STEPS - 1


def test_the_rewind_slider_comes_back_when_there_are_enough_steps_again(walk: NoiseTrajectory):
    walk.steps, walk.branch_step = 20, 10
    slider = controls_of(walk)["rewind to step"]
    walk.steps = 5
    assert (slider.value, walk.branch_step) == (4, 10)
    walk.steps = 20
    assert (slider.value, walk.branch_step) == (10, 10)


def test_the_same_wish_once_more_is_walked_anew(walk: NoiseTrajectory):
    before = walk.run
    walk.recompute()
    walk.wait()
    assert walk.run is not before


def test_branch_controls_show_the_runs_values_until_they_are_changed(walk: NoiseTrajectory):
    controls = controls_of(walk)
    walk.guidance = 6.0
    assert controls["branch guidance"].value == 6 and walk.branch_guidance is None
    controls["branch guidance"].value = 2
    assert walk.branch_guidance == 2
    walk.guidance = 7.0
    assert controls["branch guidance"].value == 2
    controls["branch guidance"].value = 7
    assert walk.branch_guidance is None
    controls["branch prompt"].value = "a blue boat"
    controls["branch seed"].value = 5
    assert (walk.branch_prompt, walk.branch_seed) == ("a blue boat", 5)
    controls["other words, late"].click()
    assert (walk.branch_step, walk.branch_prompt, walk.branch_seed) == (2, ELSEWHERE, None)


def test_every_place_of_the_plane_leads_to_its_step(walk: NoiseTrajectory):
    spec, = (spec for spec in walk.stage.layers if spec.get("target_frames"))
    left, right, bottom, top = spec["extent"]
    k = walk.stage.layers.index(spec)
    parts = np.frombuffer(walk.stage.buffers[k], "<u2").reshape(spec["shape"]) / 65535
    places = parts * [right - left, top - bottom] + [left, bottom]
    data, target_frames, m = walk.data, np.array(spec["target_frames"]), len(walk.result.times)
    assert [p["interaction"] for p in walk.stage.panels if spec["name"] in p["layers"]] == ["click"]
    for step in range(STEPS + 1):
        there = places[target_frames == m + step]
        for way in (data.latents_in_plane, data.estimates_in_plane):
            assert np.abs(there - way.values[0, step]).sum(1).min() < 1e-3 * (right - left)
    assert sorted(set(target_frames)) == list(range(len(walk.stage.captions)))


def test_rewinding_to_what_is_on_the_screen(walk: NoiseTrajectory):
    walk.stage.frame = STEPS + 1
    controls_of(walk)["this step"].click()
    assert walk.branch_step == 1
    walk.stage.frame = 1  # still dissolving
    controls_of(walk)["this step"].click()
    assert walk.branch_step == 0


def test_the_plane_is_named_and_holds_every_point(walk: NoiseTrajectory):
    title = next(p["title"] for p in walk.stage.panels if p["name"] == "ways")
    first, second = walk.data.variance.values
    assert title == f"PCA of latents and estimates: {first:.0%} + {second:.0%} of variance" and first > second
    shown = ways(walk.result)
    left, right, bottom, top = shown.extent
    assert (shown.places > [left, bottom]).all() and (shown.places < [right, top]).all()
    centred = np.concatenate([walk.data.latents_in_plane.values[0], walk.data.estimates_in_plane.values[0]])
    np.testing.assert_allclose(centred.mean(0), 0, atol=1e-6)


def test_what_is_seen_follows_the_frame(walk: NoiseTrajectory):
    walk.stage.frame = 1
    assert "0.75 × a drawing + 0.25 × noise" in walk._seen.value
    walk.stage.frame = STEPS + 1
    far = walk.data.latent_distance.sel(run="parent")[1]
    assert f"At step 1, x_t is {float(far):.2f}" in walk._seen.value
    walk.stage.frame = 2 * STEPS
    assert "has become a picture" in walk._seen.value
    assert "from step" in walk._score.value


def test_a_refused_branch_is_said(walk: NoiseTrajectory):
    with pytest.raises(TypeError, match="a branch here has no 'steps'"):
        walk.branch(steps=3)
    with pytest.raises(ValueError, match="branch_step is -1"):
        walk.branch_step = -1
    with pytest.raises(SettingError, match="guidance"):
        walk.branch_guidance = -2.0
    walk.branch(step=1, prompt="a blue <b>zyx</b>")
    walk.wait()
    assert walk.error is not None and "<b>" not in walk._status.value and walk.branch_run is None


def test_table_and_code(walk: NoiseTrajectory, pipe: Pipeline):
    walk.branch(step=1, seed=3, guidance=1.0)
    walk.wait()
    table = walk.table()
    assert len(table) == STEPS + 1 and table["signal to noise"].iloc[1] == pytest.approx(1 / 9)
    assert table["parent's x_t, from its end"].iloc[-1] == 0
    assert np.isnan(table["branch's estimate, from its end"].iloc[0])
    names = {"pipe": pipe}
    exec("\n".join(line for line in walk.code().splitlines() if not line.startswith("import")), names)
    assert tiny_pipes.same(names["run"], walk.run) and tiny_pipes.same(names["branch"], walk.branch_run)


def test_the_chart_has_the_lines_and_follows_the_theme(walk: NoiseTrajectory):
    assert [line.name for line in walk.chart.data] == ["parent's x_t", "parent's denoised estimate"]
    light = walk.chart.data[0].line.color
    walk.stage.dark = True
    assert walk.chart.data[0].line.color != light


def test_a_long_run_is_thinned(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journey, "MOST_STEPS", 4)
    walk = NoiseTrajectory(pipe, prompt="a red car", steps=12, guidance=1, branch_step=5, branch_guidance=0.0)
    walk.wait()
    assert [c.split(",")[0] for c in walk.stage.captions[-5:]] == [f"step {k} of 12" for k in (0, 3, 6, 9, 12)]
    noisy = frames(walk, "branch noisy")  # it left between two steps that are shown
    assert (noisy[:6] == BLANK).all() and np.array_equal(noisy[-1], walk.branch_run.image)
    assert walk.branch_run.branched_at == 5 and len(walk.table()) == 13
    walk.close()


def arrivals(walk: NoiseTrajectory) -> list[tuple[list[str], np.ndarray, bool]]:
    """What comes from now on: captions, what is held, and whether it plays."""
    found: list[tuple[list[str], np.ndarray, bool]] = []
    walk.stage.observe(lambda change: found.append((walk.stage.captions, frames(walk, "noisy"), walk.stage.autoplay)),
                       names="recording_id")
    return found


def test_a_longer_walk_is_first_seen_in_few_steps(walk: NoiseTrajectory, pipe: Pipeline):
    came, before = arrivals(walk), walk.run
    walk.steps = steps = 3 * PREVIEW_STEPS
    walk.wait()
    (said, noisy, autoplay), (whole, _, again) = came
    assert len(said) == len(whole) == 2 * steps + 1, "no frame moves when the rest comes"
    assert all(caption.startswith(PREVIEW_LABEL) for caption in said) and not any(
        PREVIEW_LABEL in caption for caption in whole
    )
    assert (autoplay, again) == (True, False) and walk.run is not before and walk.run.steps == steps
    few = pipe("a red car", steps=PREVIEW_STEPS)
    for k in (0, PREVIEW_STEPS // 2):
        assert np.abs(noisy[steps + 3 * k].astype(int) - few.noisy.values[k]).max() <= ROUGH / 2 + 1
    assert np.array_equal(noisy[-1], few.image) and PREVIEW_LABEL not in walk._status.value + walk._seen.value


def test_a_branch_is_first_seen_in_few_steps_beside_the_run(walk: NoiseTrajectory, pipe: Pipeline):
    walk.steps = steps = 3 * PREVIEW_STEPS
    walk.wait()
    came, run = arrivals(walk), walk.run
    walk.stage.frame = steps + 4
    walk.branch(step=2, guidance=1.0)
    walk.wait()
    (said, noisy, autoplay), (whole, same, again) = came
    assert walk.run is run and np.array_equal(noisy, same) and not autoplay and not again
    assert all(
        caption.endswith(f"; of the branch, {PREVIEW_LABEL}") for caption in said
    ) and PREVIEW_LABEL not in "".join(whole)
    assert walk.stage.frame == steps + 4
    walk.branch(step=steps - 2, guidance=2.0)  # not worth it
    walk.wait()
    assert len(came) == 3


def test_a_first_look_is_no_answer(walk: NoiseTrajectory, monkeypatch: pytest.MonkeyPatch):
    before, seen_then = walk.result, []
    walk.stage.observe(
        lambda change: seen_then.append((walk.preview_label, walk.result, walk.data)), names="recording_id"
    )
    travel = trajectory.travel

    def broken(pipe, wish, *rest):
        if wish.settings.steps > PREVIEW_STEPS:
            raise ValueError("the whole went wrong")
        return travel(pipe, wish, *rest)

    monkeypatch.setattr(trajectory, "travel", broken)
    walk.steps = 3 * PREVIEW_STEPS
    walk.wait()
    assert [shown is before and len(data.step) == STEPS + 1 for _, shown, data in seen_then] == [True, True]
    assert "whole went wrong" in walk._status.value and len(walk.stage.captions) == 2 * STEPS + 1
    with pytest.raises(ValueError, match="whole went wrong"):
        walk.save_html("nowhere.html")


def test_what_dissolves_is_decoded_once_while_only_guidance_changes(walk: NoiseTrajectory):
    away = walk.result.away
    walk.guidance = 2.0
    walk.wait()
    assert walk.result.away is away and walk.run.settings.guidance == 2
    walk.seed = 1
    walk.wait()
    assert walk.result.away is not away
    latent = walk.result.parent.run.latents.values[0]
    np.testing.assert_allclose(walk.result.gone[-1][0, 0, 0], 0.25 * walk.pipe.encode(walk.result.source[None]).numpy()[
        0, 0, 0, 0] + 0.75 * latent[0, 0, 0], atol=1e-6)


def test_one_page_holds_it(walk: NoiseTrajectory, tmp_path):
    walk.branch(step=1, prompt="a blue boat")
    walk.wait()
    assert walk.save_html(tmp_path / "walk.html").stat().st_size > 10_000


def test_closing_leaves_nothing(pipe: Pipeline):
    models = set(MODELS)
    walk = NoiseTrajectory(pipe, prompt="a red car", steps=2)
    walk.wait()
    walk.close()
    assert set(MODELS) == models


def test_its_repr_is_one_short_line(walk: NoiseTrajectory):
    assert len(repr(walk)) < 110 and repr(walk).startswith("NoiseTrajectory('a red car', seed=0")
    json.dumps(walk.stage.panels)


def test_a_refused_branch_changes_nothing(walk: NoiseTrajectory):
    before = walk.request()
    refused = ({"step": -3, "prompt": "a black cat"}, {"seed": -5}, {"guidance": float("nan"), "prompt": "a black cat"})
    for wrong in refused:
        with pytest.raises(ValueError, match=r"step|seed|guidance"):
            walk.branch(**wrong)
        assert walk.request() == before
