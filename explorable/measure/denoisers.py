"""The denoisers that a measure compares, and their default guidance."""

from __future__ import annotations

from ..pipeline.loading import card_guidance
from ..training.recipes import RECIPES
from ..zoo import WeightError, model_names, read_card

DENOISER_RECIPES = tuple(name for name, recipe in RECIPES.items() if recipe.role == "denoiser")


def default_guidance(name: str) -> float:
    """Return the default guidance of a denoiser, from its card."""
    return card_guidance(read_card(name))


def select_denoisers(model: str = "all") -> tuple[list[str], list[str]]:
    """Return the names of the denoisers to compare, and a note on those that are not trained yet.

    model: "all" that are in the zoo, or names separated by commas.

    Raises:
        WeightError: a name that is not in the zoo or is no denoiser, or a zoo without denoisers.
    """
    available = [name for name in model_names() if read_card(name).get("role") == "denoiser"]
    if model != "all":
        selected = [name.strip() for name in model.split(",")]
        for name in selected:
            read_card(name)  # an unknown name raises an error that suggests the nearest one
            if name not in available:
                raise WeightError(f"{name!r} is no denoiser; there are: {', '.join(available)}")
        return list(dict.fromkeys(selected)), []
    if not available:
        raise WeightError("there is no denoiser in the zoo: python -m explorable train unet-flow makes one")
    missing = [name for name in DENOISER_RECIPES if name not in available]
    ordered = [name for name in DENOISER_RECIPES if name in available]
    ordered += [name for name in available if name not in ordered]
    return ordered, [f"not in the zoo yet, so left out: {', '.join(missing)}"] if missing else []
