"""Image-to-image pipelines of diffusers take an image as the shipped ones do: an array or a latent, and a strength."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from PIL import Image

import explorable as ex

CLASSES = {"sd": "StableDiffusionImg2ImgPipeline", "sdxl": "StableDiffusionXLImg2ImgPipeline",
           "sd3": "StableDiffusion3Img2ImgPipeline", "flux": "FluxImg2ImgPipeline", "chroma": "ChromaImg2ImgPipeline"}
IMAGE = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)


@pytest.fixture(params=CLASSES)
def pipe(request):
    pipeline = getattr(diffusers, CLASSES[request.param]).from_pretrained(tp.saved(request.param))
    pipeline.set_progress_bar_config(disable=True)
    return ex.open(pipeline, **tp.CALL_DEFAULTS[request.param])


def test_an_array_starts_the_run_that_the_pipeline_itself_makes(pipe):
    assert pipe.takes_image
    run = pipe(tp.PROMPT, image=IMAGE, strength=0.6, steps=5, seed=3)
    own = pipe.pipeline(tp.PROMPT, image=Image.fromarray(IMAGE), strength=0.6, num_inference_steps=5,
                        generator=torch.Generator().manual_seed(3), **pipe.call_defaults).images[0]
    np.testing.assert_array_equal(run.image, np.asarray(own))
    assert run.steps == pipe(tp.PROMPT, image=Image.fromarray(IMAGE), strength=0.6, steps=5, seed=3).steps < 5


def test_a_latent_is_not_encoded_again(pipe):
    latent = pipe.encode(IMAGE[None])[0].numpy()
    run = pipe(tp.PROMPT, image=latent, strength=0.5, steps=6, seed=3)
    other = pipe(tp.PROMPT, image=latent + 2.0, strength=0.5, steps=6, seed=3)
    gap = other.latents[0] - run.latents[0]  # the noise is the same, so that what is left is alpha times 2
    alpha = float(pipe.path.alpha(float(run.latents.t[0])))
    np.testing.assert_allclose(gap, 2 * alpha, atol=2e-2)


@pytest.mark.parametrize(("strength", "message"), [(0.0, "above 0, up to 1"), (1.5, "above 0, up to 1"),
                                                   (0.1, "none of the 5 steps.*0.2 or more")])
def test_a_strength_out_of_range_is_refused(pipe, strength, message):
    with pytest.raises(ex.SettingError, match=message):
        pipe(tp.PROMPT, image=IMAGE, strength=strength, steps=5)


@pytest.mark.parametrize("name", ["image", "strength"])
def test_a_pipeline_that_starts_from_noise_says_what_to_open(name):
    pipe = ex.open(tp.shared("sd"))
    assert not pipe.takes_image
    with pytest.raises(ex.SettingError, match=r"starts from noise only: open its image-to-image pipeline"):
        pipe(tp.PROMPT, steps=2, **{name: 0.5 if name == "strength" else IMAGE})
