"""Contribution of each skip and backbone of the U-Net: images generated with it set to zero."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis.spectrum import high_frequency_share
from ..analysis.unet_activations import UNetPart, unet_parts
from ..analysis.verdict import examine, matches_scene, preserved_traits
from ..diffusion.settings import Settings
from ..hooks import Scale, edit
from ..hooks.edits import Edit
from ..nn.examiner import Examiner
from ..pipeline import Pipeline, load
from ..world import Scene
from .generation import images_of
from .prompts import coloured_things
from .statistics import interval_text, percent
from .table import Table, check_counts

PROMPTS, SEEDS = 25, 4
BATCH_SIZE = 16
NOTHING = "nothing"

Ablations = Mapping[str, Mapping[str, Edit]]  # by the part's name, the edits that set it to 0


def ablations(stages: Mapping[str, UNetPart]) -> dict[str, dict[str, Edit]]:
    """Return the edits that set nothing, each skip, all skips and each backbone stage to 0, by name."""
    found: dict[str, dict[str, Edit]] = {NOTHING: {}}
    for kind in ("skip", "backbone"):
        same_kind = [s for s in stages.values() if s.kind == kind]
        found |= {f"{kind} {s.side} × {s.side}": {s.point: Scale(0.0)}
                  for s in sorted(same_kind, key=lambda s: s.level)}
        if kind == "skip":
            found["all skips"] = {s.point: Scale(0.0) for s in same_kind}
    return found


def ablated_images(pipe: Pipeline, prompts: list[str], seeds: list[int], parts: Ablations, settings: Settings,
                   ) -> dict[str, np.ndarray]:
    """Generate an image for each prompt with its seed, with each part at 0, (n, 128, 128, 3) uint8."""
    images = {}
    for name, edits in tqdm(parts.items(), desc="ablating", leave=False):
        with edit(pipe, dict(edits)) if edits else nullcontext():
            images[name] = images_of(lambda p, s: pipe.sample_images(p, s, settings), prompts, seeds, name, BATCH_SIZE)
    return images


def costs(images: Mapping[str, np.ndarray], scenes: list[Scene], seeds: int, examiner: Examiner | None = None,
          ) -> list[dict[str, Any]]:
    """Return a row for each ablated part, with the changes relative to the image without ablation.

    images: by part, the seeds of a prompt next to each other. scenes: what each image's prompt describes.
    Columns: "moved", the root mean square difference, where 1 is black to white; "fine detail", its share of the
    power (see `high_frequency_share`); "difference", of that share from the same prompt and seed without ablation,
    with the interval of the paired differences; then the share of the examiner's findings that are kept, and of right
    images.
    """
    verdicts = {name: examine(made, examiner) for name, made in images.items()}
    plain, rows = images[NOTHING].astype(np.float32), []
    plain_fine = 100 * high_frequency_share(images[NOTHING])
    for name, made in images.items():
        moved = np.sqrt(np.square((made - plain) / 255).mean((1, 2, 3)))
        fine = 100 * high_frequency_share(made)
        findings = [preserved_traits(b, a) for b, a in zip(verdicts[NOTHING], verdicts[name], strict=True)]
        right = [matches_scene(v, scene) for v, scene in zip(verdicts[name], scenes, strict=True)]
        row = {"at 0": name, "moved": round(float(moved.mean()), 3), "fine detail %": round(float(fine.mean()), 2),
               "95%": interval_text(fine.reshape(-1, seeds), 1)}
        gap = (fine - plain_fine).reshape(-1, seeds)
        row |= {"difference": round(float(gap.mean()), 2), "difference 95%": interval_text(gap, 1)}
        row |= {f"{what} %": _percent([f[what] for f in findings]) for what in findings[0]}
        rows.append(row | {"right %": percent(right)})
    return rows


def _percent(values: list[float]) -> float | None:
    """Return the mean of the values that are not NaN, in percent."""
    known = [v for v in values if not np.isnan(v)]
    return percent(known) if known else None


def unet_ablation(model: str = "unet-flow", prompts: int = PROMPTS, seeds: int = SEEDS, quick: bool = False) -> Table:
    """Set each skip and backbone of a U-Net to zero, and measure what is left of the detail and of the scene.

    quick: four prompts, one seed each.
    """
    check_counts(1, prompts=prompts, seeds=seeds)
    prompts, seeds = (4, 1) if quick else (prompts, seeds)
    pipe = load(model)
    parts = ablations(unet_parts(pipe.points(optional=False)))
    wanted = [prompt for prompt in coloured_things(prompts) for _ in range(seeds)]
    images = ablated_images(pipe, [p.text for p in wanted], list(range(seeds)) * prompts, parts,
                            Settings("", guidance=pipe.default_guidance))
    return Table(f"Parts of {model} at 0 in all steps, guidance {pipe.default_guidance:g}",
                 costs(images, [p.scene for p in wanted], seeds),
                 [f"{prompts} prompts of one coloured thing in a place, {seeds} seeds each",
                  "fine detail: share of the power at wavelengths under 8 pixels; difference: from the same prompt and "
                  "seed with nothing at 0, paired; kept: as in the image with nothing at 0"])
