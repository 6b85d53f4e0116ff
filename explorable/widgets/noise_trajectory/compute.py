"""What NoiseTrajectory shows: a picture's way into static, a run's way back, a branch of it, and their common plane.

    frames of the stage:  0 … M - 1      the picture dissolves, t from 0 up
                          M … M + steps  the run: its noise, and after each step what has become of it
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import (
    SETTLED_SHARE,
    Plane,
    distances_to_end,
    noised_latents,
    predicted_noise,
    principal_plane,
    rms_distance,
    settled_step,
    signal_to_noise,
)
from ...diffusion.settings import Settings
from ...pipeline import Pipeline
from ...pipeline.image_size import resize_to_fit
from ...run import Run
from ...world import GrammarError, draw, parse
from ..core.explorable import Progress
from ..core.layout import format_duration
from ..core.preview import PREVIEW_STEPS, to_preview_step

MOST_STEPS = 50  # a longer run shows so many of its steps, evenly spread, each way
CHUNK = 4  # pictures decoded at a time: the quickest, and between two chunks a newer wish can come in


@dataclass(frozen=True)
class Wish:
    """A run, which picture dissolves ("drawing", "finished"), and the branch: its step and its changes, or None."""

    settings: Settings
    origin: str
    branch: tuple[int, tuple[tuple[str, Any], ...]] | None


@dataclass(frozen=True, eq=False)
class Strand:
    """One run at the steps that are shown; of a branch, pictures from where it left on: `first` steps have none.

    held, believed: decoded, (frames, 128, 128, 3) uint8. noise: (frames, 4, 16, 16).
    """

    run: Run
    steps: np.ndarray
    first: int
    noisy: np.ndarray
    denoised: np.ndarray
    noise: np.ndarray

    @property
    def latents(self) -> np.ndarray:
        """x_t at every step shown, with those before a branch left, (steps, 4, 16, 16)."""
        return self.run.latents.values[self.steps]

    @property
    def estimates(self) -> np.ndarray:
        """The denoised estimates there; at the end, where there is none, the end itself."""
        return np.concatenate([self.run.denoised.values, self.run.latents.values[-1:]])[self.steps]

    @cached_property
    def distances(self) -> xr.Dataset:
        """Of this run from its own end, at every step; NaN before a branch left."""
        found = distances_to_end(self.run)
        return found.where(found.step >= (self.run.branched_at or 0))


@dataclass(frozen=True, eq=False)
class Journey:
    """All that is on the screen.

    source: the picture that dissolves, (128, 128, 3) uint8; drawn: whether it is a drawing. times, gone: from t = 0 up,
    to before t = 1, and the latents there; away: decoded.
    """

    wish: Wish
    parent: Strand
    branch: Strand | None
    source: np.ndarray
    drawn: bool
    times: np.ndarray
    gone: np.ndarray
    away: np.ndarray

    @property
    def strands(self) -> dict[str, Strand]:
        return {"parent": self.parent} if self.branch is None else {"parent": self.parent, "branch": self.branch}

    @cached_property
    def distances(self) -> xr.Dataset:
        """Of each run from its own end, (run, step)."""
        strands = self.strands
        return xr.concat([s.distances for s in strands.values()], xr.DataArray(list(strands), dims="run", name="run"))

    @cached_property
    def plane(self) -> Plane:
        """Through the latents and estimates of the run, and of the branch."""
        strands = self.strands.values()
        return principal_plane(np.concatenate([part for s in strands for part in (s.latents, s.estimates)]))

    def step_at(self, frame: int) -> int | None:
        """The step that a frame shows; None while the picture dissolves."""
        k = frame - len(self.times)
        return None if k < 0 else int(self.parent.steps[min(k, len(self.parent.steps) - 1)])


# ---- how it is made --------------------------------------------------------------------------------------------------


class Work:
    """What is done of a computation: a step counts 1, a decoded picture 1/2."""

    def __init__(self, progress: Progress, of: float):
        self.progress, self.of, self.done = progress, math.ceil(of), 0.0

    def step(self, *_: int) -> None:
        self.add(1)

    def add(self, work: float) -> None:
        self.done += work
        self.progress(int(self.done), self.of)

    def decode(self, pipe: Pipeline, latents: np.ndarray) -> np.ndarray:
        """Latents to pictures, a few at a time."""
        if not len(latents):
            return np.zeros((0, *pipe.image_size, 3), np.uint8)
        pictures = []
        for start in range(0, len(latents), CHUNK):
            pictures.append(pipe.decode(latents[start : start + CHUNK]))
            self.add(len(pictures[-1]) / 2)
        return np.concatenate(pictures)


def shown_steps(count: int) -> np.ndarray:
    """Which steps of a run have a frame: all, or of a long run so many, evenly spread; the end too."""
    return np.linspace(0, count, min(count, MOST_STEPS) + 1).round().astype(int)


def frame_of(step: int, steps: int) -> int:
    """The first frame that shows a step of so many, or a later one."""
    shown = shown_steps(steps)
    return len(shown) - 1 + int(np.searchsorted(shown, step))


def shortened(wish: Wish) -> Wish:
    """The same wish in a few steps: a first look at it."""
    branch = wish.branch and (to_preview_step(wish.branch[0], wish.settings.steps), wish.branch[1])
    return replace(wish, settings=replace(wish.settings, steps=PREVIEW_STEPS), branch=branch)


def same_way_out(one: Wish, other: Wish) -> bool:
    """Whether what dissolves, and the noise it dissolves into, are the same in both: a drawing, of which a run knows
    nothing."""

    def out(wish: Wish) -> tuple:
        s = wish.settings
        return wish.origin, s.prompt, s.seed, s.steps, s.sampler

    return one.origin == "drawing" and out(one) == out(other)


def travel(pipe: Pipeline, wish: Wish, kept: Journey | None, progress: Progress, last: Journey | None = None,
           ) -> Journey:
    """Compute a wish. kept: a journey of the same run, whose parts are used again where nothing changed in them.
    last: another one, whose dissolving picture is used again where that is the same."""
    count = wish.settings.steps if kept is None else kept.parent.run.steps
    shown = shown_steps(count)
    tail = 0 if wish.branch is None else count - wish.branch[0]
    work = Work(progress, (0 if kept else count + len(shown)) + len(shown) / 2 + 2 * tail)
    if kept is None:
        s = wish.settings
        run = pipe(s.prompt, steps=s.steps, guidance=s.guidance, seed=s.seed, sampler=s.sampler, progress=work.step)
        count, shown = run.steps, shown_steps(run.steps)  # some samplers look more often than they are asked to
        parent = _strand(pipe, run, shown, work)
    else:
        parent = kept.parent
    branch = None
    if kept is not None and kept.wish.branch == wish.branch:
        branch = kept.branch
    elif wish.branch is not None:
        step, changed = wish.branch
        step = min(step, count - 1)
        branch = _strand(pipe, parent.run.branch(step, progress=work.step, **dict(changed)), shown, work)
    if kept is not None and kept.wish.origin == wish.origin:
        return replace(kept, wish=wish, branch=branch)
    if last is not None and last.drawn and same_way_out(last.wish, wish):
        return replace(last, wish=wish, parent=parent, branch=branch)
    source = _drawing(wish.settings, pipe) if wish.origin == "drawing" else None
    latent = parent.run.latents.values[-1] if source is None else pipe.encode(source[None]).numpy()[0]
    times = parent.run.latents.t.values[shown[:0:-1]]
    gone = noised_latents(pipe.path, latent, parent.run.latents.values[0], times)
    away = work.decode(pipe, gone)
    shown_source = parent.run.image if source is None else source
    return Journey(wish, parent, branch, shown_source, source is not None, times, gone, away)


def _strand(pipe: Pipeline, run: Run, shown: np.ndarray, work: Work) -> Strand:
    first = int(np.searchsorted(shown, run.branched_at or 0))
    steps = shown[first:-1]  # the end is the picture itself: decoded in a batch, it could differ in a last bit
    noisy, denoised = (np.concatenate([work.decode(pipe, latents.values[steps]), run.image[None]])
                      for latents in (run.latents, run.denoised))
    noise = predicted_noise(pipe.path, run)
    return Strand(run, shown, first, noisy, denoised, noise[[*steps, len(noise) - 1]])


def _drawing(settings: Settings, pipe: Pipeline) -> np.ndarray | None:
    """A drawing of the prompt, as large as what the pipeline paints; None where the picture world has none, as of the
    empty prompt, or the pictures are not square."""
    high, wide = pipe.image_size
    try:
        scene = parse(settings.prompt).scene
    except GrammarError:
        return None
    return resize_to_fit(draw(replace(scene, seed=settings.seed), masks=False).image, pipe) if high == wide else None


# ---- what is said of it ----------------------------------------------------------------------------------------------


def captions(journey: Journey, pipe: Pipeline) -> list[str]:
    """What stands below each frame."""
    run, last = journey.parent.run, journey.parent.steps[-1]

    def ratio(t: float) -> str:
        value = signal_to_noise(pipe.path, float(t))
        return f"t = {t:.2f}, signal to noise {'∞' if math.isinf(value) else f'{value:.3g}'}"

    return [*(f"dissolving, {ratio(t)}" for t in journey.times),
            *(f"step {k} of {last}, {ratio(run.latents.t.values[k])}" for k in journey.parent.steps)]


def seen(journey: Journey, frame: int, pipe: Pipeline) -> str:
    """One sentence, or two, on a frame."""
    step = journey.step_at(frame)
    if step is None:
        t = float(journey.times[frame])
        what = "a drawing" if journey.drawn else "the finished picture"
        return (f"Dissolving: x_t = {pipe.path.alpha(t):.2f} × {what} + {pipe.path.sigma(t):.2f} × noise. "
                "No network is asked here.")
    parent, last = journey.parent.run, int(journey.parent.steps[-1])
    if step == last:
        return "The static has become a picture." + (f" The branch has become one {_ends(journey):.2f} from it."
                                                     if journey.branch else "")
    far = journey.distances.sel(run="parent", step=step)
    said = (f"At step {step}, x_t is {float(far.latent):.2f} from the finished latent, and the picture that the model "
            f"believes in is {float(far.estimate):.2f} from it.")
    if journey.branch is None:
        return said
    branch = journey.branch.run
    leaves = branch.branched_at or 0
    if step < leaves:
        return f"{said} The branch leaves at step {leaves}."
    gap = rms_distance(parent.denoised.values[step], branch.denoised.values[step])
    return f"{said} The branch believes in one {float(gap):.2f} from the run's."


def scored(journey: Journey) -> tuple[str, str, str]:
    """The score: what is measured, the number, and what to make of it."""
    far = journey.distances.sel(run="parent").estimate.values
    step = settled_step(far)
    note = f"at first it is {far[0]:.2f} away, in root mean square over the latent"
    if journey.branch is not None:
        note += f"; the branch from step {journey.branch.run.branched_at} ends {_ends(journey):.2f} from the run's end"
    t = float(journey.parent.run.latents.t[step])
    return (f"The estimate stays within {SETTLED_SHARE:.0%} of its first distance from the end",
            f"from step {step} of {len(far) - 1} on, t = {t:.2f}", note)


def remark(journey: Journey) -> str:
    """What the status line says: what is special, and what it took."""
    said = []
    if journey.wish.origin == "drawing" and not journey.drawn:
        said.append("The picture world has no drawing of this prompt and shape, so the finished picture dissolves.")
    run = journey.parent.run
    said.append(f"{run.steps} steps in {format_duration(sum(run.seconds.values()))}")
    if journey.branch is not None:
        tail = journey.branch.run
        said[-1] += (
            f", the branch's {tail.steps - (tail.branched_at or 0)} in {format_duration(sum(tail.seconds.values()))}"
        )
    return " ".join(said) + "."


def _ends(journey: Journey) -> float:
    """How far the branch's end is from the run's."""
    one, other = (strand.run.latents.values[-1] for strand in journey.strands.values())
    return float(rms_distance(one, other))
