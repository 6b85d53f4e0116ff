"""What does a skip carry? Every skip and every backbone stage at 0, and what that costs.

`xray`: pictures drawn without it, by their fine detail and by the examiner's verdict. `faces`: drawn animals, noised
and looked at once without it: do eyes and whiskers come back, and does the rest of the face?
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from ..analysis.spectrum import high_frequency_share
from ..analysis.unet_activations import UNetPart, unet_parts
from ..analysis.verdict import examine, matches_scene, preserved_traits
from ..diffusion.settings import Settings
from ..hooks import Scale, edit
from ..hooks.edits import Edit
from ..nn.examiner import Examiner
from ..pipeline import Pipeline, load
from ..world import Group, Scene, draw, held_out, write_caption
from ..world.scene import NATURAL
from .mask_word import cases
from .statistics import bootstrap
from .table import Table, check_counts

PROMPTS, SEEDS = 25, 4
BATCH = 16  # pictures at a time
UNTOUCHED = "nothing"
ANIMALS = ("cat", "dog", "lion", "rabbit")
SAID = ("detail", "rest")
TIMES = (0.4, 0.6, 0.8)  # noise times at which a face is looked at
BLUR = 3.0  # pixels: what a Gaussian of this spread takes out of a face is its detail (eyes are some 6 pixels wide)
FACES, QUICK_FACES = 48, 12
HALF = 50  # percent: what keeps less than that of its likeness is called forgotten
Parts = Mapping[str, Mapping[str, Edit]]


def parts(stages: Mapping[str, UNetPart]) -> dict[str, dict[str, Edit]]:
    """What is taken away: nothing, each skip, all skips, what comes up from below at each level. By its name."""
    found: dict[str, dict[str, Edit]] = {UNTOUCHED: {}}
    for kind in ("skip", "backbone"):
        here = [s for s in stages.values() if s.kind == kind]
        found |= {f"{kind} {s.side} × {s.side}": {s.point: Scale(0.0)} for s in sorted(here, key=lambda s: s.level)}
        if kind == "skip":
            found["all skips"] = {s.point: Scale(0.0) for s in here}
    return found


def pictures(pipe: Pipeline, asked: list[tuple[str, int]], what: Parts, settings: Settings) -> dict[str, np.ndarray]:
    """The pictures of (prompt, seed) with each part taken away, (n, 128, 128, 3) uint8."""
    made = {}
    for name, edits in tqdm(what.items(), desc="taking away", leave=False):
        with edit(pipe, dict(edits)) if edits else nullcontext():
            batches = [asked[k : k + BATCH] for k in range(0, len(asked), BATCH)]
            made[name] = np.concatenate([pipe.sample_images([p for p, _ in some], [s for _, s in some], settings)
                                         for some in batches])
    return made


def costs(made: Mapping[str, np.ndarray], said: list[Scene], seeds: int, examiner: Examiner | None = None,
          ) -> list[dict[str, Any]]:
    """A row for each part taken away. made: its pictures, seeds of a prompt side by side. said: each picture's wish.

    moved: root mean square from the untouched picture, where 1 is black to white; fine detail: its share of the
    contrast, in percent (see `high_frequency_share`); the rest in percent of the images: what the examiner still
    says, and whether the image matches the prompt.
    """
    verdicts = {name: examine(images, examiner) for name, images in made.items()}
    plain, rows = made[UNTOUCHED].astype(np.float32), []
    for name, images in made.items():
        moved = np.sqrt(np.square((images - plain) / 255).mean((1, 2, 3)))
        fine = 100 * high_frequency_share(images)
        low, high = bootstrap(fine.reshape(-1, seeds))
        sense = [preserved_traits(b, a) for b, a in zip(verdicts[UNTOUCHED], verdicts[name], strict=True)]
        right = np.mean([matches_scene(v, scene) for v, scene in zip(verdicts[name], said, strict=True)])
        row = {"at 0": name, "moved": round(float(moved.mean()), 3), "fine detail %": round(float(fine.mean()), 2),
               "95%": f"{low:.1f} to {high:.1f}"}
        row |= {f"{what} %": _percent([s[what] for s in sense]) for what in sense[0]}
        rows.append(row | {"as asked %": round(100 * float(right), 1)})
    return rows


def _percent(values: list[float]) -> float | None:
    """The mean of those that there are, in percent."""
    there = [v for v in values if not np.isnan(v)]
    return round(100 * float(np.mean(there)), 1) if there else None


def unet_ablation(model: str = "unet-flow", prompts: int = PROMPTS, seeds: int = SEEDS, quick: bool = False) -> Table:
    """What it costs a U-Net to lose a skip, or what comes up beside it: fine detail, and the examiner's verdict.

    quick: four prompts, one seed each.

    Raises:
        ValueError: a model without skips, or numbers that cannot be.
    """
    check_counts(1, prompts=prompts, seeds=seeds)
    prompts, seeds = (4, 1) if quick else (prompts, seeds)
    pipe, wanted = load(model), cases(prompts)
    what = parts(unet_parts(pipe.points(optional=False)))
    asked = [(prompt, seed) for prompt, _ in wanted for seed in range(seeds)]
    made = pictures(pipe, asked, what, Settings("", guidance=pipe.default_guidance))
    rows = costs(made, [scene for _, scene in wanted for _ in range(seeds)], seeds)
    return Table(f"Parts of {model} at 0 in all steps, guidance {pipe.default_guidance:g}", rows,
                 [f"{prompts} prompts of one coloured thing in a place, {seeds} seeds each",
                  "fine detail: contrast in waves shorter than 8 pixels; kept: as in the untouched picture"])


# ---- eyes and whiskers ---------------------------------------------------------------------------------------------


def portraits(count: int) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Drawn animals near by: picture (128, 128, 3) uint8, where their face is (128, 128) bool, and a caption."""
    rng = random.Random("portraits")
    found: list[tuple[np.ndarray, np.ndarray, str]] = []
    while len(found) < count:
        kind = ANIMALS[len(found) % len(ANIMALS)]
        scene = Scene((Group(kind, rng.choice(NATURAL[kind]), "big"),), place="meadow", seed=rng.randrange(10**6))
        picture = draw(scene)
        face = picture.masks.get(f"{kind}.0.face")
        if face is not None and face.any() and not held_out(scene):
            found.append((picture.image, face, write_caption(scene, rng)))
    return found


