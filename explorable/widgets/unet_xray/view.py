"""What UNetXRay shows of a result: the U on the stage, sentences, and the same as labelled arrays and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.receptive_field import effective_size
from ...analysis.spectrum import power_spectrum
from ...analysis.unet_activations import CHANNELS_SHOWN, UNetPart
from ..core.verdict import describe_losses, describe_verdict
from ..stage.stage import Axis, Diagram, Heatmap, Images, Layer, Panel, Points
from .compute import InspectedRun, Position, Result
from .drawing import draw_u

COLUMNS = 12  # of the grid of panels
CELLS = {"u": (1, 1, 6, 5), "image edited": (7, 1, 3, 3), "image original": (10, 1, 3, 3), "activations": (7, 4, 3, 2),
         "receptive field": (10, 4, 3, 2)}  # of each panel: column, row, columns, rows, counted from 1
TILE_SIDE = 16  # positions a side of a tile on the page: coarser feature maps are repeated up to it
RING_SIZE = 40.0  # of the ring around the chosen position, in thousandths of a panel's width
RUNS = ("edited", "original")
PART_AXIS = "part"
COLOURS = Axis("colours", "channels", ("PCA", *(str(k + 1) for k in range(CHANNELS_SHOWN))),
               ("the first three principal components of the channels, as red, green and blue",
                *(f"the channel that varies most, number {k + 1}" for k in range(CHANNELS_SHOWN))))
NOTES = {
    "conv_in": "the noisy latent after the first convolution", "down": "output of this block on the down path",
    "middle": "the bottleneck, where every position has attended to every other",
    "backbone": "upsampled features from the level below",
    "up": "output of this block on the up path, which combines features from below with the skip",
    "skip": "the output of the down path at this level, on its way across",
    "prediction": "the network's output",
}


# ---- the stage ------------------------------------------------------------------------------------------------------


def title_of(part: UNetPart) -> str:
    """Return the title of a part on the page."""
    if part.kind in ("skip", "backbone"):
        return part.label if part.kind == "skip" or part.block is not None else part.kind
    return "out" if part.kind == "prediction" else part.name


def axes_of(parts: Mapping[str, UNetPart]) -> tuple[Axis, ...]:
    """Return the axes of the stage: the part, chosen in the diagram; the channels; the run."""
    return (Axis(PART_AXIS, "part", tuple(part.point for part in parts.values()), in_diagram=True), COLOURS,
            Axis("run", "run", RUNS))


def enlarge(tiles: np.ndarray) -> np.ndarray:
    """Repeat each position of tiles (…, y, x, 3) up to the size that tiles have on the page."""
    times = max(1, TILE_SIDE // tiles.shape[-2])
    return tiles.repeat(times, -3).repeat(times, -2)


def layers_of(result: Result) -> list[Layer]:
    """Return the stage's layers: two images, the tile of each part, the U, the receptive field and its rings."""
    at, parts, field = result.request.position, result.parts, result.receptive_field
    runs = [result.runs[name] for name in RUNS]
    layers: list[Layer] = [Images(f"image {name}", f"Predicted image, {name} run", run.previews,
                                 "the denoised estimate at this step, decoded")
                           for name, run in zip(RUNS, runs, strict=True)]
    for name, part in parts.items():
        frames = np.stack([enlarge(run.inside.tiles[name]) for run in runs], 2)
        layers.append(Images(name, f"activations of {name}", frames, f"{NOTES[part.kind]}; {part.channels} "
                             f"channels at {part.side} × {part.side}", axes=("frame", COLOURS.name, "run")))
    norms = np.stack([[norm_of(run, part) for part in parts.values()] for run in runs]).transpose(2, 0, 1)
    layers.append(Diagram("u", "Parts of the U-Net", norms, "each skip and backbone as thick as its norm is large",
                          axes=("frame", "run"), selects=PART_AXIS, quantity="norm", **vars(draw_u(parts))))
    relative = field / max(float(field.max()), 1e-30)
    layers.append(Heatmap("receptive field", "Receptive field", relative, "size of the gradient, 1 where it is largest",
                          axes=(), low=0.0, high=1.0))
    centres = [_centre(moved(at, parts, name), part.side) for name, part in parts.items()]
    layers.append(_ring("ring", np.array(centres)[:, None], (PART_AXIS,)))
    layers.append(_ring("ring receptive field", np.array([_centre(at, parts[at.part].side)]), ()))
    return layers


