"""The transformer: patches, gates, joint attention."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from explorable.nn.dit import LATENT_SIZE, DiT, DiTConfig
from explorable.nn.unet import UNet

SMALL = DiTConfig(width=32, depth=2, heads=2, context_width=12)


def inputs(seed: int = 0, batch: int = 2, tokens: int = 6) -> tuple[torch.Tensor, ...]:
    """x, t, context, keep; the second prompt has two tokens of padding."""
    g = torch.Generator().manual_seed(seed)
    keep = torch.ones(batch, tokens, dtype=torch.bool)
    keep[1:, -2:] = False
    return (torch.randn(batch, 4, LATENT_SIZE, LATENT_SIZE, generator=g), torch.rand(batch, generator=g),
            torch.randn(batch, tokens, 12, generator=g), keep)


def shaken(model: DiT) -> DiT:
    """Every weight moved, so that no gate is shut."""
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=g)
    return model.eval()


def run(model: DiT, x, t, context, keep) -> torch.Tensor:
    return model(x, t, model.project_context(context, keep))


def test_an_untrained_block_is_the_identity():
    """adaLN-zero: closed gates let nothing through, whatever t and the words say."""
    model, (x, t, context, keep) = DiT(SMALL), inputs()
    memory = model.project_context(context, keep)
    patches = model.img_in(x).flatten(2).transpose(1, 2) + model.pos_embed
    seen = torch.cat([keep.new_ones(2, patches.shape[1]), keep], dim=1)
    after, words = model.blocks[0](patches, memory.txt, model.time_embed(t) + memory.pooled, seen)
    assert torch.equal(after, patches) and torch.equal(words, memory.txt)
    assert run(model, x, t, context, keep).abs().max() == 0


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_any_patch_that_divides_gives_the_latents_shape(patch):
    model = shaken(DiT(replace(SMALL, patch_size=patch)))
    x, t, context, keep = inputs()
    assert model.pos_embed.shape[0] == (16 // patch) ** 2
    assert run(model, x, t, context, keep).shape == x.shape


@pytest.mark.parametrize("patch", [0, 3, 5, 32, -2])
def test_a_patch_that_does_not_divide_is_refused(patch):
    with pytest.raises(ValueError, match=f"patch_size is {patch}: choose a divisor"):
        DiT(replace(SMALL, patch_size=patch))


def test_the_width_must_be_divisible_by_the_heads():
    with pytest.raises(ValueError, match="width is 32: choose a multiple of the 5 heads"):
        DiT(replace(SMALL, heads=5))


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_patches_are_reassembled_in_place(patch):
    """With all blocks shut, what goes in at one patch comes out at that patch and nowhere else."""
    model, (x, t, context, keep) = shaken(DiT(replace(SMALL, patch_size=patch, depth=0))), inputs()
    other = x.clone()
    other[:, :, 4:8, 8:12] += 1
    moved = (run(model, other, t, context, keep) - run(model, x, t, context, keep)).abs().amax((0, 1)) > 1e-6
    inside = torch.zeros(LATENT_SIZE, LATENT_SIZE, dtype=torch.bool)
    inside[4:8, 8:12] = True
    assert torch.equal(moved, inside)


def test_padding_gets_no_attention():
    model, (x, t, context, keep) = shaken(DiT(SMALL)), inputs()
    other = context.clone()
    other[1, -2:] += 5
    torch.testing.assert_close(run(model, x, t, other, keep), run(model, x, t, context, keep))
    other[1, 0] += 5
    assert not torch.allclose(run(model, x, t, other, keep)[1], run(model, x, t, context, keep)[1], atol=1e-3)


def test_every_position_depends_on_every_position_and_word():
    model, (x, t, context, keep) = shaken(DiT(SMALL)), inputs()
    x.requires_grad_()
    context.requires_grad_()
    run(model, x, t, context, keep)[0, 0, 0, 0].backward()
    assert (x.grad[0].abs().amax(0) > 0).all() and (context.grad[0].abs().amax(-1) > 0).all()
    assert x.grad[1].abs().max() == 0, "rows of a batch are apart"


def test_time_matters_and_gradients_reach_every_weight():
    model, (x, t, context, keep) = shaken(DiT(SMALL)), inputs()
    out = run(model, x, t, context, keep)
    assert not torch.allclose(out, run(model, x, t / 2, context, keep), atol=1e-3)
    out.square().mean().backward()
    # the words of the last block are read by nobody after it
    silent = {n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    assert all(n.startswith(("blocks.1.txt.mlp", "blocks.1.txt.to_out")) for n in silent), silent


def test_both_networks_have_as_many_weights():
    """What the two twins of a path differ in is the network, and not its size."""
    transformer, unet = (sum(p.numel() for p in net().parameters()) for net in (DiT, UNet))
    assert abs(transformer / unet - 1) < 0.01
