"""FlowPaths: its laboratory agrees with the world's, its stage shows it, and a hand moves what it should."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import status
from tiny_pipes import tiny

from explorable.diffusion.paths import PATHS
from explorable.diffusion.settings import DEFAULT_GUIDANCE
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import (
    COUPLINGS,
    SOLVERS,
    endpoint_errors,
    exact_endpoints,
    integrate,
    marginal_field,
    path_length_ratio,
    sample_distribution,
    sample_pairs,
    sample_trajectories,
    straightness,
)
from explorable.measure.denoisers import default_guidance, select_denoisers
from explorable.nn.text import UnknownWordError
from explorable.pipeline import Pipeline
from explorable.widgets.core import explorable as base
from explorable.widgets.flow_paths import compute as lab
from explorable.widgets.flow_paths import images as pictures
from explorable.widgets.flow_paths import view as on_stage
from explorable.widgets.flow_paths.widget import RING, FlowPaths

COUNT = 24  # points: quick, and enough for everything that is no statistic
WISH = lab.Lab("two moons", "", None, "straight", "independent", "euler", 8, COUNT, 0, (0.5, 1.0))


def wished(**changes: object) -> lab.Lab:
    return lab.Lab(**{**WISH.__dict__, **changes})


@pytest.fixture
def made():
    """Makes explorables, with the answer there, and closes them."""
    open_ones: list[FlowPaths] = []

    def make(pipe: Pipeline | None = None, **values: object) -> FlowPaths:
        flow = FlowPaths(pipe, **{"count": COUNT, "steps": 8, **values})
        open_ones.append(flow)
        flow.wait(300)
        return flow

    yield make
    for flow in open_ones:
        flow.close()


Make = Callable[..., FlowPaths]

# ---- the laboratory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("coupling", ["independent", "optimal"])
def test_its_particles_are_those_of_the_worlds_laboratory(path: str, solver: str, coupling: str):
    seen = lab.scene(wished(path=path, solver=solver, coupling=coupling))
    joined = sample_pairs(seen.points, coupling)
    theirs = sample_trajectories("two moons", PATHS[path], joined.noises, coupling, solver, 8, count=COUNT)
    np.testing.assert_allclose(seen.marginal[:: lab.parts_of(8)], theirs.x, atol=1e-3)
    a, s = PATHS[path].alpha(0.5), PATHS[path].sigma(0.5)
    middle = len(seen.times) // 2
    assert seen.times[middle] == 0.5
    np.testing.assert_allclose(seen.conditional[middle], a * joined.points + s * joined.noises)
    assert all(np.isfinite(part).all() for part in (seen.marginal, seen.conditional, seen.arrows))


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_its_field_is_the_marginal_one(coupling: str):
    points = sample_distribution("two moons", COUNT)
    coupled, field = lab.joined_for(wished(coupling=coupling))
    theirs, x = marginal_field(points, coupling), np.array([[0.3, -0.4], [2.0, 1.0]])
    np.testing.assert_allclose(field.velocity(x, 0.4, 0.6, -1, 1), theirs.velocity(x, 0.4, 0.6, -1, 1), atol=1e-9)
    np.testing.assert_allclose(coupled.noises, sample_pairs(points, coupling).noises)


def test_between_two_steps_a_solver_goes_straight_ahead():
    x = np.random.default_rng(0).standard_normal((4, 5, 2))
    cut = lab.between(x, 3)
    assert cut.shape == (10, 5, 2)
    np.testing.assert_allclose(cut[::3], x)
    np.testing.assert_allclose(cut[1], (2 * x[0] + x[1]) / 3)
    np.testing.assert_array_equal(lab.between(x, 1), x)


@pytest.mark.parametrize("path", PATHS)
def test_the_exact_path_is_exact(path: str):
    own = lab.strand(wished(path=path))
    p, field = PATHS[path], marginal_field(sample_distribution("two moons", COUNT))
    np.testing.assert_allclose(own.walked[0], WISH.start)
    end = exact_endpoints(field, np.array([WISH.start]), p.alpha(1.0), p.sigma(1.0))[0]
    np.testing.assert_allclose(own.exact[-1], end, atol=5e-3)
    assert own.evaluations == 8 and own.gap == pytest.approx(np.linalg.norm(own.walked[-1] - end), abs=5e-3)
    assert len(own.exact) == len(own.walked) == len(lab.scene(wished(path=path)).times)


def test_arrows_go_with_the_particles_and_stay_in_their_cells():
    field, path = marginal_field(sample_distribution("two moons", COUNT)), PATHS["straight"]
    found = lab.arrows(field, "straight", 0.7)
    middle, way = (found[:, :2] + found[:, 2:]) / 2, found[:, 2:] - found[:, :2]
    v = -field.velocity(middle, path.alpha(0.7), path.sigma(0.7), -1, 1)
    cosine = (way * v).sum(1) / np.linalg.norm(way, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(cosine, 1)
    cell = 2 * lab.SIDE / (lab.ARROWS + 1)
    assert (np.linalg.norm(way, axis=1) < cell).all()
    assert np.isfinite(lab.arrows(field, "cosine", 0.0)).all(), "infinitely fast at t = 0: the last arrows stand before"


@pytest.mark.parametrize("path", ["straight", "linear"])
def test_its_scores_are_those_of_the_world(path: str):
    scored, start = lab.scores(wished(path=path)), lab.fresh(0)
    field = marginal_field(sample_distribution("two moons", COUNT))
    for solver in SOLVERS:
        theirs = endpoint_errors(field, PATHS[path], start, solver, lab.STEPS)
        one = scored.errors.sel(solver=solver)
        assert one.evaluations.values.tolist() == theirs.evaluations
        np.testing.assert_allclose(one.distance, theirs.distances, atol=1e-8)
    fine = integrate(field, PATHS[path], start, uniform_timesteps(100), "heun")
    assert scored.bend == pytest.approx(straightness(fine).mean())
    assert scored.path_length_ratio == pytest.approx(np.nanmedian(path_length_ratio(fine)))
    looks, error = lab.chosen_error(wished(path=path, solver="heun", steps=4))
    assert (looks, error) == (7, pytest.approx(float(scored.errors.distance.sel(solver="heun", steps=4).median())))


def test_what_was_scored_is_not_scored_again(monkeypatch: pytest.MonkeyPatch):
    before = lab.scores(WISH)
    monkeypatch.setattr(lab, "_score", None)
    assert lab.is_scored(wished(solver="heun", steps=3, start=(0.0, 0.0)))
    assert lab.scores(wished(solver="heun", steps=3, start=(0.0, 0.0))) is before
    assert not lab.is_scored(wished(path="cosine", seed=77))


@pytest.mark.parametrize(("steps", "frames"), [(1, 41), (7, 43), (20, 41), (50, 51)])
def test_every_step_ends_on_a_frame(steps: int, frames: int):
    times = lab.scene(wished(steps=steps)).times
    assert len(times) == frames and set(np.round(uniform_timesteps(steps), 12)) <= set(np.round(times, 12))
    said = on_stage.captions(times.tolist(), steps)
    assert said[0] == f"t = 1.00, after 0 of {steps}" and said[-1] == f"t = 0.00, after {steps} of {steps}"
    assert len(said) == frames


# ---- on the screen -------------------------------------------------------------------------------------------------


def test_no_model_is_opened_for_points(made: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "load", None)
    base.shipped_pipeline.cache_clear()
    flow = made()
    assert flow.error is None and flow.result is not None


def test_paths_and_scores_are_shown(made: Make):
    flow = made()
    assert flow.stage.recording_id == 1 and flow.stage.autoplay and len(flow.stage.captions) == 41
    assert [panel["interaction"] for panel in flow.stage.panels] == ["drag", ""]
    assert len(flow.chart.data) == 5
    assert f"{lab.scores(flow.request()).bend:.2g}" in flow._score.value and "after 8 evaluations" in flow._score.value
    assert "every noise goes a straight way" in flow._seen.value and "from where the exact flow" in status(flow)


def test_the_particles_do_not_wait_for_the_scores(made: Make, monkeypatch: pytest.MonkeyPatch):
    flow, begun, go_on, score = made(), threading.Event(), threading.Event(), lab._score

    def late(*args):
        begun.set()
        assert go_on.wait(60)
        return score(*args)

    monkeypatch.setattr(lab, "_score", late)
    flow.seed = 4242
    assert begun.wait(60)
    assert flow.stage.recording_id == 2 and flow._staged.request.seed == 4242 and flow._staged.scores is None
    go_on.set()
    flow.wait(300)
    assert flow.stage.recording_id == 2, "the recording must not be sent twice"
    assert flow.result.scores is not None and flow.error is None


def test_a_drag_moves_one_path_and_leaves_the_rest(made: Make):
    flow = made()
    scene, drawn_before, flow.stage.frame = flow.result.scene, flow.chart.data, 17
    flow.stage.pointer = {"panel": "marginal", "kind": "drag", "x": 0.75, "y": 0.25, "done": False}
    flow.wait(300)
    assert flow.start == pytest.approx((lab.SIDE / 2, lab.SIDE / 2))
    assert flow.result.scene is scene and flow.chart.data == drawn_before
    np.testing.assert_allclose(flow.data.own[0], flow.start)
    assert flow.stage.recording_id == 2 and not flow.stage.autoplay and flow.stage.frame == 17


def test_other_hands_in_other_panels_are_left_alone(made: Make):
    flow = made()
    before = flow.start
    flow.stage.pointer = {"panel": "conditional", "kind": "draw", "x": 0.1, "y": 0.1, "points": [[0.1, 0.1]]}
    flow.stage.pointer = {"panel": "marginal", "kind": "click", "x": 0.1, "y": 0.1}
    flow.wait(300)
    assert flow.start == before and flow.stage.recording_id == 1


def test_the_noise_time_stays_when_the_frames_are_others(made: Make):
    flow = made()
    flow.stage.frame = 20  # of 0 … 40
    flow.steps = 50
    flow.wait(300)
    assert (len(flow.stage.captions), flow.stage.frame) == (51, 25)
    flow.distribution = "spiral"  # another world plays from its start
    flow.wait(300)
    assert flow.stage.autoplay and flow.stage.frame == 50


def test_a_world_is_drawn_stroke_by_stroke(made: Make):
    flow = made(distribution="drawn")
    assert flow.result.request.drawing == RING and flow.stage.panels[1]["interaction"] == "draw"

    def stroke(*points: list[float]) -> None:
        flow.stage.pointer = {"panel": "conditional", "kind": "draw", "x": 0.5, "y": 0.5, "points": list(points)}
        flow.wait(300)

    stroke([0.2, 0.2])
    assert "draw at least two points" in status(flow) and flow.result.request.drawing == RING
    stroke([0.2, 0.2], [0.8, 0.2])  # the keyboard sends all that it has with each point
    assert flow.error is None and len(flow.drawing) == 2
    np.testing.assert_allclose(flow.drawing, [[-2**0.5, 0], [2**0.5, 0]], atol=1e-3)
    np.testing.assert_allclose(flow.result.scene.points, flow.drawing, atol=1e-3)
    stroke([0.5, 0.9])
    assert len(flow.drawing) == 3 and np.mean(flow.drawing, axis=0) == pytest.approx([0, 0], abs=1e-3)
    flow.clear_drawing()
    flow.wait(300)
    assert flow.drawing is None and flow.result.request.drawing == RING
    stroke(*np.random.default_rng(0).random((900, 2)).round(4).tolist())
    assert flow.error is None and len(flow.drawing) == on_stage.MOST_DRAWN


def test_a_word_makes_a_world_or_says_why_not(made: Make):
    flow = made(distribution="word", text="hi")
    before = flow.result.scene
    flow.text = "much too long a word"
    flow.wait(300)
    assert "write at most 12" in status(flow) and flow.result.scene is before
    flow.text = "ho"
    flow.wait(300)
    assert flow.error is None and not np.array_equal(flow.result.scene.points, before.points)


@pytest.mark.parametrize(("name", "value", "said"), [
    ("distribution", "mars", "choose one of two moons"), ("path", "bent", "choose one of straight"),
    ("coupling", "lucky", "independent, optimal, reflowed"), ("solver", "leap", "euler, heun"),
    ("steps", 0, "from 1 to"),
    ("count", 5000, "from 8 to"), ("seed", -1, "from 0"), ("start", (9.0, 0.0), "must lie from"),
    ("mode", "films", "points, pictures"), ("guidance", -1.0, "guidance"), ("drawing", [1, 2], "pairs of numbers"),
])
def test_what_cannot_be_is_refused(made: Make, name: str, value: object, said: str):
    flow = made()
    before = getattr(flow, name)
    with pytest.raises(Exception, match=said):
        setattr(flow, name, value)
    assert getattr(flow, name) == before


@pytest.mark.parametrize("values", [{}, {"distribution": "word", "text": "hi", "coupling": "optimal", "solver": "heun"},
                                    {"distribution": "drawn", "drawing": [(0, 0), (1, 2), (3, 1)], "path": "cosine"},
                                    {"start": (0.5, -1.25)}])
def test_its_code_walks_the_same_paths(made: Make, values: dict):
    flow, names = made(**values), {}
    exec(flow.code(), names)
    np.testing.assert_allclose(names["trajectories"].x[-1], flow.result.scene.marginal[-1], atol=2e-3)
    np.testing.assert_allclose(names["own"].x[-1, 0], flow.data.own[-1], atol=2e-3)


def test_its_table_is_its_chart(made: Make):
    flow = made()
    table = flow.table()
    assert len(table) == len(SOLVERS) * len(lab.STEPS)
    drawn = next(trace for trace in flow.chart.data if trace.name == "euler, median")
    np.testing.assert_allclose(table.loc["euler"]["median"], drawn.y)
    assert (table["lower quartile"] <= table["upper quartile"]).all()
    assert {"marginal", "conditional", "own", "own_exact", "arrows", "distance"} <= set(flow.data)


def test_only_the_controls_that_do_something_are_there(made: Make):
    flow = made(tiny())

    def shown() -> set[str]:
        return {c.description for r in flow.children if hasattr(r, "children") and r.layout.display != "none"
                for c in r.children if c.layout.display != "none"}

    assert shown() == {"paths of", "distribution", "seed", "new", "path", "coupling", "solver", "steps"}
    flow.distribution = "word"
    assert shown() == {"paths of", "distribution", "word", "seed", "new", "path", "coupling", "solver", "steps"}
    for row in flow.children:
        for control in getattr(row, "children", ()):
            assert control.description and (control.tooltip or control.tooltips), control


def test_it_follows_a_dark_page(made: Make):
    flow = made()
    light = flow.chart.data[0].line.color
    flow.stage.dark = True
    assert flow.chart.data[0].line.color != light and len(flow.chart.data) == 5


def test_its_repr_is_one_short_line(made: Make):
    flow = made(distribution="drawn", drawing=np.random.default_rng(0).random((50, 2)).round(3))
    assert len(repr(flow)) < 110 and "\n" not in repr(flow) and repr(flow).startswith("FlowPaths('drawn'")


def test_closing_leaves_nothing():
    models = set(MODELS)
    flow = FlowPaths(count=COUNT, steps=4)
    flow.wait(300)
    assert set(MODELS) > models
    flow.close()
    assert set(MODELS) == models
    assert not [t for t in threading.enumerate() if t.name.startswith("explorable")]


# ---- pictures ------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    monkeypatch.setattr(pictures, "STEPS", (1, 4, 5))
    return 1, 4, 5


def test_pictures_are_those_of_the_pipeline(made: Make, few: tuple[int, ...]):
    pipe = tiny()
    flow = made(pipe, mode="pictures", prompt="a red car", guidance=3.0, seed=2)
    for steps in few:
        run = pipe("a red car", steps=steps, guidance=3.0, seed=2, sampler="ddim")
        assert np.array_equal(flow.data.pictures.sel(model=pipe.name, steps=steps), run.image)
    assert flow.stage.captions == ["1 step", "4 steps", "5 steps"] and flow.stage.thumbnails == pipe.name
    assert [trace.name for trace in flow.chart.data] == [pipe.name] and "With 4 steps" in flow._score.value
    assert flow.table().loc[pipe.name, 5].item() == 0
    names = {"pipe": pipe}
    exec(flow.code().replace("import explorable as ex", ""), names)
    assert np.array_equal(names["pictures"][pipe.name, 4], flow.data.pictures.sel(model=pipe.name, steps=4))


def test_guidance_is_each_models_own_until_it_is_moved(made: Make, few: tuple[int, ...]):
    flow = made(tiny(), mode="pictures", prompt="a red car")
    controls = {c.description: c for r in flow.children if hasattr(r, "children") for c in r.children}
    slider, own = controls["guidance"], controls["each model's own guidance"]
    assert own.value and flow.result.guidance == {flow.pipe.name: DEFAULT_GUIDANCE} and slider.value == DEFAULT_GUIDANCE
    slider.value = 2.0
    flow.wait(300)
    assert flow.guidance == 2 and not own.value and flow.result.guidance == {flow.pipe.name: 2.0}
    own.value = True
    assert flow.guidance is None and slider.value == DEFAULT_GUIDANCE
    own.value = False
    assert flow.guidance == DEFAULT_GUIDANCE
    flow.guidance = 20.0
    assert (slider.value, slider.max, own.value) == (20, 20, False)


def test_models_hang_side_by_side(made: Make, few: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    pipes = [tiny(), tiny("dit", "linear")]
    monkeypatch.setattr(pictures, "painters", lambda pipe: {
        p.name: pictures.Painter(lambda p=p: p, w) for p, w in zip(pipes, (4.0, 1.0), strict=True)})
    monkeypatch.setattr(FlowPaths, "pipe", None)
    flow = made(mode="pictures", prompt="a red car")
    assert flow.error is None and flow.result.guidance == {"tiny-unet": 4.0, "tiny-dit": 1.0}
    assert [panel["title"] for panel in flow.stage.panels] == [
        "tiny-unet", "tiny-dit", "tiny-unet: 1, 4, 5 steps", "tiny-dit: 1, 4, 5 steps"]
    row = np.frombuffer(flow.stage.buffers[1], np.uint8).reshape(flow.stage.layers[1]["shape"])
    assert np.array_equal(row[:, 128:256], flow.data.pictures.sel(model="tiny-unet", steps=4))
    assert "Each model draws" in flow._seen.value and "tiny-dit at guidance 1" in status(flow)


def test_few_steps_come_first_model_by_model(made: Make, few: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    pipes = [tiny(), tiny("dit", "linear")]
    monkeypatch.setattr(pictures, "painters", lambda pipe: {
        p.name: pictures.Painter(lambda p=p: p, 1.0) for p in pipes})
    monkeypatch.setattr(FlowPaths, "pipe", None)
    flow = made(mode="points")
    before, came = flow.result, []
    stage = flow.stage

    def arrived(change: object) -> None:
        sent = np.frombuffer(stage.buffers[0], np.uint8).reshape(stage.layers[0]["shape"])
        came.append((stage.captions, stage.layers[0]["frame_indices"], stage.autoplay, sent, flow.result is before))

    stage.observe(arrived, names="recording_id")
    flow.prompt, flow.mode = "a red car", "pictures"
    flow.wait(300)
    last = flow.data.pictures.sel(model="tiny-unet").values
    assert [captions for captions, *_ in came] == [
        ["1 step", "4 steps: still being drawn; this is of 1", "5 steps: still being drawn; this is of 1"],
        ["1 step", "4 steps", "5 steps: still being drawn; this is of 4"], ["1 step", "4 steps", "5 steps"]]
    assert [frame_indices for _, frame_indices, *_ in came] == [[0, 0, 0], [0, 1, 1], None]
    assert [autoplay for _, _, autoplay, *_ in came] == [True, False, False]
    for k, (*_, sent, kept) in enumerate(came):
        assert np.array_equal(sent, last[: k + 1]) and kept == (k < 2), "only the whole is an answer"
    assert flow.result.whole and "still" not in flow._status.value + flow._seen.value


def test_every_denoiser_of_the_zoo_is_there():
    found = pictures.painters(None)
    assert list(found) == select_denoisers()[0]
    assert {name: painter.guidance for name, painter in found.items()} == {n: default_guidance(n) for n in found}


def test_a_pipeline_is_asked_with_the_guidance_it_is_meant_for():
    pipe = tiny()
    pipe.default_guidance = 1.0
    assert [painter.guidance for painter in pictures.painters(pipe).values()] == [1.0]


def test_modes_change_and_nothing_is_drawn_twice(made: Make, few: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    flow = made(tiny(), mode="pictures", prompt="a red car")
    monkeypatch.setattr(pictures, "draw", None)
    flow.mode = "points"
    flow.wait(300)
    assert flow.error is None and len(flow.stage.panels) == 2
    flow.mode = "pictures"
    flow.wait(300)
    assert flow.error is None and flow.stage.captions[0] == "1 step"


def test_an_unknown_word_is_said(made: Make, few: tuple[int, ...]):
    flow = made(tiny(), mode="pictures", prompt="a red cra")
    assert isinstance(flow.error, UnknownWordError) and "car" in status(flow)
