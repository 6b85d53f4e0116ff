"""The device that a pipeline computes on, and computing there as the CPU does."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..diffusion.settings import SettingError


def choose_device(device: str | None = None) -> torch.device:
    """The device asked for, or the best there is. Raises SettingError where it is not there."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = textwrap.shorten(str(error).splitlines()[0], 120, placeholder=" …")
        raise SettingError(f"device {device!r} cannot be used here ({reason}); device='cpu' always can") from error
    return chosen


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Within this `with` convolutions keep all of float32 on an NVIDIA GPU too. cuDNN rounds to the ten bits of TF32
    unless it is told not to, and over many guided steps a picture drifts from the CPU's."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
