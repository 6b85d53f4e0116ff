"""The user's own attention processors: they run as ever, or their points are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from attention_oracle import noted
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0, IPAdapterAttnProcessor2_0
from torch import nn
from torch.nn import functional as F

import explorable as ex


class LowRank(nn.Module):
    """A linear layer with a low-rank change beside it, as LoRA puts one in the place of to_q and to_v."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base = base
        self.down, self.up = nn.Linear(base.in_features, 2, False), nn.Linear(2, base.out_features, False)

    def forward(self, x: torch.Tensor, *args: Any) -> torch.Tensor:
        return self.base(x) + self.up(self.down(x))


class Own(nn.Module):
    """A processor of the user's, with a bias of its own on what is read; it asks torch's own kernel."""

    def __call__(self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
                 attention_mask: torch.Tensor | None = None, **more: Any) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (to(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for to, x in (
            (attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context)))
        bias = torch.linspace(0, 2, k.shape[2]).to(q)
        out = F.scaled_dot_product_attention(q, k, v, bias.expand(q.shape[0], 1, q.shape[2], -1), scale=0.7)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


class ByHand(AttnProcessor):
    """One that computes its weights itself."""


def seeded(make: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make()


def true_cross(pipeline: Any, found: list[torch.Tensor], k: int = 1) -> np.ndarray:
    """The oracle's weights of the first cross-attention, (step, branch, head, place, piece)."""
    each = len(found) // 3  # PNDM looks three times in two steps
    return torch.stack(found[k::each]).numpy()


def test_lora_layers_are_recorded_as_they_are_and_stay():
    pipeline = tp.fresh("sd")
    plain = tp.untouched(pipeline, "sd", num_inference_steps=2)
    attention = pipeline.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    attention.to_q, attention.to_v = seeded(lambda: (LowRank(attention.to_q), LowRank(attention.to_v)))
    with noted(pipeline.unet) as found:
        tuned = tp.untouched(pipeline, "sd", num_inference_steps=2)
    with ex.open(pipeline, merge_subwords=False, half_precision=False) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.weights")
    assert np.array_equal(run.image, tuned) and not np.array_equal(tuned, plain)
    true = true_cross(pipeline, found)
    np.testing.assert_allclose(run["down.0.0.cross.weights"].values.reshape(true.shape), true, atol=1e-5)
    assert isinstance(attention.to_q, LowRank)


def test_an_ip_adapter_keeps_its_second_attention():
    """The words' attention is the first that its processor asks for; the picture's is left to it."""
    pipeline = tp.fresh("sd")
    plain = tp.untouched(pipeline, "sd", num_inference_steps=2)
    pictures = seeded(lambda: torch.randn(1, 1, 2, tp.WIDTH))  # what a picture encoder would have made of one

    def adapter(name: str) -> Any:
        width = pipeline.unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        return seeded(lambda: IPAdapterAttnProcessor2_0(width, tp.WIDTH, num_tokens=(2,), scale=[1.0]))

    def joined(module: Any, args: tuple, kwargs: dict) -> tuple:
        words = kwargs["encoder_hidden_states"]  # the pictures come in beside the words
        return args, kwargs | {"encoder_hidden_states": (words, [pictures.expand(len(words), -1, -1, -1)])}

    processors = {name: adapter(name) if "attn2" in name else AttnProcessor2_0()
                  for name in pipeline.unet.attn_processors}
    pipeline.unet.set_attn_processor(dict(processors))
    for name, module in pipeline.unet.named_modules():
        if name.endswith("attn2"):
            module.register_forward_pre_hook(joined, with_kwargs=True)
    with noted(pipeline.unet) as found:
        adapted = tp.untouched(pipeline, "sd", num_inference_steps=2)
    assert not np.array_equal(adapted, plain)
    with ex.open(pipeline, merge_subwords=False, half_precision=False) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
        assert np.array_equal(run.image, adapted)
        true = true_cross(pipeline, found)
        np.testing.assert_allclose(run["down.0.0.cross.weights"].values.reshape(true.shape), true, atol=1e-5)
        with ex.edit(pipe, {"*.cross.weights": ex.Scale(0.0)}):
            deaf = pipe(tp.PROMPT, steps=2)
    pictures.zero_()  # and deaf to words, it still sees the picture
    with ex.open(pipeline) as pipe, ex.edit(pipe, {"*.cross.weights": ex.Scale(0.0)}):
        blind = pipe(tp.PROMPT, steps=2)
    assert not np.array_equal(deaf.image, run.image) and not np.array_equal(deaf.image, blind.image)
    assert all(pipeline.unet.attn_processors[name] is made for name, made in processors.items())


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_a_processor_of_the_users_own_is_listened_to(family):
    pipeline = tp.fresh(family)
    own = Own()
    pipeline.unet.set_attn_processor(own)
    with noted(pipeline.unet) as found:
        picture = tp.untouched(pipeline, family, num_inference_steps=2)
    with ex.open(pipeline, merge_subwords=False, half_precision=False) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    assert np.array_equal(run.image, picture)
    true = torch.stack(found[1::len(found) // run.steps]).numpy()  # with its bias and its scale
    first = run[next(iter(run.recorded))].values
    np.testing.assert_allclose(first.reshape(true.shape), true, atol=1e-5)
    assert all(made is own for made in pipeline.unet.attn_processors.values())


def test_one_that_computes_its_weights_itself_is_refused_by_name_only_where_they_are_asked_for():
    pipeline = tp.fresh("sd")
    pipeline.unet.set_attn_processor(ByHand())
    picture = tp.untouched(pipeline, "sd", num_inference_steps=2)
    with ex.open(pipeline) as pipe:
        assert np.array_equal(pipe(tp.PROMPT, steps=2).image, picture)
        with pytest.raises(ex.EditError, match=r"its processor, ByHand, .*set_default_attn_processor\(\)"):
            pipe(tp.PROMPT, steps=2, record="*.cross.weights")
        with pytest.raises(ex.EditError, match=r"down\.0\.0\.cross\.weights cannot be read"), \
                ex.edit(pipe, {"down.0.0.cross.weights": ex.MaskToken("dog")}):
            pipe(tp.PROMPT, steps=2)
        names = {point.name for point in pipe.points()}  # the other points are there as ever
        assert "down.0.0.cross.weights" not in names and "down.0.0.cross.added" in names
        run = pipe(tp.PROMPT, steps=2, record=["*.skip", "*.cross.added"])
        assert np.array_equal(run.image, picture)
    assert np.array_equal(tp.untouched(pipeline, "sd", num_inference_steps=2), picture)


def test_sliced_attention_is_seen_through_its_equal_and_put_back():
    pipeline = tp.fresh("sd")
    pipeline.enable_attention_slicing(1)
    sliced = dict(pipeline.unet.attn_processors)
    with ex.open(pipeline) as pipe:
        quiet = pipe(tp.PROMPT, steps=2)
        assert np.array_equal(quiet.image, tp.untouched(pipeline, "sd", num_inference_steps=2))
        run = pipe(tp.PROMPT, steps=2, record="*.weights")
    assert np.abs(run.latents.values - quiet.latents.values).max() < 1e-4 * np.abs(quiet.latents.values).max()
    assert all(pipeline.unet.attn_processors[name] is made for name, made in sliced.items())
