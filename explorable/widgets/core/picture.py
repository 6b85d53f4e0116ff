"""A picture to explore or to start a run from: a drawing of the picture world, or one of the user's own."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...pipeline.arguments import as_image, check_image
from ...pipeline.pictures import PictureError, fit_picture, read_picture
from ...world import GrammarError, draw, parse

DRAWINGS = ("a yellow car on a mountain road by day", "a red car on a mountain road at sunset",
            "a majestic lion at sunset", "two black cats in a meadow by day",
            "a cozy cabin in snowy mountains at night")
NO_IMAGE_RUNS = ("this pipeline starts from noise only: open its image-to-image pipeline instead, as in "
                 "ex.open(diffusers.AutoPipelineForImage2Image.from_pipe(pipeline))")


@dataclass(frozen=True)
class Picture:
    """A picture to explore: a drawing of the picture world, or one of the user's own.

    name: the caption of the drawing, or the name of a file. own: the user's image (height, width, 3) uint8, of any
    size, and digest its checksum; None and "" for a drawing.
    """

    name: str
    own: np.ndarray | None = field(default=None, compare=False, repr=False)
    digest: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return repr(self.name)

    def fitted(self, size: tuple[int, int]) -> np.ndarray:
        """Return the picture, its middle cropped and resized to a height and width."""
        return fit_picture(drawing(self.name) if self.own is None else self.own, size)


@functools.lru_cache(maxsize=16)
def drawing(caption: str) -> np.ndarray:
    """Return the drawing of a caption, (128, 128, 3) uint8."""
    return draw(parse(caption).scene, masks=False).image


def as_picture(value: Any, name: str = "your picture") -> Picture:
    """Return a picture from the path or the bytes of a file, from an array, a PIL image, or a caption to draw.

    Raises:
        PictureError: the file cannot be read, or a text is neither a file nor a caption. SettingError: no image.
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, str) and not Path(value).is_file():
        try:
            parse(value)
        except GrammarError as error:
            raise PictureError(f"there is no picture file {value!r}, and it cannot be drawn: {error}") from error
        return Picture(value)
    if isinstance(value, (str, Path)):
        name = str(value)
    image = read_picture(value) if isinstance(value, (str, Path, bytes)) else as_image(value)
    check_image(image)
    return Picture(name, image, hashlib.sha256(image.tobytes() + str(image.shape).encode()).hexdigest()[:16])


def picture_lines(name: str, picture: Picture) -> list[str]:
    """Return the lines of code that make the variable `name` of a picture, at the size of `pipe`."""
    if picture.own is None:
        return ["from explorable.pipeline.pictures import fit_picture", "from explorable.world import draw, parse",
                f"{name} = fit_picture(draw(parse({picture.name!r}).scene).image, pipe.image_size)"]
    return [f"{name} = ex.read_picture({picture.name!r}, pipe.image_size)"]
