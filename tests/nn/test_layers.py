"""The shared blocks: what attention promises."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorable.nn.layers import (
    CrossAttention,
    FeedForward,
    SelfAttention,
    TimeEmbedding,
    attention_weights,
    join_heads,
    split_heads,
    time_features,
)
from explorable.nn.unet import ResBlock, UNetBlock, UNetConfig
from explorable.nn.vae import ConvBlock

few = settings(max_examples=25)
WIDTH, HEADS = 16, 2


def randn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@st.composite
def keeps(draw, batch: int = 3, tokens: int = 7) -> torch.Tensor:
    """Rows of which at least one token is kept."""
    rows = draw(
        st.lists(
            st.lists(st.booleans(), min_size=tokens, max_size=tokens).filter(any),
            min_size=batch,
            max_size=batch,
        )
    )
    return torch.tensor(rows)


def shaken(module: torch.nn.Module, seed: int = 0, spread: float = 0.3) -> torch.nn.Module:
    """The same module with nothing at zero, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(spread * torch.randn(p.shape, generator=generator))
    return module.eval()


UNTRAINED = {
    "self-attention": lambda x: SelfAttention(WIDTH, HEADS)(x),
    "feed-forward": lambda x: FeedForward(WIDTH, 2)(x),
    "cross-attention": lambda x: _cross(x),
    "res block": lambda x: _image(x, lambda h: ResBlock(WIDTH, 8)(h, randn(1, len(h), 8))),
    "conv block": lambda x: _image(x, ConvBlock(WIDTH)),
    "unit": lambda x: _image(x, _unit),
}


def _image(x: torch.Tensor, block) -> torch.Tensor:
    """Run a block over pictures on places in a row: (batch, 16, width) as (batch, width, 4, 4)."""
    return block(x.transpose(1, 2).unflatten(2, (4, 4))).flatten(2).transpose(1, 2)


def _cross(x: torch.Tensor) -> torch.Tensor:
    block = CrossAttention(WIDTH, HEADS, 12)
    return block(x, block.project_context(randn(2, len(x), 5, 12), torch.ones(len(x), 5, dtype=torch.bool)))


def _unit(h: torch.Tensor) -> torch.Tensor:
    block = UNetBlock(WIDTH, UNetConfig(head_width=8, context_width=12, time_width=8), self_attention=True)
    memory = block.cross_attn.project_context(randn(2, len(h), 5, 12), torch.ones(len(h), 5, dtype=torch.bool))
    return block(h, randn(1, len(h), 8), memory)


@pytest.mark.parametrize("block", UNTRAINED)
def test_an_untrained_block_is_the_identity(block):
    x = randn(0, 2, 16, WIDTH)
    assert torch.equal(UNTRAINED[block](x), x)


@pytest.mark.parametrize("block", UNTRAINED)
def test_an_untrained_block_adds_the_same_everywhere(block):
    """Its last layer has zero weights: what it adds knows neither place, nor picture, nor words."""
    x = randn(0, 2, 16, WIDTH)
    added = UNTRAINED[block](x) - x
    torch.testing.assert_close(added, added[:1, :1].expand_as(added), rtol=0, atol=1e-6)


@few
@given(st.integers(0, 99), keeps())
def test_attention_weights_sum_to_one_without_padding(seed, keep):
    query, key = randn(seed, 3, HEADS, 5, 8), randn(seed + 1, 3, HEADS, 7, 8)
    weights = attention_weights(query, key, keep)
    assert weights.shape == (3, HEADS, 5, 7) and (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, HEADS, 5))
    assert (weights[(~keep)[:, None, None, :].expand_as(weights)] == 0).all()
    assert (weights[keep[:, None, None, :].expand_as(weights)] > 0).all()


@few
@given(st.integers(0, 99), keeps())
def test_attention_weights_equal_an_explicit_softmax(seed, keep):
    query, key = randn(seed, 3, 1, 5, 8).double(), randn(seed + 1, 3, 1, 7, 8).double()
    weights = attention_weights(query, key, keep)
    for b in range(3):
        for q in range(5):
            parts = [
                math.exp(float(query[b, 0, q] @ key[b, 0, k]) / math.sqrt(8)) * bool(keep[b, k])
                for k in range(7)
            ]
            assert weights[b, 0, q].tolist() == pytest.approx([p / sum(parts) for p in parts])


