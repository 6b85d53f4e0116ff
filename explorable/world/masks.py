"""The ground truth that explanations are scored against: the pixels that each word of a caption refers to."""

from __future__ import annotations

import numpy as np

from .canvas import SIZE
from .draw import Drawing, draw
from .grammar import Word, parse
from .scene import Scene, matches
from .things import THINGS

SKY = ("sky", "sun", "moon", "stars", "clouds")
# The words of places and the elements that they refer to.
ELEMENTS: dict[str, tuple[str, ...]] = {
    "mountain": ("mountains",), "road": ("road",), "meadow": ("meadow",), "field": ("meadow",),
    "beach": ("sand", "sea"), "seaside": ("sand", "sea"), "forest": ("forest",), "woods": ("forest",),
    "snowy": ("snow", "mountains.snow"), "mountains": ("mountains",), "city": ("city", "street"),
    "town": ("city", "street"), "desert": ("desert", "dunes", "cactus"), "lake": ("lake",),
}


def word_masks(scene: Scene | Drawing, caption: str) -> list[tuple[str, np.ndarray]]:
    """Return the mask of every word in `caption`, in order: [(word, (128, 128) bool), ...].

    "red" refers to the painted parts, "car" to the whole car, "road" to the road, "sunset" to the sky. Function words
    and words of arrangement ("a", "on", "left") have an empty mask.

    Raises:
        ValueError: the caption contradicts the scene, or cannot be parsed.
    """
    drawing = scene if isinstance(scene, Drawing) else draw(scene)
    parsed = parse(caption)
    if not matches(parsed.scene, drawing.scene):
        raise ValueError(f"the caption {caption!r} does not describe the scene {drawing.scene}")
    return [(w.text, _union(drawing, _mask_names(w, parsed.scene, drawing))) for w in parsed.words]


def _mask_names(word: Word, scene: Scene, drawing: Drawing) -> list[str]:
    """Return the names of the masks that `word` refers to."""
    kind = scene.groups[word.group].kind if word.group is not None else None
    if word.role == "place":
        return list(ELEMENTS[word.text])
    if word.role == "time":
        return list(SKY)
    if word.role == "mood":
        return _mood_mask_names(word.text, kind, drawing)
    if kind and word.role == "colour":
        return [name for name in drawing.masks
                if name.startswith(f"{kind}.") and name.count(".") == 2 and name.split(".")[2] in THINGS[kind].painted]
    return [kind] if kind else []


def _mood_mask_names(mood: str, kind: str | None, drawing: Drawing) -> list[str]:
    """Return the masks that show a mood: sparks, lit windows and smoke, or the whole (majestic) thing."""
    if mood == "magical":
        return ["sparks"]
    if mood == "cozy":
        return [name for name in drawing.masks
                if kind and name.startswith(f"{kind}.") and name.split(".")[-1] in ("windows", "smoke")]
    return [kind] if kind else []


def _union(drawing: Drawing, names: list[str]) -> np.ndarray:
    out = np.zeros((SIZE, SIZE), bool)
    for name in names:
        if name in drawing.masks:
            out |= drawing.masks[name]
    return out
