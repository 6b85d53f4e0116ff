"""Muon: momentum whose steps are orthogonalised, for the matrices and convolutions inside a network.

Jordan et al. 2024. In trials here it took the autoencoder as far in a given time as AdamW in several times
as long. Biases, norms, embeddings and the thin first and last layers stay with AdamW.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

THIN = 32  # a matrix with a side shorter than this is left to AdamW


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearly the nearest matrix whose singular values are all one, by a quintic Newton-Schulz iteration.

    matrices: one, (rows, columns), or many of a shape, (many, rows, columns): together they cost half.

    The iteration x <- (a + b xx' + c (xx')^2) x only ever multiplies x by polynomials of its first Gram matrix
    xx', which commute: so they are gathered on the short side, and x itself is touched twice.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # tuned by Jordan for speed: values end between 0.7 and 1.2
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
    """A convolution (out, in, high, wide) is treated as the matrix (out, in * high * wide) that it is."""

    def __init__(self, parameters: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            alike: dict[tuple[int, ...], list[int]] = {}
            for i, p in enumerate(parameters):
                alike.setdefault(p.flatten(1).shape, []).append(i)
            ahead = self._ahead(parameters, group["momentum"])
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            for (rows, columns), which in alike.items():
                turned = orthogonalised(torch.stack([ahead[i].flatten(1) for i in which]))
                stretch = max(1.0, rows / columns) ** 0.5
                torch._foreach_add_([parameters[i] for i in which],
                                    [matrix.view_as(parameters[i]) for i, matrix in zip(which, turned, strict=True)],
                                    alpha=-group["lr"] * stretch)

    def _ahead(self, parameters: list[Tensor], momentum: float) -> list[Tensor]:
        """The gradients with their momenta, one step ahead (Nesterov)."""
        for p in parameters:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_mul_(momenta, momentum)
        torch._foreach_add_(momenta, gradients)
        return list(torch._foreach_add(gradients, momenta, alpha=momentum))


def inner_matrices(model: nn.Module) -> list[Tensor]:
    """The weights that Muon is for: of linear layers and convolutions, thick both ways."""
    return [m.weight for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))
            and m.weight.shape[0] >= THIN and m.weight[0].numel() >= THIN and getattr(m, "groups", 1) == 1]
