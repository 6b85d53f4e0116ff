"""What UNetXRay shows of a result: the U on the stage, sentences, and the same as labelled arrays and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.receptive_field import effective_size
from ...analysis.spectrum import power_spectrum
from ...analysis.unet_activations import CHANNELS_SHOWN, UNetPart
from ..core.verdict import describe_verdict
from ..stage.stage import Axis, Heatmap, Images, Layer, Panel, Points
from .compute import Position, Result

Cell = tuple[int, int, int, int]  # in the grid of panels: column, row, columns, rows, counted from 1

IMAGE_COLUMNS = 4  # columns that an image takes in the grid of panels
FIELD_COLUMNS = 3  # columns that the receptive field takes
TILE_SIDE = 16  # positions a side of a tile on the page: coarser feature maps are repeated up to it
RING_SIZE = 70.0  # of the ring around the chosen position, in thousandths of a tile's width
FIELD_RING_SIZE = 25.0  # of the ring over the receptive field
RUNS = ("edited", "original")
AXES = (Axis("colours", "channels", ("PCA", *(str(k + 1) for k in range(CHANNELS_SHOWN))),
             ("the first three principal components of the channels, as red, green and blue",
              *(f"the channel that varies most, number {k + 1}" for k in range(CHANNELS_SHOWN)))),
        Axis("run", "run", RUNS))
NOTES = {
    "conv_in": "the noisy latent after the first convolution", "down": "output of this block on the down path",
    "middle": "the bottleneck, where every position has attended to every other",
    "backbone": "upsampled features from the level below",
    "up": "output of this block on the up path, which combines features from below with the skip",
    "prediction": "the network's output",
}


# ---- the stage ------------------------------------------------------------------------------------------------------


def title_of(part: UNetPart) -> str:
    """Return the title of a part on the page."""
    if part.kind in ("skip", "backbone"):
        return part.label if part.kind == "skip" or part.block is not None else part.kind
    return "out" if part.kind == "prediction" else part.name


def layout(parts: Mapping[str, UNetPart]) -> tuple[dict[str, Cell], int]:
    """Return the grid cells of the parts and of three larger panels, and the number of columns.

    One row a level, the middle below them; the down path on the left, the up path on the right, and each skip a bridge
    over all deeper levels. "image original" and "image edited" are below the two ends of the finest level,
    "receptive field" beside the middle.
    """
    down: dict[int, list[str]] = {}
    up: dict[int, list[str]] = {}
    for name, part in parts.items():
        if part.kind not in ("skip", "middle"):
            (down if part.kind in ("conv_in", "down") else up).setdefault(part.level, []).append(name)
    skips = {level: [n for n, p in parts.items() if p.kind == "skip" and p.level == level] for level in down}
    deeper = sorted(down)[1:]
    inner = sum(len(down[level]) + len(up[level]) for level in deeper)
    centre = max(2, FIELD_COLUMNS + 2 - inner, *map(len, skips.values()))
    left, right = max(IMAGE_COLUMNS, len(down[0])), max(IMAGE_COLUMNS, len(up[0]))
    columns, bottom = left + inner + centre + right, len(down) + 1
    cells: dict[str, Cell] = {}
    start, end = 1, columns  # the first and last columns of the level
    for level in sorted(down):
        row = level + 1
        cells |= {name: (start + k, row, 1, 1) for k, name in enumerate(down[level])}
        up_start = end - len(up[level]) + 1
        cells |= {name: (up_start + k, row, 1, 1) for k, name in enumerate(up[level])}
        down_end = start + len(down[level])
        edges = np.linspace(down_end, up_start, len(skips[level]) + 1).round().astype(int).tolist()
        for name, first, last in zip(skips[level], edges, edges[1:], strict=False):
            cells[name] = (first, row, last - first, 1)
        start, end = (left + 1, columns - right) if level == 0 else (down_end, up_start - 1)
    cells |= {name: (start, bottom, 1, 1) for name, part in parts.items() if part.kind == "middle"}
    cells["receptive field"] = (columns - right - FIELD_COLUMNS + 1, bottom, FIELD_COLUMNS, 2)
    cells["image original"] = (1, 2, IMAGE_COLUMNS, bottom)
    cells["image edited"] = (columns - IMAGE_COLUMNS + 1, 2, IMAGE_COLUMNS, bottom)
    return cells, columns


def enlarge(tiles: np.ndarray) -> np.ndarray:
    """Repeat each position of tiles (…, y, x, 3) up to the size that tiles have on the page."""
    times = max(1, TILE_SIDE // tiles.shape[-2])
    return tiles.repeat(times, -3).repeat(times, -2)


def layers_of(result: Result) -> list[Layer]:
    """Return the stage's layers: two images, a tile or bridge for each part, and the receptive field."""
    at, field = result.request.position, result.receptive_field
    runs = [result.runs[name] for name in RUNS]
    layers: list[Layer] = [Images(f"image {name}", f"Predicted image, {name} run", run.previews,
                                 "the denoised estimate at this step, decoded")
                           for name, run in zip(RUNS, runs, strict=True)]
    for name, part in result.parts.items():
        if part.kind == "skip":
            share = np.stack([run.inside.skip_shares[name] for run in runs], 1)[:, :, None, None]
            layers.append(Heatmap(name, title_of(part).capitalize(), share,
                              "its share of the energy that enters the up path", axes=("frame", "run"), low=0.0,
                              high=1.0))
            continue
        frames = np.stack([enlarge(run.inside.tiles[name]) for run in runs], 2)
        layers.append(Images(name, title_of(part), frames, f"{NOTES[part.kind]}; {part.channels} channels at "
                            f"{part.side} × {part.side}", axes=("frame", "colours", "run")))
        layers.append(_ring(f"ring {name}", at, part.side, name == at.part))
    relative = field / max(float(field.max()), 1e-30)
    layers.append(Heatmap("receptive field", "Receptive field", relative, "size of the gradient, 1 where it is largest",
                      axes=(), low=0.0, high=1.0))
    layers.append(_ring("ring receptive field", at, result.parts[at.part].side, True, FIELD_RING_SIZE))
    return layers


