"""Which denoisers are compared: those in the zoo, in the order of their recipes."""

from __future__ import annotations

import pytest

from explorable.diffusion.settings import DEFAULT_GUIDANCE
from explorable.measure.denoisers import DENOISER_RECIPES, default_guidance, select_denoisers


def test_all_means_those_in_the_zoo_and_a_note_names_the_others(tiny):
    tiny("steps", "unet-reflow", "unet-flow", "my-own")
    models, (note,) = select_denoisers("all")
    assert models == ["unet-flow", "unet-reflow", "my-own"]
    assert all((name in note) == (name not in models) for name in DENOISER_RECIPES)


def test_without_missing_denoisers_there_is_no_note(tiny):
    tiny("steps", *DENOISER_RECIPES)
    assert select_denoisers("all") == (list(DENOISER_RECIPES), [])


def test_names_keep_their_order_and_count_once(tiny):
    tiny("steps", "unet-flow", "dit-flow")
    assert select_denoisers("dit-flow, unet-flow,dit-flow") == (["dit-flow", "unet-flow"], [])


def test_another_kind_of_model_is_refused(tiny):
    tiny("steps", "unet-flow")
    with pytest.raises(ValueError, match="'vae' is no denoiser; there are: unet-flow"):
        select_denoisers("vae")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no model is called 'unet-flwo'"):
        select_denoisers("unet-flwo")


def test_reflow_was_trained_on_guided_images_and_has_default_guidance_1():
    assert default_guidance("unet-reflow") == 1.0 and default_guidance("unet-flow") == DEFAULT_GUIDANCE
