"""Open a shipped model as a pipeline."""

from __future__ import annotations

from ..diffusion.paths import PATHS
from ..diffusion.settings import DEFAULT_GUIDANCE
from ..zoo import WeightError, read_card
from ..zoo.loading import load_denoiser, load_text, load_vae
from .device import choose_device
from .pipeline import Pipeline


def load(name: str = "unet-flow", device: str | None = None) -> Pipeline:
    """Open a shipped model as a pipeline: verify its weights and move them to a device.

    Args:
        device: "cuda", "mps" or "cpu"; None: a GPU if there is one.

    Raises:
        WeightError: the name is unknown, or a weight file does not match its card.
        SettingError: the device is not available.
    """
    about, chosen = read_card(name), choose_device(device)
    if about.get("role") not in ("denoiser", "checkpoint"):  # a checkpoint: a denoiser before the end of its training
        raise WeightError(f"{name!r} is not a denoiser but the {about.get('role', 'unnamed part')} of a pipeline: load "
                          "a denoiser, as in load('unet-flow'), which includes it")
    if about.get("path") not in PATHS:
        raise WeightError(f"the card {name}.json names an unknown noise path: install the package again")
    pipe = Pipeline(name, load_text().text_encoder, load_denoiser(name), load_vae(), PATHS[about["path"]],
                    about.get("prediction", ""), chosen)
    pipe.default_guidance = card_guidance(about)
    pipe.head_weights = (about.get("head_weights") or {}).get("heads", {})
    return pipe


def card_guidance(about: dict) -> float:
    """Return the guidance scale that a model's card recommends."""
    return float(about.get("default_guidance", DEFAULT_GUIDANCE))
