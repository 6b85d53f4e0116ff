"""The activations of a U-Net's parts as small images, and how much its skips carry beside the backbone.

    parts = unet_parts(pipe.points())
    activations = sample_activations(pipe, parts, ColourMappings(), prompt="a black cat", seed=3)
    activations.tiles["up.0.0"], activations.skip_shares["up.0.skip"]
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
from ..pipeline import PipelineProtocol
from ..run.run import Run

BLOCK_OUTPUT = re.compile(r"(down\.\d+\.\d+|middle|up\.\d+\.\d+)\..*out")
ENDS = {"conv_in": "conv_in", "prediction": "prediction"}
EditMap = Mapping[str, Edit | Iterable[Edit]]  # by point, one edit or several in order
CHANNELS_SHOWN = 3  # the channels with the largest variance, shown one by one
CLIP_PERCENTILE = 99  # of the magnitudes: there a colour is saturated
LOW, MID, HIGH = (np.array(c, np.float32) for c in ((0, 90, 160), (246, 246, 246), (190, 84, 0)))  # of a single channel


@dataclass(frozen=True)
class UNetPart:
    """A part of a U-Net: a block, a skip, a backbone, the first convolution or the prediction.

    name: of the part. point: where it is recorded. kind: one of "conv_in", "down", "middle", "skip", "backbone", "up",
    "prediction". level: 0 is the finest; the middle is below all levels. side: positions per side. channels: number of
    channels at each position. block: index of the up block, if each up block has a skip of its own.
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
        """The name of a skip or backbone on the page: its kind, its grid and its block."""
        return f"{self.kind} {self.side} × {self.side}" + ("" if self.block is None else f", block {self.block}")


def unet_parts(points: Iterable[Point]) -> dict[str, UNetPart]:
    """Return the parts of a U-Net by name, in the order of execution, from its points.

    Raises:
        ValueError: the network has no skips, so it is not a U-Net; or its images are not square.
    """
    named: dict[str, tuple[str, Point]] = {}
    for p in points:
        block = BLOCK_OUTPUT.fullmatch(p.name)
        bridge = re.fullmatch(r"up\.\d+\.(?:\d+\.)?(skip|backbone)", p.name)
        if block:
            named[block[1]] = (block[1].split(".")[0], p)  # the last of its sums is the output of the block
        elif bridge or p.name in ENDS:
            named[p.name] = (bridge[1] if bridge else ENDS[p.name], p)
    levels = [int(n.split(".")[1]) for n, (kind, _) in named.items() if kind == "skip"]
    if not levels:
        raise ValueError("this denoiser has no skips from a down path to an up path, so it is not a U-Net: "
                         "use a U-Net, such as ex.load('unet-flow')")
    parts = {}
    for name, (kind, p) in named.items():
        numbers = [int(n) for n in re.findall(r"\d+", name)]
        level = numbers[0] if numbers else max(levels) + 1 if kind == "middle" else 0
        size = dict(zip(p.axes, p.shape, strict=True))
        if size["y"] != size["x"]:
            raise ValueError("UNetXRay shows square images, and this pipeline generates others: open it with the same "
                             "height and width, as in ex.open(pipeline, height=512, width=512)")
        own_block = numbers[1] if kind in ("skip", "backbone") and len(numbers) == 2 else None
        parts[name] = UNetPart(name, p.name, kind, level, size["y"], size["channel"], own_block)
    return parts


# ---- activations as images ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColourMapping:
    """How the activations of a part become colours. Fitted on one run, so that other runs can be compared with it.

    axes: (3, channel), the first principal components, unit length. extent: (3,), where their colours saturate.
    strongest: the channels with the largest variance over positions. reach: where their colours saturate.
    shares: of the variance over positions, for each principal component.
    """

    axes: np.ndarray
    extent: np.ndarray
    strongest: np.ndarray
    reach: np.ndarray
    shares: np.ndarray


def centre_over_positions(activations: np.ndarray) -> np.ndarray:
    """Subtract each step's mean over positions from (step, channel, y, x).

    Otherwise the first principal component would be the change of whole channels from step to step.
    """
    return activations - activations.mean((2, 3), keepdims=True)


def fit_colour_mapping(activations: np.ndarray) -> ColourMapping:
    """Fit the colours of a part to (step, channel, y, x): one mapping for all steps, so that colours do not flicker."""
    a = centre_over_positions(activations)
    rows = a.transpose(0, 2, 3, 1).reshape(-1, a.shape[1]).astype(np.float64)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    axes = np.zeros((3, a.shape[1]))
    leading = vectors[:, ::-1][:, :3].T
    signs = np.sign(leading[np.arange(len(leading)), np.abs(leading).argmax(1)])  # the largest entry is positive
    axes[: len(leading)] = leading * signs[:, None]
    shares = np.zeros(3)
    shares[: len(leading)] = values[::-1][:3].clip(0) / max(values.clip(0).sum(), 1e-30)
    strongest = np.argsort(-(rows**2).mean(0), kind="stable")[:CHANNELS_SHOWN]
    return ColourMapping(axes.astype(np.float32), _saturation(rows @ axes.T), strongest,
                         _saturation(rows[:, strongest]), shares)


