"""UNetXRay: the U drawn from the network itself, with a fader on every skip and on what comes up beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ..figures.xray import spectra
from ..pipeline import Pipeline
from ..run.sight import sight
from ..run.spectrum import FINE
from ..run.xray import Changes, Looks, Stage, fades, look_inside, unet_stages
from ..settings import GUIDANCE, Settings
from .base import Explorable, Progress, refuse_setting
from .chart import Chart
from .stage import Stage as Screen
from .xray_answer import DRAWN, Wish, XRay, called, check_unit, dataset, looked, said, spectra_of, step_table
from .xray_controls import fader_rows, wish_row
from .xray_stage import AXES, Seen, Unit, layers_of, panels_of
from .xray_verdict import in_words, told, verdicts_on

LOUDEST = 10.0
QUICK = 6  # steps of the first preview


class UNetXRay(Explorable):
    """What do the skips carry?

        xray = UNetXRay(prompt="a black cat in a meadow", seed=3)
        xray.faders = {"up.0.skip": 0.0}             # moves the fader, and draws
        xray.spans = {"up.0.skip": (10, 20)}         # on steps 10 to 19 alone
        xray.unit = ("up.1.0", 4, 4)                 # who is asked where they look, as by a click

    prompt, seed, steps, guidance: as in calling a pipeline. faders: what points are multiplied by, 0 to 10; any point
    can be named, those of skips and backbones have a fader on the page. spans: for each point (first, after the last)
    step. donor, swapped: another prompt, and the skips that are taken from its run. unit, step: (stage, row, column)
    and the step at which its view of the latent is shown.
    """

    question = "What do the skips carry?"
    doing = "Drawing, and looking inside …"
    asks = ("prompt", "seed", "steps", "guidance", "faders", "spans", "donor", "swapped", "unit", "step")

    prompt = tr.Unicode("a black cat in a meadow")
    seed = tr.Int(0)
    steps = tr.Int(20)
    guidance = tr.Float(GUIDANCE)
    faders = tr.Dict(key_trait=tr.Unicode(), default_value={})
    spans = tr.Dict(key_trait=tr.Unicode(), default_value={})
    donor = tr.Unicode("a red car on a beach at night")
    swapped = tr.Tuple(default_value=())
    unit = tr.Tuple(tr.Unicode(), tr.Int(), tr.Int(), default_value=("middle", 2, 2))
    step = tr.Int(10)

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._stages: dict[str, Stage] = {}
        self._kept: dict[str, tuple[Any, Any]] = {}  # what was computed last: for which wish, and what
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

    @tr.validate("spans")
    def _refuse_span(self, proposal: Any) -> Any:
        for name, span in proposal["value"].items():
            if len(span) != 2 or not all(isinstance(k, int) for k in span) or not 0 <= span[0] <= span[1]:
                raise ValueError(f"the steps of {name} are {span!r}: give (first, after the last), counted from 0")
        return {name: tuple(span) for name, span in proposal["value"].items()}

    # ---- from a wish to what is on the screen ----------------------------------------------------------------------

    def asked(self) -> Wish:
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed)
        stage, at_row, column = self.unit
        return Wish(settings, dict(self.faders), dict(self.spans), self.donor, tuple(self.swapped),
                    Unit(stage, at_row, column, min(max(self.step, 0), self.steps - 1)))

    def compute(self, pipe: Pipeline, asked: Wish, progress: Progress) -> XRay:
        stages = self._stages or unet_stages(pipe.points(taught=False))
        self._stages = stages
        check_unit(asked.unit, stages)
        pipe.points().match([*asked.faders, *asked.swapped])
        of = 3 * asked.settings.steps + 4

        def keep(name: str, key: Any, make: Callable[[], Any]) -> Any:
            if name not in self._kept or self._kept[name][0] != key:
                self._kept[name] = (key, make())
            return self._kept[name][1]

        def draw(looks: Looks, edits: Changes, done: int) -> Seen:
            inside = look_inside(pipe, stages, looks, edits, progress=lambda k, _: progress(done + k, of),
                                 **called(asked.settings))
            previews = pipe.decode(inside.run.denoised.values)
            return Seen(inside, np.concatenate([previews[:-1], inside.run.image[None]]))

        self._preview(pipe, asked, progress)
        # The looks belong to the untouched run: both runs are seen through them, and their colours can be compared.
        looks, untouched = keep("untouched", asked.settings, lambda: (made := Looks(), draw(made, {}, 0)))
        donor = keep("donor", (asked.settings, asked.donor, asked.swapped), lambda: self._given(
            pipe, asked, lambda k, _: progress(asked.settings.steps + k, of))) if asked.swapped else None
        edits = fades(asked.faders, asked.spans, asked.swapped, donor)
        edited = keep("edited", asked.changes, lambda: draw(looks, edits, 2 * asked.settings.steps)
                      ) if edits else untouched
        unit = asked.unit
        felt = keep("felt", (asked.changes, unit), lambda: sight(
            pipe, edited.inside.run, unit.step, stages[unit.stage].point, unit.row, unit.column, edits))
        verdicts = keep("verdicts", asked.changes, lambda: verdicts_on(untouched.image, edited.image))
        progress(of, of)
        return XRay(stages, untouched, edited, felt, asked, verdicts)

    def _preview(self, pipe: Pipeline, asked: Wish, progress: Progress) -> None:
        """A first picture in few steps, where the whole answer takes a while: what is shown keeps its other parts."""
        shown: XRay | None = self.shown
        steps = asked.settings.steps
        if shown is None or asked.swapped or steps <= 2 * QUICK or asked.changes == shown.wish.changes or (
                len(shown.untouched.previews) != steps):
            return
        quick = called(replace(asked.settings, steps=QUICK))
        spans = {n: (round(a * QUICK / steps), round(b * QUICK / steps)) for n, (a, b) in asked.spans.items()}
        edits = fades(asked.faders, spans)

        def fast(seen: Seen, edits: Changes) -> Seen:
            image = look_inside(pipe, {}, Looks(), edits, progress=lambda *_: progress(0, 1), **quick).run.image
            return replace(seen, previews=np.broadcast_to(image, seen.previews.shape))

        untouched = shown.untouched if asked.settings == shown.wish.settings else fast(shown.untouched, {})
        edited = fast(shown.edited, edits) if edits else replace(shown.edited, previews=untouched.previews)
        self._put_on_stage(replace(shown, edited=edited, untouched=untouched, verdicts=(), first=True))

    def _given(self, pipe: Pipeline, asked: Wish, progress: Progress) -> Any:
        """What the other prompt's run has at the skips that are swapped."""
        if not asked.donor.strip():
            raise ValueError("there is no prompt to take skips from: write one, or swap no skip")
        return pipe(**{**called(asked.settings), "prompt": asked.donor}, record=list(asked.swapped),
                    progress=progress).recorded

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

    def _put_on_stage(self, answer: XRay) -> None:
        unit, steps = answer.wish.unit, answer.wish.settings.steps
        parts = answer.stages, answer.untouched, answer.edited
        notes = dict(zip(("untouched", "edited"), map(in_words, answer.verdicts), strict=False))
        panels, columns = panels_of(*parts, unit, {"edited": "a first preview"} if answer.first else notes)
        times = answer.untouched.inside.run.denoised.t.values
        self.stage.show(layers_of(*parts, answer.felt, unit), [f"step {k} of {steps}, t = {t:.2f}" for k, t in
                                                               enumerate(times)],
                        file_name="u-net-x-ray", axes=AXES, panels=panels, columns=columns,
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
            self.unit, self.step = (stage.name, *at), self.stage.frame

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
        if self.swapped:
            lines += [f"with ex.record(pipe, {', '.join(map(repr, self.swapped))}) as other:",
                      f"    pipe({self.donor!r}{wish})"]
        edits = {}
        for name in dict.fromkeys([*self.swapped, *(n for n, by in self.faders.items() if by != 1)]):
            steps = f", steps={self.spans[name]!r}" if name in self.spans else ""
            made = [f"ex.Swap(other{steps})"] if name in self.swapped else []
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
            self.faders, self.spans, self.swapped = dict(faders), {}, ()
