"""Captions and drawings of twenty scenes are unchanged, on any platform.

After an intended change, `python tests/world/test_digests.py` rewrites digests.json.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorable.world import KINDS, PLACES, TIMES, Scene, draw, sample_scene, write_caption

FILE = Path(__file__).with_name("digests.json")


def make_scene(number: int) -> tuple[Scene, random.Random]:
    """Return a random scene. Twenty of them cover every thing, place and time."""
    rng = random.Random(f"digest {number}")
    while True:
        scene = sample_scene(rng, allow_held_out=True)
        if KINDS[number % len(KINDS)] in {g.kind for g in scene.groups}:
            return replace(scene, place=PLACES[number % len(PLACES)], time=TIMES[number // 5 % len(TIMES)]), rng


def digest(number: int) -> dict[str, str]:
    """Return a caption, and SHA-256 digests of the image and of all masks (names and bits, sorted by name)."""
    scene, rng = make_scene(number)
    caption, drawing, masks = write_caption(scene, rng), draw(scene), hashlib.sha256()
    for name, mask in sorted(drawing.masks.items()):
        masks.update(name.encode() + b"\0" + np.packbits(mask).tobytes())
    image = hashlib.sha256(drawing.image.tobytes())
    return {"caption": caption, "image": image.hexdigest(), "masks": masks.hexdigest()}


@pytest.mark.parametrize("number", range(20))
def test_captions_and_drawings_are_unchanged(number):
    assert digest(number) == json.loads(FILE.read_text("utf-8"))[number]


def test_the_digests_cover_everything():
    scenes = [make_scene(number)[0] for number in range(20)]
    assert {g.kind for s in scenes for g in s.groups} == set(KINDS)
    assert {s.place for s in scenes} == set(PLACES) and {s.time for s in scenes} == set(TIMES)
    assert len(json.loads(FILE.read_text("utf-8"))) == 20


if __name__ == "__main__":
    FILE.write_text(json.dumps([digest(number) for number in range(20)], indent=1) + "\n", "utf-8")
