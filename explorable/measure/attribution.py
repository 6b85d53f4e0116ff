"""What does a part of the model do? The picture with it and without it: by pixel, by region, by the examiner.

    found = ex.attribute(pipe, "a red car on a mountain road")
    found.by_region                        # xarray: (part, region), how much each changes
    found.sel(part="word red").without     # the picture without it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..hooks import Ablate, Silence, edit
from ..hooks.edits import Edit
from ..nn.examiner import Examiner
from ..nn.pixels import to_tensor
from ..pipeline import Pipeline
from .verdict import Verdict, examine, shipped_examiner

Parts = Mapping[str, Mapping[str, Edit]]
WEIGHTS = "*.cross.weights"
LEAST = 2  # cells: less is no region


def parts(pipe: Pipeline, prompt: str) -> dict[str, dict[str, Edit]]:
    """What can be taken away, and the edit that does: every word, every skip, and every block by what it adds."""
    words = dict.fromkeys(t for t in pipe.text.tokenizer.labels(prompt) if not t.startswith("<"))
    names = [p.name for p in pipe.points(taught=False)]
    found: dict[str, dict[str, Edit]] = {f"word {w}": {WEIGHTS: Silence(w)} for w in words}
    found |= {f"skip {n.removesuffix('.skip')}": {n: Ablate()} for n in names if n.endswith(".skip")}
    return found | {f"block {n.removesuffix('.added')}": {n: Ablate()} for n in names
                    if n.endswith(".added") and not n.startswith("text.")}


def head(layer: str, number: int) -> dict[str, Edit]:
    """One head of an attention layer, as a part that can be taken away: head("up.0.0.cross", 1)."""
    return {f"{layer}.weights": Ablate(heads=(number,))}


def attribute(pipe: Pipeline, prompt: str, what: Parts | None = None, regions: Mapping[str, np.ndarray] | None = None,
              examiner: Examiner | None = None, **settings: Any) -> xr.Dataset:
    """Take parts away one at a time, and see what changes.

    Args:
        what: names and edits of the parts; None: all that `parts` finds.
        regions: masks (128, 128) bool by name; None: where the examiner sees each thing, and all the rest.
        settings: seed, steps, guidance and so on.

    Returns: picture (y, x, rgb) uint8 and, over `part`, without (y, x, rgb) uint8; change (y, x), the root mean square
    over the colours, where 1 is black to white; by_region (region); verdict, what the examiner says; and for words
    attention (row, column), at the finest layer's size, the mean over layers, heads and steps, NaN for other parts.

    Raises:
        UnknownPointError, EditError and the rest, as in editing and drawing.
    """
    what = parts(pipe, prompt) if what is None else what
    run = pipe(prompt, record=[WEIGHTS], **settings)
    maps = run[WEIGHTS].mean(["layer", "head", "step"]).isel(branch=-1)
    without, attention = [], []
    for name, edits in what.items():
        with edit(pipe, dict(edits)):
            without.append(pipe(prompt, **settings).image)
        attention.append(_map(maps, name))
    pictures = np.stack([run.image, *without])
    change = np.sqrt(np.square((pictures[1:].astype(np.float32) - run.image) / 255).mean(-1))
    masks = seen_regions(run.image, examiner) if regions is None else regions
    by_region = np.stack([change[:, mask].mean(1) for mask in masks.values()], 1)
    said = [in_short(v) for v in examine(pictures, examiner)]
    return xr.Dataset(
        {"picture": (("y", "x", "rgb"), run.image), "without": (("part", "y", "x", "rgb"), pictures[1:]),
         "change": (("part", "y", "x"), change), "by_region": (("part", "region"), by_region),
         "verdict": ("part", said[1:]), "attention": (("part", "row", "column"), np.stack(attention))},
        coords={"part": list(what), "region": list(masks), "rgb": list("rgb")},
        attrs={"prompt": prompt, "verdict of the picture": said[0]})


def _map(maps: xr.DataArray, name: str) -> np.ndarray:
    """A word's map (row, column), the sum over its places in the prompt; NaN for what is no word of it."""
    here = [i for i, token in enumerate(maps.token.values) if name == f"word {token}"]
    return maps.isel(token=here).sum("token").values if here else np.full(maps.shape[:2], np.nan, np.float32)


@torch.inference_mode()
def seen_regions(image: np.ndarray, examiner: Examiner | None = None) -> dict[str, np.ndarray]:
    """Where the examiner sees each kind of thing in a picture, masks (128, 128) bool; and the rest, "elsewhere"."""
    examiner = examiner or shipped_examiner()
    kinds = np.array([*examiner.config.kinds, "elsewhere"])
    cells = kinds[examiner(to_tensor(image[None])).cells[0].argmax(0).numpy()]  # (16, 16)
    found = {str(k): cells == k for k in kinds if (cells == k).sum() >= LEAST}
    return {k: mask.repeat(8, 0).repeat(8, 1) for k, mask in found.items()}


def in_short(verdict: Verdict) -> str:
    """A verdict in a few words: "1 red car; mountain road, day"."""
    things = ", ".join(f"{t.count} {t.colour} {kind}" for kind, t in verdict.things.items()) or "nothing"
    return f"{things}; {', '.join(filter(None, (verdict.place, verdict.time, verdict.mood)))}"