def likeness(image: np.ndarray, true: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """How like the true one a picture is within a mask: its detail, and what is left when that is blurred away.

    Correlations over the pixels and colours there, each about its mean: 1 is the same, 0 has nothing to do with it.
    """
    pairs = []
    for picture in (image, true):
        smooth = gaussian_filter(picture.astype(np.float64), (BLUR, BLUR, 0))
        pairs.append(((picture - smooth)[mask].ravel(), smooth[mask].ravel()))
    return _correlation(pairs[0][0], pairs[1][0]), _correlation(pairs[0][1], pairs[1][1])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def faces(model: str = "unet-flow", count: int = FACES, quick: bool = False) -> Table:
    """"Without skips, eyes and whiskers are forgotten": are they? Drawn animals are noised, and looked at once.

    For each part at 0 and each noise time, how much of a face's detail comes back, and of the rest of the face; how
    much of both that is of what comes back with nothing taken away; and beside it what the autoencoder alone gives
    back. The last note is the answer, as far as the intervals allow one. quick: twelve animals.

    Raises:
        ValueError: a model without skips, or a number that cannot be.
    """
    check_counts(1, count=count)
    pipe, shown = load(model), portraits(QUICK_FACES if quick else count)
    what = parts(unet_parts(pipe.points(optional=False)))
    through = pipe.decode(pipe.encode(np.stack([image for image, _, _ in shown])).numpy())
    found = {"the autoencoder alone": np.array([[likeness(seen, image, face) for _ in TIMES]
                                                for seen, (image, face, _) in zip(through, shown, strict=True)])}
    for name, edits in tqdm(what.items(), desc="looking", leave=False):
        with edit(pipe, dict(edits)) if edits else nullcontext():
            recordings = [[pipe.inspect(image, caption, t, seed=k, record="sampler.denoised") for t in TIMES]
                     for k, (image, _, caption) in enumerate(shown)]
        latents = np.stack([recording["sampler.denoised"].values.reshape(4, 16, 16)
                            for row in recordings for recording in row])
        seen = pipe.decode(latents).reshape(len(shown), len(TIMES), 128, 128, 3)
        found[name] = np.array([[likeness(one, image, face) for one in row]
                                for row, (image, face, _) in zip(seen, shown, strict=True)])
    whole, bare = found[UNTOUCHED].mean(1), found["all skips"].mean(1)  # (animal, detail and rest)
    return Table(f"What of an animal's face comes back from noise, {model} with parts at 0",
                 [_face_row(name, of, whole if name in what else None) for name, of in found.items()],
                 [f"{len(shown)} drawn animals of combinations that training had; correlation with the true face",
                  f"detail: what a blur of {BLUR:g} pixels takes out (eyes, whiskers); rest: what it leaves",
                  "kept: of what comes back with nothing at 0, over all noise times; 95% bootstrap over animals",
                  answer(bare, whole)])


def _face_row(name: str, found: np.ndarray, whole: np.ndarray | None) -> dict[str, Any]:
    """found: (animal, time, detail and rest). whole: with nothing taken away, (animal, detail and rest), where that is
    what to compare with."""
    row: dict[str, Any] = {"at 0": name}
    for k, said in enumerate(SAID):
        row |= {f"{said}, t = {t:g}": round(float(found[:, i, k].mean()), 2) for i, t in enumerate(TIMES)}
    for k, said in enumerate(SAID):
        row |= {f"{said} kept %": None, f"{said} 95%": ""}
        if whole is not None:
            share, low, high = share_kept(found.mean(1)[:, k], whole[:, k])
            row |= {f"{said} kept %": round(share), f"{said} 95%": f"{low:.0f} to {high:.0f}"}
    return row


def share_kept(left: np.ndarray, whole: np.ndarray) -> tuple[float, float, float]:
    """The mean of `left` in percent of that of `whole`, from, to: 95% bootstrap over their pairs."""
    shares = _shares(left, whole)
    low, high = np.percentile(shares, (2.5, 97.5))
    return 100 * float(left.mean() / whole.mean()), float(low), float(high)


def _shares(left: np.ndarray, whole: np.ndarray, draws: int = 2000) -> np.ndarray:
    """That share in percent for each of many draws of the pairs, the same draws at each call: (draws,)."""
    picked = np.random.default_rng(0).integers(0, len(left), (draws, len(left)))
    return 100 * left[picked].mean(1) / whole[picked].mean(1)


def answer(bare: np.ndarray, whole: np.ndarray) -> str:
    """Are eyes and whiskers forgotten without skips, and more than the rest? As far as the intervals allow to say.

    bare, whole: likeness of each animal's face without skips and with, (animal, detail and rest).
    """
    share, low, high = share_kept(bare[:, 0], whole[:, 0])
    forgotten = "forgotten" if high < HALF else "not forgotten" if low > HALF else "perhaps forgotten"
    rest, *_ = share_kept(bare[:, 1], whole[:, 1])
    low, high = np.percentile(_shares(bare[:, 0], whole[:, 0]) - _shares(bare[:, 1], whole[:, 1]), (2.5, 97.5))
    more = "more than" if high < 0 else "less than" if low > 0 else "about as much as"
    return (f"without any skip, eyes and whiskers are {forgotten}: {share:.0f}% of the likeness of their detail is "
            f"kept; they suffer {more} the rest of the face, of which {rest:.0f}% is kept")
