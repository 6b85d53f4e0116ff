"""What UNetXRay is asked, what it answers, and the words, numbers and arrays in which the answer is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.receptive_field import places_seen
from ...analysis.spectrum import spectrum
from ...analysis.unet_activations import Stage
from ...analysis.verdict import Verdict
from ...diffusion.settings import Settings
from .verdicts import in_words
from .view import AXES, Seen, Unit, title_of

DRAWN = ("prompt", "steps", "guidance", "seed")


@dataclass(frozen=True)
class Wish:
    """What is to be drawn, what is to be changed in it, and who is asked where they look."""

    settings: Settings
    faders: dict[str, float]
    step_ranges: dict[str, tuple[int, int]]
    donor_prompt: str
    swapped_skips: tuple[str, ...]
    unit: Unit

    @property
    def changes(self) -> tuple:
        """All that decides on the edited picture."""
        return (self.settings, {n: v for n, v in self.faders.items() if v != 1}, self.step_ranges,
                (self.donor_prompt, self.swapped_skips) if self.swapped_skips else ())


@dataclass(frozen=True, eq=False)
class XRay:
    """The answer: the network's stages, the untouched run and the edited one, what the unit feels, (y, x), and the
    examiner's verdicts on both pictures, or none."""

    stages: dict[str, Stage]
    untouched: Seen
    edited: Seen
    felt: np.ndarray
    wish: Wish
    verdicts: tuple[Verdict, ...] = ()

    @property
    def moved(self) -> float:
        """How far the edits moved the picture: root mean square, where 1 is black to white."""
        gap = self.edited.image.astype(np.float64) - self.untouched.image
        return float(np.sqrt(np.square(gap / 255).mean()))


def called(s: Settings) -> dict[str, Any]:
    """How a pipeline is called for these settings."""
    return {name: getattr(s, name) for name in DRAWN}


def check_unit(unit: Unit, stages: dict[str, Stage]) -> None:
    """Refuse a unit that this network does not have."""
    stage = stages.get(unit.stage)
    if stage is None:
        raise ValueError(f"there is no stage {unit.stage!r}: choose one of {', '.join(stages)}")
    if not (0 <= unit.row < stage.side and 0 <= unit.column < stage.side):
        raise ValueError(f"the unit is at ({unit.row}, {unit.column}): {unit.stage} has rows and columns 0 to "
                         f"{stage.side - 1}")


def said(answer: XRay) -> str:
    """What was edited and, where nothing was, what the skips carry."""
    wish, stages, shares = answer.wish, answer.stages, answer.edited.inside.shares
    done = [f"{title_of(stages[n]) if n in stages else n} comes from {wish.donor_prompt!r}" for n in wish.swapped_skips]
    for name, by in wish.faders.items():
        if by != 1:
            stage = stages.get(name)
            called_so = stage.label if stage else name
            done.append(f"{called_so} is at {by:g}{_steps(wish.step_ranges.get(name))}")
    by_side: dict[int, list[float]] = {}  # where a level has several, their mean
    for n, share in shares.items():
        by_side.setdefault(stages[n].side, []).append(float(share.mean()))
    carried = " and ".join(f"{100 * sum(some) / len(some):.0f}% at {side} × {side}" for side, some in by_side.items())
    return (f"{'Edited: ' + '; '.join(done) if done else 'Nothing is edited'}. Of the energy that enters the way up, "
            f"skips carry {carried}, averaged over the steps.")


def _steps(span: tuple[int, int] | None) -> str:
    if span is None:
        return ""
    return f" on steps {span[0]} to {span[1] - 1}" if span[0] < span[1] else " on no step"


def looked(answer: XRay) -> str:
    """Where the unit looks."""
    unit, felt = answer.wish.unit, answer.felt
    return (f"At step {unit.step}, the ringed place of {title_of(answer.stages[unit.stage])} gets 90% of what moves it "
            f"from {places_seen(felt)} of the latent's {felt.size} places.")


def runs_of(answer: XRay) -> tuple[Seen, Seen]:
    """Both runs, in the order of the axis `run`."""
    return answer.untouched, answer.edited


def spectra_of(answer: XRay) -> xr.DataArray:
    """The spectra of both pictures, (run, waves)."""
    waves, power = spectrum(np.stack([seen.image for seen in runs_of(answer)]))
    return xr.DataArray(power, dims=("run", "waves"), coords={"run": ["untouched", "edited"], "waves": waves})


def dataset(answer: XRay) -> xr.Dataset:
    """All of an answer as labelled arrays: see UNetXRay.data."""
    stages, runs = answer.stages, runs_of(answer)
    insides = [seen.inside for seen in runs]
    skips, rows = list(insides[0].shares), ("y", "x", "rgb")
    arrays: dict[str, Any] = {
        "image": (("run", *rows), np.stack([seen.image for seen in runs])),
        "previews": (("run", "step", *rows), np.stack([seen.previews for seen in runs])),
        "share": (("run", "skip", "step"), np.stack([[i.shares[n] for n in skips] for i in insides])),
        "energy": (("run", "stage", "step"), np.stack([[i.energies[n] for n in stages] for i in insides])),
        "fine": ("run", [seen.fine for seen in runs]), "power": spectra_of(answer),
        "felt": (("row", "column"), answer.felt),
    }
    for name, s in stages.items():
        axes = ("run", "step", "shown", f"y{s.side}", f"x{s.side}", "rgb")
        arrays[f"tile {name}"] = (axes, np.stack([i.tiles[name] for i in insides]))
    return xr.Dataset(arrays, coords={"run": ["untouched", "edited"], "skip": skips, "stage": list(stages),
                                      "step": range(insides[0].run.steps), "shown": list(AXES[0].labels),
                                      "rgb": list("rgb")},
                      attrs={f"examiner, {name}": in_words(v)
                             for name, v in zip(("untouched", "edited"), answer.verdicts, strict=False)})


def step_table(answer: XRay) -> Any:
    """One row a step: see UNetXRay.table."""
    shares = {f"{title_of(answer.stages[name])}, {run}": ("step", seen.inside.shares[name])
              for name in answer.untouched.inside.shares
              for run, seen in (("untouched", answer.untouched), ("edited", answer.edited))}
    gap = (answer.edited.previews / 255.0 - answer.untouched.previews / 255.0) ** 2
    run = answer.untouched.inside.run
    return xr.Dataset({**shares, "pictures apart": ("step", np.sqrt(gap.mean((1, 2, 3))))},
                      coords={"step": range(run.steps), "t": ("step", run.denoised.t.values)}).to_dataframe()
