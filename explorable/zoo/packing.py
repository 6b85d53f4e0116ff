"""How weights are kept in a file: in half precision, or with one byte each.

With one byte, each row of a matrix has a step of its own, and its weights are whole multiples of it, from -127 to 127:
the plainest rounding there is (Jacob et al. 2018, equation 1, with its zero at 0). What is no matrix (biases, gains)
stays in half precision: there is little of it, and it matters more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

LEVELS = 127  # of a signed byte, either way
STEPS = " steps"  # the steps of "a.weight" are kept as "a.weight steps": no module's name has a space


def packed(state: Mapping[str, Tensor], byte: bool = False) -> dict[str, Tensor]:
    """The tensors of a file that holds these weights, two bytes each; `byte`: one byte each where they are matrices."""
    kept: dict[str, Tensor] = {}
    for name, weight in state.items():
        if byte and weight.ndim > 1:
            steps = steps_of(weight)
            levels = (weight.detach().float() / _along(steps, weight)).nan_to_num(0)  # a row of zeros has no step
            kept[name] = levels.round().clamp(-LEVELS, LEVELS).to(torch.int8).contiguous()
            kept[name + STEPS] = steps
        else:
            kept[name] = weight.detach().half().contiguous()
    return kept


def unpacked(kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 weights that a file's tensors stand for."""
    return {name: tensor.float() if (steps := kept.get(name + STEPS)) is None else tensor * _along(steps, tensor)
            for name, tensor in kept.items() if not name.endswith(STEPS)}


def steps_of(weight: Tensor) -> Tensor:
    """The step of each row: 127 of them reach its largest weight. (rows,) bfloat16, whose 8 digits times 127 are exact
    in float32, so that weights that were read are written as they were."""
    return (weight.detach().float().flatten(1).abs().amax(1) / LEVELS).bfloat16()


def _along(steps: Tensor, weight: Tensor) -> Tensor:
    return steps.float().view(-1, *[1] * (weight.ndim - 1))
