"""Which denoisers there are to be compared, and the guidance that each wants."""

from __future__ import annotations

from ..pipeline.loading import card_guidance
from ..training.recipes import RECIPES
from ..zoo import WeightError, model_names, read_card

RECIPES_OF_DENOISERS = tuple(name for name, recipe in RECIPES.items() if recipe.role == "denoiser")


def default_guidance(name: str) -> float:
    """The guidance that a denoiser is meant for, by its card."""
    return card_guidance(read_card(name))


def select_denoisers(model: str = "all") -> tuple[list[str], list[str]]:
    """The denoisers asked for, and notes on those that are still to come.

    model: "all" that are in the zoo, or names with commas between.

    Raises:
        WeightError: a name that is not there or is no denoiser; a zoo without any.
    """
    there = [name for name in model_names() if read_card(name).get("role") == "denoiser"]
    if model != "all":
        asked = [name.strip() for name in model.split(",")]
        for name in asked:
            read_card(name)  # refuses a name that is not there, with the nearest that is
            if name not in there:
                raise WeightError(f"{name!r} is no denoiser; there are: {', '.join(there)}")
        return list(dict.fromkeys(asked)), []
    if not there:
        raise WeightError("there is no denoiser in the zoo: python -m explorable train unet-flow makes one")
    missing = [name for name in RECIPES_OF_DENOISERS if name not in there]
    in_order = [name for name in RECIPES_OF_DENOISERS if name in there]
    in_order += [name for name in there if name not in in_order]
    return in_order, [f"not in the zoo yet, so left out: {', '.join(missing)}"] if missing else []
