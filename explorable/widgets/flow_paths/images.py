"""The same question put to pictures: every trained denoiser, from the same noise, in few steps and in many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...diffusion.settings import DEFAULT_GUIDANCE, Settings, check_settings
from ...pipeline import Pipeline
from ..core.explorable import Progress, shipped_pipeline
from ..stage.layers import Images, Panel

STEPS = (1, 2, 4, 8, 20, 50)
# It takes the picture and the noise apart and mixes them anew, which is right on every path while the estimate stands
# still; on the straight path it is Euler's method. So no path is favoured.
SAMPLER = "ddim"
STILL_GREY = 128  # where a picture is still to be drawn


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
    """The pictures (model, steps, y, x, rgb) uint8, and the guidance that each model had.

    there: (model, steps), which pictures are drawn; the others are grey. Of a whole wall, all.
    """

    wish: Wish
    pictures: xr.DataArray
    guidance: dict[str, float]
    there: np.ndarray

    @property
    def drawn(self) -> tuple[int, ...]:
        """The numbers of steps at which every model's picture is there."""
        return tuple(n for k, n in enumerate(STEPS) if self.there[:, k].all())

    @property
    def whole(self) -> bool:
        """Whether all pictures are there."""
        return bool(self.there.all())

    @property
    def distance(self) -> xr.DataArray:
        """Root mean square over the pixels, where 0 is black and 1 is white, from each model's own picture of most
        steps: (model, steps)."""
        pictures = self.pictures.astype("float32") / 255
        return ((pictures - pictures[:, -1]) ** 2).mean(["y", "x", "rgb"]) ** 0.5


def painters(pipe: Pipeline | None) -> dict[str, Painter]:
    """Every denoiser in the zoo, whichever there are; or the one pipeline that an explorable was given."""
    if pipe is not None:
        guidance = pipe.default_guidance if isinstance(pipe, Pipeline) else DEFAULT_GUIDANCE
        return {pipe.name: Painter(lambda: pipe, guidance)}
    from ...measure.denoisers import default_guidance, select_denoisers  # loads the training code: only when needed

    return {
        name: Painter(lambda name=name: shipped_pipeline(name), default_guidance(name))
        for name in select_denoisers()[0]
    }  # type: ignore[misc]


def draw(painting: Mapping[str, Painter], wish: Wish, progress: Progress,
         so_far: Callable[[Wall], None] = lambda wall: None) -> Wall:
    """Every painter's picture at each number of steps, all from the noise of the same seed: few steps first, so that
    soon there is something of each. so_far: hears of the wall when all have come to one more number of steps.

    Raises:
        SettingError, UnknownWordError, PromptTooLongError: a wish that cannot be drawn.
    """
    guidance = DEFAULT_GUIDANCE if wish.guidance is None else wish.guidance
    check_settings(Settings(wish.prompt, guidance=guidance, seed=wish.seed))
    wall, done, of = None, 0, len(painting) * sum(STEPS)
    for j, steps in enumerate(STEPS):
        for k, (name, painter) in enumerate(painting.items()):
            run = painter.open()(wish.prompt, steps=steps, guidance=wished(painting, wish)[name], seed=wish.seed,
                                 sampler=SAMPLER, progress=lambda i, _, before=done: progress(before + i, of))  # type: ignore[misc]
            wall = wall or _blank(painting, wish, run.image.shape)
            wall.pictures[k, j] = run.image
            wall.there[k, j] = True
            done += steps
        if wall is not None and not wall.whole:
            so_far(wall)
    if wall is None:
        raise ValueError("there is no model to draw with")
    return wall


def _blank(painting: Mapping[str, Painter], wish: Wish, shape: tuple[int, ...]) -> Wall:
    """A wall without pictures, of this shape each."""
    pictures = np.full((len(painting), len(STEPS), *shape), STILL_GREY, np.uint8)
    return Wall(wish, xr.DataArray(pictures, dims=("model", "steps", "y", "x", "rgb"),
                                   coords={"model": list(painting), "steps": list(STEPS), "rgb": list("rgb")}),
                wished(painting, wish), np.zeros(pictures.shape[:2], bool))


def counted(steps: int) -> str:
    """A number of steps in words."""
    return f"{steps} step{'s' * (steps > 1)}"


def recording(wall: Wall) -> dict:
    """What the stage is given: for each model a picture that follows the slider, and all its pictures in a row. Where
    one is still to be drawn, the slider shows the last that there is, and the row is grey."""
    names, drawn = wall.pictures.model.values.tolist(), wall.drawn
    frame_indices = [min(j, len(drawn) - 1) for j in range(len(STEPS))]
    layers, panels = [], []
    for k, name in enumerate(names):
        frames = wall.pictures[k].values
        row = np.concatenate(list(frames), axis=1)  # (128, 6 * 128, 3)
        frames = np.ascontiguousarray(frames[: len(drawn)])
        layers += [
            Images(
                name,
                name,
                frames,
                f"guidance {wall.guidance[name]:g}",
                frame_indices=None if wall.whole else frame_indices,
            ),
            Images(f"{name}, all", f"{name}, all", row, axes=()),
        ]
        panels.append(Panel(name, (name,), name, grid_area=(k + 1, 1, 1, 1)))
    if len(names) > 1:  # with one alone, the stage's own strip of thumbnails is enough
        panels += [Panel(f"{name}, all", (f"{name}, all",), f"{name}: {', '.join(map(str, STEPS))} steps",
                         grid_area=(1, k + 2, len(names), 1)) for k, name in enumerate(names)]
    else:
        layers = layers[:1]
    captions = [counted(n) if n in drawn else f"{counted(n)}: still being drawn; this is of {drawn[-1]}" for n in STEPS]
    return {"layers": layers, "captions": captions, "panels": panels,
            "columns": len(names), "thumbnails": names[0] if len(names) == 1 else "", "file_name": "few-steps"}


def wished(painting: Mapping[str, Painter], wish: Wish) -> dict[str, float]:
    """The guidance that each painter gets."""
    return {name: painter.guidance if wish.guidance is None else wish.guidance for name, painter in painting.items()}


def code(pipe: Pipeline | None, wish: Wish) -> str:
    """All pictures in a few lines."""
    opened = "ex.load(name)" if pipe is None else "pipe"  # the reader's own
    own = "" if pipe is None else f"# pipe: your own {pipe!r}\n"
    return (f"import explorable as ex\n\n{own}pictures = {{}}\nfor name, guidance in "
            f"{wished(painters(pipe), wish)!r}.items():\n    for steps in {STEPS}:\n"
            f"        run = {opened}({wish.prompt!r}, steps=steps, guidance=guidance, seed={wish.seed}, "
            f"sampler={SAMPLER!r})\n        pictures[name, steps] = run.image")
