"""Are eyes and whiskers lost without skip connections? Drawn animals are noised and denoised in one evaluation."""

from __future__ import annotations

import random
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from ..analysis.unet_activations import unet_parts
from ..hooks import edit
from ..pipeline import load
from ..world import Group, Scene, draw, held_out, write_caption
from ..world.scene import NATURAL
from .statistics import central_range, resample
from .table import Table, check_counts
from .unet_ablation import NOTHING, ablations

ANIMALS = ("cat", "dog", "lion", "rabbit")
BANDS = ("detail", "rest")
TIMES = (0.4, 0.6, 0.8)  # noise times
BLUR = 3.0  # pixels, standard deviation: what this blur removes from a face is its detail (eyes are 6 pixels wide)
COUNT, QUICK_COUNT = 48, 12  # animals
LOST_PERCENT = 50  # detail counts as lost if less than this of its similarity is kept


def portraits(count: int) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Draw large animals: image (128, 128, 3) uint8, mask of the face (128, 128) bool, and a caption."""
    rng = random.Random("portraits")
    found: list[tuple[np.ndarray, np.ndarray, str]] = []
    while len(found) < count:
        kind = ANIMALS[len(found) % len(ANIMALS)]
        scene = Scene((Group(kind, rng.choice(NATURAL[kind]), "big"),), place="meadow", seed=rng.randrange(10**6))
        drawing = draw(scene)
        face = drawing.masks.get(f"{kind}.0.face")
        if face is not None and face.any() and not held_out(scene):
            found.append((drawing.image, face, write_caption(scene, rng)))
    return found


def similarity(image: np.ndarray, true: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Return how similar an image is to the true one within a mask, in its detail and in the rest.

    Pearson correlations over pixels and colour channels: 1 for the same, 0 for unrelated.
    """
    pairs = []
    for pixels in (image, true):
        smooth = gaussian_filter(pixels.astype(np.float64), (BLUR, BLUR, 0))
        pairs.append(((pixels - smooth)[mask].ravel(), smooth[mask].ravel()))
    return _correlation(pairs[0][0], pairs[1][0]), _correlation(pairs[0][1], pairs[1][1])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def faces(model: str = "unet-flow", count: int = COUNT, quick: bool = False) -> Table:
    """Measure how much of a face's detail, and of the rest of the face, is predicted with each part of the U-Net at 0.

    The autoencoder's reconstruction is the upper bound. The last note answers the question as far as the intervals
    allow. quick: twelve animals.
    """
    check_counts(1, count=count)
    pipe, animals = load(model), portraits(QUICK_COUNT if quick else count)
    parts = ablations(unet_parts(pipe.points(optional=False)))
    reconstructed = pipe.decode(pipe.encode(np.stack([image for image, _, _ in animals])).numpy())
    found = {"the autoencoder alone": np.array([[similarity(result, image, face) for _ in TIMES]
                                                for result, (image, face, _) in zip(reconstructed, animals,
                                                                                    strict=True)])}
    for name, edits in tqdm(parts.items(), desc="ablating", leave=False):
        with edit(pipe, dict(edits)) if edits else nullcontext():
            recordings = [pipe.inspect(image, caption, t, seed=k, record="sampler.denoised")
                          for k, (image, _, caption) in enumerate(animals) for t in TIMES]
        latents = np.stack([recording["sampler.denoised"].values.reshape(4, 16, 16) for recording in recordings])
        results = pipe.decode(latents).reshape(len(animals), len(TIMES), 128, 128, 3)
        found[name] = np.array([[similarity(result, image, face) for result in row]
                                for row, (image, face, _) in zip(results, animals, strict=True)])
    full, without_skips = found[NOTHING].mean(1), found["all skips"].mean(1)  # (animal, band)
    return Table(f"What of an animal's face comes back from noise, {model} with parts at 0",
                 [_table_row(name, values, full if name in parts else None) for name, values in found.items()],
                 [f"{len(animals)} drawn animals of combinations that occurred in training; correlation with the true "
                  "face", f"detail: what a blur of {BLUR:g} pixels removes (eyes, whiskers); rest: what it leaves",
                  "kept: of the correlation with nothing at 0, over all noise times; 95% bootstrap over animals",
                  answer(without_skips, full)])


def _table_row(name: str, found: np.ndarray, full: np.ndarray | None) -> dict[str, Any]:
    """Return the row of the table for one set of layers at 0.

    found: (animal, time, band). full: of the unedited network, the mean over times, (animal, band); None in the rows
    that are not compared with it.
    """
    row: dict[str, Any] = {"at 0": name}
    for k, band in enumerate(BANDS):
        row |= {f"{band}, t = {t:g}": round(float(found[:, i, k].mean()), 2) for i, t in enumerate(TIMES)}
    for k, band in enumerate(BANDS):
        row |= {f"{band} kept %": None, f"{band} 95%": ""}
        if full is not None:
            share, low, high = share_kept(found.mean(1)[:, k], full[:, k])
            row |= {f"{band} kept %": round(share), f"{band} 95%": f"{low:.0f} to {high:.0f}"}
    return row


def share_kept(left: np.ndarray, full: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of `left` in percent of the mean of `full`, and the 95% bootstrap interval over their pairs."""
    return 100 * float(left.mean() / full.mean()), *central_range(_resampled_shares(left, full))


def _resampled_shares(left: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Return that share in percent for each bootstrap sample of the pairs, (draws,)."""
    picked = resample(len(left))
    return 100 * left[picked].mean(1) / full[picked].mean(1)


def answer(without_skips: np.ndarray, full: np.ndarray) -> str:
    """Say whether eyes and whiskers are lost without skips, and more so than the rest of the face.

    without_skips, full: similarity of each animal's face, (animal, band).
    """
    share, low, high = share_kept(without_skips[:, 0], full[:, 0])
    lost = "lost" if high < LOST_PERCENT else "not lost" if low > LOST_PERCENT else "perhaps lost"
    rest, *_ = share_kept(without_skips[:, 1], full[:, 1])
    low, high = central_range(_resampled_shares(without_skips[:, 0], full[:, 0])
                              - _resampled_shares(without_skips[:, 1], full[:, 1]))
    more = "more than" if high < 0 else "less than" if low > 0 else "about as much as"
    return (f"without any skip, eyes and whiskers are {lost}: {share:.0f}% of the similarity of their detail is "
            f"kept; they suffer {more} the rest of the face, of which {rest:.0f}% is kept")
