"""Networks that another library has wrapped, or that were replaced after opening."""

from __future__ import annotations

import types
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from torch import nn

import explorable as ex


class Forwarding(nn.Module):
    """A wrapper as other libraries make them: any arguments, the attributes of the network inside."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.inside = network

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inside, name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.inside(*args, **kwargs)


class Engine:
    """A network without torch modules, such as one exported to another runtime."""

    def __init__(self, network: nn.Module):
        self.config, self.dtype, self.network = network.config, network.dtype, network

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.network(*args, **kwargs)


class Exported(Forwarding):
    """A wrapper that holds the network, but computes without it."""

    def forward(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **more: Any) -> Any:
        return (torch.zeros_like(sample),)


def wrap(pipeline: Any, family: str, wrapper: Any) -> None:
    name = "unet" if hasattr(pipeline, "unet") else "transformer"
    setattr(pipeline, name, wrapper(getattr(pipeline, name)))


@pytest.mark.parametrize("wrapper", [Forwarding, lambda network: Forwarding(Forwarding(network))],
                         ids=["wrapped", "wrapped twice"])
def test_a_wrapped_network_is_opened(family, wrapper):
    pipeline = tp.fresh(family)
    image = tp.untouched(pipeline, family, num_inference_steps=2)
    wrap(pipeline, family, wrapper)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        names = [point.name for point in pipe.points()]
        assert names == [point.name for point in ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]).points()]
        run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
        assert np.array_equal(run.image, image) and np.array_equal(run.branch(1).image, image)
        with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog")}):
            assert not np.array_equal(pipe(tp.PROMPT, steps=2).image, image)
    assert np.array_equal(tp.untouched(pipeline, family, num_inference_steps=2), image)


def test_a_forward_that_another_library_has_replaced_is_called(family):
    """It takes any arguments, as those of caching libraries do."""
    pipeline = tp.fresh(family)
    network = tp.network_of(pipeline)
    calls = []

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append((len(args), tuple(kwargs)))
        return type(self).forward(self, *args, **kwargs)

    network.forward = types.MethodType(forward, network)
    image = tp.untouched(pipeline, family, num_inference_steps=2)
    own_calls = calls.copy()
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        calls.clear()
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, image) and calls == own_calls
        pipe.points(prompt=tp.PROMPT)
        calls.clear()
        assert np.array_equal(pipe(tp.PROMPT, steps=2, record="*.cross.weights").image, image)
        assert calls == own_calls  # by position and by keyword as without hooks


def test_the_error_about_a_network_without_modules_names_it(family):
    pipeline = tp.fresh(family)
    wrap(pipeline, family, Engine)
    with pytest.raises(ex.SettingError, match=r"(unet|transformer) is a Engine, and contains no network of diffusers.*"
                                              r"set pipeline\.(unet|transformer) to"):
        ex.open(pipeline)


def test_a_wrapper_that_does_not_call_the_network_is_refused_by_name():
    pipeline = tp.fresh("sd")
    pipeline.unet = Exported(pipeline.unet)
    with ex.open(pipeline) as pipe:
        for use in (lambda: pipe(tp.PROMPT, steps=2), pipe.points, lambda: ex.record(pipe, "*").__enter__()):
            with pytest.raises(ex.SettingError, match=r"the Exported in pipeline\.unet does not call the "
                                                      r"UNet2DConditionModel inside it"):
                use()


@pytest.mark.parametrize("use", [
    lambda pipe: pipe(tp.PROMPT, steps=2), lambda pipe: pipe.points(),
    lambda pipe: ex.record(pipe, "*").__enter__(), lambda pipe: pipe.inspect(np.zeros((16, 16, 3), np.uint8), "a"),
], ids=["sample", "points", "record", "inspect"])
def test_a_network_compiled_after_opening_is_refused(use):
    pipeline = tp.fresh("sd")
    with ex.open(pipeline) as pipe:
        image = pipe(tp.PROMPT, steps=2).image
        pipeline.unet = torch.compile(pipeline.unet)
        with pytest.raises(ex.SettingError, match=r"OptimizedModule.*pipeline\.unet = pipeline\.unet\._orig_mod"):
            use(pipe)
        pipeline.unet = pipeline.unet._orig_mod
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, image)


def test_a_network_spread_over_several_devices_is_refused():
    pipeline = tp.fresh("sd")
    pipeline.unet = Forwarding(pipeline.unet)
    pipeline.unet.device_ids = [0, 1]
    with pytest.raises(ex.SettingError, match="spread over 2 devices by Forwarding"):
        ex.open(pipeline)


def test_another_network_may_be_set_after_opening():
    pipeline, other = tp.fresh("sd"), tp.fresh("sd")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        other.unet = tp.unet(tp.WIDTH, mid_block_type=None).eval()
    with ex.open(pipeline) as pipe:
        assert [p for p in pipe.points() if p.name.startswith("middle")]
        pipeline.unet = other.unet
        assert not [p for p in pipe.points() if p.name.startswith("middle")]
        run = pipe(tp.PROMPT, steps=2, record="*")
        assert np.array_equal(run.image, tp.untouched(pipeline, "sd", num_inference_steps=2))
        assert pipe.lock is ex.open(other).lock


def test_layerwise_casting_is_opened():
    pipeline = tp.fresh("sd3")
    pipeline.transformer.enable_layerwise_casting(storage_dtype=torch.bfloat16, compute_dtype=torch.float32)
    image = tp.untouched(pipeline, "sd3", num_inference_steps=2)
    with ex.open(pipeline, **tp.CALL_DEFAULTS["sd3"]) as pipe:
        assert np.array_equal(pipe(tp.PROMPT, steps=2, record="*").image, image)
    assert isinstance(pipeline, diffusers.StableDiffusion3Pipeline)
