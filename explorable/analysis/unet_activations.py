"""Inside a U-Net: its stages as the network itself names them, their activations as small pictures, and what its
skips carry against what comes up from below.

    stages = unet_stages(pipe.points())
    inside = look_inside(pipe, stages, Looks(), prompt="a black cat", seed=3)
    inside.tiles["up.0.0"], inside.shares["up.0"]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from ..hooks import PatchFrom, Scale, edit
from ..hooks.edits import Edit
from ..hooks.points import Point
from ..run.run import Run

BLOCK_OUTPUT = re.compile(r"(down\.\d+\.\d+|middle|up\.\d+\.\d+)\..*out")
ENDS = {"conv_in": "conv_in", "prediction": "prediction"}
EditMap = Mapping[str, Edit | Iterable[Edit]]  # what is edited: by point, one edit or several in a row
CHANNELS_SHOWN = 3  # channels that are shown by themselves
CLIP_PERCENTILE = 99  # percentile of the sizes at which a colour is full
LOW, MID, HIGH = (np.array(c, np.float32) for c in ((0, 90, 160), (246, 246, 246), (190, 84, 0)))  # of one channel


@dataclass(frozen=True)
class UNetPart:
    """One place of the U. name: its own; point: where it is recorded; side: places a side; channels: of a place; unit:
    the number of its unit on the way up, where each has a skip of its own.

    kind: "conv_in", "down", "middle", "skip", "backbone", "up" or "prediction". level: 0 at the finest; the middle lies
    below all levels.
    """

    name: str
    point: str
    kind: str
    level: int
    side: int
    channels: int
    block: int | None = None

    @property
    def label(self) -> str:
        """What a skip or a backbone is called on the page: its kind, its places, and the unit that it belongs to."""
        return f"{self.kind} {self.side} × {self.side}" + ("" if self.block is None else f", block {self.block}")


def unet_parts(points: Iterable[Point]) -> dict[str, UNetPart]:
    """The stages of a U-Net by name, in the order in which they run, read off its points.

    Raises:
        ValueError: the network has no skips across levels, so that it is no U-Net.
    """
    places: dict[str, tuple[str, Point]] = {}
    for p in points:
        unit = BLOCK_OUTPUT.fullmatch(p.name)
        bridge = re.fullmatch(r"up\.\d+\.(?:\d+\.)?(skip|backbone)", p.name)
        if unit:
            places[unit[1]] = (unit[1].split(".")[0], p)  # the last of a unit's sums is what it gives out
        elif bridge or p.name in ENDS:
            places[p.name] = (bridge[1] if bridge else ENDS[p.name], p)
    levels = [int(n.split(".")[1]) for n, (kind, _) in places.items() if kind == "skip"]
    if not levels:
        raise ValueError("this denoiser has no skips from a way down to a way up, so there is no U to open: "
                         "take a U-Net, such as ex.load('unet-flow')")
    found = {}
    for name, (kind, p) in places.items():
        numbers = [int(n) for n in re.findall(r"\d+", name)]
        level = numbers[0] if numbers else max(levels) + 1 if kind == "middle" else 0
        size = dict(zip(p.axes, p.shape, strict=True))
        if size["y"] != size["x"]:
            raise ValueError("the X-ray draws square pictures, and this network paints others: open the pipeline with "
                             "one height and width, as in ex.open(pipeline, height=512, width=512)")
        of_unit = numbers[1] if kind in ("skip", "backbone") and len(numbers) == 2 else None
        found[name] = UNetPart(name, p.name, kind, level, size["y"], size["channel"], of_unit)
    return found


# ---- activations as pictures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColourMapping:
    """How one stage's activations become colours; made from one run, so that another is seen through the same eyes.

    axes: (3, channel), the first principal components, unit length. extent: (3,), the size at which a colour is full.
    strongest: numbers of the channels that vary most from place to place. reach: the size at which theirs is full.
    shares: of the variance over places, for each principal component.
    """

    axes: np.ndarray
    extent: np.ndarray
    strongest: np.ndarray
    reach: np.ndarray
    shares: np.ndarray


def centre_over_positions(activations: np.ndarray) -> np.ndarray:
    """(step, channel, y, x) with each step's mean over the places taken out: what differs from place to place.

    A whole channel brightening from step to step would otherwise be the first thing that the colours show.
    """
    return activations - activations.mean((2, 3), keepdims=True)


def fit_colour_mapping(activations: np.ndarray) -> ColourMapping:
    """The look of a stage, from (step, channel, y, x): the same for all steps, so that no colour flickers."""
    a = centre_over_positions(activations)
    rows = a.transpose(0, 2, 3, 1).reshape(-1, a.shape[1]).astype(np.float64)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    axes = np.zeros((3, a.shape[1]))
    found = vectors[:, ::-1][:, :3].T
    axes[: len(found)] = found * np.sign(found[np.arange(len(found)), np.abs(found).argmax(1)])[:, None]
    shares = np.zeros(3)
    shares[: len(found)] = values[::-1][:3].clip(0) / max(values.clip(0).sum(), 1e-30)
    strongest = np.argsort(-(rows**2).mean(0), kind="stable")[:CHANNELS_SHOWN]
    return ColourMapping(axes.astype(np.float32), _full(rows @ axes.T), strongest, _full(rows[:, strongest]), shares)


def _full(rows: np.ndarray) -> np.ndarray:
    """The size at which a colour is full, for each column."""
    return np.maximum(np.percentile(np.abs(rows), CLIP_PERCENTILE, axis=0), 1e-6).astype(np.float32)


def principal_colours(activations: np.ndarray, look: ColourMapping) -> np.ndarray:
    """(step, channel, y, x) to (step, y, x, 3) uint8: red, green and blue are the first three components."""
    parts = np.einsum("scyx,pc->syxp", centre_over_positions(activations), look.axes) / look.extent
    return np.rint(127.5 + 127.5 * parts.clip(-1, 1)).astype(np.uint8)


def channel_colours(activations: np.ndarray, look: ColourMapping) -> np.ndarray:
    """(step, channel, y, x) to (step, strongest, y, x, 3) uint8: blue below a step's mean, orange above it."""
    parts = centre_over_positions(activations)[:, look.strongest] / look.reach[:, None, None]
    parts = parts.clip(-1, 1)[..., None]
    mixed = np.where(parts < 0, MID + (MID - LOW) * parts, MID + (HIGH - MID) * parts)
    if mixed.shape[1] < CHANNELS_SHOWN:  # a stage of fewer channels shows its last again
        mixed = mixed[:, np.minimum(np.arange(CHANNELS_SHOWN), mixed.shape[1] - 1)]
    return np.rint(mixed).astype(np.uint8)


