"""What LatentSpace says of a result: caption, score, table, and the lines of code that reproduce it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from ...analysis import latents as la
from ...analysis.receptive_field import effective_size
from ...measure.spaces import FLOAT32, SpaceCosts, seconds_text
from ..core.picture import NO_IMAGE_RUNS, picture_lines
from . import compute
from .compute import CellsRequest, ChannelsRequest, ImageRequest, MixRequest, NoiseRequest, Request, Result
from .view import decibels

LESSON = 64  # "64× Faster!", as a popular lesson says
SHARE = 0.9  # of an effect, of which the pixels or cells are counted

def describe(result: Result) -> str:
    """Say what is on the screen."""
    request, data = result.request, result.data
    if isinstance(request, ChannelsRequest):
        return ("A latent is not a small photograph: its channels are not red, green and blue, and only the decoder "
                "makes an image of them. The slider silences one after the other.")
    if isinstance(request, CellsRequest) and result.cell is not None:
        inside, _, own = footprint_facts(result)
        return (f"The cell in row {result.cell[0]}, column {result.cell[1]}, with its numbers raised by "
                f"{compute.PUSH:g}. A pixel of a small photograph would change its own {own} pixels only; here "
                f"{100 * inside:.0f}% of the effect lies there. Click another cell, or brush a region of the picture.")
    if isinstance(request, CellsRequest):
        assert result.region is not None
        top, bottom, left, right = result.region
        moved = effective_size(data.moved.values[0], SHARE)
        own_cells = own_cell_count(result)
        return (f"The colours of {right - left} × {bottom - top} pixels were inverted, the area of {own_cells} "
                f"{'cell' if own_cells == 1 else 'cells'}: {moved} cells make up 90% of the change in the latent.")
    if isinstance(request, NoiseRequest):
        return ("The same ratio of signal to noise in both. In pixels noise is grain. In the latent it is decoded to "
                "wrong colours and textures in patches: this is the noise that a denoiser of latents removes.")
    if isinstance(request, MixRequest):
        noise = ("The last panel is the noised linear mixture, denoised with the prompt: an image again." if
                 "noise" in data else f"Not shown: runs from a noised mixture, for {NO_IMAGE_RUNS}.")
        return f"Mixed in pixels or in latents, two pictures overlap as in a double exposure. {noise}"
    return (f"The picture's latent, noised to t = {data.t.values[0]:.2f}, and denoised with the prompt from there in "
            f"{len(data.distance)} steps. A higher strength keeps less of the picture.")


def footprint_facts(result: Result) -> tuple[float, int, int]:
    """Return the share of a footprint inside the cell's own block, the pixels of 90% of it, and those of the block."""
    assert result.cell is not None
    block = la.own_pixels(result.latent, result.image.shape[:2], *result.cell)
    effect = result.data.effect[1:]
    own = (block[1] - block[0]) * (block[3] - block[2])
    return la.share_inside(effect, block), effective_size(result.data.effect.values[0], SHARE), own


def own_cell_count(result: Result) -> int:
    """Return the cells whose blocks cover a brushed region, as if the latent were a small photograph."""
    assert result.region is not None
    top, bottom, left, right = result.region
    height, width = (a / b for a, b in zip(result.image.shape[:2], result.latent.shape[1:], strict=True))
    rows, columns = (math.ceil(end / size) - math.floor(start / size)
                     for start, end, size in ((top, bottom, height), (left, right, width)))
    return rows * columns


def score(result: Result, costs: SpaceCosts) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    request, data = result.request, result.data
    if isinstance(request, ChannelsRequest):
        pixels, latent = (FLOAT32 * n for n in costs.values)
        value = f"PSNR {decibels(float(data.psnr[0]))} from {latent:,} bytes instead of {pixels:,}"
        if math.isfinite(costs.speedup):
            value += f", and a step {costs.speedup:.0f} times faster"
        return "Decoded:", value, cost_note(costs)
    if isinstance(request, CellsRequest) and result.cell is not None:
        _, pixels, own = footprint_facts(result)
        return "Pixels with 90% of the effect:", f"{pixels}", f"of a cell whose own block has {own}"
    if isinstance(request, CellsRequest):
        return ("Cells with 90% of the change:", f"{effective_size(data.moved.values[0], SHARE)}",
                f"where the region's blocks are {own_cell_count(result)}")
    if isinstance(request, NoiseRequest):
        k = list(data.ratio.values).index(10.0)
        return ("PSNR with noise at 10 dB:", f"{decibels(float(data.psnr_pixels[k]))} in pixels, "
                f"{decibels(float(data.psnr_decoded[k]))} in the latent", "against the picture itself")
    if isinstance(request, MixRequest):
        middle = len(data.position) // 2
        linear, spherical = (float(data[f"length_{name}"][middle]) for name in ("linear", "spherical"))
        ends = (float(data.length_linear[0]) + float(data.length_linear[-1])) / 2
        return ("Length of the latent halfway:", f"{linear / ends:.2f} linear, {spherical / ends:.2f} spherical",
                "as a share of that at the ends")
    assert isinstance(request, ImageRequest)
    return ("PSNR of the finished image against the picture:",
            decibels(la.psnr(data.predicted.values[-1], result.image)), f"strength {request.settings.strength:g}")


