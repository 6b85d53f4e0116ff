"""One training step of a denoiser on one image, at many noise times: what it sees, predicts, and is corrected by."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import xarray as xr
from torch.nn import functional as F

from ..diffusion.predictions import PREDICTIONS, convert
from ..diffusion.samplers import initial_noise
from ..pipeline import Pipeline

MIN_TIME = 1e-3


def training_step(pipe: Pipeline, image: np.ndarray, prompt: str, times: Sequence[float], seed: int = 0,
                  progress: Callable[[int, int], None] = lambda done, total: None) -> xr.Dataset:
    """Mix an image with one noise at several times, predict, compare, and compute the gradient. No weight is changed.

    The loss is the mean squared error of the prediction, without the position weights and the further terms of the
    denoisers' own training (training/denoiser.py).

    Args:
        image: (128, 128, 3) uint8. times: from 0.001 to 1. seed: of the noise.

    Returns:
        x0, noise (channel, y, x); noisy, target, prediction, denoised (t, channel, y, x); loss (t); gradient_norm
        (t), the length of the loss's gradient in all weights of the denoiser.

    Raises:
        ValueError: a time is out of range. UnknownWordError and what else encoding a prompt raises.
    """
    if not all(MIN_TIME <= t <= 1 for t in times):
        raise ValueError(f"times are {list(times)}: choose noise times from {MIN_TIME} to 1")
    path, kind = pipe.path, pipe.prediction
    x0 = pipe.encode(image[None])[0].double().numpy()
    noise = initial_noise(seed, x0.shape).double().numpy()
    found: dict[str, list] = {name: [] for name in ("noisy", "target", "prediction", "denoised", "loss",
                                                    "gradient_norm")}
    # The pipeline's own weights were loaded in inference mode, which allows no gradient.
    with torch.inference_mode(False), torch.enable_grad():
        network = copy.deepcopy(pipe.denoiser).requires_grad_(True)
        with torch.no_grad():
            context = pipe.text.encode([prompt])
        for done, t in enumerate(times):
            progress(done, len(times))
            p, q = PREDICTIONS[kind](path, t)
            noisy, target = path.alpha(t) * x0 + path.sigma(t) * noise, p * x0 + q * noise
            cache = network.project_context(context.vectors, context.keep)
            x = torch.tensor(noisy[None], dtype=torch.float32, device=pipe.device)
            prediction = network(x, torch.tensor([t], dtype=torch.float32, device=pipe.device), cache)
            loss = F.mse_loss(prediction, torch.tensor(target[None], dtype=torch.float32, device=pipe.device))
            gradients = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
            predicted = prediction[0].detach().double().cpu().numpy()
            values = (noisy, target, predicted, convert(kind, "x0", path, noisy, predicted, t), loss.item(),
                      math.sqrt(sum(float(g.square().sum()) for g in gradients if g is not None)))
            for name, value in zip(found, values, strict=True):
                found[name].append(value)
    progress(len(times), len(times))
    latent = ("channel", "y", "x")
    return xr.Dataset({"x0": (latent, x0), "noise": (latent, noise)}
                      | {name: (("t", *latent) if np.ndim(values[0]) else "t", np.array(values))
                         for name, values in found.items()},
                      coords={"t": list(times)}, attrs={"path": path.name, "prediction": kind})
