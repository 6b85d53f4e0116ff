"""What can be opened, and what is refused in words that say what to do."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
import torch

import explorable as ex


def refused(pipeline, *words: str) -> None:
    with pytest.raises(ex.SettingError) as caught:
        ex.open(pipeline)
    for word in words:
        assert word in str(caught.value)


def test_the_family_is_told_by_the_class(pipe, family):
    assert pipe.family == {"sd": "Stable Diffusion", "sdxl": "Stable Diffusion XL", "sd3": "Stable Diffusion 3",
                           "flux": "Flux", "pixart": "PixArt"}[family]
    assert pipe.image_size == (16, 16) and pipe.samplers == (type(pipe.pipeline.scheduler).__name__,)
    assert repr(pipe).startswith("OpenedPipeline(") and pipe.family in repr(pipe)


def test_a_subclass_is_of_its_family():
    class Mine(diffusers.StableDiffusionPipeline):
        pass

    assert ex.open(Mine(**tp.fresh("sd").components, requires_safety_checker=False)).family == "Stable Diffusion"


def test_an_unknown_family_is_refused_with_those_that_there_are():
    class Other:
        pass

    refused(Other(), "Other belongs to no family", "StableDiffusionXLPipeline", "FluxPipeline", "PixArtSigmaPipeline")
    refused(diffusers.StableDiffusionPipeline, "is a class", "from_pretrained")


def test_what_is_open_already_is_refused():
    pipe = ex.open(tp.shared("sd"))
    refused(pipe, "is open already", "ex.open(pipe.pipeline)")
    refused(tiny_pipes.tiny(), "is open already: use it as it is")


def test_several_may_be_open_on_one_pipeline_and_close_apart(family, pipeline):
    one, two = (ex.open(pipeline, **tp.ALWAYS[family]) for _ in range(2))
    picture = one(tp.PROMPT, steps=2).image
    with ex.edit(one, {"*.cross.weights": ex.MaskToken("dog")}):
        assert not np.array_equal(one(tp.PROMPT, steps=2).image, picture)
        assert np.array_equal(two(tp.PROMPT, steps=2).image, picture)
    run = one(tp.PROMPT, steps=2)
    one.close()
    with pytest.raises(ex.SettingError, match=r"was closed: open it again with ex\.open"):
        one(tp.PROMPT)
    assert run.previews.shape[0] == run.steps  # what it painted can be looked at still
    assert np.array_equal(two(tp.PROMPT, steps=2).image, picture)


def test_pipelines_that_share_a_network_wait_for_each_other():
    first = tp.fresh("sd")
    second = diffusers.StableDiffusionPipeline(**first.components, requires_safety_checker=False)
    second.scheduler = diffusers.DDIMScheduler.from_config(first.scheduler.config)
    second.set_progress_bar_config(disable=True)
    one, two = ex.open(first), ex.open(second)
    assert one.lock is two.lock and one.denoiser is two.denoiser
    alone = two(tp.PROMPT, steps=2).image
    inner = []
    one(tp.PROMPT, steps=2, record="*.weights", progress=lambda *_: inner.append(two(tp.PROMPT, steps=2).image))
    assert inner and all(np.array_equal(image, alone) for image in inner)


def test_a_compiled_network_is_refused():
    pipeline = tp.fresh("sd")
    pipeline.unet = torch.compile(pipeline.unet)
    refused(pipeline, "is compiled", "instead of, torch.compile")
    pipeline = tp.fresh("sd3")
    pipeline.transformer.compile()
    refused(pipeline, "the transformer is compiled")


def test_an_offloaded_network_is_refused():
    pipeline = tp.fresh("sd")
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    add_hook_to_module(pipeline.unet, AlignDevicesHook(io_same_device=True))  # as enable_model_cpu_offload does
    refused(pipeline, "is offloaded", "float16")
    grouped = tp.fresh("flux")
    grouped.transformer.enable_group_offload(torch.device("cpu"), offload_type="leaf_level")
    refused(grouped, "is offloaded")


def test_a_quantised_network_is_refused():
    pipeline = tp.fresh("sd")
    pipeline.unet.hf_quantizer = object()
    refused(pipeline, "is quantised", "without quantization_config")


def test_a_scheduler_that_cannot_be_read_is_refused_with_those_that_can():
    pipeline = tp.fresh("sd")
    pipeline.scheduler = diffusers.KDPM2DiscreteScheduler.from_config(pipeline.scheduler.config)
    refused(pipeline, "KDPM2DiscreteScheduler", "DDIMScheduler.from_config")


def test_what_the_pipeline_does_not_take_is_refused_with_what_it_does(pipe, family):
    with pytest.raises(ex.SettingError, match=r"cannot be set; a .* takes height, width"):
        pipe(tp.PROMPT, latents=3)
    with pytest.raises(ex.SettingError, match="heigth cannot be set"):
        ex.open(pipe.pipeline, heigth=16)
    with pytest.raises(ex.SettingError, match=r"samples with its own .*Scheduler: leave the sampler out"):
        pipe(tp.PROMPT, sampler="euler")
    with pytest.raises(ex.SettingError, match="give a text"):
        pipe([tp.PROMPT])
    with pytest.raises(ex.UnknownPointError, match="no point matches"):
        pipe(tp.PROMPT, record="up.9.skip")


def test_points_have_the_names_that_the_shipped_networks_have(family, pipe):
    shipped = {p.name: p.axes for p in tiny_pipes.tiny("unet" if family in ("sd", "sdxl") else "dit").points()}
    mine = {p.name: tuple("token" if axis == "piece" else axis for axis in p.axes) for p in pipe.points()}
    shared = {"sd": ("conv_in", "down.0.0.res.out", "down.0.0.cross.weights", "down.0.0.cross.added", "middle.res.out",
                     "middle.self.weights", "middle.cross.weights", "middle.mlp.added", "up.0.0.cross.weights",
                     "prediction", "sampler.latent", "sampler.difference", "sampler.denoised"),
              "sdxl": ("conv_in", "down.1.0.res.out", "middle.res.out", "up.1.0.res.out", "prediction"),
              "sd3": ("blocks.0.joint.weights", "blocks.0.cross.weights", "blocks.1.img.out", "blocks.0.txt.out",
                      "prediction", "sampler.difference"),
              "flux": ("blocks.0.joint.weights", "blocks.0.cross.weights", "blocks.1.img.out", "blocks.1.txt.out",
                       "prediction", "sampler.denoised"),
              "pixart": ("blocks.0.cross.weights", "prediction", "sampler.difference")}[family]
    for name in shared:
        assert mine[name] == shipped[name], name


def test_a_network_without_a_middle_is_opened():
    """As the small Stable Diffusions have it: there is one level less to go down."""
    pipeline = tp.fresh("sd")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline.unet = tp.unet(tp.WIDTH, mid_block_type=None).eval()
    with ex.open(pipeline) as pipe:
        run = pipe(tp.PROMPT, steps=2, record=["*.skip", "*.backbone"])
        assert np.array_equal(run.image, tp.untouched(pipeline, "sd", num_inference_steps=2))
        assert not [p for p in pipe.points() if p.name.startswith("middle")]
        assert run["up.1.0.backbone"].sizes["channel"] == 16
