"""Reflow: train again on pairs of noise and image from the model's own sampler, so that its paths become straight.

Liu et al. 2022, section 2.2: the first flow takes each noise to one image along a curved path. Straight lines between
those pairs cross less, so that the second flow can be straight. The pairs were sampled with guidance, so the second
flow gives guided images by itself: its default guidance is 1.
"""

from __future__ import annotations

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..diffusion.samplers import initial_noise
from ..diffusion.settings import Settings
from ..files import write_files
from ..pipeline import LATENT_SHAPE, Pipeline, load
from ..zoo import fingerprint
from ..zoo.loading import load_text
from .data import cache_folder, captions, world_fingerprint
from .denoiser import BATCH_SIZE, MEAN_LOG_RATIO, TWINS, AlignedDenoiser, denoising_loss
from .loop import Batch, Losses, Training, fit
from .plan import Plan

PAIR_COUNT = 24_000
CHUNK_SIZE = 200  # pairs sampled and saved at once: if the process is killed, no more are lost


def sample_pairs(pipe: Pipeline, count: int = PAIR_COUNT) -> Tensor:
    """Return latents (count, 4, 16, 16), half precision: row i is sampled from noise i with caption i. Cached."""
    path = cache_folder() / f"pairs-{world_fingerprint()}-{fingerprint(pipe.name)}.pt"
    with FileLock(f"{path}.lock"):  # of several processes one samples, and the others wait
        done = torch.load(path, weights_only=True) if path.exists() else torch.zeros(0, *LATENT_SHAPE, dtype=torch.half)
        for start in tqdm(range(len(done), count, CHUNK_SIZE), desc="pairs"):
            rows = list(range(start, start + CHUNK_SIZE))
            settings = Settings("")
            with torch.inference_mode():
                *_, last = pipe.sample_steps(pipe.guided_denoiser(captions(rows, 0), settings), settings, rows)
            done = torch.cat([done, last.next_x.half()])
            write_files({path: lambda part, rows=done: torch.save(rows, part)})  # type: ignore[misc]
    return done[:count]


def train(steps: int, depends_on: str = "") -> Training:
    """Train unet-reflow: from the weights of unet-flow, on its pairs."""
    pipe, words = load("unet-flow"), load_text()
    pairs = sample_pairs(pipe)

    def batch(step: int) -> Batch:
        rows = np.random.default_rng([7, step]).integers(len(pairs), size=BATCH_SIZE).tolist()
        tokens = words.text_encoder.tokenizer(captions(rows, 0))
        # Noise levels are spread more widely than a denoiser's: with few steps, the first one matters as much as any.
        return {"x0": pairs[rows].float(), "ids": tokens.ids, "keep": tokens.keep,
                "noise": torch.stack([initial_noise(i, LATENT_SHAPE) for i in rows]).float(),
                "ratio": torch.exp(MEAN_LOG_RATIO + 1.5 * torch.randn(BATCH_SIZE)),
                "weight": torch.ones(BATCH_SIZE, 1, 16, 16)}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, AlignedDenoiser)
        return denoising_loss(model, TWINS["unet-flow"], words.to(b["x0"].device), b)

    torch.manual_seed(0)
    model = AlignedDenoiser(pipe.denoiser.float(), words.config.embed_dim).requires_grad_()
    return fit("unet-reflow", model, batch, loss, Plan(steps, lr=3e-4, muon_lr=0.005, warmup=100), depends_on)
