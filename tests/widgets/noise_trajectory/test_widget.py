"""NoiseTrajectory on a tiny untrained model: both directions, the plane, branches, and what is reused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_pipes
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import controls_of

from explorable.analysis.trajectory import rms_distance
from explorable.diffusion.settings import SettingError
from explorable.pipeline import Pipeline
from explorable.widgets.core.preview import PREVIEW_LABEL, PREVIEW_STEPS
from explorable.widgets.noise_trajectory import compute as computation
from explorable.widgets.noise_trajectory import recording, widget
from explorable.widgets.noise_trajectory.controls import OTHER_PROMPT
from explorable.widgets.noise_trajectory.figure import PRESENT
from explorable.widgets.noise_trajectory.recording import GREY, LEVEL_STEP, plane_paths
from explorable.widgets.noise_trajectory.widget import NoiseTrajectory
from explorable.world import draw, parse

STEPS = 4


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return tiny_pipes.tiny()


@pytest.fixture
def w(pipe: Pipeline):
    w = NoiseTrajectory(pipe, prompt="a red car", steps=STEPS)
    w.wait()
    yield w
    w.close()


def frames(w: NoiseTrajectory, name: str) -> np.ndarray:
    """Return the images of a layer, as the page shows them."""
    k = [spec["name"] for spec in w.stage.layers].index(name)
    images = np.frombuffer(w.stage.buffers[k], np.uint8).reshape(w.stage.layers[k]["shape"])
    frame_indices = w.stage.layers[k]["frame_indices"]
    return images if frame_indices is None else images[frame_indices]


def test_one_slider_shows_both_directions(w: NoiseTrajectory, pipe: Pipeline):
    captions = w.stage.captions
    assert captions[:2] == ["forward, t = 0.00, no noise", "forward, t = 0.25, signal to noise 9"]
    assert captions[STEPS] == "step 0 of 4, t = 1.00, noise alone"
    assert captions[-1] == "finished after 4 steps, t = 0.00, no noise" and len(captions) == 2 * STEPS + 1
    run = pipe("a red car", steps=STEPS)
    noisy, denoised = frames(w, "noisy"), frames(w, "denoised")
    assert np.abs(noisy[STEPS:-1].astype(int) - run.noisy[:-1].values).max() <= LEVEL_STEP / 2 + 1
    assert np.array_equal(w.data.noisy[:-1], run.noisy[:-1]) and np.array_equal(denoised[STEPS:-1], run.previews)
    assert np.array_equal(noisy[-1], run.image) and np.array_equal(denoised[-1], run.image)
    assert (denoised[:STEPS] == w.result.forward.image).all()


def test_the_forward_process_ends_in_the_initial_noise_of_the_run(w: NoiseTrajectory, pipe: Pipeline):
    result, forward = w.result, w.result.forward
    assert forward.is_drawing and np.array_equal(forward.image, draw(parse("a red car").scene).image)
    start, t = w.run.latents.values[0], forward.times[-1]
    latent = pipe.encode(forward.image[None]).numpy()[0]
    np.testing.assert_allclose(forward.latents[-1], (1 - t) * latent + t * start, atol=1e-6)
    w.forward_image = "generated"
    w.wait()
    assert not w.result.forward.is_drawing and w.result.parent is result.parent
    np.testing.assert_allclose(w.result.forward.latents[0], w.run.latents.values[-1], atol=1e-6)
    assert np.array_equal(frames(w, "denoised")[0], w.run.image)


def test_a_prompt_that_cannot_be_drawn_uses_the_generated_image(w: NoiseTrajectory):
    w.prompt = "car red"
    w.wait()
    assert (
        w.error is None
        and not w.result.forward.is_drawing
        and "no drawing of this prompt" in w.status_area.status.value
    )


def is_notice(images: np.ndarray) -> bool:
    """Whether all images are the same one: text on grey, which says where the branch leaves."""
    return bool((images == images[0]).all() and 0.5 < (images[0] == GREY).mean() < 1)


def test_a_branch_is_shown_beside_its_parent(w: NoiseTrajectory):
    parent = w.run
    w.branch(step=2, prompt="a blue boat")
    w.wait()
    assert w.run is parent, "the parent was sampled again"
    branch = w.branch_run
    assert branch.parent is parent and branch.branched_at == 2 and branch.settings.prompt == "a blue boat"
    noisy = frames(w, "branch noisy")
    assert is_notice(noisy[: STEPS + 2]) and np.array_equal(noisy[-1], branch.image)
    assert [p["name"] for p in w.stage.panels][-3:] == ["branch noisy", "branch denoised", "branch noise"]
    assert "ex-panel-rows-2" in w._dom_classes and "ex-panel-rows-1" not in w._dom_classes
    assert list(w.data.run.values) == ["parent", "branch"]
    assert np.isnan(w.data.latent_distance.sel(run="branch")[:2]).all()
    assert float(w.data.latent_distance.sel(run="branch")[-1]) == 0
    gap = float(rms_distance(parent.latents.values[-1], branch.latents.values[-1]))
    assert f"ends {gap:.2f} (RMS) from the run" in w.status_area.score.value and not w.stage.autoplay


def test_without_a_change_there_is_no_branch(w: NoiseTrajectory):
    w.branch_prompt, w.branch_seed, w.branch_guidance = w.prompt, w.seed, w.guidance
    w.wait()
    assert w.branch_run is None and len(w.stage.panels) == 4
    w.branch_seed = 7
    w.wait()
    assert w.branch_run.settings.seed == 7
    controls_of(w)["no branch"].click()
    w.wait()
    assert w.branch_run is None


def test_a_branch_step_out_of_range_is_clamped(w: NoiseTrajectory):
    w.branch(step=9, guidance=1.0)
    w.wait()
    assert w.branch_run.branched_at == STEPS - 1 and controls_of(w)["rewind to step"].value == STEPS - 1


def test_the_step_slider_recovers_when_steps_grow_again(w: NoiseTrajectory):
    w.steps, w.branch_step = 20, 10
    slider = controls_of(w)["rewind to step"]
    w.steps = 5
    assert (slider.value, w.branch_step) == (4, 10)
    w.steps = 20
    assert (slider.value, w.branch_step) == (10, 10)


def test_recompute_samples_again(w: NoiseTrajectory):
    before = w.run
    w.recompute()
    w.wait()
    assert w.run is not before


def test_branch_controls_show_the_runs_values_until_changed(w: NoiseTrajectory):
    controls = controls_of(w)
    w.guidance = 6.0
    assert controls["branch guidance"].value == 6 and w.branch_guidance is None
    controls["branch guidance"].value = 2
    assert w.branch_guidance == 2
    w.guidance = 7.0
    assert controls["branch guidance"].value == 2
    controls["branch guidance"].value = 7
    assert w.branch_guidance is None
    controls["branch prompt"].value = "a blue boat"
    controls["branch seed"].value = 5
    assert (w.branch_prompt, w.branch_seed) == ("a blue boat", 5)
    controls["other prompt, late"].click()
    assert (w.branch_step, w.branch_prompt, w.branch_seed) == (2, OTHER_PROMPT, None)


def test_every_point_of_the_plane_leads_to_its_step(w: NoiseTrajectory):
    spec, = (spec for spec in w.stage.layers if spec.get("target_frames"))
    left, right, bottom, top = spec["extent"]
    k = w.stage.layers.index(spec)
    parts = np.frombuffer(w.stage.buffers[k], "<u2").reshape(spec["shape"]) / 65535
    positions = parts * [right - left, top - bottom] + [left, bottom]
    data, target_frames, m = w.data, np.array(spec["target_frames"]), len(w.result.forward.times)
    assert [p["interaction"] for p in w.stage.panels if spec["name"] in p["layers"]] == ["click"]
    for step in range(STEPS + 1):
        shown = positions[target_frames == m + step]
        for expected in (data.latents_in_plane, data.denoised_in_plane):
            assert np.abs(shown - expected.values[0, step]).sum(1).min() < 1e-3 * (right - left)
    assert sorted(set(target_frames)) == list(range(len(w.stage.captions)))


def test_rewinding_to_the_shown_step(w: NoiseTrajectory):
    w.stage.frame = STEPS + 1
    controls_of(w)["rewind here"].click()
    assert w.branch_step == 1
    w.stage.frame = 1  # the forward process
    controls_of(w)["rewind here"].click()
    assert w.branch_step == 0


def test_the_plane_is_titled_and_contains_every_point(w: NoiseTrajectory):
    title = next(p["title"] for p in w.stage.panels if p["name"] == "plane")
    first, second = w.data.variance.values
    assert title == f"PCA: {first + second:.0%} of variance" and first > second
    paths = plane_paths(w.result)
    left, right, bottom, top = paths.extent
    assert (paths.positions > [left, bottom]).all() and (paths.positions < [right, top]).all()
    centred = np.concatenate([w.data.latents_in_plane.values[0], w.data.denoised_in_plane.values[0]])
    np.testing.assert_allclose(centred.mean(0), 0, atol=1e-6)


def test_the_caption_follows_the_frame(w: NoiseTrajectory):
    w.stage.frame = 1
    assert "0.75 × drawing + 0.25 × noise" in w.status_area.caption.value
    w.stage.frame = STEPS + 1
    distance = w.data.latent_distance.sel(run="parent")[1]
    assert f"Step 1: the noisy latent is {float(distance):.2f}" in w.status_area.caption.value
    w.stage.frame = 2 * STEPS
    assert "has become an image" in w.status_area.caption.value
    assert "at step" in w.status_area.score.value and "and then stays within 10%" in w.status_area.score.value


def test_an_invalid_branch_is_reported(w: NoiseTrajectory):
    with pytest.raises(TypeError, match="a branch here has no 'steps'"):
        w.branch(steps=3)
    with pytest.raises(ValueError, match="branch_step is -1"):
        w.branch_step = -1
    with pytest.raises(SettingError, match="guidance"):
        w.branch_guidance = -2.0
    w.branch(step=1, prompt="a blue <b>zyx</b>")
    w.wait()
    assert w.error is not None and "<b>" not in w.status_area.status.value and w.branch_run is None


def test_table_and_code(w: NoiseTrajectory, pipe: Pipeline):
    w.branch(step=1, seed=3, guidance=1.0)
    w.wait()
    table = w.table()
    assert len(table) == STEPS + 1 and table["signal to noise"].iloc[1] == pytest.approx(1 / 9)
    assert table["parent: noisy latent, from its end"].iloc[-1] == 0
    assert np.isnan(table["branch: predicted image, from its end"].iloc[0])
    names = {"pipe": pipe}
    exec("\n".join(line for line in w.code().splitlines() if not line.startswith("import")), names)
    assert tiny_pipes.same(names["run"], w.run) and tiny_pipes.same(names["branch"], w.branch_run)


def test_the_chart_has_its_lines_and_follows_the_theme(w: NoiseTrajectory):
    assert [line.name for line in w.chart.data] == ["noisy latent", "predicted image", PRESENT]
    light = w.chart.data[0].line.color
    w.stage.dark = True
    assert w.chart.data[0].line.color != light


def test_a_long_run_is_thinned(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(computation, "MAX_FRAMES", 5)
    w = NoiseTrajectory(pipe, prompt="a red car", steps=12, guidance=1, branch_step=5, branch_guidance=0.0)
    w.wait()
    assert [c.split(",")[0] for c in w.stage.captions[-5:]] == [
        *(f"step {k} of 12" for k in (0, 3, 6, 9)), "finished after 12 steps"]
    noisy = frames(w, "branch noisy")  # it leaves between two shown steps
    assert is_notice(noisy[:6]) and np.array_equal(noisy[-1], w.branch_run.image)
    assert w.branch_run.branched_at == 5 and len(w.table()) == 13
    w.close()


def watch_recordings(w: NoiseTrajectory) -> list[tuple[list[str], np.ndarray, bool]]:
    """Record what is sent from now on: captions, noisy images, and whether it plays."""
    recordings: list[tuple[list[str], np.ndarray, bool]] = []
    w.stage.observe(lambda change: recordings.append((w.stage.captions, frames(w, "noisy"), w.stage.autoplay)),
                       names="recording_id")
    return recordings


def test_a_long_run_is_previewed(w: NoiseTrajectory, pipe: Pipeline):
    recordings, before = watch_recordings(w), w.run
    w.steps = steps = 3 * PREVIEW_STEPS
    w.wait()
    (preview, noisy, autoplay), (finished, image_first, _), (full, _, again) = recordings
    assert np.array_equal(image_first[-1], w.run.image) and np.array_equal(image_first[steps], noisy[steps])
    assert finished[-1] == full[-1] and finished[:-1] == preview[:-1]
    assert len(preview) == len(full) == 2 * steps + 1, "frames do not move when the result comes"
    assert all(caption.startswith(PREVIEW_LABEL) for caption in preview) and not any(
        PREVIEW_LABEL in caption for caption in full
    )
    assert (autoplay, again) == (True, False) and w.run is not before and w.run.steps == steps
    few = pipe("a red car", steps=PREVIEW_STEPS)
    for k in (0, PREVIEW_STEPS // 2):
        assert np.abs(noisy[steps + 3 * k].astype(int) - few.noisy.values[k]).max() <= LEVEL_STEP / 2 + 1
    assert (
        np.array_equal(noisy[-1], few.image)
        and PREVIEW_LABEL not in w.status_area.status.value + w.status_area.caption.value
    )


def test_a_long_branch_is_previewed_beside_the_run(w: NoiseTrajectory, pipe: Pipeline):
    w.steps = steps = 3 * PREVIEW_STEPS
    w.wait()
    recordings, run = watch_recordings(w), w.run
    w.stage.frame = steps + 4
    w.branch(step=2, guidance=1.0)
    w.wait()
    (preview, noisy, autoplay), (full, same, again) = recordings
    assert w.run is run and np.array_equal(noisy, same) and not autoplay and not again
    assert all(
        caption.endswith(f"; of the branch, {PREVIEW_LABEL}") for caption in preview
    ) and PREVIEW_LABEL not in "".join(full)
    assert w.stage.frame == steps + 4
    w.branch(step=steps - 2, guidance=2.0)  # short enough without
    w.wait()
    assert len(recordings) == 3


def test_a_preview_is_no_result(w: NoiseTrajectory, monkeypatch: pytest.MonkeyPatch):
    before, states = w.result, []
    w.stage.observe(
        lambda change: states.append((w.preview_label, w.result, w.data)), names="recording_id"
    )
    compute = widget.compute

    def broken(pipe, request, *rest):
        if request.settings.steps > PREVIEW_STEPS:
            raise ValueError("the full run failed")
        return compute(pipe, request, *rest)

    monkeypatch.setattr(widget, "compute", broken)
    w.steps = 3 * PREVIEW_STEPS
    w.wait()
    assert [shown is before and len(data.step) == STEPS + 1 for _, shown, data in states] == [True, True]
    assert "full run failed" in w.status_area.status.value and len(w.stage.captions) == 2 * STEPS + 1
    with pytest.raises(ValueError, match="full run failed"):
        w.save_html("nowhere.html")


def test_the_forward_process_is_reused_while_only_guidance_changes(w: NoiseTrajectory):
    images = w.result.forward.images
    w.guidance = 2.0
    w.wait()
    assert w.result.forward.images is images and w.run.settings.guidance == 2
    w.seed = 1
    w.wait()
    assert w.result.forward.images is not images
    forward, noise = w.result.forward, w.result.parent.run.latents.values[0]
    latent = w.pipe.encode(forward.image[None]).numpy()[0]
    np.testing.assert_allclose(forward.latents[-1], 0.25 * latent + 0.75 * noise, atol=1e-6)


def test_it_is_saved_as_one_page(w: NoiseTrajectory, tmp_path):
    w.branch(step=1, prompt="a blue boat")
    w.wait()
    assert w.save_html(tmp_path / "walk.html").stat().st_size > 10_000


def test_closing_leaves_nothing(pipe: Pipeline):
    models = set(MODELS)
    w = NoiseTrajectory(pipe, prompt="a red car", steps=2)
    w.wait()
    w.close()
    assert set(MODELS) == models


def test_its_repr_is_one_short_line(w: NoiseTrajectory):
    assert len(repr(w)) < 110 and repr(w).startswith("NoiseTrajectory('a red car', seed=0")
    json.dumps(w.stage.panels)


def test_a_refused_branch_changes_nothing(w: NoiseTrajectory):
    before = w.request()
    refused = ({"step": -3, "prompt": "a black cat"}, {"seed": -5}, {"guidance": float("nan"), "prompt": "a black cat"})
    for changes in refused:
        with pytest.raises(ValueError, match=r"step|seed|guidance"):
            w.branch(**changes)
        assert w.request() == before


def test_rewinding_stays_at_the_step_and_invites_a_change(w: NoiseTrajectory):
    before, recordings = w.result, w.stage.recording_id
    w.stage.frame = frame = STEPS + 3
    controls_of(w)["rewind here"].click()
    w.wait()
    assert (w.branch_step, w.stage.frame) == (3, frame)
    assert w.result is before and w.stage.recording_id == recordings, "nothing was sampled again"
    assert "Rewound to step 3. Change the branch" in w.status_area.status.value
    controls_of(w)["rewind to step"].value = 1
    assert w.stage.frame == STEPS + 1 and "Rewound to step 1" in w.status_area.status.value
    w.branch_prompt = "a blue boat"
    w.wait()
    assert w.branch_run.branched_at == 1 and w.stage.frame == STEPS + 1
    w.stage.frame = STEPS + 2
    controls_of(w)["rewind here"].click()
    w.wait()
    assert w.branch_run.branched_at == 2 and w.stage.frame == STEPS + 2


def test_the_chart_marks_the_step_on_the_stage(w: NoiseTrajectory):
    def marked() -> float | None:
        line, = (shape for shape in w.chart.spec["layout"]["shapes"] if shape.get("name") == PRESENT)
        assert line["x0"] == line["x1"]
        return line["x0"] if line["visible"] else None

    assert marked() == STEPS
    w.stage.frame = STEPS + 1
    assert marked() == 1
    w.stage.frame = 1
    assert marked() is None, "the forward process has no steps"
    controls_of(w)["rewind to step"].value = 3
    assert marked() == 3


def test_the_stage_follows_the_step_of_a_branch(w: NoiseTrajectory):
    w.branch(step=1, guidance=1.0)
    w.wait()
    assert w.stage.frame == 2 * STEPS, "a branch that is new is shown at its end"
    controls_of(w)["rewind to step"].value = 3
    assert w.stage.frame == STEPS + 3
    w.wait()
    assert w.branch_run.branched_at == 3 and w.stage.frame == STEPS + 3


def test_a_branch_without_a_preview_has_panels_that_say_so(pipe: Pipeline, w: NoiseTrajectory,
                                                           monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(pipe), "supports_preview", False)
    shown: list[tuple[np.ndarray, str]] = []
    w.stage.observe(lambda change: shown.append((frames(w, "branch noisy"), w.preview_label)), names="recording_id")
    before = w.result
    w.branch(step=2, prompt="a blue boat")
    w.wait()
    (empty, _), (full, _) = shown
    assert np.array_equal(empty, recording.notice("computing …", before.parent.run.image.shape[:2]))
    assert (empty == GREY).any() and (empty != GREY).any() and np.array_equal(full[-1], w.branch_run.image)
    assert w.result.parent is before.parent and "computed" not in w.status_area.caption.value


def test_captions_do_not_write_ratios_that_nobody_can_read():
    class Path:
        alpha, sigma = staticmethod(lambda t: 1 - t), staticmethod(lambda t: t)

    times = np.array([0, 0.01, 0.3, 0.5, 0.99, 1])
    result = SimpleNamespace(
        forward=SimpleNamespace(times=times),
        parent=SimpleNamespace(steps=np.array([0]), run=SimpleNamespace(
            latents=SimpleNamespace(t=SimpleNamespace(values=np.array([1.0]))))))
    captions = [caption.split(", ")[-1] for caption in recording.frame_captions(result, Path)[:-1]]
    assert captions == ["no noise", "signal to noise over 1,000", "signal to noise 5.4", "signal to noise 1",
                        "signal to noise below 0.001", "noise alone"]
