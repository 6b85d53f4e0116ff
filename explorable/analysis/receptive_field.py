"""The empirical receptive field of one position of a feature map, in the latent."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..pipeline import PipelineProtocol
from ..run.run import Run
from .caught_value import CaughtValue, catch_value
from .unet_activations import EditMap

PROBES = 6  # random mixtures of the channels: more of them give a smoother map
ENERGY_SHARE = 0.9  # of the squared gradients


def receptive_field(pipe: PipelineProtocol, run: Run, step: int, point: str, row: int, column: int,
                    edits: EditMap | None = None, probes: int = PROBES) -> np.ndarray:
    """Return the effect of each latent position on one position of a feature map at a step of a run, (y, x).

    It is the Frobenius norm of a block of the Jacobian, |d h[:, row, column] / d x[:, y, x]| (Luo et al. 2016, arXiv
    1701.04128, section 2), estimated from `probes` mixtures of the channels with random signs (Hutchinson 1990), in the
    branch with the prompt if there is one.

    Args:
        point: a point with the axes channel, y and x. row, column: a position of its grid.
        edits: the edits of the run, which apply here too.

    Returns zeros for a point that does not depend on the latent, as a skip that an edit took from another run.

    Raises:
        IndexError: no such step or position. UnknownPointError: no such point.
    """
    step = run.check_step(step)
    pipe.points().match([point])
    size = dict(zip(pipe.points()[point].axes, pipe.points()[point].shape, strict=True))
    if not (0 <= row < size["y"] and 0 <= column < size["x"]):
        raise IndexError(f"position ({row}, {column}): {point} has rows 0 to {size['y'] - 1} and columns 0 to "
                         f"{size['x'] - 1}")
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.from_numpy(np.repeat(run.latents.values[step][None], probes, 0)).double().requires_grad_()
        activations = _channels(catch_value(pipe, run, step, x, point, edits), size["x"], row, column)
        generator = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, activations.shape, generator=generator, device="cpu").to(activations) * 2 - 1
        if not activations.requires_grad:  # an edit has cut the graph
            return np.zeros(x.shape[-2:])
        (gradient,) = torch.autograd.grad((signs * activations).sum(), x, materialize_grads=True)
    return gradient.square().sum(1).mean(0).sqrt().numpy()


def _channels(caught: CaughtValue, width: int, row: int, column: int) -> Tensor:
    """Return all channels of one position, (probes, channel)."""
    if "position" in caught.axes:
        return caught.value[:, row * width + column]
    return caught.value[:, :, row, column]


def effective_size(field: np.ndarray, share: float = ENERGY_SHARE) -> int:
    """Return how many positions, the strongest first, make up this share of the sum of squares of a receptive field."""
    squares = np.sort(np.square(field.ravel()))[::-1]
    total = squares.sum()
    return 0 if total == 0 else int(np.searchsorted(squares.cumsum(), share * total * (1 - 1e-9)) + 1)
