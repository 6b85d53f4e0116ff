"""Twenty scenes, drawn and said as they always were, on any platform.

After a change that is meant: `python tests/world/test_digests.py` makes digests.json anew.
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


def scene(number: int) -> tuple[Scene, random.Random]:
    """A scene drawn by lot. Among twenty are every thing, place and time."""
    rng = random.Random(f"digest {number}")
    while True:
        drawn = sample_scene(rng, allow_held_out=True)
        if KINDS[number % len(KINDS)] in {g.kind for g in drawn.groups}:
            return replace(drawn, place=PLACES[number % len(PLACES)], time=TIMES[number // 5 % len(TIMES)]), rng


def digest(number: int) -> dict[str, str]:
    """A caption, and SHA-256 of the image's bytes and of all masks: each name and its bits, in order of names."""
    told, rng = scene(number)
    caption, picture, masks = write_caption(told, rng), draw(told), hashlib.sha256()
    for name, mask in sorted(picture.masks.items()):
        masks.update(name.encode() + b"\0" + np.packbits(mask).tobytes())
    image = hashlib.sha256(picture.image.tobytes())
    return {"caption": caption, "image": image.hexdigest(), "masks": masks.hexdigest()}


@pytest.mark.parametrize("number", range(20))
def test_a_scene_is_drawn_and_said_as_it_always_was(number):
    assert digest(number) == json.loads(FILE.read_text("utf-8"))[number]


def test_the_digests_have_seen_everything():
    told = [scene(number)[0] for number in range(20)]
    assert {g.kind for s in told for g in s.groups} == set(KINDS)
    assert {s.place for s in told} == set(PLACES) and {s.time for s in told} == set(TIMES)
    assert len(json.loads(FILE.read_text("utf-8"))) == 20


if __name__ == "__main__":
    FILE.write_text(json.dumps([digest(number) for number in range(20)], indent=1) + "\n", "utf-8")