def _saturation(rows: np.ndarray) -> np.ndarray:
    """Return the magnitude at which the colour of each column saturates."""
    return np.maximum(np.percentile(np.abs(rows), CLIP_PERCENTILE, axis=0), 1e-6).astype(np.float32)


def principal_colours(activations: np.ndarray, mapping: ColourMapping) -> np.ndarray:
    """Show the first three components as red, green and blue: (step, channel, y, x) to (step, y, x, 3) uint8."""
    parts = np.einsum("scyx,pc->syxp", centre_over_positions(activations), mapping.axes) / mapping.extent
    return np.rint(127.5 + 127.5 * parts.clip(-1, 1)).astype(np.uint8)


def channel_colours(activations: np.ndarray, mapping: ColourMapping) -> np.ndarray:
    """Show the strongest channels, blue below a step's mean and orange above: to (step, strongest, y, x, 3) uint8."""
    parts = centre_over_positions(activations)[:, mapping.strongest] / mapping.reach[:, None, None]
    parts = parts.clip(-1, 1)[..., None]
    mixed = np.where(parts < 0, MID + (MID - LOW) * parts, MID + (HIGH - MID) * parts)
    if mixed.shape[1] < CHANNELS_SHOWN:  # a part with fewer channels repeats its last
        mixed = mixed[:, np.minimum(np.arange(CHANNELS_SHOWN), mixed.shape[1] - 1)]
    return np.rint(mixed).astype(np.uint8)


@dataclass
class ColourMappings:
    """The colour mappings of all parts, each fitted on the first run that it is used for."""

    by_part: dict[str, ColourMapping] = field(default_factory=dict)

    def tile(self, name: str, activations: np.ndarray) -> np.ndarray:
        """Return (step, 1 + CHANNELS_SHOWN, y, x, 3) uint8: principal colours, then the strongest channels."""
        if name not in self.by_part:
            self.by_part[name] = fit_colour_mapping(activations)
        mapping = self.by_part[name]
        return np.concatenate([principal_colours(activations, mapping)[:, None],
                               channel_colours(activations, mapping)], 1)


# ---- the activations of one run --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UNetActivations:
    """A run, and the activations of the U-Net's parts at each step, in the branch with the prompt.

    tiles: by part, (step, 1 + CHANNELS_SHOWN, side, side, 3) uint8. rms: by part, (step,).
    skip_shares: by skip, (step,): its share of the energy that enters the up path there, beside the backbone.
    """

    run: Run
    tiles: dict[str, np.ndarray]
    rms: dict[str, np.ndarray]
    skip_shares: dict[str, np.ndarray]


def prompt_activations(array: xr.DataArray) -> np.ndarray:
    """Return a recorded point as (step, channel, y, x), of the branch with the prompt if there are two."""
    if "branch" in array.dims:
        array = array.isel(branch=-1)
    return array.transpose("step", "channel", "y", "x").values


def sample_activations(pipe: PipelineProtocol, parts: Mapping[str, UNetPart], colours: ColourMappings,
                       edits: EditMap | None = None, **settings: Any) -> UNetActivations:
    """Sample an image with all parts recorded, and summarize the recording, which is not kept.

    settings: prompt, seed, steps and so on. Raises what editing and sampling raise.
    """
    return summarize_activations(sample_recorded(pipe, parts, edits, **settings), parts, colours)


def sample_recorded(pipe: PipelineProtocol, parts: Mapping[str, UNetPart], edits: EditMap | None = None,
                    **settings: Any) -> Run:
    """Sample an image with all parts recorded."""
    with edit(pipe, dict(edits)) if edits else nullcontext():
        return pipe(record=[part.point for part in parts.values()], **settings)


def summarize_activations(run: Run, parts: Mapping[str, UNetPart], colours: ColourMappings) -> UNetActivations:
    """Summarize a run with all parts recorded."""
    tiles, rms = {}, {}
    for name, part in parts.items():
        values = prompt_activations(run[part.point])
        tiles[name] = colours.tile(name, values)
        rms[name] = np.sqrt(np.square(values).mean((1, 2, 3)))
    skip_shares = {}
    for name in (n for n, part in parts.items() if part.kind == "skip"):
        skip = parts[name].channels * rms[name] ** 2
        backbone = name.removesuffix("skip") + "backbone"
        both = skip + parts[backbone].channels * rms[backbone] ** 2
        skip_shares[name] = np.divide(skip, both, out=np.zeros_like(skip), where=both > 0)
    return UNetActivations(replace(run, recorded={}), tiles, rms, skip_shares)


def fader_edits(faders: Mapping[str, float], step_ranges: Mapping[str, tuple[int, int]] | None = None,
                swapped_skips: Iterable[str] = (), donor: Any = None) -> dict[str, Edit | Iterable[Edit]]:
    """Return edits that scale points, and patch points from another run, within ranges of steps.

    faders: the factor of each point; 1 does nothing. step_ranges: by point, (first, after the last) step; default all.
    swapped_skips: points patched from the donor, before they are scaled. donor: a run with these points recorded.
    """
    ranges = step_ranges or {}
    edits: dict[str, list[Edit]] = {name: [PatchFrom(donor, steps=ranges.get(name))] for name in swapped_skips}
    for name, factor in faders.items():
        if factor != 1:
            edits.setdefault(name, []).append(Scale(factor, steps=ranges.get(name)))
    return {**edits}