def cost_note(costs: SpaceCosts) -> str:
    """Put a popular lesson's number beside what was measured."""
    positions = costs.positions[0] / costs.positions[1]
    note = f"({positions:g} times fewer positions; a popular lesson says {LESSON} times faster"
    if math.isfinite(costs.speedup):
        note += (f"; measured here: {seconds_text(costs.step_pixels)} on pixels, {seconds_text(costs.step_latent)} on "
                 "latents")
    return f"{note})"


def table(result: Result) -> Any:
    """Return a pandas table of the numbers of a mode's chart: a row a channel, a ratio, a position or a step."""
    data = result.data
    if isinstance(result.request, CellsRequest):
        effect = data.effect if result.cell is not None else data.moved
        sizes = np.sqrt((effect.values**2).mean((1, 2)))
        counts = [effective_size(values, SHARE) for values in effect.values]
        names = ["all", *map(str, result.latent.channel.values)]
        return pd.DataFrame({"change (RMS)": sizes, "90% of it in": counts}, index=pd.Index(names, name="channel"))
    if isinstance(result.request, NoiseRequest):
        return data[["psnr_pixels", "psnr_decoded"]].to_dataframe()
    if isinstance(result.request, MixRequest):
        return data[["length_linear", "length_spherical"]].to_dataframe()
    return data.distance.to_dataframe()


# ---- code ------------------------------------------------------------------------------------------------------------


def code(request: Request, pipe_code: str) -> str:
    """Return the lines that reproduce what is shown."""
    lines = ["import explorable as ex", "from explorable.analysis import latents", "", pipe_code,
             *picture_lines("image", request.picture)]
    if isinstance(request, ImageRequest | MixRequest):
        s = request.settings
        call = f"strength={s.strength!r}, steps={s.steps!r}, guidance={s.guidance!r}, seed={s.seed!r}"
    if isinstance(request, ImageRequest):
        return "\n".join([*lines, f"run = pipe({s.prompt!r}, image=image, {call})", "run.image"])
    lines.append("latent = latents.encode(pipe, image)")
    if isinstance(request, ChannelsRequest):
        scales = list(request.scales) or "[1.0] * len(latent)"
        lines += [f"scaled = latents.scale_channels(latent, {scales})", "decoded = pipe.decode(scaled.values[None])[0]",
                  "latents.psnr(decoded, image)"]
    elif isinstance(request, CellsRequest) and request.region is None:
        cell = "*(n // 2 for n in latent.shape[1:])" if request.cell is None else "{}, {}".format(*request.cell)
        lines += [f"effect = latents.footprint(pipe, latent, {cell}, push={compute.PUSH!r})",
                  "latents.total_effect(effect)"]
    elif isinstance(request, CellsRequest):
        lines += ["from explorable.widgets.latent_space.compute import pixel_region",
                  f"region = pixel_region({request.region!r}, pipe.image_size)  # left, top, right, bottom",
                  "latents.moved_cells(pipe, image, region)"]
    elif isinstance(request, NoiseRequest):
        lines += [f"latents.noisy_images(pipe, image, [20.0, 10.0, 0.0], seed={request.seed!r})"]
    elif isinstance(request, MixRequest):
        lines += [*picture_lines("other", request.other), "ends = latent.values, latents.encode(pipe, other).values",
                  "mixed = latents.mix_linear(*ends, 0.5)", "decoded = pipe.decode(mixed[None])[0]"]
        lines += [f"run = pipe({s.prompt!r}, image=mixed, {call})  # where the pipeline can start from an image"]
    return "\n".join(lines)
