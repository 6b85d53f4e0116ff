"""The map of Studio: what stands on it for the present run and step, and the explorable that it has opened."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ipywidgets as ipw
import traitlets as tr

from ...pipeline import PipelineProtocol
from ...run import Run
from ...run.known import KnownRun
from ..core.explorable import shipped_pipeline
from ..core.layout import format_duration
from ..core.lifetime import ClosedError
from ..core.model_choice import ModelChoice
from ..core.picture import as_picture
from ..core.status import error_text, status_html
from ..pipeline_map.edits import Edits, active_edits, acts_on, as_edits, as_list, chips_of, without
from ..pipeline_map.nodes import ARROWS, NODES, TRANSFORMER, U_NET, network_of, twin_of, why_closed
from ..pipeline_map.opened import OpenedNode
from ..pipeline_map.pipeline_map import PipelineMap
from .compute import Result
from .view import count_evaluations

LABELS_AT = {"predictions": (262, 142), "guided": (149, 168), "next": (80, 142), "end": (88, 220), "latent": (149, 84),
             "reading": (262, 66)}


class Navigation:
    """Draws the map of a Studio, opens what is chosen on it, and keeps run, step and edits of both the same."""

    def __init__(self, studio: ModelChoice, held: Callable[[], Any]):
        self.map, self.box = PipelineMap(), ipw.VBox()
        self.box.add_class("ex-opened")
        self._studio, self._held, self._known = studio, held, KnownRun()
        self._opened: OpenedNode | None = None
        self._lock = threading.RLock()
        self._network: tuple[Any, str] = (None, "")  # the pipeline that was looked at, and the node of its network
        self.map.observe(lambda change: self._choose(change["new"]), names="opened")
        self.map.observe(lambda change: self._remove(change["new"]), names="removed")

    # ---- what is opened --------------------------------------------------------------------------------------------

    @property
    def explorable(self) -> Any:
        """The explorable that is open, or None."""
        return None if self._opened is None else self._opened.explorable

    def open(self, name: str) -> None:
        """Open a node, and close the one that was open; "" opens none. Without a run yet, it opens with the first.

        Raises:
            ValueError, TraitError: the explorable refuses a setting of the run. In its place stands the error.
        """
        with self._lock:
            if self.map.opened != name:
                self.map.opened = name
            self._close_opened()
            if name and self._studio.result is not None:
                try:
                    self._opened = self._open(name)
                except (ValueError, tr.TraitError) as error:
                    self.box.children = (ipw.HTML(status_html(error_text(error), "error")),)
                    raise
                self.box.children = (self._opened.explorable,)

    def close(self) -> None:
        """Close what is open, and forget the run. The map still marks it: it opens again with the next result."""
        self._close_opened()
        self._known.forget()

    def _close_opened(self) -> None:
        with self._lock:
            (old, self._opened), shown, self.box.children = (self._opened, None), self.box.children, ()
            if old is not None:
                old.close()
            for note in shown if old is None else ():  # what said why nothing was opened
                note.close()

    def _open(self, name: str) -> OpenedNode:
        studio, node = self._studio, NODES[name]
        model, pipe = None if studio._pipe is not None else studio.model_name, studio.pipe
        is_twin = name in (U_NET, TRANSFORMER) and network_of(pipe) != name
        if is_twin:
            model = twin_of(studio.model_name, name)
            pipe = shipped_pipeline(model)
        return OpenedNode(node, pipe, model, self._settings(), self._step_from_noise, self._edits, self._held,
                          self._known, self._on_setting, self._on_step, self._on_edits, takes_edits=not is_twin)

    def follow(self, result: Result) -> None:
        """Show a new result: on the map, and in what is open."""
        self.draw(result)
        with self._lock:
            self._known.keep(result.run, *result.decoded)
            if self._opened is None or not self._opened.holds(self._edits):
                if self.map.opened:
                    with suppress(ValueError, tr.TraitError):  # it is shown there, and the run is good
                        self.open(self.map.opened)
                return
            try:
                self._opened.follow(self._settings(), self._step_from_noise, self._edits)
            except ClosedError:  # by hand
                self._opened, self.box.children = None, ()

    def follow_step(self) -> None:
        """Show the step that Studio shows."""
        if (result := self._studio.result) is None:
            return
        self.draw(result)
        with self._lock:
            if self._opened is not None:
                self._opened.follow_step(self._step_from_noise, self._settings())

    # ---- what the user does ----------------------------------------------------------------------------------------

    def _choose(self, name: str) -> None:
        if name in ("", *NODES) and name != self._studio.opened:
            self._studio.opened = name

    def _remove(self, key: str) -> None:
        if key:
            self.map.removed = ""
            self._studio.edits = without(self._studio.edits, key)

    def _on_setting(self, name: str, value: Any) -> None:
        if name in self._studio.inputs and value is not None:
            setattr(self._studio, name, value)

    def _on_step(self, step: int) -> None:
        result = self._studio.result
        if result is not None:
            frame = int(abs(result.steps + result.first_step - step).argmin())
            if frame != self._studio.stage.frame:
                self._studio.stage.frame = frame

    def _on_edits(self) -> None:
        if self._opened is not None:
            edits, prompt = self._studio.edits, self._studio.prompt
            idle = [pair for pair in as_list(edits) if not acts_on(pair[1], prompt)]
            self._studio.edits = as_edits([*idle, *as_list(self._opened.with_own(active_edits(edits, prompt)))])

    # ---- the map ---------------------------------------------------------------------------------------------------

    @property
    def _step(self) -> int:
        """The step that Studio shows; the number of steps for the finished image."""
        result, frame = self._studio.result, self._studio.stage.frame
        return int(result.steps[min(frame, len(result.steps) - 1)])

    @property
    def _edits(self) -> Edits:
        return active_edits(self._studio.edits, self._studio.prompt)

    @property
    def _step_from_noise(self) -> int:
        """The step of a run from noise that has the noise time of the step that Studio shows."""
        return self._step + self._studio.result.first_step

    def _settings(self) -> dict[str, Any]:
        studio, result = self._studio, self._studio.result
        frame = min(studio.stage.frame, len(result.steps) - 1)
        names = [name for name in studio.inputs if name not in ("model", "edits")]
        picture = as_picture(result.denoised[frame], f"predicted image of step {self._step}")
        model = {} if studio._pipe is not None else {"model": studio.model_name}
        return {name: getattr(studio, name) for name in names} | model | {"picture": picture}

    def draw(self, result: Result) -> None:
        """Draw the map for a result, with the numbers of the step that Studio shows."""
        pipe = self._studio.pipe
        if self._network[0] is not pipe:  # asking an opened pipeline waits while it samples
            self._network = pipe, network_of(pipe)
        network = self._network[1]
        step = min(self._step, result.run.steps - 1)
        details = node_details(pipe, result, network, step)
        nodes = [{"name": node.name, "title": node.name, "detail": details.get(node.name, ""), "shows": node.shows,
                  "box": list(node.box), "colour": node.colour, "closed": why_closed(node),
                  "is_used": node.name not in (U_NET, TRANSFORMER) or node.name == network} for node in NODES.values()]
        nodes.append({"name": "image", "title": "image", "detail": " × ".join(map(str, result.run.image.shape[:2])),
                      "shows": "", "box": [324, 228, 136, 50], "colour": "image", "closed": "", "is_used": True})
        labels = arrow_labels(result, step)
        arrows = [{"corners": [list(c) for c in corners_for(name, corners, network)], "label": labels.get(name, ""),
                   "at": list(LABELS_AT.get(name, (0, 0)))} for name, corners in ARROWS]
        with self.map.hold_sync():
            self.map.nodes, self.map.arrows = nodes, arrows
            self.draw_chips()

    def draw_chips(self) -> None:
        """Draw a chip for each edit."""
        self.map.chips = chips_of(self._studio.edits, self._studio.prompt)


def corners_for(name: str, corners: tuple[tuple[int, int], ...], network: str) -> tuple[tuple[int, int], ...]:
    """Return the corners of an arrow, which leads to or from the network of the model."""
    if network == U_NET:
        return corners
    return {"reading": ((298, 25), (311, 25), (311, 86), (324, 86)), "latent": ((136, 101), (324, 101)),
            "predictions": ((340, 126), (340, 139), (260, 139), (260, 152)),
            "next": ((110, 152), (110, 132), (311, 132), (311, 116), (324, 116))}.get(name, corners)


def node_details(pipe: PipelineProtocol, result: Result, network: str, step: int) -> dict[str, str]:
    """Return the second line of each node: shapes, work and seconds."""
    run = result.run
    words = sum(token != "<pad>" for token in run.tokens)
    seconds = run.seconds
    latent = " × ".join(map(str, run.latents.shape[1:]))
    numbers = result.numbers
    weight = f"w = {run.settings.guidance:g}"
    details = {
        "words": f"{words} tokens, {format_duration(seconds['text encoder'])}",
        "reading": "cross-attention" if network == U_NET else "joint attention",
        "how it learned": "one training step",
        "noise": f"{latent}, seed {run.settings.seed}" if result.start is None else
                 f"on the picture, t = {float(run.latents.t[0]):.2f}",
        network: f"{count_evaluations(run)}, {format_duration(network_seconds(run))}",
        "path": run.settings.sampler, "guidance": weight, "classifier": "not in this run",
        "latent and decoder": f"{latent}, decoded in {format_duration(seconds['decoder'])}",
    }
    other = TRANSFORMER if network == U_NET else U_NET
    details[other] = "try it on the same noise"
    if numbers is not None:
        at = numbers.isel(step=step)
        details["path"] = f"t {float(at.t):.2f} → {float(at.next_t):.2f}, {run.settings.sampler}"
        if not math.isnan(float(at.difference)):
            details["guidance"] = f"{weight}, difference {float(at.difference):.2f}"
    return details


def network_seconds(run: Run) -> float:
    """Return the seconds of all evaluations of the network; of a run that does not know them, of the denoiser."""
    return sum(run.evaluation_seconds) or run.seconds["denoiser"]


def timings(run: Run) -> str:
    """Say how the time of a run is made up: its parts, and their sum."""
    rest = run.seconds["denoiser"] - network_seconds(run)
    together = " for two" if run.branches > 1 else " each"
    evaluations = "the denoiser" if not run.evaluation_seconds else (
        f"{count_evaluations(run)} of the network ({format_milliseconds(min(run.evaluation_seconds))} to "
        f"{format_milliseconds(max(run.evaluation_seconds))}{together})")
    parts = {name: seconds for name, seconds in run.seconds.items() if name != "denoiser"}
    parts = {**{name: parts[name] for name in parts if name != "decoder"}, evaluations: network_seconds(run),
             **({"guidance and sampler": rest} if run.evaluation_seconds else {}), "decoder": parts["decoder"]}
    listed = " + ".join(f"{name} {format_milliseconds(seconds)}" for name, seconds in parts.items())
    return f"{listed} = {format_milliseconds(sum(run.seconds.values()))}"


def format_milliseconds(seconds: float) -> str:
    """Return a duration in milliseconds, to a tenth: the parts of a run must add up."""
    return f"{1000 * seconds:.1f} ms"


def arrow_labels(result: Result, step: int) -> dict[str, str]:
    """Return the number on each arrow at a step: root mean squares over the latent."""
    if result.numbers is None:
        return {}
    at = {name: float(values) for name, values in result.numbers.isel(step=step).items()}
    both = f"{at['cond']:.2f}" if math.isnan(at["uncond"]) else f"{at['uncond']:.2f}, {at['cond']:.2f}"
    return {"latent": f"{at['latent']:.2f}", "predictions": both, "guided": f"{at['guided']:.2f}",
            "next": f"{at['next']:.2f}"}
