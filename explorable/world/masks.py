"""What each word of a caption speaks of, in pixels: the truth that every explanation is scored against."""

from __future__ import annotations

import numpy as np

from .canvas import SIZE
from .draw import Drawing, draw
from .grammar import Word, matches, parse
from .scene import Scene
from .things import THINGS

SKY = ("sky", "sun", "moon", "stars", "clouds")
# A place's words and the elements they name.
ELEMENTS: dict[str, tuple[str, ...]] = {
    "mountain": ("mountains",), "road": ("road",), "meadow": ("meadow",), "field": ("meadow",),
    "beach": ("sand", "sea"), "seaside": ("sand", "sea"), "forest": ("forest",), "woods": ("forest",),
    "snowy": ("snow", "mountains.snow"), "mountains": ("mountains",), "city": ("city", "street"),
    "town": ("city", "street"), "desert": ("desert", "dunes", "cactus"), "lake": ("lake",),
}


def word_masks(scene: Scene | Drawing, caption: str) -> list[tuple[str, np.ndarray]]:
    """For every word of `caption`, the pixels it speaks of: [(word, (128, 128) bool), ...] in order.

    "red" means the painted body, "car" the whole car, "road" the road, "sunset" the sky. Words of
    grammar and of arrangement ("a", "on", "left") speak of no pixels.

    Raises:
        ValueError: the caption says something that is not so in the scene, or cannot be read.
    """
    picture = scene if isinstance(scene, Drawing) else draw(scene)
    read = parse(caption)
    if not matches(read.scene, picture.scene):
        raise ValueError(f"the caption {caption!r} does not fit the scene {picture.scene}")
    return [(w.text, _union(picture, _names(w, read.scene, picture))) for w in read.words]


def _names(word: Word, said: Scene, picture: Drawing) -> list[str]:
    """The names of the masks that `word` speaks of."""
    kind = said.groups[word.group].kind if word.group is not None else None
    if word.role == "place":
        return list(ELEMENTS[word.text])
    if word.role == "time":
        return list(SKY)
    if word.role == "mood":
        return _mood_names(word.text, kind, picture)
    if kind and word.role == "colour":
        return [name for name in picture.masks
                if name.startswith(f"{kind}.") and name.count(".") == 2 and name.split(".")[2] in THINGS[kind].painted]
    return [kind] if kind else []


def _mood_names(mood: str, kind: str | None, picture: Drawing) -> list[str]:
    if mood == "magical":
        return ["sparks"]
    if mood == "cozy":
        return [name for name in picture.masks
                if kind and name.startswith(f"{kind}.") and name.split(".")[-1] in ("windows", "smoke")]
    return [kind] if kind else []


def _union(picture: Drawing, names: list[str]) -> np.ndarray:
    out = np.zeros((SIZE, SIZE), bool)
    for name in names:
        if name in picture.masks:
            out |= picture.masks[name]
    return out
