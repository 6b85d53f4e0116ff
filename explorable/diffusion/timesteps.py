"""Timesteps of a sampler: lists of noise times that fall from 1 (noise) to 0 (image), as Python floats."""

from __future__ import annotations

from .paths import Path

# Karras et al. 2022, table 1, except the maximum: their 80 is for pixels, and our latents are pure noise by 40.
MIN_RATIO, MAX_RATIO, RHO = 0.02, 40.0, 7.0


def uniform_timesteps(steps: int) -> list[float]:
    """Return `steps` + 1 times from 1 to 0, evenly spaced."""
    return [1 - k / steps for k in range(steps)] + [0.0]


def shift_timesteps(times: list[float], shift: float) -> list[float]:
    """Move times towards the noise: t -> s t / (1 + (s - 1) t), Esser et al. 2024, equation 23.

    shift: 1 changes nothing; Stable Diffusion 3 uses 3 for its large images.

    Raises:
        ValueError: shift is not above 0.
    """
    if not shift > 0:
        raise ValueError(f"shift is {shift!r}: choose a number above 0 (1 changes nothing)")
    return [t / (t + (1 - t) / shift) for t in times]


def karras_timesteps(steps: int, path: Path) -> list[float]:
    """Return `steps` + 1 times whose noise ratio sigma / alpha is evenly spaced in its seventh root (Karras et al.
    2022, equation 5).

    The first is set to 1 and the last to 0, so that every sampler starts at noise and ends at the image.
    """
    low, high = MIN_RATIO ** (1 / RHO), MAX_RATIO ** (1 / RHO)
    ratios = [(high + k / max(steps - 1, 1) * (low - high)) ** RHO for k in range(steps)]
    return [1.0, *(path.time_at(r) for r in ratios[1:]), 0.0]


def make_timesteps(spacing: str, steps: int, path: Path, shift: float = 1.0) -> list[float]:
    """Return the shifted times of a spacing, "uniform" or "karras".

    Raises:
        ValueError: an unknown spacing, or a shift not above 0.
    """
    if spacing not in SPACINGS:
        raise ValueError(f"spacing is {spacing!r}: choose one of {', '.join(SPACINGS)}")
    times = karras_timesteps(steps, path) if spacing == "karras" else uniform_timesteps(steps)
    return shift_timesteps(times, shift)


SPACINGS = ("uniform", "karras")
