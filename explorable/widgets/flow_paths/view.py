"""The laboratory of FlowPaths on the stage, and in words."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np

from ...flow2d import normalize_drawing
from ..stage.layers import Arrows, Layer, Panel, Points
from .compute import DRAWN, SIDE, Lab, Scene, Strand, parts_of

EXTENT = (-SIDE, SIDE, -SIDE, SIDE)
FOLLOWED = 40  # particles with a trail: more would hide each other
MOST_DRAWN = 400  # points of a drawing


def layers(made: Scene, own: Strand) -> list[Layer]:
    """What the stage shows, the lowest first."""
    followed = slice(None, FOLLOWED)

    def points(name: str, label: str, frames: np.ndarray, colour_name: str, *, size: float = 6, still: bool = False,
               trail: bool = False, ring: bool = False) -> Points:
        return Points(
            name,
            label,
            frames,
            axes=() if still else ("frame",),
            extent=EXTENT,
            colours=(colour_name,),
            size=size,
            trail=trail,
            highlighted=(0,) if ring else (),
        )

    return [
        Arrows("field", "the field", made.arrows, "which way it goes here, now", extent=EXTENT),
        points("points", "the points of the world", made.points, "image", still=True),
        points("noise", "the noises", made.marginal[0], "noise", size=5, still=True),
        points("marginal cloud", "particles in the field", made.marginal, "plain"),
        points("marginal paths", "their paths", made.marginal[:, followed], "plain", trail=True),
        points("conditional cloud", "noise and point, mixed", made.conditional, "plain"),
        points("conditional paths", "their paths", made.conditional[:, followed], "plain", trail=True),
        points("exact path", "the exact path of your start", own.exact[:, None], "image", size=9, trail=True),
        points("your path", "your start on its way", own.walked[:, None], "guidance", size=10, trail=True, ring=True),
        points("your start", "your start", own.walked[:1], "noise", size=9, still=True, ring=True),
    ]


def panels(request: Lab) -> list[Panel]:
    """Marginal paths beside conditional ones. On the left the start is dragged; on the right a world is drawn."""
    drawing, both = request.distribution == DRAWN, ("points", "noise")
    left = (f"From noise (brown) to points (blue), {request.solver}, {request.steps} step{'s' * (request.steps > 1)}: "
            "drag your start")
    return [Panel("marginal", ("field", *both, "marginal paths", "marginal cloud", "exact path", "your path",
                               "your start"), left, interaction="drag", ratio=1.0),
            Panel("conditional", (*both, "conditional paths", "conditional cloud"),
                  "Each noise on its own way to its own point" + ": draw here" * drawing,
                  interaction="draw" if drawing else "", ratio=1.0)]


def captions(times: Sequence[float], steps: int) -> list[str]:
    """One a frame: the noise time, and how far the solver is."""
    parts = parts_of(steps)
    return [f"t = {t:.2f}, " + (f"after {k // parts} of {steps}" if k % parts == 0 else
                                f"in step {k // parts + 1} of {steps}") for k, t in enumerate(times)]


def place(x: float, y: float) -> tuple[float, float]:
    """Where in the plane a part of a panel's width and height is."""
    return round(SIDE * (2 * x - 1), 3), round(SIDE * (1 - 2 * y), 3)


def sentence(request: Lab) -> str:
    """What is being seen, in one or two sentences."""
    if request.steps == 1 and request.coupling == "independent":
        left = ("Left: noise alone tells nothing of its point, so at the start the field shows the mean of the whole "
                "world, and a single step takes every particle there." if request.path == "straight" else
                "Left: this path leaves pure noise so slowly that a single step, which knows no other speed, goes "
                "nowhere.")
        return f"{left} Right: each noise on its own way to its own point."
    ways = "straight" if request.path == "straight" else "curved"
    if request.coupling == "independent":
        return (f"Right: every noise goes a {ways} way to a point drawn by lot. Left: where such ways cross, the field "
                "knows only their mean, so the particles bend; yet with enough steps both clouds look alike all along.")
    how = "paired by optimal transport" if request.coupling == "optimal" else "paired by the flow itself"
    if ways == "straight":
        return (f"Right: {how}, the straight ways hardly cross. Left: so the mean is the way itself, and the particles "
                "go almost straight: few steps are enough.")
    return (f"Right: {how}, but this path bends every way by itself. Left: the particles follow the bend: a good "
            "coupling makes only the straight path cheap.")


def code(request: Lab) -> str:
    """The laboratory in a few lines."""
    if request.distribution == "word":
        points = f"word_points({request.count}, {request.seed}, {request.text!r})"
    elif request.distribution == DRAWN:
        points = f"sample_distribution({[list(p) for p in request.drawing or ()]!r})"
    else:
        points = f"sample_distribution({request.distribution!r}, {request.count}, {request.seed})"
    return (f"import explorable as ex\nimport numpy as np\nfrom explorable.diffusion.paths import PATHS\n"
            f"from explorable.diffusion.timesteps import uniform_timesteps\n"
            f"from explorable.flow2d import (integrate, marginal_field, sample_distribution, sample_pairs,\n"
            f"                               word_points)\n\n"
            f"points = {points}\n"
            f"noises = sample_pairs(points, {request.coupling!r}, seed={request.seed}).noises\n"
            f"field = marginal_field(points, {request.coupling!r}, seed={request.seed})\n"
            f"path, times = PATHS[{request.path!r}], uniform_timesteps({request.steps})\n"
            f"own = integrate(field, path, np.array([{list(request.start)!r}]), times, {request.solver!r})\n"
            f"trajectories = integrate(field, path, noises, times, {request.solver!r})\n"
            f"trajectories.x[-1]")


def with_stroke(drawing: Sequence[tuple[float, float]], stroke: Sequence[tuple[float, float]]) -> np.ndarray:
    """A drawing with one more stroke: where the stage will show it, so that the next stroke fits to it. (n, 2)"""
    together = np.array([*drawing, *stroke])
    if len(together) > MOST_DRAWN:  # a long drawing keeps its shape, with fewer points
        together = together[np.linspace(0, len(together) - 1, MOST_DRAWN).round().astype(int)]
    with contextlib.suppress(ValueError):  # a first point alone is no world yet: who computes it says so
        together = normalize_drawing(together).round(4)
    return together
