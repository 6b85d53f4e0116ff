"""Reflow: pairs that belong together, kept as they are made."""

from __future__ import annotations

import pytest
import torch

from explorable.diffusion.paths import Straight
from explorable.diffusion.settings import Settings
from explorable.nn.text import TextConfig, TextModel
from explorable.nn.unet import UNet, UNetConfig
from explorable.nn.vae import VAE, VAEConfig
from explorable.pipeline import Pipeline
from explorable.training import loop, reflow
from explorable.training.data import captions
from explorable.world import VOCABULARY


@pytest.fixture
def pipe(tmp_path, monkeypatch) -> Pipeline:
    torch.manual_seed(0)
    words = TextModel(TextConfig(VOCABULARY, width=16, layers=1, heads=2, embed_dim=8, image_widths=(8, 8, 8)))
    net = UNet(UNetConfig(widths=(8, 16, 16), up=(1, 1), head_width=8, context_width=16, time_width=16))
    with torch.no_grad():
        for p in net.parameters():
            p += 0.1 * torch.randn_like(p)
    made = Pipeline("tiny", words.text_encoder, net, VAE(VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8))),
                    Straight(), "velocity", torch.device("cpu"))
    for module in (reflow, loop):
        monkeypatch.setattr(module, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(reflow, "fingerprint", lambda name: "test")
    monkeypatch.setattr(reflow, "CHUNK_SIZE", 2)
    monkeypatch.setattr(reflow, "load", lambda name: made)
    monkeypatch.setattr(reflow, "load_text", lambda: words.eval().requires_grad_(False))
    return made


def test_a_pair_is_a_noise_and_its_sampled_latent(pipe):
    rows = reflow.sample_pairs(pipe, 4)
    assert rows.shape == (4, 4, 16, 16) and rows.dtype == torch.half
    for i, caption in enumerate(captions(range(4), 0)):
        alone = pipe(caption, seed=i).latents.values[-1]
        torch.testing.assert_close(rows[i].float().numpy(), alone, rtol=1e-2, atol=1e-2)


def test_pairs_are_cached_and_a_kill_loses_at_most_a_chunk(pipe, monkeypatch):
    first, walk = reflow.sample_pairs(pipe, 2), pipe.sample_steps
    asked: list[list[int]] = []

    def killed(denoise, settings: Settings, seeds):
        asked.append(seeds)
        if seeds == [4, 5] and len(asked) == 2:
            raise KeyboardInterrupt
        return walk(denoise, settings, seeds)

    monkeypatch.setattr(pipe, "sample_steps", killed)
    with pytest.raises(KeyboardInterrupt):
        reflow.sample_pairs(pipe, 6)
    rows = reflow.sample_pairs(pipe, 6)
    assert asked == [[2, 3], [4, 5], [4, 5]] and torch.equal(rows[:2], first)


def test_it_starts_from_the_first_flow_and_learns_its_pairs(pipe, monkeypatch):
    monkeypatch.setattr(reflow, "PAIR_COUNT", 4)
    monkeypatch.setattr(reflow.sample_pairs, "__defaults__", (4,))
    monkeypatch.setattr(loop, "LOG_EVERY", 5)
    before = pipe.denoiser.conv_in.weight.clone()
    done = reflow.train(30)
    assert done.name == "unet-reflow" and not torch.equal(done.average.net.conv_in.weight, before)
    assert done.curve[-1]["loss"] < done.curve[0]["loss"]
