"""Reflow: train once more on pairs that the model's own sampler joined, so that its paths become straight.

Liu et al. 2022, section 2.2: the first flow sends each noise to one picture, by a bent way. Trained on those
very pairs, no two straight lines cross where they did, and the second flow may go the straight way. The pairs
were guided, so the second flow draws guided pictures by itself: it wants guidance 1.
"""

from __future__ import annotations

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..diffusion.samplers import initial_noise
from ..diffusion.settings import Settings
from ..pipeline import LATENT_SHAPE, Pipeline, load
from ..zoo import fingerprint
from ..zoo.loading import load_text
from .data import cache, edition, write_beside
from .denoiser import BATCH, LEVEL, TWINS, Aligned, denoising_loss
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .text import captions

PAIRS = 24_000
CHUNK = 200  # pairs sampled at once, and kept at once: a kill loses no more


def pairs(pipe: Pipeline, count: int = PAIRS) -> Tensor:
    """Latents (count, 4, 16, 16), half precision: row i is where noise i goes for caption i. Kept in the cache."""
    path = cache() / f"pairs-{edition()}-{fingerprint(pipe.name)}.pt"
    with FileLock(f"{path}.lock"):  # of several processes one makes them, and the others wait
        done = torch.load(path, weights_only=True) if path.exists() else torch.zeros(0, *LATENT_SHAPE, dtype=torch.half)
        for start in tqdm(range(len(done), count, CHUNK), desc="pairs"):
            rows = list(range(start, start + CHUNK))
            settings = Settings("")
            with torch.inference_mode():
                *_, last = pipe.sample_steps(pipe.guided_denoiser(captions(rows, 0), settings), settings, rows)
            done = torch.cat([done, last.next_x.half()])
            write_beside(path, lambda part, rows=done: torch.save(rows, part))  # type: ignore[misc]
    return done[:count]


def train(steps: int, of: str = "") -> Training:
    """unet-reflow: from the weights of unet-flow, on its pairs."""
    pipe, words = load("unet-flow"), load_text()
    ends = pairs(pipe)

    def batch(step: int) -> Batch:
        rows = np.random.default_rng([7, step]).integers(len(ends), size=BATCH).tolist()
        tokens = words.text_encoder.tokenizer(captions(rows, 0))
        return {"x0": ends[rows].float(), "ids": tokens.ids, "keep": tokens.keep,
                "noise": torch.stack([initial_noise(i, LATENT_SHAPE) for i in rows]).float(),
                "ratio": torch.exp(LEVEL + 1.5 * torch.randn(BATCH)),  # wider: its first step matters as much as any
                "weight": torch.ones(BATCH, 1, 16, 16)}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, Aligned)
        return denoising_loss(model, TWINS["unet-flow"], words.to(b["x0"].device), b)

    torch.manual_seed(0)
    model = Aligned(pipe.denoiser.float(), words.config.embed_dim).requires_grad_()
    return fit("unet-reflow", model, batch, loss, Plan(steps, lr=3e-4, muon=0.005, warmup=100), of)
