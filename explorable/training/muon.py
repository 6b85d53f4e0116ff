"""Muon: momentum with orthogonalised updates, for the matrices and convolutions inside a network.

Jordan et al. 2024. In trials here it took the autoencoder as far in a given time as AdamW in several times as long.
Biases, norms, embeddings and the thin first and last layers stay with AdamW.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_SIDE = 32  # a matrix with a shorter side is left to AdamW


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return nearly the nearest matrix whose singular values are all 1, by a quintic Newton-Schulz iteration.

    matrices: one, (rows, columns), or several of one shape, (count, rows, columns), which together cost half.

    The iteration x <- (a + b xx' + c (xx')^2) x multiplies x by polynomials of its first Gram matrix xx' only. These
    commute, so they are accumulated on the short side, and x itself is multiplied twice.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # tuned by Jordan for speed: singular values end between 0.7 and 1.2
    x = matrices if matrices.dim() == 3 else matrices[None]
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    gram = x @ x.mT
    product = one = torch.eye(gram.shape[-1], device=x.device, dtype=x.dtype)
    for _ in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * one
        product, gram = factor @ product, factor @ gram @ factor
    x = product @ x
    return (x.mT if tall else x).reshape(matrices.shape)


class Muon(torch.optim.Optimizer):
    """Muon. A convolution (out, in, height, width) is treated as the matrix (out, in * height * width)."""

    def __init__(self, parameters: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            by_shape: dict[tuple[int, ...], list[int]] = {}
            for i, p in enumerate(parameters):
                by_shape.setdefault(p.flatten(1).shape, []).append(i)
            gradients = self._nesterov(parameters, group["momentum"])
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            for (rows, columns), indices in by_shape.items():
                updates = orthogonalise(torch.stack([gradients[i].flatten(1) for i in indices]))
                stretch = max(1.0, rows / columns) ** 0.5
                torch._foreach_add_([parameters[i] for i in indices],
                                    [u.view_as(parameters[i]) for i, u in zip(indices, updates, strict=True)],
                                    alpha=-group["lr"] * stretch)

    def _nesterov(self, parameters: list[Tensor], momentum: float) -> list[Tensor]:
        """Return the gradients with Nesterov momentum."""
        for p in parameters:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_mul_(momenta, momentum)
        torch._foreach_add_(momenta, gradients)
        return list(torch._foreach_add(gradients, momenta, alpha=momentum))


def muon_parameters(model: nn.Module) -> list[Tensor]:
    """Return the weights to train with Muon: of linear layers and convolutions with two long sides."""
    return [m.weight for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))
            and m.weight.shape[0] >= MIN_SIDE and m.weight[0].numel() >= MIN_SIDE and getattr(m, "groups", 1) == 1]
