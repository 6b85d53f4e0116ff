"""What can be opened, and the errors about what cannot."""

from __future__ import annotations

import copy
import pickle

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
import torch

import explorable as ex


def assert_refused(pipeline, *words: str) -> None:
    with pytest.raises(ex.SettingError) as caught:
        ex.open(pipeline)
    for word in words:
        assert word in str(caught.value)


def test_the_family_follows_from_the_class(pipe, family):
    assert pipe.family == {"sd": "Stable Diffusion", "sdxl": "Stable Diffusion XL", "sd3": "Stable Diffusion 3",
                           "flux": "Flux", "pixart": "PixArt", "chroma": "Chroma",
                           "zimage": "Z-Image", "klein": "FLUX.2 Klein",
                           "qwen": "Qwen-Image", "lumina": "Lumina 2", "sana": "Sana", "flux2": "FLUX.2",
                           "ovis": "Ovis-Image", "bria": "Bria"}[family]
    assert pipe.image_size == (16, 16) and pipe.samplers == (type(pipe.pipeline.scheduler).__name__,)
    assert repr(pipe).startswith("OpenedPipeline(") and pipe.family in repr(pipe)


def test_a_subclass_belongs_to_the_family_of_its_base_class():
    class Mine(diffusers.StableDiffusionPipeline):
        pass

    assert ex.open(Mine(**tp.fresh("sd").components, requires_safety_checker=False)).family == "Stable Diffusion"


def test_the_error_about_an_unknown_pipeline_lists_the_families():
    class Other:
        pass

    assert_refused(Other(), "Other belongs to no family", "StableDiffusionXLPipeline", "FluxPipeline",
                   "PixArtSigmaPipeline")
    assert_refused(diffusers.StableDiffusionPipeline, "is a class", "from_pretrained")


def test_an_opened_pipeline_cannot_be_opened_again():
    pipe = ex.open(tp.shared("sd"))
    assert_refused(pipe, "is open already", "ex.open(pipe.pipeline)")
    assert_refused(tiny_pipes.tiny(), "is open already: use it as it is")


def test_one_pipeline_can_be_opened_twice_and_closed_separately(family, pipeline):
    one, two = (ex.open(pipeline, **tp.CALL_DEFAULTS[family]) for _ in range(2))
    image = one(tp.PROMPT, steps=2).image
    with ex.edit(one, {"*.cross.weights": ex.MaskToken("dog")}):
        assert not np.array_equal(one(tp.PROMPT, steps=2).image, image)
        assert np.array_equal(two(tp.PROMPT, steps=2).image, image)
    run = one(tp.PROMPT, steps=2)
    one.close()
    with pytest.raises(ex.SettingError, match=r"was closed: open it again with ex\.open"):
        one(tp.PROMPT)
    assert run.previews.shape[0] == run.steps  # its runs can still be decoded
    assert np.array_equal(two(tp.PROMPT, steps=2).image, image)


@pytest.mark.parametrize("make", [lambda pipe: pickle.loads(pickle.dumps(pipe)), copy.deepcopy, copy.copy],
                         ids=["pickle", "deepcopy", "copy"])
def test_an_opened_pipeline_can_be_pickled_and_copied(make):
    pipe = ex.open(tp.fresh("sd"), merge_subwords=False, height=32, width=16)
    run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")  # its points were found
    with make(pipe) as copied:
        again = copied(tp.PROMPT, steps=2, record="*.cross.weights")
        assert run.image.shape == (32, 16, 3) == again.image.shape
        for name in ("latents", "recorded"):  # nearly: kernels round differently where memory is aligned differently
            ours, theirs = (r.latents if name == "latents" else r["middle.cross.weights"] for r in (run, again))
            assert ours.dims == theirs.dims and np.allclose(ours, theirs, atol=1e-3)
    assert np.array_equal(pipe(tp.PROMPT, steps=2).image, run.image)  # this one was not closed


def test_pipelines_that_share_a_denoiser_share_a_lock():
    first = tp.fresh("sd")
    second = diffusers.StableDiffusionPipeline(**first.components, requires_safety_checker=False)
    second.scheduler = diffusers.DDIMScheduler.from_config(first.scheduler.config)
    second.set_progress_bar_config(disable=True)
    one, two = ex.open(first), ex.open(second)
    assert one.lock is two.lock and one.denoiser is two.denoiser
    alone = two(tp.PROMPT, steps=2).image
    inner_images = []
    one(tp.PROMPT, steps=2, record="*.weights", progress=lambda *_: inner_images.append(two(tp.PROMPT, steps=2).image))
    assert inner_images and all(np.array_equal(image, alone) for image in inner_images)


