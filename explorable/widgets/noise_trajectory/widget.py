"""NoiseTrajectory: a picture dissolves into static, static becomes a picture, and the way back can be branched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...analysis.trajectory import SETTLED_SHARE, signal_to_noise
from ...diffusion.settings import DEFAULT_GUIDANCE, Settings, check_settings
from ...pipeline import Pipeline
from ...run import Run
from ..core.chart import Chart
from ..core.explorable import Explorable, Progress, validate_setting
from ..core.preview import cancellable_only, needs_preview
from ..stage.stage import Stage
from .compute import Journey, Wish, frame_of, remark, scored, seen, shortened, travel
from .controls import ORIGINS, branch_row, example_row, run_row
from .figure import distance_chart
from .view import Shown, first_branch, first_look, on_stage


class NoiseTrajectory(Explorable):
    """How does static become a picture?

        w = NoiseTrajectory(prompt="a red car on a mountain road", seed=3)
        w.branch(step=2, prompt="a black cat on a beach")     # rewind, and go on with other words
        w.wait()
        w.run, w.branch_run                                   # both, to look into

    prompt, seed, steps, guidance, sampler: of the run, as in calling a pipeline. origin: what dissolves, "drawing"
    (of the prompt, by the picture world) or "finished" (the run's own picture). branch_step: where the branch leaves;
    branch_prompt, branch_seed, branch_guidance: what it changes, None for nothing. Without a change there is none.
    """

    question = "How does static become a picture?"
    busy_text = "Walking from noise to a picture …"
    inputs = ("prompt", "seed", "steps", "guidance", "sampler", "origin", "branch_step", "branch_prompt", "branch_seed",
            "branch_guidance")

    prompt = tr.Unicode("a red car on a mountain road")
    seed = tr.Int(0)
    steps = tr.Int(20)
    guidance = tr.Float(DEFAULT_GUIDANCE)
    sampler = tr.Unicode("euler")
    origin = tr.Enum(tuple(ORIGINS.values()), "drawing")
    branch_step = tr.Int(2)
    branch_prompt = tr.Unicode(None, allow_none=True)
    branch_seed = tr.Int(None, allow_none=True)
    branch_guidance = tr.Float(None, allow_none=True)

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        super().__init__(pipe, **values)
        self.stage = Stage(placeholder="The first walk is on its way …")
        self.chart = Chart()
        self._staged: Journey | None = None
        self._few: Journey | None = None  # the run in few steps, as it was first seen: for first looks at its branches
        legend = ipw.HTML('<span class="ex-help">One slider, both ways: first a picture dissolves, then the same noise '
                          "becomes a picture. In the plane: grey, what dissolves; the rest coloured as in the chart. "
                          "Point at a dot to see its step; click to go there.</span>")
        self.set_layout(run_row(self), branch_row(self), example_row(self), self.stage, legend, self.chart,
                        self._seen, self._score, self._status, self._bar)
        self.stage.observe(lambda change: self._look() if not self.preview_label else None, names="frame")
        self.stage.observe(lambda change: self._plot(), names="dark")
        self.set_status("Opening the model …", "busy")
        self.recompute()

    @tr.validate("seed", "steps", "guidance", "sampler")
    def _refuse(self, proposal: Any) -> Any:
        return validate_setting(proposal)

    @tr.validate("branch_seed", "branch_guidance")
    def _refuse_branch(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name.removeprefix("branch_"), proposal["value"]
        if value is not None:
            check_settings(replace(Settings(""), **{name: value}))
        return value

    @tr.validate("branch_step")
    def _refuse_step(self, proposal: Any) -> int:
        if proposal["value"] < 0:
            raise ValueError(f"branch_step is {proposal['value']}: choose a step from 0 on, the last is steps - 1")
        return proposal["value"]

    def branch(self, step: int | None = None, **changes: Any) -> None:
        """Rewind to a step, and go on with another prompt, seed or guidance. No changes: no branch.

        Raises:
            TypeError: another change. ValueError: a value that cannot be.
        """
        names = {f"branch_{name}": name for name in ("prompt", "seed", "guidance")}
        for name in changes:
            if name not in names.values():
                raise TypeError(f"a branch here has no {name!r}: it changes prompt, seed or guidance; "
                                "run.branch(...) changes more")
        # Checked first: what is refused within a hold is not taken back.
        check_settings(replace(Settings(""), **{name: value for name, value in changes.items() if value is not None}))
        self._refuse_step({"value": self.branch_step if step is None else step})
        with self.hold_trait_notifications():
            self.branch_step = self.branch_step if step is None else step
            for trait, name in names.items():
                setattr(self, trait, changes.get(name))

    # ---- from a wish to what is on the screen ----------------------------------------------------------------------

    def request(self) -> Wish:
        own = {"prompt": self.prompt, "seed": self.seed, "guidance": self.guidance}
        changed = tuple((name, value) for name in own
                        if (value := getattr(self, f"branch_{name}")) is not None and value != own[name])
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed, sampler=self.sampler)
        return Wish(settings, self.origin, (min(self.branch_step, self.steps - 1), changed) if changed else None)

    def compute(self, pipe: Pipeline, request: Wish, progress: Progress) -> Journey:
        kept = self.result
        if kept is not None and (kept.wish.settings != request.settings or kept.wish == request):
            kept = None  # another run; or the same wish once more, as when the model was edited
        self._look_first(pipe, request, kept, progress)
        other = None if self.result is None or self.result.wish == request else self.result
        return travel(pipe, request, kept, progress, other)

    def _look_first(self, pipe: Pipeline, request: Wish, kept: Journey | None, progress: Progress) -> None:
        """The run in a few steps, or its branch, where the whole takes a while."""
        steps, few = request.settings.steps, shortened(request)
        if not self.ours:
            return
        if kept is None and needs_preview(steps):
            self._few = short = travel(pipe, few, None, cancellable_only(progress), self._few)
            self.show_preview(
                lambda: self._put(first_look(short, steps, pipe), request, autoplay=not self.preview_label)
            )
        elif (
            kept is not None
            and request.branch not in (None, kept.wish.branch)
            and needs_preview(steps - request.branch[0])
        ):
            same = self._few is not None and self._few.wish.settings == few.settings
            self._few = short = travel(pipe, few, self._few if same else None, cancellable_only(progress))
            self.show_preview(lambda: self._put(first_branch(kept, short, pipe), request, autoplay=False))

    def show(self, journey: Journey) -> str:
        grown = self._staged is not None and self._staged.parent is journey.parent
        self._staged = journey  # where only a branch grew, or what dissolves changed, the reader stays
        self._put(on_stage(journey, self.pipe), journey.wish, autoplay=not grown and not self.preview_label)
        self._plot()
        self._look()
        self.set_score(*scored(journey))
        return remark(journey)

    def _put(self, shown: Shown, request: Wish, autoplay: bool) -> None:
        with self.stage.hold_sync():
            if (
                not autoplay
                and request.branch
                and self.stage.frame < frame_of(request.branch[0], request.settings.steps)
            ):
                self.stage.frame = len(shown.captions) - 1  # or the branch would not be seen
            self.stage.show(shown.layers, shown.captions, panels=shown.panels, columns=5, autoplay=autoplay,
                            file_name=f"trajectory-seed-{self.seed}")

    def _plot(self) -> None:
        self.chart.set_dark(self.stage.dark)
        if self._staged is not None:
            self.chart.draw(distance_chart(self._staged.distances, self.stage.dark, SETTLED_SHARE))

    def _look(self) -> None:
        if self._staged is not None:
            self.set_caption(seen(self._staged, self.stage.frame, self.pipe))

    # ---- what it can be asked --------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run on the screen; the first one is waited for."""
        return self.wait_for_result().parent.run

    @property
    def branch_run(self) -> Run | None:
        """Its branch on the screen, if there is one."""
        strand = self.wait_for_result().branch
        return None if strand is None else strand.run

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: pictures of the run, latents, their places in the plane, distances; the branch's too.

        Of the branch there are the latents and distances; decode its pictures by `branch_run.previews`.
        """
        j, strands = self.wait_for_result(), self.wait_for_result().strands
        far = j.distances.sel(step=j.parent.steps)
        latents, estimates = (np.stack([getattr(s, name) for s in strands.values()])
                              for name in ("latents", "estimates"))
        lead, places, picture = ("run", "step"), ("channel", "row", "column"), ("y", "x", "rgb")
        return xr.Dataset(
            {"noisy": (("step", *picture), j.parent.noisy), "denoised": (("step", *picture), j.parent.denoised),
             "noise": (("step", *places), j.parent.noise), "latents": ((*lead, *places), latents),
             "estimates": ((*lead, *places), estimates),
             "latents_in_plane": ((*lead, "component"), j.plane.project(latents)),
             "estimates_in_plane": ((*lead, "component"), j.plane.project(estimates)),
             "variance": ("component", list(j.plane.share)), "latent_distance": far.latent,
             "estimate_distance": far.estimate, "dissolving": (("away", *picture), j.away)},
            coords={"run": list(strands), "step": j.parent.steps, "t": far.t, "away": j.times, "rgb": list("rgb")},
            attrs={"prompt": j.wish.settings.prompt, "origin": "drawing" if j.drawn else "finished"})

    def table(self) -> Any:
        """One row a step, as a pandas table: t, signal to noise, and how far x_t and the estimate are from the end."""
        journey = self.wait_for_result()
        far = journey.distances
        columns = {"signal to noise": ("step", [signal_to_noise(self.pipe.path, float(t)) for t in far.t])}
        for name in far.run.values:
            columns |= {f"{name}'s x_t, from its end": far.latent.sel(run=name, drop=True),
                        f"{name}'s estimate, from its end": far.estimate.sel(run=name, drop=True)}
        return xr.Dataset(columns, coords={"t": far.t}).to_dataframe()

    def code(self) -> str:
        """The lines that take the same walk, and the branch, without the explorable."""
        wish = self.request()
        s = wish.settings
        lines = ["import explorable as ex", "from explorable.analysis.trajectory import distances_to_end", "",
                 self.pipe_code,
                 f"run = pipe({s.prompt!r}, steps={s.steps}, guidance={s.guidance:g}, seed={s.seed}, "
                 f"sampler={s.sampler!r})", "distances_to_end(run)"]
        if wish.branch is not None:
            step, changed = wish.branch
            said = ", ".join(f"{name}={value!r}" for name, value in changed)
            lines += [f"branch = run.branch({step}, {said})", "distances_to_end(branch)"]
        return "\n".join(lines)

    def rewind_here(self) -> None:
        """Let the branch leave at the step on the screen; at the first, while a picture dissolves."""
        step = None if self._staged is None else self._staged.step_at(self.stage.frame)
        self.branch_step = 0 if step is None else min(step, self.steps - 1)
