"""Compression of weights in a file: half precision, or int8 matrices with a scale per row.

A row of an int8 matrix holds whole multiples of its scale, from -127 to 127 (Jacob et al. 2018, equation 1, with its
zero point at 0). Vectors (biases, gains) stay in half precision: they are few and matter more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

MAX_LEVEL = 127
SCALE = ".scale"  # the scales of "a.weight" are stored as "a.weight.scale"


def pack(state: Mapping[str, Tensor], int8: bool = False) -> dict[str, Tensor]:
    """Return the tensors to store for these weights: float16, or with `int8` matrices as int8 and their scales."""
    stored: dict[str, Tensor] = {}
    for name, weight in state.items():
        if int8 and weight.ndim > 1:
            scales = row_scales(weight)
            levels = (weight.detach().float() / _per_row(scales, weight)).nan_to_num(0)  # a zero row has scale 0
            stored[name] = levels.round().clamp(-MAX_LEVEL, MAX_LEVEL).to(torch.int8).contiguous()
            stored[name + SCALE] = scales
        else:
            stored[name] = weight.detach().half().contiguous()
    return stored


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the float32 weights of stored tensors."""
    return {name: tensor.float() if (scales := stored.get(name + SCALE)) is None else tensor * _per_row(scales, tensor)
            for name, tensor in stored.items() if not name.endswith(SCALE)}


def row_scales(weight: Tensor) -> Tensor:
    """Return the scale of each row, a 127th of its largest weight, (rows,) bfloat16.

    A bfloat16 has 8 significant bits, so that its product with an int8 is exact in float32: weights that were read
    are written unchanged.
    """
    return (weight.detach().float().flatten(1).abs().amax(1) / MAX_LEVEL).bfloat16()


def _per_row(scales: Tensor, weight: Tensor) -> Tensor:
    return scales.float().view(-1, *[1] * (weight.ndim - 1))