def test_a_compiled_network_is_refused():
    pipeline = tp.fresh("sd")
    pipeline.unet = torch.compile(pipeline.unet)
    assert_refused(pipeline, "is compiled (by torch.compile, into OptimizedModule)",
                   "pipeline.unet = pipeline.unet._orig_mod")
    pipeline.unet = pipeline.unet._orig_mod  # as the error says
    ex.open(pipeline)
    pipeline = tp.fresh("sd3")
    pipeline.transformer.compile()
    assert_refused(pipeline, "the transformer is compiled in place")
    pipeline = tp.fresh("sd3")
    pipeline.transformer.transformer_blocks[0].compile()
    assert_refused(pipeline, "the transformer is compiled in place")


def test_an_offloaded_network_is_refused():
    pipeline = tp.fresh("sd")
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    add_hook_to_module(pipeline.unet, AlignDevicesHook(io_same_device=True))  # as enable_model_cpu_offload does
    assert_refused(pipeline, "is offloaded", "float16")
    grouped = tp.fresh("flux")
    grouped.transformer.enable_group_offload(torch.device("cpu"), offload_type="leaf_level")
    assert_refused(grouped, "is offloaded")


def test_a_quantised_network_is_refused():
    pipeline = tp.fresh("sd")
    pipeline.unet.hf_quantizer = object()
    assert_refused(pipeline, "is quantised", "without quantization_config")


def test_the_error_about_an_unknown_scheduler_lists_the_known_ones():
    pipeline = tp.fresh("sd")
    pipeline.scheduler = diffusers.KDPM2DiscreteScheduler.from_config(pipeline.scheduler.config)
    assert_refused(pipeline, "KDPM2DiscreteScheduler", "DDIMScheduler.from_config")


def test_the_error_about_an_argument_lists_the_valid_ones(pipe, family):
    with pytest.raises(ex.SettingError, match=r"latents cannot be set: .*; a \w+ takes prompt, .*(height, w|width, h)"):
        pipe(tp.PROMPT, latents=3)
    with pytest.raises(ex.SettingError, match="heigth is no argument of this pipeline"):
        ex.open(pipe.pipeline, heigth=16)
    with pytest.raises(ex.SettingError, match=r"samples with its own .*Scheduler: leave the sampler out"):
        pipe(tp.PROMPT, sampler="euler")
    with pytest.raises(ex.SettingError, match="give a text"):
        pipe([tp.PROMPT])
    with pytest.raises(ex.UnknownPointError, match="no point matches"):
        pipe(tp.PROMPT, record="up.9.skip")


def test_points_have_the_names_and_axes_of_the_shipped_networks(family, pipe):
    shipped = {p.name: p.axes for p in tiny_pipes.tiny("unet" if family in ("sd", "sdxl") else "dit").points()}
    opened = {p.name: tuple("token" if axis == "piece" else axis for axis in p.axes) for p in pipe.points()}
    shared = {"sd": ("conv_in", "down.0.0.res.out", "down.0.0.cross.weights", "down.0.0.cross.added", "middle.res.out",
                     "middle.self.weights", "middle.cross.weights", "middle.mlp.added", "up.0.0.cross.weights",
                     "prediction", "sampler.latent", "sampler.difference", "sampler.denoised"),
              "sdxl": ("conv_in", "down.1.0.res.out", "middle.res.out", "up.1.0.res.out", "prediction"),
              "sd3": ("blocks.0.joint.weights", "blocks.0.cross.weights", "blocks.1.img.out", "blocks.0.txt.out",
                      "prediction", "sampler.difference"),
              "flux": ("blocks.0.joint.weights", "blocks.0.cross.weights", "blocks.1.img.out", "blocks.1.txt.out",
                       "prediction", "sampler.denoised"),
              "zimage": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "klein": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "chroma": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "bria": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "lumina": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "qwen": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "ovis": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.difference"),
              "flux2": ("blocks.0.joint.weights", "blocks.1.img.out", "blocks.1.txt.out", "sampler.denoised"),
              "sana": ("blocks.0.cross.weights", "prediction", "sampler.difference"),
              "pixart": ("blocks.0.cross.weights", "prediction", "sampler.difference")}[family]
    for name in shared:
        assert opened[name] == shipped[name], name


def test_a_unet_without_a_middle_block_can_be_opened():
    """Some distilled Stable Diffusion models have none."""
    pipeline = tp.fresh("sd")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline.unet = tp.unet(tp.WIDTH, mid_block_type=None).eval()
    with ex.open(pipeline) as pipe:
        run = pipe(tp.PROMPT, steps=2, record=["*.skip", "*.backbone"])
        assert np.array_equal(run.image, tp.untouched(pipeline, "sd", num_inference_steps=2))
        assert not [p for p in pipe.points() if p.name.startswith("middle")]
        assert run["up.1.0.backbone"].sizes["channel"] == 16
