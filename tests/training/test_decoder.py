"""The decoder trained on alone: the encoder stays as it is, to the last bit."""

from __future__ import annotations

import torch
from tiny_pipes import CODER, shaken

from explorable.nn.vae import VAE
from explorable.training.decoder import decoder_loss
from explorable.training.loop import Training
from explorable.training.plan import Plan


def test_the_encoder_stays_and_the_decoder_learns():
    vae = shaken(VAE(CODER), 0.1)
    vae.encoder.requires_grad_(False)
    before = {k: v.clone() for k, v in vae.state_dict().items()}
    training = Training("decoder", vae, Plan(60, lr=3e-3, muon_lr=0.02, warmup=5, weight_decay=0.0))
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 3, 128, 128, generator=generator) * 0.2 + torch.rand(4, 3, 1, 1, generator=generator) - 0.5
    z, weight = vae.encode(x), torch.ones(4, 1, 128, 128)
    first = decoder_loss(vae, z, x, weight)["psnr"].item()
    for _ in range(60):
        training.optimize(decoder_loss(vae, z, x, weight))
    assert decoder_loss(vae, z, x, weight)["psnr"].item() > first + 3
    for model in (training.model, training.average):
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]) == name.startswith("encoder"), name


def test_weighted_positions_count_more():
    vae = shaken(VAE(CODER), 0.1)
    x, z = torch.zeros(1, 3, 128, 128), torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    even, doubled = torch.ones(1, 1, 128, 128), 2 * torch.ones(1, 1, 128, 128)
    one, two = (decoder_loss(vae, z, x, w) for w in (even, doubled))
    assert one["psnr"] == two["psnr"] and two["loss"] > 1.5 * one["loss"]
