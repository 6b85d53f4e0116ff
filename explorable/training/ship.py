"""Train a model, measure it, and write weights and card into the zoo."""

from __future__ import annotations

import csv
from dataclasses import asdict

from torch import nn

from ..pipeline import load_text, load_vae
from ..zoo import files
from .data import cache
from .loop import minutes_spent

# name: (role, what it stands for, steps as shipped)
RECIPES: dict[str, tuple[str, str, int]] = {
    "vae": ("autoencoder", "the compression of Stable Diffusion: f8, 4 channels", 7_500),
    "text": ("text encoder", "CLIP: contrastive, by sentences and by words and regions", 900),
    "examiner": ("examiner", "scores finished pictures; never guides", 2400),
    "unet-flow": ("denoiser", "a U-Net with cross-attention on the straight path", 5000),
}


def train_and_ship(name: str, steps: int | None = None) -> None:
    """Train `name` (its forerunners must be in the zoo), and ship the moving average of its weights.

    Raises:
        KeyError: no such model; names them all.
    """
    if name not in RECIPES:
        raise KeyError(f"no recipe is called {name!r}; there are: {', '.join(RECIPES)}")
    role, stands_for, usual = RECIPES[name]
    steps = steps or usual
    model, about = _train(name, steps)
    about |= {"steps": steps, "minutes": minutes_spent(name), "curve": curve(name)}
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(model.config).items()}  # type: ignore[call-overload]
    files.write(name, model, config, {"role": role, "stands for": stands_for, "data": DATA[name], **about})


def _train(name: str, steps: int) -> tuple[nn.Module, dict]:
    """The trained model, and what its card says beyond the recipe."""
    if name == "vae":
        from . import vae

        return vae.train(steps), {"batch": vae.BATCH}
    if name == "text":
        from . import text

        return text.train(load_vae(), steps), {"batch": 2 * text.PAIRS}
    if name == "examiner":
        from . import examiner

        return examiner.train(steps), {"batch": examiner.BATCH}
    from . import denoiser

    return denoiser.train(load_vae(), load_text().text, steps), {"batch": denoiser.BATCH}


WORLD = "64,000 drawings of the picture world (split \"train\": scenes and their twins, no held-out pair)"
DATA = {"vae": WORLD, "text": f"latents of {WORLD}, captioned anew each time", 
        "examiner": f"{WORLD}, half of them blurred",
        "unet-flow": f"latents of {WORLD}, captioned anew each time, a tenth of the captions dropped"}


def curve(name: str, points: int = 40) -> list[dict[str, float]]:
    """The loss curve as about `points` rows: {"step": ..., "loss": ..., ...}."""
    with (cache() / f"{name}.csv").open() as file:
        rows = [(int(row[0]), dict(cell.split("=") for cell in row[1:])) for row in csv.reader(file)]
    every = max(1, len(rows) // points)
    return [{"step": step, **{k: float(v) for k, v in cells.items()}} for step, cells in rows[every - 1 :: every]]

