"""Pipelines that need more than a prompt: an image to start from, the image of an IP-Adapter."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection
from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor
from PIL import Image

import explorable as ex

IMG2IMG = {"sd": "StableDiffusionImg2ImgPipeline", "sdxl": "StableDiffusionXLImg2ImgPipeline",
           "sd3": "StableDiffusion3Img2ImgPipeline", "flux": "FluxImg2ImgPipeline"}
IMAGE = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
EMBEDDING = 6  # of the IP-Adapter's image encoder, its width
REQUIRED = r"starts from an image: give image=…, .*ex\.open\(pipeline, image=…\)"


@pytest.fixture(params=IMG2IMG)
def img2img(request: pytest.FixtureRequest) -> Any:
    """An image-to-image pipeline, opened without an image."""
    pipeline = getattr(diffusers, IMG2IMG[request.param]).from_pretrained(tp.saved(request.param))
    pipeline.set_progress_bar_config(disable=True)
    return ex.open(pipeline, **tp.CALL_DEFAULTS[request.param])


def test_an_image_may_be_given_with_each_call(img2img):
    given = {"image": Image.fromarray(IMAGE), "strength": 0.6}
    names = [p.name for p in img2img.points(steps=1)]
    assert "prediction" in names and img2img.image_size == (16, 16)
    with ex.record(img2img, "*.cross.weights") as recorder:
        run = img2img(tp.PROMPT, steps=6, **given)
    assert recorder["*.cross.weights"].sizes["step"] == run.steps
    with ex.edit(img2img, {"prediction": ex.Scale(0.5)}):
        edited = img2img(tp.PROMPT, steps=6, **given)
    assert not np.array_equal(edited.image, run.image)
    assert np.array_equal(run.branch(1).image, run.image)


def test_an_image_can_be_inspected(img2img):
    maps = img2img.inspect(IMAGE, tp.PROMPT)["*.cross.weights"]
    assert set(maps.dims) >= {"layer", "y", "x", "token"} and float(maps.std()) > 0
    with ex.open(img2img.pipeline, image=Image.fromarray(255 - IMAGE), strength=0.2, **img2img.call_defaults) as pipe:
        again = pipe.inspect(IMAGE, tp.PROMPT)["*.cross.weights"]  # of this image, not of the default one
    np.testing.assert_array_equal(again, maps)


def test_a_call_without_the_image_names_it(img2img):
    for use in (lambda: img2img(tp.PROMPT), lambda: img2img.sample_images([tp.PROMPT], [0])):
        with pytest.raises(ex.SettingError, match=REQUIRED):
            use()


def test_token_attention_shows_the_error_and_takes_an_image_when_opened():
    pipeline = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(tp.saved("sd"))
    pipeline.set_progress_bar_config(disable=True)
    for given, is_refused in (({}, True), ({"image": Image.fromarray(IMAGE)}, False)):
        w = ex.TokenAttention(ex.open(pipeline, **given), prompt=tp.PROMPT, steps=3)
        try:
            w.wait()
            assert ("starts from an image: give image=" in w.status_area.status.value) == is_refused
        finally:
            w.close()


# ---- IP-Adapters -----------------------------------------------------------------------------------------------------


def load_adapter(pipeline: Any, kind: str) -> None:
    """Load an IP-Adapter with random weights into a U-Net, as load_ip_adapter does."""
    unet, width = pipeline.unet, pipeline.unet.config.cross_attention_dim
    attention: dict[str, torch.Tensor] = {}
    for k, name in enumerate(n for n in unet.attn_processors if n.endswith("attn2.processor")):
        channels = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
        attention |= {f"{2 * k + 1}.to_{x}_ip.weight": torch.randn(channels, width) for x in "kv"}
    projection = {"proj.weight": torch.randn(4 * width, EMBEDDING), "proj.bias": torch.zeros(4 * width),
                  "norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    if kind == "full":
        projection = {"proj.0.weight": torch.randn(EMBEDDING, EMBEDDING), "proj.0.bias": torch.zeros(EMBEDDING),
                      "proj.2.weight": torch.randn(width, EMBEDDING), "proj.2.bias": torch.zeros(width),
                      "proj.3.weight": torch.ones(width), "proj.3.bias": torch.zeros(width)}
    unet._load_ip_adapter_weights([{"image_proj": projection, "ip_adapter": attention}], low_cpu_mem_usage=False)


def load_flux_adapter(pipeline: Any) -> None:
    transformer, layers = pipeline.transformer, pipeline.transformer.attn_processors
    transformer.set_attn_processor({
        name: FluxIPAdapterAttnProcessor(transformer.inner_dim, tp.WIDTH, num_tokens=(4,), scale=[1.0])
        if name.startswith("transformer_blocks") else layer for name, layer in layers.items()})
    transformer.encoder_hid_proj = MultiIPAdapterImageProjection([ImageProjection(EMBEDDING, tp.WIDTH, 4)])


@pytest.fixture(params=[("sd", "plain"), ("sd", "full"), ("sdxl", "plain"), ("sdxl", "full"), ("flux", "plain")],
                ids=lambda p: "-".join(p))
def adapted(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    """A pipeline with an IP-Adapter, and the arguments that it needs, with those that give it an image."""
    family, kind = request.param
    pipeline = tp.fresh(family)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if family == "flux":
            load_flux_adapter(pipeline)
            images = {f"{sign}ip_adapter_image_embeds": [torch.randn(1, 1, EMBEDDING)] for sign in ("", "negative_")}
            return pipeline, {**tp.CALL_DEFAULTS["flux"], **images}
        load_adapter(pipeline, kind)
        shape = (2, 1, EMBEDDING) if kind == "plain" else (2, 1, 5, EMBEDDING)
        return pipeline, {"ip_adapter_image_embeds": [torch.randn(shape)]}


def test_a_pipeline_with_an_ip_adapter_is_recorded_edited_and_branched(adapted):
    pipeline, given = adapted
    image = tp.untouched(pipeline, "sd", num_inference_steps=3, **given)
    with ex.open(pipeline) as pipe:
        with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog")}):
            assert not np.array_equal(pipe(tp.PROMPT, steps=3, **given).image, image)
        run = pipe(tp.PROMPT, steps=3, record="*.cross.weights", **given)
        assert np.array_equal(run.image, image) and np.array_equal(run.branch(1).image, image)
        one_branch = {k: [x[-1:] for x in v] if k.endswith("embeds") else v for k, v in given.items()}
        assert pipe.inspect(image, tp.PROMPT, **one_branch)


def test_a_call_without_an_ip_adapters_image_names_it(adapted):
    pipeline, given = adapted
    size = {name: value for name, value in given.items() if not name.endswith("embeds")}
    with ex.open(pipeline) as pipe, pytest.raises(ex.SettingError, match=r"IP-Adapter is loaded: give ip_adapter_im"):
        pipe(tp.PROMPT, steps=2, **size)


def test_the_denoiser_can_be_evaluated_on_several_latents_with_an_ip_adapter(adapted):
    pipeline, given = adapted
    with ex.open(pipeline, **given) as pipe:
        run = pipe(tp.PROMPT, steps=2)
        x = torch.from_numpy(np.repeat(run.latents.values[:1], 3, 0))
        with ex.record(pipe, "prediction", "*.cross.weights") as recorder:
            pipe.evaluate_step(run, 0, x)
        values = recorder["prediction"]
        assert values.sizes["batch"] == 3 and np.isfinite(values).all()
        np.testing.assert_allclose(values.isel(batch=0), values.isel(batch=2), atol=1e-5)