@dataclass
class ColourMappings:
    """The looks of all stages: each is made by the first run that is seen through them."""

    of: dict[str, ColourMapping] = field(default_factory=dict)

    def tile(self, name: str, activations: np.ndarray) -> np.ndarray:
        """(step, 1 + STRONGEST, y, x, 3) uint8: principal colours, then the strongest channels."""
        if name not in self.of:
            self.of[name] = fit_colour_mapping(activations)
        look = self.of[name]
        return np.concatenate([principal_colours(activations, look)[:, None], channel_colours(activations, look)], 1)


# ---- one run, seen from inside ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UNetActivations:
    """One run and what was in the U at each step, in the branch that reads the prompt.

    tiles: by stage, (step, 1 + STRONGEST, side, side, 3) uint8. rms: root mean square by stage, (step,).
    skip_shares: by the name of a skip, (step,): its part of the squares that enter the way up beside the backbone.
    """

    run: Run
    tiles: dict[str, np.ndarray]
    rms: dict[str, np.ndarray]
    skip_shares: dict[str, np.ndarray]


def prompt_activations(array: xr.DataArray) -> np.ndarray:
    """A recorded point as (step, channel, y, x), of the branch that reads the prompt where there are two."""
    if "branch" in array.dims:
        array = array.isel(branch=-1)
    return array.transpose("step", "channel", "y", "x").values


def sample_activations(pipe: Any, stages: Mapping[str, UNetPart], looks: ColourMappings, edits: EditMap | None = None,
                **wish: Any) -> UNetActivations:
    """Draw a picture with all stages recorded, and keep what is seen of them; the recording itself is let go.

    wish: prompt, seed, steps and so on, as a pipeline takes them.

    Raises:
        UnknownPointError, SettingError and the rest, as in editing and drawing.
    """
    return summarize_activations(sample_recorded(pipe, stages, edits, **wish), stages, looks)


def sample_recorded(pipe: Any, stages: Mapping[str, UNetPart], edits: EditMap | None = None, **wish: Any) -> Run:
    """Draw a picture with all stages recorded: the first half of `look_inside`."""
    with edit(pipe, dict(edits)) if edits else nullcontext():
        return pipe(record=[s.point for s in stages.values()], **wish)


def summarize_activations(run: Run, stages: Mapping[str, UNetPart], looks: ColourMappings) -> UNetActivations:
    """What is seen of a run that has all stages recorded: the other half."""
    tiles, rms = {}, {}
    for name, stage in stages.items():
        values = prompt_activations(run[stage.point])
        tiles[name] = looks.tile(name, values)
        rms[name] = np.sqrt(np.square(values).mean((1, 2, 3)))
    skip_shares = {}
    for name in (n for n, s in stages.items() if s.kind == "skip"):
        skip = stages[name].channels * rms[name] ** 2
        below = name.removesuffix("skip") + "backbone"
        both = skip + stages[below].channels * rms[below] ** 2
        skip_shares[name] = np.divide(skip, both, out=np.zeros_like(skip), where=both > 0)
    return UNetActivations(replace(run, recorded={}), tiles, rms, skip_shares)


def fader_edits(faders: Mapping[str, float], spans: Mapping[str, tuple[int, int]] | None = None,
          swapped: Iterable[str] = (), donor: Any = None) -> dict[str, Edit | Iterable[Edit]]:
    """Edits that turn points down or up, and put another run's values in, within ranges of steps.

    faders: what each point is multiplied by; 1 does nothing. spans: for each point (first, after the last) step; all
    where nothing is said. swapped: points that have donor's values instead, before they are multiplied. donor: a run
    with these recorded.
    """
    spans = spans or {}
    found: dict[str, list[Edit]] = {name: [PatchFrom(donor, steps=spans.get(name))] for name in swapped}
    for name, by in faders.items():
        if by != 1:
            found.setdefault(name, []).append(Scale(by, steps=spans.get(name)))
    return {**found}