def _ring(name: str, at: Position, side: int, is_here: bool, size: float = RING_SIZE) -> Points:
    """Return a ring around the position; empty where the position is in another part."""
    centre = np.array([[(at.column + 0.5) / side, 1 - (at.row + 0.5) / side]])
    return Points(name, "The chosen position", centre if is_here else centre[:0], axes=(),
                  extent=(0.0, 1.0, 0.0, 1.0), colours=("guidance",), highlighted=(0,), size=size)


def panels_of(result: Result, notes: Mapping[str, str]) -> tuple[list[Panel], int]:
    """Return the panels of the U, the edited image first, and the columns of their grid.

    notes: added to the titles of the images, by run.
    """
    cells, columns = layout(result.parts)
    at = result.request.position
    panels = [Panel(f"image {name}", (f"image {name}",), f"{name}: {notes[name]}" if name in notes else name,
                    grid_area=cells[f"image {name}"]) for name in RUNS]
    for name, part in result.parts.items():
        if part.kind == "skip":
            share = 100 * float(result.edited.inside.skip_shares[name].mean())
            panels.append(Panel(name, (name,), f"{title_of(part)}: {share:.0f}%", grid_area=cells[name],
                                ratio=4.5 * cells[name][2]))
        else:
            panels.append(
                Panel(
                    name,
                    (name, f"ring {name}"),
                    title_of(part),
                    grid_area=cells[name],
                    interaction="click",
                    compact=True,
                )
            )
    title = f"receptive field of {title_of(result.parts[at.part])} at step {at.step}"
    panels.append(Panel("receptive field", ("image edited", "receptive field", "ring receptive field"), title,
                        grid_area=cells["receptive field"]))
    return panels, columns


# ---- sentences ------------------------------------------------------------------------------------------------------


