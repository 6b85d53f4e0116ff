"""A shipped model, opened as a pipeline on the best device there is."""

from __future__ import annotations

from ..diffusion.paths import PATHS
from ..diffusion.settings import DEFAULT_GUIDANCE
from ..zoo import WeightError, card
from ..zoo.loading import load_denoiser, load_text, load_vae
from .device import choose_device
from .pipeline import Pipeline


def load(name: str = "unet-flow", device: str | None = None) -> Pipeline:
    """Open a shipped model as a pipeline: its weights are checked, and put on the best device there is.

    Raises:
        WeightError: an unknown name, or a weight file that is not what its card says.
        SettingError: a device that is not there.
    """
    about, chosen = card(name), choose_device(device)
    if about.get("role") != "denoiser":
        raise WeightError(f"{name!r} is the {about.get('role', 'unnamed part')} of a pipeline and draws nothing by "
                          "itself; load('unet-flow') draws, and has it inside")
    if about.get("path") not in PATHS:
        raise WeightError(f"the card {name}.json names no path that is known here: install the package again")
    pipe = Pipeline(name, load_text().text, load_denoiser(name), load_vae(), PATHS[about["path"]],
                    about.get("prediction", ""), chosen)
    pipe.default_guidance = card_guidance(about)
    pipe.head_weights = (about.get("head_weights") or {}).get("heads", {})
    return pipe


def card_guidance(about: dict) -> float:
    """The guidance that a model is meant to be asked with, by its card."""
    return float(about.get("guidance", DEFAULT_GUIDANCE))
