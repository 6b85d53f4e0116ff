"""Who is compared: those that are there, in the order of their recipes."""

from __future__ import annotations

import pytest

from explorable.diffusion.settings import DEFAULT_GUIDANCE
from explorable.measure.denoisers import RECIPES_OF_DENOISERS, default_guidance, select_denoisers


def test_all_are_those_in_the_zoo_and_the_missing_are_named(tiny):
    tiny("steps", "unet-reflow", "unet-flow", "somebody-elses")
    models, (note,) = select_denoisers("all")
    assert models == ["unet-flow", "unet-reflow", "somebody-elses"]
    assert all((name in note) == (name not in models) for name in RECIPES_OF_DENOISERS)


def test_with_all_there_nothing_is_noted(tiny):
    tiny("steps", *RECIPES_OF_DENOISERS)
    assert select_denoisers("all") == (list(RECIPES_OF_DENOISERS), [])


def test_names_are_taken_as_given(tiny):
    tiny("steps", "unet-flow", "dit-flow")
    assert select_denoisers("dit-flow, unet-flow,dit-flow") == (["dit-flow", "unet-flow"], [])


def test_what_is_no_denoiser_is_refused(tiny):
    tiny("steps", "unet-flow")
    with pytest.raises(ValueError, match="'vae' is no denoiser; there are: unet-flow"):
        select_denoisers("vae")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no model is called 'unet-flwo'"):
        select_denoisers("unet-flwo")


def test_reflow_learned_from_guided_pictures_and_wants_no_more():
    assert default_guidance("unet-reflow") == 1.0 and default_guidance("unet-flow") == DEFAULT_GUIDANCE
