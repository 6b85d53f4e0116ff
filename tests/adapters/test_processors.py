"""Custom attention processors: they run unchanged, or the error names their points."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from attention_oracle import record_attention
from diffusers.models import attention_processor
from diffusers.models.attention_dispatch import attention_backend
from diffusers.models.attention_processor import (
    AttnProcessor,
    AttnProcessor2_0,
    CustomDiffusionAttnProcessor,
    IPAdapterAttnProcessor2_0,
    XFormersAttnProcessor,
    XFormersJointAttnProcessor,
)
from torch import nn
from torch.nn import functional as F

import explorable as ex
from explorable.adapters.points import hiding_reason


class LowRank(nn.Module):
    """A linear layer plus a low-rank one, which LoRA puts in the place of to_q and to_v."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base = base
        self.down, self.up = nn.Linear(base.in_features, 2, False), nn.Linear(2, base.out_features, False)

    def forward(self, x: torch.Tensor, *args: Any) -> torch.Tensor:
        return self.base(x) + self.up(self.down(x))


class BiasedProcessor(nn.Module):
    """A custom processor with a bias on the scores, which calls torch's kernel."""

    def __call__(self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
                 attention_mask: torch.Tensor | None = None, **more: Any) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (to(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for to, x in (
            (attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context)))
        bias = torch.linspace(0, 2, k.shape[2]).to(q)
        out = F.scaled_dot_product_attention(q, k, v, bias.expand(q.shape[0], 1, q.shape[2], -1), scale=0.7)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


class ManualProcessor(AttnProcessor):
    """A processor that computes its weights without torch's kernel."""


def seeded(make: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make()


def reference_cross(recorded: list[torch.Tensor], k: int = 1) -> np.ndarray:
    """Return the reference weights of the first cross-attention, (step, branch, head, position, piece)."""
    layers = len(recorded) // 3  # PNDM evaluates three times in two steps
    return torch.stack(recorded[k::layers]).numpy()


def test_lora_layers_are_part_of_the_recorded_weights():
    pipeline = tp.fresh("sd")
    plain = tp.untouched(pipeline, "sd", num_inference_steps=2)
    attention = pipeline.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    attention.to_q, attention.to_v = seeded(lambda: (LowRank(attention.to_q), LowRank(attention.to_v)))
    with record_attention(pipeline.unet) as recorded:
        tuned = tp.untouched(pipeline, "sd", num_inference_steps=2)
    with ex.open(pipeline, merge_subwords=False, half_precision=False) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.weights")
    assert np.array_equal(run.image, tuned) and not np.array_equal(tuned, plain)
    expected = reference_cross(recorded)
    np.testing.assert_allclose(run["down.0.0.cross.weights"].values.reshape(expected.shape), expected, atol=1e-5)
    assert isinstance(attention.to_q, LowRank)


class SeveralLowRank(nn.Module):
    """A linear layer plus several low-rank ones, each with a scale, as set_adapters(names, scales) leaves them."""

    def __init__(self, base: nn.Linear, scales: list[float]):
        super().__init__()
        self.base, self.scales = base, scales
        self.added = nn.ModuleList(nn.Sequential(nn.Linear(base.in_features, 2, False),
                                                 nn.Linear(2, base.out_features, False)) for _ in scales)

    def forward(self, x: torch.Tensor, *args: Any) -> torch.Tensor:
        return self.base(x) + sum(scale * added(x) for scale, added in zip(self.scales, self.added, strict=True))


@pytest.mark.parametrize("family", ("sd", "flux", "qwen"))
def test_several_scaled_lora_layers_are_part_of_recorded_weights(family):
    pipeline, scales, images = tp.fresh(family), [1.0, 0.0], []
    layers = [m for m in tp.network_of(pipeline).modules() if hasattr(m, "to_q") and hasattr(m, "to_k")]
    for layer in layers:
        for name in ("to_q", "to_k"):
            old = getattr(layer, name)
            setattr(layer, name, seeded(lambda old=old: SeveralLowRank(old, scales)))
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS[family]) as pipe:
        for scales[:] in ([1.0, 0.0], [0.0, 1.0], [0.7, 0.4]):
            with record_attention(tp.network_of(pipeline)) as recorded:
                images.append(tp.untouched(pipeline, family, num_inference_steps=2))
            run = pipe(tp.PROMPT, steps=2, record="*.weights")
            assert np.array_equal(run.image, images[-1])
            name = "down.0.0.self.weights" if family == "sd" else "blocks.0.joint.weights"
            ours, theirs = run[name].isel(step=0).values, recorded[0].numpy()
            ours = ours[-1:] if len(theirs) < len(ours) else ours  # a call for each branch, the prompt's first
            theirs = theirs if family == "sd" else np.roll(theirs, (16, 16), (-2, -1))  # the text comes first
            np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, atol=1e-5)
    assert len({image.tobytes() for image in images}) == 3


