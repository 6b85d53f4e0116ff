"""Not a test: trains two tiny models on made-up data, and writes their loss curves. test_processes.py runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from explorable.nn.text import TextConfig, TextModel, Tokens
from explorable.nn.unet import UNet, UNetConfig
from explorable.training import loop
from explorable.training.denoiser import TWINS, AlignedDenoiser, denoising_loss

ROWS = 8
CONFIG = TextConfig(tuple("abcdefgh"), 6, 32, 1, 2, 16, (8, 16, 16))


def denoiser(plan: loop.Plan) -> loop.Training:
    """A U-Net with its alignment head: every loss a mean over rows."""
    torch.manual_seed(0)
    model = AlignedDenoiser(UNet(UNetConfig(widths=(32, 32, 32), context_width=32, time_width=32)), 16)
    words = TextModel(CONFIG).requires_grad_(False)

    def batch(step: int) -> loop.Batch:
        x0 = torch.randn(ROWS, 4, 16, 16)
        ids = torch.randint(3, 11, (ROWS, 6))
        return {"x0": x0, "ids": ids, "keep": torch.ones_like(ids, dtype=torch.bool), "noise": torch.randn_like(x0),
                "ratio": torch.exp(torch.randn(ROWS)), "weight": torch.rand(ROWS, 1, 16, 16)}

    return loop.fit("tiny", model, batch, lambda m, b: denoising_loss(m, TWINS["unet-flow"], words, b), plan)


def contrastive(plan: loop.Plan) -> loop.Training:
    """Both towers: a loss that compares every row with every other, on whatever process it lies."""
    torch.manual_seed(0)
    def batch(step: int) -> loop.Batch:
        ids = torch.randint(3, 11, (ROWS, 6))
        ids[:, -1] = 2  # the end token
        seen = ids[:, :4, None, None].float() / 5 - 1  # the words can be read off the latent
        return {"ids": ids, "latents": seen.expand(-1, -1, 16, 16).clone()}

    def loss(model: torch.nn.Module, b: loop.Batch) -> loop.Losses:
        tokens = Tokens(b["ids"], torch.ones_like(b["ids"], dtype=torch.bool))
        return model.loss(tokens, b["latents"], loop.gather_rows)

    return loop.fit("towers", TextModel(CONFIG), batch, loss, plan)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    loop.cache_folder = lambda: folder
    loop.LOG_EVERY = 4
    plan = loop.Plan(steps=24, warmup=3)
    for train in (denoiser, contrastive):
        done = train(plan)
        if int(torch.distributed.get_rank() if torch.distributed.is_initialized() else 0) == 0:
            (folder / f"{done.name}.json").write_text(json.dumps(done.curve))