def norm_of(run: InspectedRun, part: UNetPart) -> np.ndarray:
    """Return the norm of a part's activations at each step, (step,): the square root of their energy."""
    return run.inside.rms[part.name] * np.sqrt(part.channels * part.side**2)


def moved(at: Position, parts: Mapping[str, UNetPart], part: str) -> Position:
    """Return the position of another part that covers the centre of this one."""
    old, new = parts[at.part].side, parts[part].side
    return replace(at, part=part, row=int((at.row + 0.5) * new / old), column=int((at.column + 0.5) * new / old))


def _centre(at: Position, side: int) -> tuple[float, float]:
    return (at.column + 0.5) / side, 1 - (at.row + 0.5) / side


def _ring(name: str, centres: np.ndarray, axes: tuple[str, ...]) -> Points:
    return Points(name, "The chosen position", centres, axes=axes, extent=(0.0, 1.0, 0.0, 1.0), colours=("guidance",),
                  highlighted=(0,), size=RING_SIZE)


def panels_of(result: Result, notes: Mapping[str, str], merge: bool = False) -> list[Panel]:
    """Return the panels: the edited image first.

    notes: added to the titles of the images, by run. merge: show one image where both are the same, and the receptive
    field in place of the other.
    """
    at = result.request.position
    is_one = merge and np.array_equal(result.edited.previews, result.original.previews)
    cells = CELLS | {"receptive field": CELLS["image original"]} if is_one else CELLS
    titles = {"edited": "edited and original are the same"} if is_one else {
        name: f"{name}{notes.get(name, '')}" for name in RUNS}
    return [
        *(Panel(f"image {name}", (f"image {name}",), title, grid_area=cells[f"image {name}"])
          for name, title in titles.items()),
        Panel("u", ("u",), "The U-Net", grid_area=cells["u"]),
        Panel("activations", (*result.parts, "ring"), grid_area=cells["activations"], interaction="click", compact=True,
              layer_axis=PART_AXIS),
        Panel("receptive field", ("image edited", "receptive field", "ring receptive field"),
              f"receptive field of {at.part} at step {at.step}", grid_area=cells["receptive field"], compact=True,
              of_frame=at.step)]


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
    carried = " and ".join(f"{100 * sum(some) / len(some):.0f}% ({side} × {side})" for side, some in by_side.items())
    return (f"{'Edited: ' + '; '.join(edits) if edits else 'Nothing is edited'}. Skips carry {carried} of the energy "
            "that enters the up path, mean over the steps.")


def describe_verdicts(result: Result) -> str:
    """Say what the examiner sees in both images, and what the edits lost; empty without verdicts."""
    if not result.verdicts:
        return ""
    original, edited = map(describe_verdict, result.verdicts)
    if result.edited is result.original:
        return f"The examiner sees {edited}."
    return (f"In the edited image the examiner sees {edited}; in the original, "
            f"{'the same' if edited == original else original}. {describe_losses(result.verdicts)}")


def _on_steps(step_range: tuple[int, int] | None) -> str:
    if step_range is None:
        return ""
    first, end = step_range
    return f" on steps {first} to {end - 1}" if first < end else " on no step"


def describe_receptive_field(result: Result) -> str:
    """Describe the size of the receptive field."""
    at, field = result.request.position, result.receptive_field
    if not field.any():
        return (f"At step {at.step}, {at.part} does not depend on the latent: its receptive "
                "field is empty.")
    return (f"At step {at.step}, 90% of the influence on the ringed position of {at.part} comes from "
            f"{effective_size(field)} of {field.size} positions.")


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
                                      "step": range(insides[0].run.steps), "colours": list(COLOURS.labels),
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