def test_an_ip_adapters_attention_to_an_image_is_unchanged():
    """Only the first attention that its processor computes, to the text, is recorded and edited."""
    pipeline = tp.fresh("sd")
    plain = tp.untouched(pipeline, "sd", num_inference_steps=2)
    image_context = seeded(lambda: torch.randn(1, 1, 2, tp.WIDTH))  # in place of an image encoder's output

    def adapter(name: str) -> Any:
        width = pipeline.unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        return seeded(lambda: IPAdapterAttnProcessor2_0(width, tp.WIDTH, num_tokens=(2,), scale=[1.0]))

    def add_image(module: Any, args: tuple, kwargs: dict) -> tuple:
        text = kwargs["encoder_hidden_states"]
        return args, kwargs | {"encoder_hidden_states": (text, [image_context.expand(len(text), -1, -1, -1)])}

    processors = {name: adapter(name) if "attn2" in name else AttnProcessor2_0()
                  for name in pipeline.unet.attn_processors}
    pipeline.unet.set_attn_processor(dict(processors))
    for name, module in pipeline.unet.named_modules():
        if name.endswith("attn2"):
            module.register_forward_pre_hook(add_image, with_kwargs=True)
    with record_attention(pipeline.unet) as recorded:
        adapted = tp.untouched(pipeline, "sd", num_inference_steps=2)
    assert not np.array_equal(adapted, plain)
    with ex.open(pipeline, merge_subwords=False, half_precision=False) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
        assert np.array_equal(run.image, adapted)
        expected = reference_cross(recorded)
        np.testing.assert_allclose(run["down.0.0.cross.weights"].values.reshape(expected.shape), expected, atol=1e-5)
        with ex.edit(pipe, {"*.cross.weights": ex.Scale(0.0)}):
            without_text = pipe(tp.PROMPT, steps=2)
    image_context.zero_()  # without the text, the image still has an effect
    with ex.open(pipeline) as pipe, ex.edit(pipe, {"*.cross.weights": ex.Scale(0.0)}):
        without_both = pipe(tp.PROMPT, steps=2)
    assert not np.array_equal(without_text.image, run.image)
    assert not np.array_equal(without_text.image, without_both.image)
    assert all(pipeline.unet.attn_processors[name] is processor for name, processor in processors.items())


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_a_custom_processor_that_calls_torchs_kernel_is_recorded(family):
    pipeline = tp.fresh(family)
    own = BiasedProcessor()
    pipeline.unet.set_attn_processor(own)
    with record_attention(pipeline.unet) as recorded:
        image = tp.untouched(pipeline, family, num_inference_steps=2)
    with ex.open(pipeline, merge_subwords=False, half_precision=False) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    assert np.array_equal(run.image, image)
    expected = torch.stack(recorded[1::len(recorded) // run.steps]).numpy()  # with its bias and its scale
    first = run[next(iter(run.recorded))].values
    np.testing.assert_allclose(first.reshape(expected.shape), expected, atol=1e-5)
    assert all(processor is own for processor in pipeline.unet.attn_processors.values())


def test_a_processor_without_torchs_kernel_is_refused_only_where_its_weights_are_needed():
    pipeline = tp.fresh("sd")
    pipeline.unet.set_attn_processor(ManualProcessor())
    image = tp.untouched(pipeline, "sd", num_inference_steps=2)
    with ex.open(pipeline) as pipe:
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, image)
        with pytest.raises(ex.EditError, match=r"ManualProcessor .*AttnProcessor2_0, with the layer's set_proc"):
            pipe(tp.PROMPT, steps=2, record="*.cross.weights")
        with pytest.raises(ex.EditError, match=r"or leave down\.0\.0\.cross\.weights out"), \
                ex.edit(pipe, {"down.0.0.cross.weights": ex.MaskToken("dog")}):
            pipe(tp.PROMPT, steps=2)
        names = {point.name for point in pipe.points()}  # the other points remain
        assert "down.0.0.cross.weights" not in names and "down.0.0.cross.added" in names
        run = pipe(tp.PROMPT, steps=2, record=["*.skip", "*.cross.added"])
        assert np.array_equal(run.image, image)
    assert np.array_equal(tp.untouched(pipeline, "sd", num_inference_steps=2), image)


@pytest.mark.parametrize("backend", ("flex", "_native_math", "native"))
@pytest.mark.parametrize("scope", ("network", "everywhere"))
def test_weights_are_recorded_through_any_attention_back_end_which_is_restored(backend, scope):
    pipeline = tp.fresh("flux")
    expected = ex.open(tp.shared("flux"), **tp.CALL_DEFAULTS["flux"])(tp.PROMPT, steps=2, record="*.weights")
    if backend == "flex" and not hasattr(torch.nn.attention, "flex_attention"):
        pytest.skip("this torch has no flex_attention")
    with attention_backend("native"):  # set_attention_backend changes the one that is active everywhere too
        if scope == "network":
            pipeline.transformer.set_attention_backend(backend)
        with attention_backend(backend if scope == "everywhere" else "native"):
            image = tp.untouched(pipeline, "flux", num_inference_steps=2)
            before = [dict(vars(processor)) for processor in pipeline.transformer.attn_processors.values()]
            with ex.open(pipeline, **tp.CALL_DEFAULTS["flux"]) as pipe:
                assert len([p for p in pipe.points() if p.name.endswith("weights")]) == 8
                assert np.array_equal(pipe(tp.PROMPT, steps=2).image, image)
                run = pipe(tp.PROMPT, steps=2, record="*.weights")
                with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog")}):
                    assert not np.array_equal(pipe(tp.PROMPT, steps=2).image, image)
            assert [vars(processor) for processor in pipeline.transformer.attn_processors.values()] == before
            assert np.array_equal(tp.untouched(pipeline, "flux", num_inference_steps=2), image)
    assert np.abs(run.image.astype(int) - image).max() <= 1
    for name in expected.recorded:
        np.testing.assert_allclose(run[name], expected[name], atol=2e-3)


@pytest.mark.parametrize(("own", "family"), (
    (AttnProcessor, "sd"), (AttnProcessor, "pixart"), (XFormersAttnProcessor, "sd"), (XFormersAttnProcessor, "sdxl"),
    (XFormersJointAttnProcessor, "sd3"), (CustomDiffusionAttnProcessor, "sd")))
def test_processors_with_an_equivalent_that_calls_torchs_kernel_are_recorded_and_restored(own, family):
    pipeline, plain = tp.fresh(family), tp.shared(family)
    processors = {name: own(train_kv=False, train_q_out=False) if own is CustomDiffusionAttnProcessor else own()
                  for name in tp.network_of(pipeline).attn_processors}
    tp.network_of(pipeline).set_attn_processor(dict(processors))
    expected = ex.open(plain, **tp.CALL_DEFAULTS[family])(tp.PROMPT, steps=2, record="*.weights")
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.weights")
    for name in expected.recorded:
        np.testing.assert_allclose(run[name], expected[name], atol=2e-3)
    restored = tp.network_of(pipeline).attn_processors
    assert all(restored[name] is processor for name, processor in processors.items())


def test_points_say_which_weights_cannot_be_reached_and_their_advice_works(family):
    pipeline = tp.fresh(family)
    layers = [module for module in tp.network_of(pipeline).modules() if hasattr(module, "set_processor")]

    def hiding(processor: Any) -> Any:
        """Return a processor whose kernel cannot be intercepted."""

        class Hiding(type(processor)):
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                with torch._C.DisableTorchFunction():
                    return super().__call__(*args, **kwargs)

        return Hiding()

    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        everything = pipe.points()
        assert "cannot be reached" not in repr(everything) + everything._repr_html_()
        for layer in layers:
            layer.set_processor(hiding(layer.processor))
        table = pipe.points()
        hidden = len(everything) - len(table)
        assert hidden == len([p for p in everything if p.name.endswith("weights")])
        advice = r"(\d+) more points cannot be reached: the processor Hiding .* such as (\w+), with the layer's"
        found = re.findall(advice, repr(table))
        assert sum(int(n) for n, _ in found) == hidden and all(name in table._repr_html_() for _, name in found)
        for layer in layers:
            name = re.search(r"such as (\w+)", hiding_reason(layer)).group(1)
            modules = attention_processor, sys.modules[type(tp.network_of(pipeline)).__module__]
            layer.set_processor(next(getattr(module, name)() for module in modules if hasattr(module, name)))
        assert {p.name for p in pipe.points()} == {p.name for p in everything}
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, pipe(tp.PROMPT, steps=2, record="*.weights").image)


def test_sliced_attention_is_recorded_through_an_equivalent_processor_and_restored():
    pipeline = tp.fresh("sd")
    pipeline.enable_attention_slicing(1)
    sliced = dict(pipeline.unet.attn_processors)
    with ex.open(pipeline) as pipe:
        unrecorded = pipe(tp.PROMPT, steps=2)
        assert np.array_equal(unrecorded.image, tp.untouched(pipeline, "sd", num_inference_steps=2))
        run = pipe(tp.PROMPT, steps=2, record="*.weights")
    assert np.abs(run.latents.values - unrecorded.latents.values).max() < 1e-4 * np.abs(unrecorded.latents.values).max()
    assert all(pipeline.unet.attn_processors[name] is processor for name, processor in sliced.items())
