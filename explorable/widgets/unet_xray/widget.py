"""UNetXRay: the U drawn from the network itself, with a fader on every skip and on what comes up beside it."""

from __future__ import annotations

import functools
from dataclasses import replace
from numbers import Real
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...analysis.spectrum import FINE
from ...analysis.unet_activations import Stage, unet_stages
from ...diffusion.settings import GUIDANCE, Settings
from ...pipeline import Pipeline
from ..core.chart import Chart
from ..core.explorable import Explorable, Progress, refuse_setting
from ..core.preview import FEW, SAID, nearest, stretched, worth
from ..stage.stage import Stage as Screen
from .compute import Work
from .controls import fader_rows, wish_row
from .figure import spectra
from .result import DRAWN, Wish, XRay, check_unit, dataset, looked, said, spectra_of, step_table
from .verdicts import in_words, told
from .view import AXES, Seen, Unit, layers_of, panels_of

LOUDEST = 10.0


class UNetXRay(Explorable):
    """What do the skips carry?

        xray = UNetXRay(prompt="a black cat in a meadow", seed=3)
        xray.faders = {"up.0.skip": 0.0}             # moves the fader, and draws
        xray.step_ranges = {"up.0.skip": (10, 20)}   # on steps 10 to 19 only
        xray.position = ("up.1.0", 4, 4)             # show its receptive field, as a click does

    prompt, seed, steps, guidance: as in calling a pipeline. faders: the factor of each named point, 0 to 10; any point
    can be named, those of skips and backbones have a fader on the page. step_ranges: for each point (first, end), the
    steps on which its edits act. donor_prompt, swapped_skips: another prompt, and the skips that are patched from its
    run. position, step: the (part, row, column) and the step whose receptive field in the latent is shown.
    """

    question = "What do the skips carry?"
    doing = "Drawing, and looking inside …"
    asks = ("prompt", "seed", "steps", "guidance", "faders", "step_ranges", "donor_prompt", "swapped_skips",
            "position", "step")

    prompt = tr.Unicode("a black cat in a meadow")
    seed = tr.Int(0)
    steps = tr.Int(20)
    guidance = tr.Float(GUIDANCE)
    faders = tr.Dict(key_trait=tr.Unicode(), default_value={})
    step_ranges = tr.Dict(key_trait=tr.Unicode(), default_value={})
    donor_prompt = tr.Unicode("a red car on a beach at night")
    swapped_skips = tr.Tuple(default_value=())
    position = tr.Tuple(tr.Unicode(), tr.Int(), tr.Int(), default_value=("middle", 2, 2))
    step = tr.Int(10)

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._stages: dict[str, Stage] = {}
        self._work, self._first = Work(), Work()  # what was computed last: of answers, and of first looks at them
        self.stage = Screen(waiting="The network is being opened …")
        self.chart = Chart()
        self._knobs = ipw.VBox()  # one fader for each skip and backbone, once the network is known
        self._knobs.layout.overflow = "visible"
        self.frame_with(wish_row(self), self._knobs, self.stage, self._seen, self._score,
                        self._status, self._bar, self.chart)
        self.stage.observe(lambda change: self._clicked(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._draw_chart(), names="dark")
        self.say("Opening the model …", "busy")
        self.draw()

    @tr.validate("seed", "steps", "guidance")
    def _refuse(self, proposal: Any) -> Any:
        return refuse_setting(proposal)

    @tr.validate("faders")
    def _refuse_fader(self, proposal: Any) -> Any:
        for name, by in proposal["value"].items():
            if not isinstance(by, Real) or not 0 <= float(by) <= LOUDEST:
                raise ValueError(f"the fader of {name} is {by!r}: choose a number from 0 to {LOUDEST:g}")
        return proposal["value"]

    @tr.validate("step_ranges")
    def _refuse_span(self, proposal: Any) -> Any:
        for name, span in proposal["value"].items():
            pair = span if isinstance(span, (tuple, list)) and len(span) == 2 else (None,)
            if not all(isinstance(k, int) for k in pair) or not 0 <= span[0] <= span[1]:
                raise ValueError(f"the steps of {name} are {span!r}: give (first, after the last), counted from 0")
        return {name: tuple(span) for name, span in proposal["value"].items()}

    @tr.validate("swapped_skips")
    def _refuse_swapped(self, proposal: Any) -> Any:
        for name in proposal["value"]:
            if not isinstance(name, str):
                raise ValueError(f"swapped_skips names {name!r}: give names or patterns of skips, as in ('up.0.skip',)")
        return proposal["value"]

    # ---- from a wish to what is on the screen ----------------------------------------------------------------------

    def asked(self) -> Wish:
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed)
        stage, at_row, column = self.position
        return Wish(settings, dict(self.faders), dict(self.step_ranges), self.donor_prompt, tuple(self.swapped_skips),
                    Unit(stage, at_row, column, min(max(self.step, 0), self.steps - 1)))

    def compute(self, pipe: Pipeline, asked: Wish, progress: Progress) -> XRay:
        stages = self._stages or unet_stages(pipe.points(optional=False))
        self._stages = stages
        check_unit(asked.unit, stages)
        pipe.points().match([*asked.faders, *asked.swapped_skips])
        few: XRay | None = None
        new = self.shown is None or self.shown.wish.changes != asked.changes
        if new and self.ours and worth(asked.settings.steps):
            few = self._first.first_look(pipe, stages, asked, progress)
            self.glance(functools.partial(self._put_on_stage, few))

        def picture(previews: np.ndarray) -> None:
            if few is not None:
                self.glance(lambda: self._put_on_stage(few, previews), f"the edited picture, and of all else {SAID}")

        def pictures(untouched: Seen, edited: Seen) -> None:
            felt = np.zeros(edited.inside.run.latents.shape[-2:])
            if few is not None:
                self.glance(lambda: self._put_on_stage(XRay(stages, untouched, edited, felt, asked)),
                            "all but where the unit looks, and what the examiner says")

        return self._work.answer(pipe, stages, asked, progress, picture, pictures)

    def show(self, answer: XRay) -> str:
        if not self._knobs.children:
            self._knobs.children = fader_rows(self, answer.stages)
        self._put_on_stage(answer)
        self._draw_chart()
        examined = told(answer.verdicts) if answer.edited is not answer.untouched else ""
        self.see(" ".join(filter(None, (said(answer), examined, looked(answer)))))
        before, after = (100 * seen.fine for seen in (answer.untouched, answer.edited))
        self.score("Fine detail", f"{after:.2f}% of the contrast", f"untouched {before:.2f}%. Fine: waves shorter than "
                   f"8 pixels, a place of the latent; right of the dotted line below. The picture moved by "
                   f"{answer.moved:.3f} (root mean square, 1 is black to white).")
        return ""

    def _put_on_stage(self, answer: XRay, previews: np.ndarray | None = None) -> None:
        """Send an answer, or a first look at it. previews: what the edited run believed, where that is there before."""
        unit, steps = answer.wish.unit, answer.wish.settings.steps
        parts, times = (answer.stages, answer.untouched, answer.edited), answer.untouched.inside.run.denoised.t.values
        notes = dict(zip(("untouched", "edited"), map(in_words, answer.verdicts), strict=False))
        layers = layers_of(*parts, answer.felt, unit)
        captions = [f"step {k} of {len(times)}, t = {t:.2f}" for k, t in enumerate(times)]
        if self.ours and len(times) != steps:
            picks = nearest(range(steps), steps, FEW - 1)
            layers, captions = stretched(layers, picks), [f"{SAID}: {captions[k]}" for k in picks]
            notes = dict.fromkeys(("untouched", "edited"), SAID)
        if previews is not None:
            layers = [replace(layer, frames=previews, picks=None) if layer.name == "picture edited" else layer
                      for layer in layers]
            captions = [f"step {k} of {steps}; all but the edited picture is {SAID}" for k in range(steps)]
            del notes["edited"]
        panels, columns = panels_of(*parts, unit, notes)
        self.stage.show(layers, captions, file_name="u-net-x-ray", axes=AXES, panels=panels, columns=columns,
                        plays=self.stage.arrival == 0)

    def _draw_chart(self) -> None:
        self.chart.follow(self.stage.dark)
        if self.shown is not None:
            self.chart.draw(spectra(spectra_of(self.shown), FINE, self.stage.dark))

    def _clicked(self, pointer: dict) -> None:
        """A click on a tile asks its place where it looks, at the step on the screen."""
        stage = self._stages.get(pointer.get("panel", ""))
        if stage is None or pointer.get("kind") != "click":
            return
        at = [min(max(int(pointer[axis] * stage.side), 0), stage.side - 1) for axis in ("y", "x")]
        with self.hold_trait_notifications():
            self.position, self.step = (stage.name, *at), self.stage.frame

    # ---- what it can be asked --------------------------------------------------------------------------------------

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: pictures, the tiles of each stage, shares and energies of skips and backbones over
        the steps, the spectra, and what the unit feels of the latent. Along `run`: untouched, edited."""
        return dataset(self.answer())

    def table(self) -> Any:
        """One row a step, as a pandas table: each skip's share of what enters the way up, and how far the edited
        picture is from the untouched one (root mean square, 1 is black to white)."""
        return step_table(self.answer())

    def code(self) -> str:
        """The lines that draw the edited picture without the explorable."""
        wish = "".join(f", {name}={getattr(self, name)!r}" for name in DRAWN[1:])
        lines = ["import explorable as ex", "", self.opened]
        if self.swapped_skips:
            lines += [f"with ex.record(pipe, {', '.join(map(repr, self.swapped_skips))}) as other:",
                      f"    pipe({self.donor_prompt!r}{wish})"]
        edits = {}
        for name in dict.fromkeys([*self.swapped_skips, *(n for n, by in self.faders.items() if by != 1)]):
            steps = f", steps={self.step_ranges[name]!r}" if name in self.step_ranges else ""
            made = [f"ex.Swap(other{steps})"] if name in self.swapped_skips else []
            made += [f"ex.Scale({self.faders[name]!r}{steps})"] if self.faders.get(name, 1) != 1 else []
            edits[name] = f"[{', '.join(made)}]"
        draw = f"run = pipe({self.prompt!r}{wish})"
        if edits:
            inside = "".join(f"    {name!r}: {made},\n" for name, made in edits.items())
            lines += [f"with ex.edit(pipe, {{\n{inside}}}):", f"    {draw}"]
        else:
            lines.append(draw)
        return "\n".join([*lines, "run.image"])

    def set_all(self, faders: dict[str, float]) -> None:
        """These faders, over all steps, and nothing else edited."""
        with self.hold_trait_notifications():
            self.faders, self.step_ranges, self.swapped_skips = dict(faders), {}, ()
