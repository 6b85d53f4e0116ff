"""The same question put to pictures: every trained denoiser, from the same noise, in few steps and in many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..pipeline import Pipeline
from ..settings import GUIDANCE, Settings, check
from .base import Progress, shipped
from .layers import Layer, Panel

STEPS = (1, 2, 4, 8, 20, 50)
# It takes the picture and the noise apart and mixes them anew, which is right on every path while the estimate stands
# still; on the straight path it is Euler's method. So no path is favoured.
SAMPLER = "ddim"


@dataclass(frozen=True)
class Wish:
    """What is drawn. guidance None: for each model what it is meant for."""

    prompt: str
    guidance: float | None
    seed: int


@dataclass(frozen=True)
class Painter:
    """A denoiser that draws: how it is opened, when it is its turn, and the guidance that it is meant for."""

    open: Callable[[], Pipeline]
    guidance: float


@dataclass(frozen=True, eq=False)
class Wall:
    """The pictures (model, steps, y, x, rgb) uint8, and the guidance that each model had."""

    wish: Wish
    pictures: xr.DataArray
    guidance: dict[str, float]

    @property
    def distance(self) -> xr.DataArray:
        """Root mean square over the pixels, where 0 is black and 1 is white, from each model's own picture of most
        steps: (model, steps)."""
        pictures = self.pictures.astype("float32") / 255
        return ((pictures - pictures[:, -1]) ** 2).mean(["y", "x", "rgb"]) ** 0.5


def painters(pipe: Pipeline | None) -> dict[str, Painter]:
    """Every denoiser in the zoo, whichever there are; or the one pipeline that an explorable was given."""
    if pipe is not None:
        return {pipe.name: Painter(lambda: pipe, GUIDANCE)}
    from ..measure.denoisers import chosen, own_guidance  # brings the training with it: only where it is needed

    return {name: Painter(lambda name=name: shipped(name), own_guidance(name)) for name in chosen()[0]}  # type: ignore[misc]


def draw(painting: Mapping[str, Painter], wish: Wish, progress: Progress) -> Wall:
    """Every painter's picture at each number of steps, all from the noise of the same seed.

    Raises:
        SettingError, UnknownWordError, PromptTooLongError: a wish that cannot be drawn.
    """
    check(Settings(wish.prompt, guidance=GUIDANCE if wish.guidance is None else wish.guidance, seed=wish.seed))
    pictures, done, of, guidance = [], 0, len(painting) * sum(STEPS), wished(painting, wish)
    for name, painter in painting.items():
        pipe, w = painter.open(), guidance[name]
        for steps in STEPS:
            run = pipe(wish.prompt, steps=steps, guidance=w, seed=wish.seed, sampler=SAMPLER,
                       progress=lambda k, _, before=done: progress(before + k, of))  # type: ignore[misc]
            pictures.append(run.image)
            done += steps
    shape = (len(painting), len(STEPS), *pictures[0].shape)
    return Wall(wish, xr.DataArray(np.reshape(pictures, shape), dims=("model", "steps", "y", "x", "rgb"),
                                   coords={"model": list(painting), "steps": list(STEPS), "rgb": list("rgb")}),
                guidance)


def recording(wall: Wall) -> dict:
    """What the stage is given: for each model a picture that follows the slider, and all its pictures in a row."""
    names = wall.pictures.model.values.tolist()
    layers, panels = [], []
    for k, name in enumerate(names):
        frames = np.ascontiguousarray(wall.pictures[k].values)
        row = np.concatenate(list(frames), axis=1)  # (128, 6 * 128, 3)
        layers += [Layer(name, name, frames, f"guidance {wall.guidance[name]:g}"),
                   Layer(f"{name}, all", f"{name}, all", row, axes=())]
        panels.append(Panel(name, (name,), name, at=(k + 1, 1, 1, 1)))
    if len(names) > 1:  # with one alone, the stage's own strip of thumbnails is enough
        panels += [Panel(f"{name}, all", (f"{name}, all",), f"{name}: {', '.join(map(str, STEPS))} steps",
                         at=(1, k + 2, len(names), 1)) for k, name in enumerate(names)]
    else:
        layers = layers[:1]
    return {"layers": layers, "captions": [f"{n} step{'s' * (n > 1)}" for n in STEPS], "panels": panels,
            "columns": len(names), "strip": names[0] if len(names) == 1 else "", "file_name": "few-steps"}


def wished(painting: Mapping[str, Painter], wish: Wish) -> dict[str, float]:
    """The guidance that each painter gets."""
    return {name: painter.guidance if wish.guidance is None else wish.guidance for name, painter in painting.items()}


def code(pipe: Pipeline | None, wish: Wish) -> str:
    """All pictures in a few lines."""
    opened = "ex.load(name)" if pipe is None else "pipe"  # the reader's own
    return (f"import explorable as ex\n\npictures = {{}}\nfor name, guidance in "
            f"{wished(painters(pipe), wish)!r}.items():\n    for steps in {STEPS}:\n"
            f"        run = {opened}({wish.prompt!r}, steps=steps, guidance=guidance, seed={wish.seed}, "
            f"sampler={SAMPLER!r})\n        pictures[name, steps] = run.image")