def describe_edits(result: Result) -> str:
    """Describe the edits, and the energy that the skips carry."""
    request, parts = result.request, result.parts
    edits = [f"{title_of(parts[name]) if name in parts else name} patched from {request.donor_prompt!r}"
             for name in request.swapped_skips]
    edits += [f"{parts[name].label if name in parts else name} scaled by {factor:g}"
              f"{_on_steps(request.step_ranges.get(name))}" for name, factor in request.faders.items() if factor != 1]
    by_side: dict[int, list[float]] = {}
    for name, share in result.edited.inside.skip_shares.items():
        by_side.setdefault(parts[name].side, []).append(float(share.mean()))
    carried = " and ".join(f"{100 * sum(some) / len(some):.0f}% at {side} × {side}" for side, some in by_side.items())
    return (f"{'Edited: ' + '; '.join(edits) if edits else 'Nothing is edited'}. Of the energy that enters the up "
            f"path, skips carry {carried}, averaged over the steps.")


def _on_steps(step_range: tuple[int, int] | None) -> str:
    if step_range is None:
        return ""
    first, end = step_range
    return f" on steps {first} to {end - 1}" if first < end else " on no step"


def describe_receptive_field(result: Result) -> str:
    """Describe the size of the receptive field."""
    at, field = result.request.position, result.receptive_field
    if not field.any():
        return (f"At step {at.step}, {title_of(result.parts[at.part])} does not depend on the latent: its receptive "
                "field is empty.")
    return (f"At step {at.step}, 90% of the influence on the ringed position of {title_of(result.parts[at.part])} "
            f"comes from {effective_size(field)} of the latent's {field.size} positions.")


# ---- arrays and tables ----------------------------------------------------------------------------------------------


def spectra_of(result: Result) -> xr.DataArray:
    """Return the spectra of both images, (run, frequency)."""
    frequency, power = power_spectrum(np.stack([run.image for run in result.runs.values()]))
    return xr.DataArray(power, dims=("run", "frequency"), coords={"run": list(result.runs), "frequency": frequency})


def to_dataset(result: Result) -> xr.Dataset:
    """Return a whole result as labelled arrays: see UNetXRay.data."""
    parts, runs = result.parts, list(result.runs.values())
    insides = [run.inside for run in runs]
    skips, pixels = list(insides[0].skip_shares), ("row", "column", "rgb")
    arrays: dict[str, Any] = {
        "image": (("run", *pixels), np.stack([run.image for run in runs])),
        "previews": (("run", "step", *pixels), np.stack([run.previews for run in runs])),
        "share": (("run", "skip", "step"), np.stack([[i.skip_shares[n] for n in skips] for i in insides])),
        "energy": (("run", "part", "step"), np.stack([[i.rms[n] for n in parts] for i in insides])),
        "high_frequency_share": ("run", [run.high_frequency_share for run in runs]), "power": spectra_of(result),
        "receptive_field": (("y", "x"), result.receptive_field),
    }
    for name, part in parts.items():
        axes = ("run", "step", "colours", f"y{part.side}", f"x{part.side}", "rgb")
        arrays[f"tile {name}"] = (axes, np.stack([i.tiles[name] for i in insides]))
    return xr.Dataset(arrays, coords={"run": list(result.runs), "skip": skips, "part": list(parts),
                                      "step": range(insides[0].run.steps), "colours": list(AXES[0].labels),
                                      "rgb": list("rgb")},
                      attrs={f"examiner, {name}": describe_verdict(verdict)
                             for name, verdict in zip(result.runs, result.verdicts, strict=False)})


def step_table(result: Result) -> Any:
    """Return a row a step: see UNetXRay.table."""
    shares = {f"{title_of(result.parts[skip])}, {name}": ("step", run.inside.skip_shares[skip])
              for skip in result.original.inside.skip_shares for name, run in result.runs.items()}
    gap = (result.edited.previews / 255.0 - result.original.previews / 255.0) ** 2
    run = result.original.inside.run
    return xr.Dataset({**shares, "image difference": ("step", np.sqrt(gap.mean((1, 2, 3))))},
                      coords={"step": range(run.steps), "t": ("step", run.denoised.t.values)}).to_dataframe()
