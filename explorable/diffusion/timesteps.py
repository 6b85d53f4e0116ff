"""The times at which a sampler stops: lists that fall from 1 (noise) to 0 (picture), as Python floats."""

from __future__ import annotations

from .paths import Path

# Karras et al. 2022, table 1, but for the upper end: their 80 is for pixels, and our latents are drowned by 40.
LOWEST, HIGHEST, RHO = 0.02, 40.0, 7.0


def uniform_times(steps: int) -> list[float]:
    """`steps` + 1 times from 1 to 0, evenly spaced."""
    return [1 - k / steps for k in range(steps)] + [0.0]


def shifted(times: list[float], shift: float) -> list[float]:
    """Spend more of the steps where there is more noise: t -> s t / (1 + (s - 1) t).

    Esser et al. 2024, equation 23. shift 1 changes nothing; Stable Diffusion 3 takes 3 for its big pictures.

    Raises:
        ValueError: shift is not above 0.
    """
    if not shift > 0:
        raise ValueError(f"shift is {shift!r}: choose a number above 0 (1 changes nothing)")
    return [t / (t + (1 - t) / shift) for t in times]


def karras_times(steps: int, path: Path) -> list[float]:
    """Times whose noise ratio sigma / alpha falls evenly in its seventh root (Karras et al. 2022, equation 5).

    The first is set to 1 and the last to 0, so that every sampler begins at noise and ends at the picture.
    """
    low, high = LOWEST ** (1 / RHO), HIGHEST ** (1 / RHO)
    ratios = [(high + k / max(steps - 1, 1) * (low - high)) ** RHO for k in range(steps)]
    return [1.0, *(path.time_at(r) for r in ratios[1:]), 0.0]


def spaced(spacing: str, steps: int, path: Path, shift: float = 1.0) -> list[float]:
    """Times by the name of their spacing, "uniform" or "karras", and then shifted.

    Raises:
        ValueError: no such spacing, or a shift not above 0.
    """
    if spacing not in SPACINGS:
        raise ValueError(f"spacing is {spacing!r}: choose one of {', '.join(SPACINGS)}")
    times = karras_times(steps, path) if spacing == "karras" else uniform_times(steps)
    return shifted(times, shift)


SPACINGS = ("uniform", "karras")
