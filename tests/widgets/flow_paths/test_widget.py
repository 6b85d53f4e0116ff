"""FlowPaths: agreement with flow2d, what the stage shows, and the pointer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ipywidgets as ipw
import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import controls_of, status
from tiny_pipes import tiny

from explorable.analysis.straightness import straightness
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
    sample_distribution,
    sample_pairs,
    velocity_arrows,
    walk_errors,
    with_interval,
)
from explorable.flow2d.trajectories import ARROWS_PER_SIDE
from explorable.measure.denoisers import default_guidance, select_denoisers
from explorable.nn.text import UnknownWordError
from explorable.pipeline import Pipeline
from explorable.widgets.core import explorable as base
from explorable.widgets.core.image_table import ImageTable
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.notice import notice
from explorable.widgets.flow_paths import compute, images, view
from explorable.widgets.flow_paths.widget import FlowPaths

COUNT = 24  # points: fast, and enough where no statistics are tested
DATA = compute.Data("two moons", "", None, COUNT, 0)
REQUEST = compute.Request(DATA, "independent", "straight", "euler", 8, (0.5, 1.0))


@pytest.fixture
def made():
    """Make explorables, wait for their results, and close them."""
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

# ---- the computation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("coupling", ["independent", "optimal"])
def test_its_particles_are_those_of_integrate(path: str, solver: str, coupling: str):
    frames = compute.compute_frames(replace(REQUEST, path=path, solver=solver, coupling=coupling))
    pairs = sample_pairs(frames.points, coupling)
    field = marginal_field(frames.points, coupling)
    expected = integrate(field, PATHS[path], pairs.noises, uniform_timesteps(8), solver)
    np.testing.assert_allclose(frames.marginal[:: compute.frames_per_step(8)], expected.x, atol=1e-3)
    a, s = PATHS[path].alpha(0.5), PATHS[path].sigma(0.5)
    middle = len(frames.times) // 2
    assert frames.times[middle] == 0.5
    np.testing.assert_allclose(frames.conditional[middle], a * pairs.points + s * pairs.noises)
    assert all(np.isfinite(part).all() for part in (frames.marginal, frames.conditional, frames.arrows))


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_its_field_is_the_marginal_one(coupling: str):
    points = sample_distribution("two moons", COUNT)
    pairs, field = compute.pairs_and_field(DATA, coupling)
    expected, x = marginal_field(points, coupling), np.array([[0.3, -0.4], [2.0, 1.0]])
    np.testing.assert_allclose(field.velocity(x, 0.4, 0.6, -1, 1), expected.velocity(x, 0.4, 0.6, -1, 1), atol=1e-9)
    np.testing.assert_allclose(pairs.noises, sample_pairs(points, coupling).noises)


def test_steps_are_interpolated_linearly():
    x = np.random.default_rng(0).standard_normal((4, 5, 2))
    cut = compute.interpolate_steps(x, 3)
    assert cut.shape == (10, 5, 2)
    np.testing.assert_allclose(cut[::3], x)
    np.testing.assert_allclose(cut[1], (2 * x[0] + x[1]) / 3)
    np.testing.assert_array_equal(compute.interpolate_steps(x, 1), x)


@pytest.mark.parametrize("path", PATHS)
def test_the_exact_path_is_exact(path: str):
    own = compute.compute_own_path(replace(REQUEST, path=path))
    p, field = PATHS[path], marginal_field(sample_distribution("two moons", COUNT))
    np.testing.assert_allclose(own.solver[0, 0], REQUEST.start)
    end = exact_endpoints(field, np.array([REQUEST.start]), p.alpha(1.0), p.sigma(1.0))[0]
    np.testing.assert_allclose(own.exact[-1], end, atol=5e-3)
    assert own.evaluations == 8 and own.error == pytest.approx(np.linalg.norm(own.solver[-1, 0] - end), abs=5e-3)
    assert len(own.exact) == len(own.solver) == len(compute.compute_frames(replace(REQUEST, path=path)).times)


def test_arrows_have_the_direction_of_motion_and_fit_their_cells():
    field, path = marginal_field(sample_distribution("two moons", COUNT)), PATHS["straight"]
    arrows = velocity_arrows(field, path, 0.7, compute.HALF_EXTENT)
    middle, vector = (arrows[:, :2] + arrows[:, 2:]) / 2, arrows[:, 2:] - arrows[:, :2]
    v = -field.velocity(middle, path.alpha(0.7), path.sigma(0.7), -1, 1)
    cosine = (vector * v).sum(1) / np.linalg.norm(vector, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(cosine, 1)
    cell = 2 * compute.HALF_EXTENT / (ARROWS_PER_SIDE + 1)
    assert (np.linalg.norm(vector, axis=1) < cell).all()
    at_end = velocity_arrows(field, PATHS["cosine"], 0.0, compute.HALF_EXTENT)
    assert np.isfinite(at_end).all(), "the velocity is infinite at t = 0, so the last arrows are of a later t"


@pytest.mark.parametrize("path", ["straight", "linear"])
def test_its_scores_are_those_of_flow2d(path: str):
    scores, start = compute.compute_scores(replace(REQUEST, path=path)), compute.scored_noises(0)
    field = marginal_field(sample_distribution("two moons", COUNT))
    for solver in SOLVERS:
        expected = endpoint_errors(field, PATHS[path], start, solver, compute.STEP_COUNTS)
        errors = scores.errors.sel(solver=solver)
        assert errors.evaluations.values.tolist() == expected.evaluations
        np.testing.assert_allclose(errors.distance, expected.distances, atol=1e-8)
    fine = integrate(field, PATHS[path], start, uniform_timesteps(100), "heun")
    assert scores.straightness == pytest.approx(straightness(fine.x, fine.times).mean())
    chosen = compute.chosen_error(replace(REQUEST, path=path, solver="heun", steps=4))
    assert chosen == (7, pytest.approx(float(scores.errors.distance.sel(solver="heun", steps=4).median())))


def test_scores_are_cached(monkeypatch: pytest.MonkeyPatch):
    before = compute.compute_scores(REQUEST)
    monkeypatch.setattr(compute, "_score", None)
    other = replace(REQUEST, solver="heun", steps=3, start=(0.0, 0.0))
    assert compute.is_scored(other) and compute.compute_scores(other) is before
    assert not compute.is_scored(replace(REQUEST, path="cosine", data=replace(DATA, seed=77)))


@pytest.mark.parametrize(("steps", "frames"), [(1, 41), (7, 43), (20, 41), (50, 51)])
def test_every_step_ends_on_a_frame(steps: int, frames: int):
    times = compute.compute_frames(replace(REQUEST, steps=steps)).times
    assert len(times) == frames and set(np.round(uniform_timesteps(steps), 12)) <= set(np.round(times, 12))
    captions = view.frame_captions(times.tolist(), steps)
    assert captions[0] == f"t = 1.00, after 0 of {steps} steps"
    assert captions[-1] == f"t = 0.00, after {steps} of {steps} steps"
    assert len(captions) == frames


# ---- on the screen -------------------------------------------------------------------------------------------------


def test_no_model_is_loaded_for_points(made: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "load", None)
    base.shipped_pipeline.cache_clear()
    flow = made()
    assert flow.error is None and flow.result is not None


def test_paths_and_scores_are_shown(made: Make):
    flow = made()
    assert flow.stage.recording_id == 1 and flow.stage.autoplay and len(flow.stage.captions) == 41
    assert [panel["interaction"] for panel in flow.stage.panels] == ["drag", ""]
    assert len(flow.chart.data) == 5
    assert (
        f"{flow.result.scores.straightness:.2g}" in flow.status_area.score.value
        and "After 8 evaluations" in flow.status_area.score.value
    )
    assert "each noise has a straight path" in flow.status_area.caption.value and "from its exact endpoint" in status(
        flow
    )


def test_the_particles_are_shown_before_the_scores(made: Make, monkeypatch: pytest.MonkeyPatch):
    flow, begun, go_on, score = made(), threading.Event(), threading.Event(), compute._score

    def delayed(*args):
        begun.set()
        assert go_on.wait(60)
        return score(*args)

    monkeypatch.setattr(compute, "_score", delayed)
    flow.seed = 4242
    assert begun.wait(60)
    assert flow.stage.recording_id == 2 and flow._on_stage.request.data.seed == 4242 and flow._on_stage.scores is None
    go_on.set()
    flow.wait(300)
    assert flow.stage.recording_id == 2, "the recording must not be sent twice"
    assert flow.result.scores is not None and flow.error is None


def test_a_drag_recomputes_one_path_only(made: Make):
    flow = made()
    frames, chart, flow.stage.frame = flow.result.frames, flow.chart.data, 17
    flow.stage.pointer = {"panel": "marginal", "kind": "drag", "x": 0.75, "y": 0.25, "done": False}
    flow.wait(300)
    assert flow.start == pytest.approx((compute.HALF_EXTENT / 2, compute.HALF_EXTENT / 2))
    assert flow.result.frames is frames and flow.chart.data == chart
    np.testing.assert_allclose(flow.data.own[0, 0], flow.start)
    assert flow.stage.recording_id == 2 and not flow.stage.autoplay and flow.stage.frame == 17


def test_other_gestures_and_panels_are_ignored(made: Make):
    flow = made()
    before = flow.start
    flow.stage.pointer = {"panel": "conditional", "kind": "draw", "x": 0.1, "y": 0.1, "points": [[0.1, 0.1]]}
    flow.stage.pointer = {"panel": "marginal", "kind": "click", "x": 0.1, "y": 0.1}
    flow.wait(300)
    assert flow.start == before and flow.stage.recording_id == 1


def test_t_is_kept_when_the_number_of_frames_changes(made: Make):
    flow = made()
    flow.stage.frame = 20  # of 0 … 40
    flow.steps = 50
    flow.wait(300)
    assert (len(flow.stage.captions), flow.stage.frame) == (51, 25)
    flow.distribution = "spiral"  # another distribution plays from its start
    flow.wait(300)
    assert flow.stage.autoplay and flow.stage.frame == 50


def draw(flow: FlowPaths, *points: tuple[float, float]) -> None:
    """Send a stroke, in fractions of the panel."""
    flow.stage.pointer = {"panel": "conditional", "kind": "draw", "x": 0.5, "y": 0.5, "points": list(map(list, points))}
    flow.wait(300)


def shown_points(flow: FlowPaths, name: str) -> np.ndarray:
    """The positions of a layer as the page has them, in fractions of the panel from its upper left corner."""
    k = [spec["name"] for spec in flow.stage.layers].index(name)
    parts = np.frombuffer(flow.stage.buffers[k], "<u2").reshape(-1, 2) / 65535
    return np.stack([parts[:, 0], 1 - parts[:, 1]], axis=1)


def test_what_is_drawn_stays_where_it_is_drawn(made: Make):
    flow = made(distribution="drawn")
    first, second = [(0.2, 0.2)], [(0.2, 0.2), (0.8, 0.3)]
    draw(flow, *first)
    assert flow.error is None, "a single point is a distribution too"
    np.testing.assert_allclose(shown_points(flow, "points"), first, atol=1e-3)
    draw(flow, *second)  # the keyboard sends the whole stroke with each point
    np.testing.assert_allclose(shown_points(flow, "points"), second, atol=1e-3)
    draw(flow, (0.5, 0.95))
    np.testing.assert_allclose(shown_points(flow, "points"), [*second, (0.5, 0.95)], atol=1e-3)
    np.testing.assert_allclose(flow.result.frames.points, flow.drawing)
    ends = shown_points(flow, "conditional cloud")[-3:]  # of the last frame; points are repeated in order
    np.testing.assert_allclose(ends, shown_points(flow, "points"), atol=1e-3)
    flow.clear_drawing()
    many = np.random.default_rng(0).random((900, 2)).round(4)
    draw(flow, *many.tolist())
    assert flow.error is None and len(flow.drawing) == view.MAX_DRAWN_POINTS
    assert set(flow.drawing) <= {view.to_plane(x, y) for x, y in many}, "fewer points, each where it was drawn"


def test_clear_empties_the_drawing_and_says_what_to_do_next(made: Make):
    flow = made(distribution="drawn", drawing=[(0, 0), (1, 1)])
    assert len(flow.chart.data) == 5
    clear = controls_of(flow)["clear"]
    clear.click()
    flow.wait(300)
    assert flow.drawing == () and flow.error is None and flow.stage.stale == ""
    assert shown_points(flow, "points").size == 0 and len(shown_points(flow, "noise")) == 256
    assert flow.stage.panels[1]["interaction"] == "draw"
    assert "Draw in the right panel" in flow.status_area.caption.value and "empty" in status(flow)
    assert len(flow.chart.data) == 0 and "Straightness" not in flow.status_area.score.value
    assert len(flow.table()) == 0 and flow.data.sizes["point"] == 0
    draw(flow, (0.3, 0.3), (0.6, 0.6))
    assert len(flow.stage.captions) > 1 and len(flow.chart.data) == 5 and len(flow.drawing) == 2


def test_a_saved_page_of_an_empty_drawing_says_so(made: Make, tmp_path: Path):
    page = made(distribution="drawn").save_html(tmp_path / "page.html").read_text("utf-8")
    assert "Draw in the right panel" in page and '"interaction": "draw"' not in page


def test_a_word_is_sampled_or_refused(made: Make):
    flow = made(distribution="word", text="hi")
    before = flow.result.frames
    flow.text = "much too long a word"
    flow.wait(300)
    assert "write at most 12" in status(flow) and flow.result.frames is before
    flow.text = "ho"
    flow.wait(300)
    assert flow.error is None and not np.array_equal(flow.result.frames.points, before.points)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("distribution", "mars", "choose one of two moons"), ("path", "bent", "choose one of straight"),
    ("coupling", "lucky", "independent, optimal, reflowed"), ("solver", "leap", "euler, heun, ddim"),
    ("eta", 1.5, "eta"),
    ("steps", 0, "from 1 to"),
    ("count", 5000, "from 8 to"), ("seed", -1, "from 0"), ("start", (9.0, 0.0), "must lie from"),
    ("mode", "films", "points, images"), ("guidance", -1.0, "guidance"), ("drawing", [1, 2], "pairs of numbers"),
    ("drawing", [(0, 0), (4, 0)], "must lie from -3.2 to 3.2"),
])
def test_invalid_values_are_refused(made: Make, name: str, value: object, message: str):
    flow = made()
    before = getattr(flow, name)
    with pytest.raises(Exception, match=message):
        setattr(flow, name, value)
    assert getattr(flow, name) == before


@pytest.mark.parametrize("values", [{}, {"distribution": "word", "text": "hi", "coupling": "optimal", "solver": "heun"},
                                    {"distribution": "drawn", "drawing": [(0, 0), (1, 2), (3, 1)], "path": "cosine"},
                                    {"start": (0.5, -1.25)}, {"solver": "ddim", "eta": 0.7}])
def test_its_code_reproduces_the_trajectories(made: Make, values: dict):
    flow, names = made(**values), {}
    exec(flow.code(), names)
    np.testing.assert_allclose(names["trajectories"].x[-1], flow.result.frames.marginal[-1], atol=2e-3)
    np.testing.assert_allclose(names["own"].x[-1], flow.data.own[-1], atol=2e-3)


def test_its_table_has_the_values_of_its_chart(made: Make):
    flow = made()
    table = flow.table()
    assert len(table) == len(SOLVERS) * len(compute.STEP_COUNTS)
    drawn = next(trace for trace in flow.chart.data if trace.name == "euler, median")
    np.testing.assert_allclose(table.loc["euler"]["median"], drawn.y)
    assert (table["lower quartile"] <= table["upper quartile"]).all()
    assert {"marginal", "conditional", "own", "own_exact", "arrows", "distance"} <= set(flow.data)


def test_only_controls_with_an_effect_are_visible(made: Make):
    flow = made(tiny())
    rows = [box for box in descendants(flow) if "ex-row" in box._dom_classes]

    def visible() -> set[str]:
        return {c.description for r in rows if r.layout.display != "none"
                for c in r.children if getattr(c, "description", "") and c.layout.display != "none"}

    both, points = {"seed", "new"}, {"distribution", "path", "coupling", "solver", "steps"}
    assert visible() == both | points | {"data points"}
    flow.distribution = "word"
    assert visible() == both | points | {"data points", "word"}
    flow.solver = "ddim"
    assert visible() == both | points | {"data points", "word", "noise"}
    flow.solver, flow.distribution = "euler", "drawn"
    assert visible() == both | points | {"clear"}
    flow.mode = "images"
    assert visible() == both | {"prompt", "▸ words", "▸ rewrite", "guidance", "each model's default guidance"}
    flow.mode = "points"
    for row in rows:
        for control in (c for c in row.children if not isinstance(c, ipw.Box)):  # folded words
            assert (control.description or control.tooltip) and (control.tooltip or control.tooltips), control


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


# ---- walks ----------------------------------------------------------------------------------------------------------


def test_without_noise_the_stochastic_solver_is_euler_on_the_straight_path():
    euler, plain = (compute.compute_frames(replace(REQUEST, solver=solver)) for solver in ("euler", "ddim"))
    np.testing.assert_allclose(plain.marginal, euler.marginal, atol=1e-4)
    own = compute.compute_own_path(replace(REQUEST, solver="ddim"))
    np.testing.assert_allclose(own.solver, compute.compute_own_path(REQUEST).solver, atol=1e-9)


def test_walks_are_shown_and_measured_beside_the_deterministic_solver(made: Make):
    flow = made(solver="ddim", steps=16)
    own, steps = flow.data.own.values, list(compute.STEP_COUNTS)
    assert own.shape[1:] == (compute.WALKS, 2) and np.ptp(own[0], axis=0).max() == 0
    assert np.ptp(own[-1], axis=0).max() > 1, "from one start to different points"
    nearest = np.linalg.norm(own[-1][:, None] - flow.result.frames.points, axis=-1).min(axis=1).mean()
    assert f"{nearest:.2g} from the nearest data point" in status(flow)
    field = compute.pairs_and_field(flow.result.request.data, "independent")[1]
    expected = walk_errors(field, PATHS["straight"], 1.0, (16,)).distance.sel(steps=16)
    np.testing.assert_allclose(flow.data.distance.sel(steps=16), expected, atol=1e-3)
    mean, half = with_interval(expected)
    assert f"{mean[1]:.2g} ± {half[1]:.1g}" in flow.status_area.score.value
    assert f"without noise {mean[0]:.2g}" in flow.status_area.score.value
    lines = {trace.name: trace for trace in flow.chart.data}
    assert list(lines) == ["without noise", "noise 1", "exact samples"] and list(lines["noise 1"].x) == steps
    np.testing.assert_allclose(flow.table().loc[1.0]["distance"], lines["noise 1"].y)
    np.testing.assert_allclose(flow.table().loc[1.0]["± (95%)"], lines["noise 1"].error_y.array)
    flow.eta = 0.0
    flow.wait(300)
    assert flow.data.own.sizes["walk"] == 1 and len(flow.chart.data) == 5


def test_few_steps_are_worse_with_noise_and_many_are_not():
    field = compute.pairs_and_field(compute.Data("two moons", "", None, 256, 0), "independent")[1]
    errors = walk_errors(replace(field, dtype=np.float32), PATHS["straight"], 1.0, (4, 64))
    gap = errors.distance.sel(eta=1.0) - errors.distance.sel(eta=0.0)  # from the same starts
    mean, half = with_interval(gap)
    assert mean[0] - half[0] > 0, "4 steps"
    floor = with_interval(errors.floor)
    assert abs(float(errors.distance.sel(eta=1.0, steps=64).mean()) - floor[0]) < 2 * (half[1] + floor[1])


def test_noise_is_refused_where_noises_belong_to_points(made: Make):
    flow = made(solver="ddim")
    flow.coupling = "reflowed"
    flow.wait(300)
    assert "needs the coupling independent" in status(flow) and flow.stage.stale
    flow.eta = 0.0
    flow.wait(300)
    assert flow.error is None and flow.stage.stale == ""


# ---- images --------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    for module in (images, view):
        monkeypatch.setattr(module, "STEP_COUNTS", (1, 4, 5))
    return 1, 4, 5


def test_images_are_those_of_the_pipeline(made: Make, few: tuple[int, ...]):
    pipe = tiny()
    flow = made(pipe, mode="images", prompt="a red car", guidance=3.0, seed=2)
    for steps in few:
        run = pipe("a red car", steps=steps, guidance=3.0, seed=2, sampler="ddim")
        assert np.array_equal(flow.data.images.sel(model=pipe.name, steps=steps), run.image)
    assert flow.stage.captions == ["1 step", "4 steps", "5 steps"]
    assert [trace.name for trace in flow.chart.data] == [pipe.name] and "4 steps from" in flow.status_area.score.value
    assert flow.table().loc[pipe.name, 5].item() == 0
    names = {"pipe": pipe}
    exec(flow.code().replace("import explorable as ex", ""), names)
    assert np.array_equal(names["images"][pipe.name, 4], flow.data.images.sel(model=pipe.name, steps=4))


def test_guidance_is_each_models_default_until_it_is_set(made: Make, few: tuple[int, ...]):
    flow = made(tiny(), mode="images", prompt="a red car")
    controls = controls_of(flow)
    slider, default = controls["guidance"], controls["each model's default guidance"]
    assert default.value and slider.value == DEFAULT_GUIDANCE
    assert flow.result.guidance == {flow.pipe.name: DEFAULT_GUIDANCE}
    slider.value = 2.0
    flow.wait(300)
    assert flow.guidance == 2 and not default.value and flow.result.guidance == {flow.pipe.name: 2.0}
    default.value = True
    assert flow.guidance is None and slider.value == DEFAULT_GUIDANCE
    default.value = False
    assert flow.guidance == DEFAULT_GUIDANCE
    flow.guidance = 20.0
    assert (slider.value, slider.max, default.value) == (20, 20, False)


def test_models_are_shown_side_by_side(made: Make, few: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    pipes = [tiny(), tiny("dit", "linear")]
    monkeypatch.setattr(images, "models", lambda pipe: {
        p.name: images.Model(lambda p=p: p, w) for p, w in zip(pipes, (4.0, 1.0), strict=True)})
    monkeypatch.setattr(FlowPaths, "pipe", None)
    flow = made(mode="images", prompt="a red car")
    assert flow.error is None and flow.result.guidance == {"tiny-unet": 4.0, "tiny-dit": 1.0}
    assert [panel["name"] for panel in flow.stage.panels] == ["image", "table"]
    specs = {spec["name"]: (spec, data) for spec, data in zip(flow.stage.layers, flow.stage.buffers, strict=True)}
    table, chosen = (np.frombuffer(specs[name][1], np.uint8).reshape(specs[name][0]["shape"])
                     for name in ("table", "image"))
    layout = ImageTable("steps", ("1", "4", "5"), ("tiny-unet", "tiny-dit"))
    assert np.array_equal(table, layout.draw(flow.data.images.values)), "rows are models, columns are steps"
    for k, name in enumerate(("tiny-unet", "tiny-dit")):
        for j, steps in enumerate(few):
            assert np.array_equal(chosen[j, k], flow.data.images.sel(model=name, steps=steps))
    assert flow.stage.axes[0]["labels"] == ["tiny-unet", "tiny-dit"]
    assert "Each row is a model" in flow.status_area.caption.value and "guidance 4, tiny-dit at 1" in status(flow)


def test_the_table_fills_image_by_image_in_order(made: Make, few: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    pipes = [tiny(), tiny("dit", "linear")]
    monkeypatch.setattr(images, "models", lambda pipe: {p.name: images.Model(lambda p=p: p, 1.0) for p in pipes})
    monkeypatch.setattr(FlowPaths, "pipe", None)
    flow = made(mode="points")
    before, stage, recordings = flow.result, flow.stage, []
    layout = ImageTable("steps", ("1", "4", "5"), ("tiny-unet", "tiny-dit"))

    def on_recording(change: object) -> None:
        sent = {spec["name"]: np.frombuffer(data, np.uint8).reshape(spec["shape"])
                for spec, data in zip(stage.layers, stage.buffers, strict=True) if spec["kind"] == "image"}
        recordings.append((sent["table"], sent["image"], stage.layers[0]["frame_indices"], stage.captions,
                           stage.autoplay, flow.result is before))

    stage.observe(on_recording, names="recording_id")
    flow.prompt, flow.mode = "a red car", "images"
    flow.wait(300)
    last, missing = flow.data.images.values, notice("computing …", (128, 128))
    assert len(recordings) == 6 and flow.result.is_complete
    for done, (table, image, frame_indices, captions, autoplay, kept) in enumerate(recordings, start=1):
        partial = np.array(last)
        for place in range(done, 6):
            partial[place % 2, place // 2] = missing
        assert np.array_equal(table, layout.draw(partial))
        columns = done // 2
        assert [text.endswith("computing …") for text in captions] == [k >= columns for k in range(3)]
        assert np.array_equal(image[:columns], np.moveaxis(last, 1, 0)[:columns])
        assert frame_indices is None if done == 6 else all(np.array_equal(tile, missing)
                                                           for k in range(max(columns, 1), 3)
                                                           for tile in image[frame_indices[k]])
        assert autoplay == (done == 1) and kept == (done < 6), "only the complete result is kept"
    assert "images" not in flow.status_area.status.value and "preview" not in flow.status_area.caption.value


def test_the_saved_table_can_be_clicked(made: Make, few: tuple[int, ...], tmp_path: Path):
    page = made(tiny(), mode="images", prompt="a red car").save_html(tmp_path / "page.html").read_text("utf-8")
    assert page.count('"interaction": "click"') == 1 and '"target_axis": "model"' in page


def test_every_denoiser_of_the_zoo_is_compared():
    found = images.models(None)
    assert list(found) == select_denoisers()[0]
    assert {name: model.default_guidance for name, model in found.items()} == {n: default_guidance(n) for n in found}


def test_a_pipeline_is_sampled_with_its_default_guidance():
    pipe = tiny()
    pipe.default_guidance = 1.0
    assert [model.default_guidance for model in images.models(pipe).values()] == [1.0]


def test_results_are_cached_across_modes(made: Make, few: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    flow = made(tiny(), mode="images", prompt="a red car")
    monkeypatch.setattr(images, "compute_images", None)
    flow.mode = "points"
    flow.wait(300)
    assert flow.error is None and len(flow.stage.panels) == 2
    flow.mode = "images"
    flow.wait(300)
    assert flow.error is None and flow.stage.captions[0] == "1 step"


def test_an_unknown_word_is_reported(made: Make, few: tuple[int, ...]):
    flow = made(tiny(), mode="images", prompt="a red cra")
    assert isinstance(flow.error, UnknownWordError) and "car" in status(flow)
