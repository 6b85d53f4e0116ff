"""The device that a pipeline computes on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..diffusion.settings import SettingError


def choose_device(device: str | None = None) -> torch.device:
    """Return a device; None: a GPU if there is one, else the CPU.

    Raises:
        SettingError: the device is not available.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = textwrap.shorten(str(error).splitlines()[0], 120, placeholder=" …")
        raise SettingError(f"device {device!r} is not available here ({reason}); device='cpu' always is") from error
    return chosen


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Within this `with`, convolutions on an NVIDIA GPU use all bits of float32.

    By default cuDNN rounds to TF32's ten bits of mantissa, and over many guided steps the image drifts from the CPU's.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
