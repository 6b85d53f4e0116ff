"""Small diffusion transformers, equal in everything but patch size and width, to see how the loss falls with compute.

Peebles and Xie 2023 (DiT), section 5 and figure 8, train such a grid at a larger size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..diffusion.paths import PATHS
from ..nn.dit import DiT, DiTConfig
from ..nn.text import TextModel, Tokens
from ..nn.vae import VAE
from .data import captions, latents
from .denoiser import BATCH_SIZE, CAPTION_DROPOUT, MEAN_LOG_RATIO
from .loop import Training
from .plan import Plan

PATCH_SIZES = (1, 2, 4)
WIDTHS = (32, 64, 128)
DEPTH, HEADS = 4, 4
DRAWINGS, TEST_DRAWINGS = 8_000, 256
TEST_DRAWS = 2  # of noise and t for each test drawing
BACKWARD_COST = 2  # a backward pass in forward passes (Kaplan et al. 2020, section 2.1)


class Examples(NamedTuple):
    """Latents (batch, 4, 16, 16) with noise, sigma / alpha (batch,), and the tokens of their captions."""

    x0: Tensor
    noise: Tensor
    ratio: Tensor
    tokens: Tensor
    keep: Tensor


@dataclass(frozen=True)
class ScalingRun:
    """What is trained: patch_size in cells of the latent, width in channels; steps of BATCH_SIZE."""

    patch_size: int
    width: int
    steps: int
    seed: int = 0

    @property
    def config(self) -> DiTConfig:
        return DiTConfig(patch_size=self.patch_size, width=self.width, depth=DEPTH, heads=HEADS)


class ScalingData:
    """The drawings, captions and frozen text encoder that all runs share, and the fixed examples they are tested on."""

    def __init__(self, vae: VAE, words: TextModel, drawings: int = DRAWINGS, test_drawings: int = TEST_DRAWINGS):
        self.words = words
        self.train = latents(vae, "train", drawings).float()
        self.test = [self._examples(latents(vae, "test", test_drawings).float(), captions(list(range(test_drawings)),
                     0, "test"), torch.Generator().manual_seed(draw)) for draw in range(TEST_DRAWS)]

    def batch(self, run: ScalingRun, step: int) -> Examples:
        """Return the batch of a step: the same for every patch size and width."""
        rng = np.random.default_rng([run.seed, step])
        indices = rng.choice(len(self.train), BATCH_SIZE, replace=False).tolist()
        texts = ["" if rng.random() < CAPTION_DROPOUT else text for text in captions(indices, step)]
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        return self._examples(self.train[indices], texts, generator)

    def _examples(self, x0: Tensor, texts: list[str], generator: torch.Generator) -> Examples:
        tokens = self.words.text_encoder.tokenizer(texts)
        ratio = torch.exp(MEAN_LOG_RATIO + torch.randn(len(x0), generator=generator))
        return Examples(x0, torch.randn(x0.shape, generator=generator), ratio, tokens.ids, tokens.keep)

    def loss(self, net: DiT, e: Examples) -> Tensor:
        """Return the mean squared error of the predicted velocity, noise minus x0, on the straight path."""
        t = torch.tensor([PATHS["straight"].time_at(r) for r in e.ratio.tolist()])
        noisy = torch.lerp(e.x0, e.noise, t[:, None, None, None])
        with torch.no_grad():
            context = self.words.text_encoder(Tokens(e.tokens, e.keep))
        return F.mse_loss(net(noisy, t, net.project_context(context.vectors, context.keep)), e.noise - e.x0)

    @torch.inference_mode()
    def test_loss(self, net: DiT) -> float:
        """Return the loss on the test examples, none of whose scenes is in the training."""
        return float(np.mean([float(self.loss(net, examples)) for examples in self.test]))

    def forward_flops(self, net: DiT) -> float:
        """Return the floating-point operations of one forward pass on one latent, counted in its matrix products.

        Attention is computed by plain matrix products meanwhile, since the fused kernels of a CPU are not counted.
        """
        one = Examples(*(value[:1] for value in self.test[0]))
        context = self.words.text_encoder(Tokens(one.tokens, one.keep))
        with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            net(one.x0, torch.tensor([0.5]), net.project_context(context.vectors, context.keep))
        return float(counter.get_total_flops())


def train_scaling_run(run: ScalingRun, data: ScalingData, test_at: tuple[int, ...]) -> list[float]:
    """Train one transformer, and return the test loss of the moving average of its weights after each of the steps
    `test_at`."""
    torch.manual_seed(run.seed)
    net = DiT(run.config)
    training = Training(f"scaling-{run.patch_size}-{run.width}", net,
                        Plan(run.steps, warmup=max(1, run.steps // 8), decay=0.5, seed=run.seed))
    losses = []
    while training.step < run.steps:
        training.optimize({"loss": data.loss(net, data.batch(run, training.step))})
        if training.step in test_at:
            assert isinstance(training.average, DiT)
            losses.append(data.test_loss(training.average))
    return losses
