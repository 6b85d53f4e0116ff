"""ControlNets: pipelines that an image conditions open as those without one."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from attention_oracle import record_attention
from PIL import Image

import explorable as ex

IMAGE = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)


def unet_control(unet: Any) -> Any:
    return diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8))


def flux_control(network: Any) -> Any:
    return diffusers.FluxControlNetModel.from_transformer(network, num_layers=1, num_single_layers=1,
                                                          attention_head_dim=16, num_attention_heads=2)


CASES = {  # by family: the pipeline, its argument, and its ControlNet
    "sd": ("StableDiffusionControlNetPipeline", "image", unet_control),
    "sdxl": ("StableDiffusionXLControlNetPipeline", "image", unet_control),
    "flux": ("FluxControlNetPipeline", "control_image", flux_control),
}


@pytest.fixture(params=CASES)
def controlled(request: pytest.FixtureRequest) -> tuple[str, Any, str]:
    """A family, its pipeline with a ControlNet of random weights, and the name of the image."""
    kind, argument, build = CASES[request.param]
    pipeline = tp.fresh(request.param)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        control = build(tp.network_of(pipeline)).eval()
        for parameter in control.parameters():  # its last layers begin at zero
            if not parameter.any():
                parameter.data.normal_(std=0.3)
    more = {"requires_safety_checker": False} if request.param == "sd" else {}
    whole = getattr(diffusers, kind)(**pipeline.components, controlnet=control, **more)
    whole.set_progress_bar_config(disable=True)
    return request.param, whole, argument


def test_a_pipeline_with_a_controlnet_is_bit_identical(controlled):
    family, pipeline, argument = controlled
    given = {argument: Image.fromarray(IMAGE)}
    with record_attention(tp.network_of(pipeline)) as recorded:
        image = tp.untouched(pipeline, family, num_inference_steps=2, **given)
    assert recorded and not np.array_equal(image, tp.untouched(pipeline, family, num_inference_steps=2,
                                                               **{argument: Image.new("RGB", (16, 16))}))
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS[family]) as pipe:
        names = [point.name for point in pipe.points()]  # with a black image
        for record in ((), names):
            run = pipe(tp.PROMPT, steps=2, record=record, **{argument: IMAGE})
            assert np.array_equal(run.image, image)
        assert np.array_equal(run.branch(1).image, image) and not pipe.takes_image
        first = next(name for name in names if name.endswith(("self.weights", "joint.weights")))
        expected = recorded[0].numpy()
        if family == "flux":  # the text comes first
            expected = np.roll(expected, (-tp.MAX_TOKENS, -tp.MAX_TOKENS), (-2, -1))
        np.testing.assert_allclose(run[first].isel(step=0).values.reshape(expected.shape), expected, atol=1e-5)
        with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog")}):
            assert not np.array_equal(pipe(tp.PROMPT, steps=2, **given).image, image)
        with pytest.raises(ex.SettingError, match=rf"is conditioned on an image: give {argument}=…"):
            pipe(tp.PROMPT, steps=2)
    assert np.array_equal(tp.untouched(pipeline, family, num_inference_steps=2, **given), image)


@pytest.mark.parametrize(("kind", "reason"), (
    ("StableDiffusion3ControlNetPipeline", "no seed determines what it samples"),
    ("StableDiffusionInpaintPipeline", "inpainting also needs the latent of the given image and a mask"),
    ("StableDiffusionControlNetImg2ImgPipeline", "it takes two images")))
def test_what_cannot_be_opened_is_refused_in_a_sentence(kind, reason):
    made = object.__new__(getattr(diffusers, kind))
    with pytest.raises(ex.SettingError, match=f"a {kind} cannot be opened: .*{reason}"):
        ex.open(made)