@few
@given(st.integers(0, 99))
def test_a_mask_that_keeps_everything_equals_no_mask(seed):
    query, key = randn(seed, 3, HEADS, 5, 8), randn(seed + 1, 3, HEADS, 7, 8)
    everything = torch.ones(3, 7, dtype=torch.bool)
    assert torch.equal(attention_weights(query, key, everything), attention_weights(query, key))


@given(st.integers(0, 99))
def test_equal_keys_get_equal_attention(seed):
    weights = attention_weights(
        randn(seed, 2, HEADS, 5, 8), randn(seed + 1, 2, HEADS, 1, 8).expand(-1, -1, 4, -1)
    )
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 4))


@few
@given(st.integers(0, 99), keeps())
def test_the_fused_kernel_agrees_with_explicit_weights(seed, keep):
    block = shaken(SelfAttention(WIDTH, HEADS), seed)
    x = randn(seed, 3, 7, WIDTH)
    q, k, v = (split_heads(part, HEADS) for part in block.to_qkv(block.norm(x)).chunk(3, dim=-1))
    expected = x + block.to_out(join_heads(attention_weights(q, k, keep) @ v))
    torch.testing.assert_close(block(x, keep), expected, rtol=1e-5, atol=1e-5)


@few
@given(st.integers(0, 99), keeps(), st.floats(-100, 100))
def test_the_content_of_padding_does_not_matter(seed, keep, anything):
    block = shaken(SelfAttention(WIDTH, HEADS), seed)
    x = randn(seed, 3, 7, WIDTH)
    other = torch.where(keep[..., None], x, anything * randn(seed + 1, 3, 7, WIDTH))
    assert torch.equal(block(x, keep)[keep], block(other, keep)[keep])

    cross, ask = shaken(CrossAttention(WIDTH, HEADS, WIDTH), seed), randn(seed + 2, 3, 4, WIDTH)
    assert torch.equal(cross(ask, cross.project_context(x, keep)), cross(ask, cross.project_context(other, keep)))


@few
@given(st.integers(0, 99), keeps())
def test_padding_equals_absence(seed, keep):
    """One row at a time, its padding cut out."""
    cross, ask = shaken(CrossAttention(WIDTH, HEADS, 12), seed), randn(seed, 3, 4, WIDTH)
    context = randn(seed + 1, 3, 7, 12)
    together = cross(ask, cross.project_context(context, keep))
    for b in range(3):
        short = context[b : b + 1, keep[b]]
        alone = cross(ask[b : b + 1], cross.project_context(short, torch.ones(short.shape[:2], dtype=torch.bool)))
        torch.testing.assert_close(together[b : b + 1], alone, rtol=1e-5, atol=1e-5)


@few
@given(st.integers(0, 99), st.permutations(range(7)))
def test_attention_is_permutation_equivariant(seed, order):
    """Cross-attention reads a set: order is in the text encoder's places alone."""
    cross, ask = shaken(CrossAttention(WIDTH, HEADS, 12), seed), randn(seed, 3, 4, WIDTH)
    context, keep = randn(seed + 1, 3, 7, 12), torch.arange(7).expand(3, 7) < 5
    torch.testing.assert_close(
        cross(ask, cross.project_context(context[:, order], keep[:, order])),
        cross(ask, cross.project_context(context, keep)),
        rtol=1e-5,
        atol=1e-5,
    )


@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from((1, 2, 4, 8)))
def test_heads_are_split_and_joined_without_loss(batch, places, heads):
    x = randn(0, batch, places, WIDTH)
    assert split_heads(x, heads).shape == (batch, heads, places, WIDTH // heads)
    assert torch.equal(join_heads(split_heads(x, heads)), x)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8, unique_by=lambda t: round(t, 3)))
def test_different_noise_times_have_different_features(ts):
    features = time_features(torch.tensor(ts), 32)
    assert features.shape == (len(ts), 32)
    cos, sin = features.chunk(2, dim=1)
    torch.testing.assert_close(cos**2 + sin**2, torch.ones_like(cos))
    assert len({tuple(row) for row in features.tolist()}) == len(ts)


def test_a_time_embedding_treats_each_time_separately():
    embed = shaken(TimeEmbedding(16))
    t = torch.linspace(0, 1, 5)
    torch.testing.assert_close(embed(t), torch.cat([embed(one[None]) for one in t]), rtol=1e-5, atol=1e-6)
