"""Decoded and encoded images are those of the pipeline's own call, for every autoencoder that it may hold."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from PIL import Image

import explorable as ex
from explorable.adapters.blocked_images import BlockedImageError

STATISTICS = {"latents_mean": [1.5, -2.0, 0.5, 1.0], "latents_std": [8.0, 6.0, 5.0, 7.0]}

OWN_AUTOENCODER = ("klein", "flux2", "qwen")  # families that work with no other


def tiny_autoencoder() -> Any:
    return diffusers.AutoencoderTiny(encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
                                     num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), upsampling_scaling_factor=2)


def asymmetric_autoencoder() -> Any:
    return diffusers.AsymmetricAutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2, down_block_out_channels=(8, 8),
        up_block_types=["UpDecoderBlock2D"] * 2, up_block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4)


AUTOENCODERS = {
    "plain": tp.vae, "tiny": tiny_autoencoder, "asymmetric": asymmetric_autoencoder,
    "statistics": lambda: tp.vae(**STATISTICS), "shift": lambda: tp.vae(shift_factor=0.7),
}


def with_autoencoder(family: str, kind: str) -> Any:
    pipeline = tp.fresh(family)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline.vae = AUTOENCODERS[kind]().eval()
    return pipeline


@pytest.mark.parametrize("kind", AUTOENCODERS)
def test_the_last_latent_decodes_to_the_pipelines_own_image(family, kind):
    if family in tp.SHIFTED and kind == "asymmetric":
        return  # diffusers has no shift for it, and fails
    if family in OWN_AUTOENCODER and kind != "plain":
        return
    pipeline = tp.fresh(family) if family in OWN_AUTOENCODER else with_autoencoder(family, kind)
    if family in tp.SHIFTED and pipeline.vae.config.shift_factor is None:
        pipeline.vae.register_to_config(shift_factor=0.3)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.OTHER, steps=2)
        assert np.array_equal(run.image, tp.untouched(pipeline, family, tp.OTHER, num_inference_steps=2))
        assert np.array_equal(pipe.decode(run.latents.values[-1:])[0], run.image)


def test_in_half_precision_only_sdxl_decodes_in_float32(family):
    pipeline = tp.fresh(family, torch_dtype=torch.float16)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.OTHER, steps=2)
        assert np.array_equal(pipe.decode(run.latents.values[-1:])[0], run.image)
        assert pipeline.vae.dtype is torch.float16


class Watermark:
    def apply_watermark(self, images: torch.Tensor) -> torch.Tensor:
        return images * 0.5


def test_frames_have_the_watermark_that_the_image_has():
    pipeline = tp.fresh("sdxl")
    pipeline.watermark = Watermark()
    run = ex.open(pipeline)(tp.OTHER, steps=2)
    assert np.array_equal(run.noisy.values[-1], run.image)


@pytest.mark.parametrize(("family", "kind"), (("sdxl", "statistics"), ("sdxl", "plain"), ("sd3", "shift"),
                                              ("sd", "shift"), ("sd", "tiny")))
def test_an_image_is_encoded_to_the_latent_that_the_pipeline_starts_from(family, kind, monkeypatch):
    pipeline = with_autoencoder(family, kind)
    whole = {"sd": diffusers.StableDiffusionImg2ImgPipeline, "sdxl": diffusers.StableDiffusionXLImg2ImgPipeline,
             "sd3": diffusers.StableDiffusion3Img2ImgPipeline}[family](**{
                 **pipeline.components, **({"requires_safety_checker": False} if family == "sd" else {})})
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    if kind != "tiny":  # the pipeline draws from the distribution of which we take the mode
        monkeypatch.setattr(diffusers.models.autoencoders.vae.DiagonalGaussianDistribution, "sample",
                            lambda self, generator=None: self.mode())
    started: list[torch.Tensor] = []
    name = "scale_noise" if family == "sd3" else "add_noise"
    add = getattr(whole.scheduler, name)

    def keep(latent: torch.Tensor, *rest: Any) -> torch.Tensor:
        started.append(latent)
        return add(latent, *rest)

    monkeypatch.setattr(whole.scheduler, name, keep)
    more = {k: v for k, v in tp.CALL_DEFAULTS[family].items()}
    whole(tp.OTHER, image=Image.fromarray(image), strength=1.0, num_inference_steps=2, **more)
    np.testing.assert_allclose(ex.open(pipeline, **more).encode(image[None]), started[0].float(), atol=1e-5)


class Blocker(torch.nn.Module):
    """A safety checker that blocks each image, and blackens it as diffusers' does."""

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, images: torch.Tensor, clip_input: torch.Tensor) -> tuple[torch.Tensor, list[bool]]:
        return torch.zeros_like(images), [True] * len(images)


def blocking_pipeline() -> Any:
    pipeline = tp.fresh("sd")
    pipeline.safety_checker = Blocker()
    pipeline.feature_extractor = lambda images, return_tensors: type(
        "Features", (dict,), {"to": lambda self, device: self, "pixel_values": torch.zeros(1)})()
    return pipeline


def test_of_an_image_that_the_safety_checker_blocks_nothing_is_shown():
    pipeline = blocking_pipeline()
    pipe = ex.open(pipeline)
    with pytest.raises(ex.SettingError, match="the pipeline's safety checker blocked this image"):
        pipe(tp.PROMPT, steps=2)
    with pytest.raises(BlockedImageError, match="blocked this image"):
        pipe.sample_images([tp.PROMPT], [0])
    with pytest.raises(BlockedImageError, match="blocked of these 3 images number 0, 1, 2"):
        pipe.sample_images([tp.PROMPT] * 3, [0, 1, 2])
    pipeline.safety_checker = None
    run = pipe(tp.PROMPT, steps=2)
    pipeline.safety_checker = Blocker()
    with pytest.raises(ex.SettingError, match="safety checker"):
        run.branch(1, prompt=tp.OTHER)


@pytest.mark.parametrize("name", ("Studio", "NoiseTrajectory", "GuidanceScale", "TokenAttention", "UNetXRay"))
def test_explorables_say_that_the_safety_checker_blocked_the_image(name):
    w = getattr(ex, name)(pipe=ex.open(blocking_pipeline()), prompt=tp.OTHER, steps=2)
    w.wait()
    assert "safety checker blocked this image" in w.status_area.status.value
    assert w.result is None
