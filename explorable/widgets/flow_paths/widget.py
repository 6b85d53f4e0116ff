"""FlowPaths: when are straight paths cheap? In the plane, where the field is known exactly, and for images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets as tr
import xarray as xr

from ...diffusion.paths import PATHS
from ...diffusion.settings import Settings, check_settings
from ...flow2d import COUPLINGS, DISTRIBUTIONS, SOLVERS
from ...flow2d.checks import check_choice, check_integer
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ..core.chart import Chart
from ..core.explorable import Explorable
from ..core.layout import format_duration
from . import images, view
from .compute import DRAWN, HALF_EXTENT, STOCHASTIC, Data, Request, Result, compute
from .controls import MODES, control_rows
from .figure import error_curves, image_curves, no_curves, walk_curves
from .images import ImageRequest, ImageResult

RANGES = {"steps": range(1, 201), "count": range(8, 513), "seed": range(2**63)}
MAX_CACHED_IMAGES = 4  # results


class FlowPaths(Explorable):
    """When are straight paths cheap?

        flow = FlowPaths(distribution="spiral", path="straight", coupling="reflowed", steps=4)
        flow.start = (1.5, -2.0)     # drags the start point
        flow.wait()
        flow.table()                 # errors of both solvers against their evaluations
        flow.mode = "images"         # every trained denoiser, in 1 to 50 steps

    Args:
        mode: "points" or "images".
        distribution: the data distribution, a name of `flow2d.DISTRIBUTIONS` or "drawn".
        text, drawing: the text of the distribution "word", and the points (x, y) of "drawn", empty at first.
        path, coupling, solver, steps: of the trajectories in the plane. solver "ddim" adds a share `eta` of noise.
        count: number of data points, and of particles at least 256.
        start: where your own path begins.
        prompt, guidance: of the images; guidance None is each model's default.
        seed: of the noise, in both modes.
    """

    question = "When are straight paths cheap?"
    placeholder = "Computing the first paths …"
    busy_text = "Measuring …"
    result_attributes = ("result", "_on_stage", "_image_results")
    inputs = ("distribution", "path", "coupling", "solver", "steps", "text", "drawing", "count", "seed", "start",
              "mode", "prompt", "guidance", "eta")

    mode = tr.Unicode("points")
    distribution = tr.Unicode("two moons")
    text = tr.Unicode("flow")
    drawing = tr.Any(())
    path = tr.Unicode("straight")
    coupling = tr.Unicode("independent")
    solver = tr.Unicode("euler")
    steps = tr.Int(20)
    count = tr.Int(256)
    seed = tr.Int(0)
    start = tr.Tuple(tr.Float(), tr.Float(), default_value=(-1.6, 1.2))
    eta = tr.Float(1.0)
    prompt = tr.Unicode("a red sports car on a mountain road at sunset")
    guidance = tr.Float(None, allow_none=True)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        if isinstance(pipe, str):  # the name of a distribution, as in `repr`, or the prompt of images
            name = "distribution" if pipe in (*DISTRIBUTIONS, DRAWN) else "prompt"
            if name in values:
                raise TypeError(f"there are two {name}s, {pipe!r} and {values[name]!r}: leave one of them out")
            pipe, values = None, {name: pipe, "mode": "points" if name == "distribution" else "images", **values}
        super().__init__(pipe, **values)
        self._image_results: dict[ImageRequest, ImageResult] = {}
        self._on_stage: Result | ImageResult | None = None
        self._stroke_points: set[tuple[float, float]] = set()
        self.chart = Chart()
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._set_dark(change["new"]), names="dark")
        main, more = control_rows(self)
        self.set_layout(*main, side=[self.chart], groups={"more settings": more})
        self.add_class("ex-pair")
        self.launch()

    @property
    def pipe(self) -> PipelineProtocol:
        """The pipeline given, or the shipped one. None in the mode "points", which needs none and loads none."""
        return super().pipe if self.mode == "images" or self._pipe else None  # type: ignore[return-value]

    @tr.validate("mode", "distribution", "path", "coupling", "solver", "steps", "count", "seed", "guidance", "eta")
    def _validate(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        choices: dict[str, dict[str, Any]] = {
            "mode": MODES, "distribution": {**DISTRIBUTIONS, DRAWN: None}, "path": PATHS, "coupling": COUPLINGS,
            "solver": {**SOLVERS, STOCHASTIC: None}}
        if name in choices:
            check_choice(name, value, choices[name])
        elif name in RANGES:
            check_integer(name, value, RANGES[name], f"from {RANGES[name][0]} to {RANGES[name][-1]}")
        elif name == "eta":
            check_settings(Settings("", sampler=STOCHASTIC, eta=value))
        elif value is not None:
            check_settings(Settings("", guidance=value))
        return value

    @tr.validate("start")
    def _validate_start(self, proposal: Any) -> Any:
        if not all(-HALF_EXTENT <= v <= HALF_EXTENT for v in proposal["value"]):
            raise tr.TraitError(f"start is {proposal['value']}: x and y must lie from -{HALF_EXTENT} to {HALF_EXTENT}")
        return proposal["value"]

    @tr.validate("drawing")
    def _validate_drawing(self, proposal: Any) -> Any:
        try:
            points = tuple((float(x), float(y)) for x, y in proposal["value"])
        except (TypeError, ValueError):
            raise tr.TraitError("drawing must be pairs of numbers, x and y") from None
        for point in points:
            if not all(-HALF_EXTENT <= v <= HALF_EXTENT for v in point):
                raise tr.TraitError(f"drawing has the point {point}: x and y must lie from -{HALF_EXTENT} to "
                                    f"{HALF_EXTENT}, as in the panel")
        return points

    # ---- from a request to the screen --------------------------------------------------------------------------------

    def request(self) -> Request | ImageRequest:
        if self.mode == "images":
            return ImageRequest(self.prompt, self.guidance, self.seed)
        drawing = self.drawing if self.distribution == DRAWN else None
        text = self.text if self.distribution == "word" else ""
        data = Data(self.distribution, text, drawing, self.count, self.seed)
        eta = self.eta if self.solver == STOCHASTIC else 0.0
        return Request(data, self.coupling, self.path, self.solver, self.steps, self.start, eta)

    def compute(self, pipe: PipelineProtocol | None, request: Request | ImageRequest, progress: Progress,
                ) -> Result | ImageResult:
        if isinstance(request, Request):
            return compute(request, progress, self._show_paths)
        if request not in self._image_results:
            result = images.compute_images(images.models(self._pipe), request, progress, self._preview_images)
            while len(self._image_results) >= MAX_CACHED_IMAGES:
                self._image_results.pop(next(iter(self._image_results)))
            self._image_results[request] = result
        return self._image_results[request]

    def show(self, result: Result | ImageResult) -> str:
        return self._show_paths(result) if isinstance(result, Result) else self._show_images(result)

    def _show_paths(self, result: Result) -> str:
        previous = self._on_stage if isinstance(self._on_stage, Result) else None
        if previous is None or previous.request != result.request:
            self._send_paths(result, previous)
            self._on_stage = result
        self.set_caption(view.describe(result.request))
        if result.request.data.is_blank:
            self._draw_chart(result)
            self.set_score(*view.score(result))
            return "The drawing is empty: draw in the right panel."
        if result.scores is not None or result.walks is not None:
            if previous is None or previous.walks is not result.walks or (
                    previous.scores, previous.chosen, previous.request.steps) != (
                    result.scores, result.chosen, result.request.steps):
                self._draw_chart(result)
            self._on_stage = result
            self.set_score(*view.score(result))
        return f"{view.describe_own(result)} Computed in {format_duration(result.seconds)}."

    def _draw_chart(self, result: Result) -> None:
        if result.walks is not None:
            self.chart.draw(walk_curves(result.walks, result.request.steps, self.stage.dark))
        elif result.scores is not None:
            self.chart.draw(error_curves(result.scores.errors, result.chosen, self.stage.dark))
        elif result.request.data.is_blank:
            self.chart.draw(no_curves(self.stage.dark))

    def _send_paths(self, result: Result, previous: Result | None) -> None:
        """Send a recording to the stage. The stage keeps its t if it already shows the same distribution."""
        request, times = result.request, result.frames.times
        before = None if previous is None else previous.request.data
        is_new = before is None or (before.distribution, before.is_blank) != (
            request.data.distribution, request.data.is_blank)
        frame = None
        if previous is not None and not is_new and len(times) > 1:
            frame = round(self.stage.frame / (len(previous.frames.times) - 1) * (len(times) - 1))
        self.stage.show(view.stage_layers(result.frames, result.own),
                        view.frame_captions(times.tolist(), request.steps), panels=view.stage_panels(request),
                        columns=2, autoplay=is_new, frame=frame, file_name="flow-paths")

    def _preview_images(self, result: ImageResult) -> None:
        """Show an incomplete result."""
        autoplay, self._on_stage = not self.preview_label, None
        self.show_preview(lambda: self.stage.show(**view.image_recording(result), autoplay=autoplay),
                          view.preview_text(result))

    def _show_images(self, result: ImageResult) -> str:
        if self._on_stage is not result:
            self.stage.show(**view.image_recording(result), autoplay=not self.preview_label)
            self.chart.draw(image_curves(result.distance, self.stage.dark))
            self._on_stage = result
        self.set_caption(view.describe_images(result))
        self.set_score(*view.image_score(result))
        return view.image_status(result)

    def _set_dark(self, dark: bool) -> None:
        self.chart.set_dark(dark)
        result = self._on_stage
        if isinstance(result, ImageResult):
            self.chart.draw(image_curves(result.distance, dark))
        elif result is not None:
            self._draw_chart(result)

    # ---- the pointer -------------------------------------------------------------------------------------------------

    def _on_pointer(self, pointer: dict[str, Any]) -> None:
        if pointer.get("panel") == "marginal" and pointer.get("kind") == "drag":
            self.start = view.to_plane(pointer["x"], pointer["y"])
        elif (pointer.get("panel"), pointer.get("kind"), self.distribution) == ("conditional", "draw", DRAWN):
            self._add_stroke(pointer["points"])

    def _add_stroke(self, points: Sequence[Sequence[float]]) -> None:
        """Add a stroke to the drawing. A stroke made by keyboard is sent again with each new point."""
        positions = [view.to_plane(x, y) for x, y in points]
        new = [p for p in dict.fromkeys(positions) if p not in self._stroke_points]
        self._stroke_points.update(new)
        if new:
            self.drawing = view.add_stroke(self.drawing, new)

    def clear_drawing(self) -> None:
        """Empty the drawing."""
        self._stroke_points.clear()
        self.stage.clear_marks()
        self.drawing = ()

    # ---- results -----------------------------------------------------------------------------------------------------

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. Mode "points": marginal and conditional paths, your own path, the field's arrows,
        the data points and the errors. Mode "images": the images, and their distances from those of 50 steps."""
        result = self.wait_for_result()
        return view.dataset(result) if isinstance(result, Result) else view.image_dataset(result)

    def table(self) -> Any:
        """The chart as a pandas table. Mode "points": for each solver and number of steps its evaluations, and the
        median and quartiles of the distance to the exact endpoint. Mode "images": each model's distances."""
        result = self.wait_for_result()
        return view.table(result) if isinstance(result, Result) else view.image_table(result)

    def code(self) -> str:
        """Code that reproduces the trajectories or the images without the explorable."""
        request = self.request()
        return view.code(request) if isinstance(request, Request) else view.image_code(self._pipe, request)
