"""FlowPaths: why are straight paths cheap? A laboratory in the plane, where the truth is known; then pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.paths import PATHS
from ...diffusion.settings import Settings, check_settings
from ...flow2d import COUPLINGS, DISTRIBUTIONS, SOLVERS
from ...flow2d.checks import check_choice, check_integer
from ...pipeline import Pipeline
from ..core.chart import Chart
from ..core.explorable import Explorable, Progress
from ..core.layout import format_duration
from ..stage.stage import Stage
from . import compute as lab
from . import images as pictures
from . import view as on_stage
from .compute import DRAWN, SIDE, Lab, Scene, Scores, Strand
from .controls import MODES, control_rows
from .figure import error_curves, picture_curves
from .images import Wall, Wish

RING = tuple((round(float(np.cos(a)), 3), round(float(np.sin(a)), 3)) for a in np.linspace(0, 2 * np.pi, 60, False))
MOST_STEPS, MOST_POINTS = 200, 512
RANGES = {"steps": range(1, MOST_STEPS + 1), "count": range(8, MOST_POINTS + 1), "seed": range(2**63)}
WALLS_KEPT = 4


@dataclass(frozen=True, eq=False)
class Flow:
    """An answer of the laboratory. scores, chosen (evaluations, median distance): None while they are being found."""

    request: Lab
    scene: Scene
    strand: Strand
    seconds: float
    scores: Scores | None = None
    chosen: tuple[int, float] | None = None


class FlowPaths(Explorable):
    """Why are straight paths cheap?

        flow = FlowPaths(distribution="spiral", path="straight", coupling="reflowed", steps=4)
        flow.start = (1.5, -2.0)     # drags the start point
        flow.wait()
        flow.table()                 # errors of both solvers against their evaluations
        flow.mode = "pictures"       # every trained denoiser, at 1 to 50 steps

    mode: points or pictures. world: a point world, or "drawn"; text: what the world "word" says; drawing: points, for
    the world "drawn". path, coupling, solver, steps: of the laboratory. count: points of the world, and particles.
    start: where your own path begins. prompt, guidance: of the pictures; guidance None is what each model is meant
    for. seed: of the noise, in both.
    """

    question = "Why are straight paths cheap?"
    busy_text = "Measuring …"
    inputs = (
        "distribution",
        "path",
        "coupling",
        "solver",
        "steps",
        "text",
        "drawing",
        "count",
        "seed",
        "start",
        "mode",
        "prompt",
        "guidance",
    )

    mode = tr.Unicode("points")
    distribution = tr.Unicode("two moons")
    text = tr.Unicode("flow")
    drawing = tr.Any(None)
    path = tr.Unicode("straight")
    coupling = tr.Unicode("independent")
    solver = tr.Unicode("euler")
    steps = tr.Int(20)
    count = tr.Int(256)
    seed = tr.Int(0)
    start = tr.Tuple(tr.Float(), tr.Float(), default_value=(-1.6, 1.2))
    prompt = tr.Unicode("a red sports car on a mountain road at sunset")
    guidance = tr.Float(None, allow_none=True)

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._walls: dict[Wish, Wall] = {}
        self._staged: Any = None  # what is on the stage: a scene, or a wall
        self._strokes: set[tuple[float, float]] = set()
        self.stage, self.chart = Stage(placeholder="The first paths are on their way …"), Chart()
        self.stage.observe(lambda change: self._touched(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._darken(change["new"]), names="dark")
        self.set_layout(*control_rows(self), self.stage, self.chart, self._seen, self._score, self._status, self._bar)
        self.set_status("Following the first particles …", "busy")
        self.recompute()

    @property
    def pipe(self) -> Pipeline:
        """The pipeline given, or the shipped one. In the laboratory none is needed, and none is opened."""
        return super().pipe if self.mode == "pictures" or self._pipe else None  # type: ignore[return-value]

    @tr.validate("mode", "distribution", "path", "coupling", "solver", "steps", "count", "seed", "guidance")
    def _refuse(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        choices: dict[str, dict[str, Any]] = {
            "mode": MODES, "distribution": {**DISTRIBUTIONS, DRAWN: None}, "path": PATHS, "coupling": COUPLINGS,
            "solver": SOLVERS}
        if name in choices:
            check_choice(name, value, choices[name])
        elif name in RANGES:
            check_integer(name, value, RANGES[name], f"from {RANGES[name][0]} to {RANGES[name][-1]}")
        elif value is not None:
            check_settings(Settings("", guidance=value))
        return value

    @tr.validate("start")
    def _refuse_start(self, proposal: Any) -> Any:
        if not all(-SIDE <= v <= SIDE for v in proposal["value"]):
            raise tr.TraitError(f"start is {proposal['value']}: x and y must lie from -{SIDE} to {SIDE}")
        return proposal["value"]

    @tr.validate("drawing")
    def _refuse_drawing(self, proposal: Any) -> Any:
        if proposal["value"] is None:
            return None
        try:
            return tuple((float(x), float(y)) for x, y in proposal["value"])
        except (TypeError, ValueError):
            raise tr.TraitError("drawing must be pairs of numbers, x and y") from None

    # ---- from a wish to what is on the screen ----------------------------------------------------------------------

    def request(self) -> Lab | Wish:
        if self.mode == "pictures":
            return Wish(self.prompt, self.guidance, self.seed)
        drawing = RING if self.drawing is None else self.drawing
        return Lab(self.distribution, self.text if self.distribution == "word" else "",
                   drawing if self.distribution == DRAWN else None,
                   self.path, self.coupling, self.solver, self.steps, self.count, self.seed, self.start)

    def compute(self, pipe: Pipeline | None, request: Lab | Wish, progress: Progress) -> Flow | Wall:
        if isinstance(request, Wish):
            if request not in self._walls:
                wall = pictures.draw(pictures.painters(self._pipe), request, progress, self._first_pictures)
                while len(self._walls) >= WALLS_KEPT:
                    self._walls.pop(next(iter(self._walls)))
                self._walls[request] = wall
            return self._walls[request]
        started = time.perf_counter()
        scene = lab.scene(lab.anywhere(request))
        flow = Flow(request, scene, lab.strand(request), time.perf_counter() - started)
        if not lab.is_scored(request):  # the particles are shown while the exact flow is being solved
            progress(0, 1)
            self._show_flow(flow)
        return replace(flow, scores=lab.scores(request, progress), chosen=lab.chosen_error(request))

    def _first_pictures(self, wall: Wall) -> None:
        """A wall that is not whole yet."""
        autoplay, self._staged = not self.preview_label, None
        self.show_preview(lambda: self.stage.show(**pictures.recording(wall), autoplay=autoplay), f"what is there with "
                    f"{pictures.counted(wall.drawn[-1])}, of {', '.join(map(str, pictures.STEPS))}")

    def show(self, answer: Flow | Wall) -> str:
        return self._show_wall(answer) if isinstance(answer, Wall) else self._show_flow(answer)

    def _show_flow(self, flow: Flow) -> str:
        request, shown = flow.request, self._staged
        if not isinstance(shown, Flow) or shown.request != request:
            self._to_stage(flow, shown if isinstance(shown, Flow) else None)
            self._staged = flow
        self.set_caption(on_stage.sentence(request))
        if flow.scores is not None and flow.chosen is not None:
            if not isinstance(shown, Flow) or (shown.scores, shown.chosen) != (flow.scores, flow.chosen):
                self.chart.draw(error_curves(flow.scores.errors, flow.chosen, self.stage.dark))
            self._staged = flow
            looks, error = flow.chosen
            self.set_score("Straightness:", f"{flow.scores.bend:.2g}",
                       f"(0: one step is enough; paths are {flow.scores.path_length_ratio:.2f} times as long as the "
                       f"distance of their ends). Median distance to the exact endpoint, "
                       f"over {lab.SCORED} fresh noises: {error:.2g} after {looks} "
                       f"evaluation{'s' * (looks > 1)}.")
        x, y = request.start
        return (f"Your start ({x:.2f}, {y:.2f}) ends {flow.strand.gap:.2g} from where the exact flow takes it. "
                f"Computed in {format_duration(flow.seconds)}.")

    def _to_stage(self, flow: Flow, shown: Flow | None) -> None:
        """Send a recording. One that takes the place of another of the same world stays at its noise time."""
        request, new = flow.request, shown is None or shown.request.distribution != flow.request.distribution
        times = flow.scene.times
        with self.stage.hold_sync():
            if shown is not None and not new:
                self.stage.frame = round(self.stage.frame / (len(shown.scene.times) - 1) * (len(times) - 1))
            self.stage.show(on_stage.layers(flow.scene, flow.strand), on_stage.captions(times.tolist(), request.steps),
                            panels=on_stage.panels(request), columns=2, autoplay=new, file_name="flow-paths")

    def _show_wall(self, wall: Wall) -> str:
        if self._staged is not wall:
            self.stage.show(**pictures.recording(wall), autoplay=not self.preview_label)
            self.chart.draw(picture_curves(wall.distance, self.stage.dark))
            self._staged = wall
        names, distance = wall.pictures.model.values.tolist(), wall.distance
        self.set_caption(
            f"{'Each model draws' if len(names) > 1 else names[0] + ' draws'} the same wish from the same noise "
            f"in {', '.join(map(str, pictures.STEPS))} steps: move the slider from few to many."
        )
        near = "; ".join(f"{name} {float(distance.sel(model=name, steps=4)):.2f}" for name in names)
        self.set_score(f"With 4 steps, from its own picture of {pictures.STEPS[-1]}:", near,
                   "(root mean square of the pixels, 0 to 1)")
        return f"Sampler {pictures.SAMPLER}; " + "; ".join(f"{n} at guidance {w:g}" for n, w in wall.guidance.items())

    def _darken(self, dark: bool) -> None:
        self.chart.set_dark(dark)
        shown = self._staged
        if isinstance(shown, Wall):
            self.chart.draw(picture_curves(shown.distance, dark))
        elif isinstance(shown, Flow) and shown.scores is not None:
            self.chart.draw(error_curves(shown.scores.errors, shown.chosen, dark))

    # ---- the reader's hand -----------------------------------------------------------------------------------------

    def _touched(self, pointer: dict[str, Any]) -> None:
        if pointer.get("panel") == "marginal" and pointer.get("kind") == "drag":
            self.start = on_stage.place(pointer["x"], pointer["y"])
        elif (pointer.get("panel"), pointer.get("kind"), self.distribution) == ("conditional", "draw", DRAWN):
            self._drew(pointer["points"])

    def _drew(self, points: Sequence[Sequence[float]]) -> None:
        """A stroke is added to what is drawn. From the keyboard it comes anew with each of its points."""
        places = [on_stage.place(x, y) for x, y in points]
        fresh = [p for p in dict.fromkeys(places) if p not in self._strokes]
        self._strokes.update(fresh)
        if fresh:
            self.drawing = on_stage.with_stroke(self.drawing or (), fresh)

    def clear_drawing(self) -> None:
        """Begin a new drawing: a ring, until the first stroke."""
        self._strokes.clear()
        self.stage.clear_marks()
        self.drawing = None

    # ---- what it can be asked --------------------------------------------------------------------------------------

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. Points: both kinds of paths, your own path, the field's arrows, the world and the
        errors. Pictures: the pictures, and their distances from those of 50 steps."""
        shown = self.wait_for_result()
        if isinstance(shown, Wall):
            return xr.Dataset({"pictures": shown.pictures, "distance": shown.distance},
                              attrs={"prompt": shown.wish.prompt, "seed": shown.wish.seed})
        return lab.dataset(shown.request, shown.scene, shown.strand, shown.scores)

    def table(self) -> Any:
        """The chart as a pandas table. Points: for each solver and number of steps its evaluations, and the median and
        the quartiles of the distance to the exact end. Pictures: each model's distances."""
        shown = self.wait_for_result()
        if isinstance(shown, Wall):
            return shown.distance.rename("distance from 50 steps").to_dataframe()
        return lab.table(shown.scores)

    def code(self) -> str:
        """The lines that compute the same paths, or draw the same pictures, without the explorable."""
        request = self.request()
        return pictures.code(self._pipe, request) if isinstance(request, Wish) else on_stage.code(request)
