"""The U on the stage: where each stage of the network lies, and the layers that fill it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...analysis.spectrum import fine_share
from ...analysis.unet_activations import STRONGEST, Inside, Stage
from ..stage.stage import Axis, Layer, Map, Panel, Points

Place = tuple[int, int, int, int]  # column, row, columns, rows, counted from 1
WIDE = 4  # columns of a picture
SIGHT = 3  # columns of where a unit looks
FINEST = 16  # places a side of a tile on the page: coarser stages are repeated up to it
MARK = 70.0  # thousandths of a tile's width: the unit that is asked about
RUNS = ("edited", "untouched")
AXES = (Axis("shown", "tiles show", ("principal colours", *(f"channel {k + 1}" for k in range(STRONGEST)))),
        Axis("of", "tiles are", RUNS))
NOTES = {
    "inlet": "the noisy latent, after the first convolution", "down": "on the way down: what this level makes of it",
    "middle": "at the bottom, where every place has read every other", "backbone": "what comes up from below, grown",
    "up": "on the way up: what comes from below, with the skip beside it", "prediction": "what the network says",
}


def title_of(stage: Stage) -> str:
    """What a stage is called on the page."""
    if stage.kind in ("skip", "backbone"):
        return stage.label if stage.kind == "skip" or stage.unit is not None else stage.kind
    return "out" if stage.kind == "prediction" else stage.name


def layout(stages: Mapping[str, Stage]) -> tuple[dict[str, Place], int]:
    """Where the stages and three pictures lie in a grid, and how many columns it has.

    A row a level, the middle below them; down on the left, up on the right, each skip a bridge over all that is deeper.
    "picture untouched" and "picture edited" stand below the two ends of the finest level, "sight" beside the middle.
    """
    down: dict[int, list[str]] = {}
    up: dict[int, list[str]] = {}
    for name, s in stages.items():
        if s.kind not in ("skip", "middle"):
            (down if s.kind in ("inlet", "down") else up).setdefault(s.level, []).append(name)
    skips = {level: [n for n, s in stages.items() if s.kind == "skip" and s.level == level] for level in down}
    deeper = sorted(down)[1:]
    inner = sum(len(down[k]) + len(up[k]) for k in deeper)
    centre = max(2, SIGHT + 2 - inner, *map(len, skips.values()))
    left, right = max(WIDE, len(down[0])), max(WIDE, len(up[0]))
    columns, bottom = left + inner + centre + right, len(down) + 1
    places: dict[str, Place] = {}
    start, end = 1, columns  # the first and last columns that a level may take
    for level in sorted(down):
        ways = down[level], up[level]
        places |= {name: (start + k, level + 1, 1, 1) for k, name in enumerate(ways[0])}
        first = end - len(ways[1]) + 1
        places |= {name: (first + k, level + 1, 1, 1) for k, name in enumerate(ways[1])}
        over = start + len(ways[0])
        ends = np.linspace(over, first, len(skips[level]) + 1).round().astype(int).tolist()
        for name, at, end_at in zip(skips[level], ends, ends[1:], strict=False):
            places[name] = (at, level + 1, end_at - at, 1)
        start, end = (left + 1, columns - right) if level == 0 else (over, first - 1)
    places |= {name: (start, bottom, 1, 1) for name, s in stages.items() if s.kind == "middle"}
    places["sight"] = (columns - right - SIGHT + 1, bottom, SIGHT, 2)
    places["picture untouched"] = (1, 2, WIDE, bottom)
    places["picture edited"] = (columns - WIDE + 1, 2, WIDE, bottom)
    return places, columns


@dataclass(frozen=True, eq=False)
class Seen:
    """A run from inside, and what it believed the picture to be at each step: (step, 128, 128, 3) uint8; the last is
    the picture itself."""

    inside: Inside
    previews: np.ndarray

    @property
    def image(self) -> np.ndarray:
        """The finished picture."""
        return self.inside.run.image

    @property
    def fine(self) -> float:
        """The part of the picture's contrast that is fine detail."""
        return float(fine_share(self.image))


@dataclass(frozen=True)
class Unit:
    """One place of one stage at one step: who is asked where they look."""

    stage: str
    row: int
    column: int
    step: int


def enlarged(tiles: np.ndarray) -> np.ndarray:
    """(…, y, x, 3), each place repeated up to the size that tiles have on the page."""
    times = max(1, FINEST // tiles.shape[-2])
    return tiles.repeat(times, -3).repeat(times, -2)


def layers_of(stages: Mapping[str, Stage], untouched: Seen, edited: Seen, felt: np.ndarray, unit: Unit) -> list[Layer]:
    """All that the stage is sent: two pictures, a tile or bridge for each stage, and where the unit looks."""
    runs = {"edited": edited, "untouched": untouched}
    made: list[Layer] = [Layer(f"picture {name}", f"{name.capitalize()}: what it believes", seen.previews,
                               "the denoised estimate at this step") for name, seen in runs.items()]
    for name, s in stages.items():
        if s.kind == "skip":
            share = np.stack([seen.inside.shares[name] for seen in runs.values()], 1)[:, :, None, None]
            made.append(Map(name, title_of(s).capitalize(), share, "its share of what enters the way up",
                            axes=("frame", "of"), low=0.0, high=1.0))
            continue
        frames = np.stack([enlarged(seen.inside.tiles[name]) for seen in runs.values()], 2)
        made.append(Layer(name, title_of(s), frames, f"{NOTES[s.kind]}; {s.channels} channels at {s.side} × {s.side}",
                          axes=("frame", "shown", "of")))
        made.append(_mark(f"mark {name}", unit, s.side, name == unit.stage))
    strongest = felt / max(float(felt.max()), 1e-30)
    made.append(Map("sight", "Where the unit looks", strongest, "1 where it is moved most", axes=(), low=0.0, high=1.0))
    made.append(_mark("mark sight", unit, stages[unit.stage].side, True, 25.0))
    return made


def _mark(name: str, unit: Unit, side: int, here: bool, size: float = MARK) -> Points:
    """A ring around the unit, where it is here."""
    at = np.array([[(unit.column + 0.5) / side, 1 - (unit.row + 0.5) / side]])
    return Points(name, "The unit", at if here else at[:0], axes=(), extent=(0.0, 1.0, 0.0, 1.0), ideas=("guidance",),
                  marks=(0,), size=size)


def panels_of(stages: Mapping[str, Stage], untouched: Seen, edited: Seen, unit: Unit, notes: Mapping[str, str],
              ) -> tuple[list[Panel], int]:
    """The panels of the U, the edited picture first, and the columns of their grid. notes: said of a run's picture."""
    places, columns = layout(stages)
    made = [Panel(f"picture {name}", (f"picture {name}",), f"{name}: {notes[name]}" if name in notes else name,
                  at=places[f"picture {name}"]) for name in RUNS]
    for name, s in stages.items():
        if s.kind == "skip":
            share = 100 * float(edited.inside.shares[name].mean())
            made.append(Panel(name, (name,), f"{title_of(s)}: {share:.0f}%", at=places[name],
                              ratio=4.5 * places[name][2]))
        else:
            made.append(Panel(name, (name, f"mark {name}"), title_of(s), at=places[name], reports="click",
                              small=True))
    asked = f"{title_of(stages[unit.stage])} looks here at step {unit.step}"
    made.append(Panel("sight", ("picture edited", "sight", "mark sight"), asked, at=places["sight"]))
    return made, columns
