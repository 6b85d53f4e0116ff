"""`draw(scene)`: the picture, with a mask for every element and every part that can be seen."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from .canvas import SIZE, Canvas, Pen
from .light import LIGHTS
from .places import paint_place
from .scene import COLOURS, Group, Scene, complete
from .things import THINGS

SCALE = {"small": 0.8, "medium": 1.1, "big": 1.4}
MARGIN = 4  # pixels that things keep from the edge


@dataclass(frozen=True)
class Drawing:
    """A drawn scene.

    image: (128, 128, 3) uint8.
    masks: boolean (128, 128) arrays by name: places' elements ("sky", "road"), things ("car", "car.0",
           "car.0.wheels"), "sparks". Only what can be seen has a mask.
    scene: the scene as drawn, with everything filled in.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]
    scene: Scene


@dataclass(frozen=True)
class Placement:
    """Where one thing stands: its foot's middle in pixels, its scale, and which way it looks."""

    x: float
    y: float
    scale: float
    flip: bool


def draw(scene: Scene, masks: bool = True) -> Drawing:
    """Draw `scene`; what it leaves unsaid is filled in from its seed. masks=False is quicker."""
    scene = complete(scene)
    assert scene.time and scene.place  # complete() has filled them in
    rng = random.Random(f"draw {scene.seed}")
    canvas = Canvas(LIGHTS[scene.time], masks)
    paint_place(canvas, scene.place, rng)
    spots = [(g, place_group(scene, k, rng)) for k, g in enumerate(scene.groups)]
    if scene.mood == "majestic" and spots:
        _glory(canvas, spots[0][0], spots[0][1][0])
    for group, places in sorted(spots, key=lambda s: s[1][0].y):  # far things first
        for i, spot in enumerate(places):
            _stand(canvas, group, i, spot, cozy=scene.mood == "cozy")
    if scene.mood == "magical":
        _sparks(canvas, rng)
    return Drawing(canvas.image(), _with_unions(canvas.masks()), scene)


def place_group(scene: Scene, which: int, rng: random.Random) -> list[Placement]:
    """The places of one group's things: inside the picture, and where the scene says."""
    group, thing = scene.groups[which], THINGS[scene.groups[which].kind]
    x, y, room, size = _zone(scene, which, rng)
    scale = SCALE[group.size] * size * (1.15 if scene.mood == "majestic" else 1.0)
    slot = room / group.count
    scale = min(scale, 0.94 * slot / thing.width, (y - thing.foot - MARGIN) / thing.height)
    spots = []
    for i in range(group.count):
        dy = rng.uniform(-2.5, 2.5)
        half = thing.width * scale / 2 + MARGIN
        at = x + (i - (group.count - 1) / 2) * slot + rng.uniform(-2, 2)
        spots.append(Placement(min(max(at, half), SIZE - half), y + dy, scale, rng.random() < 0.5))
    return spots


def _zone(scene: Scene, which: int, rng: random.Random) -> tuple[float, float, float, float]:
    """Middle, ground line, width in pixels, and scale of the room that a group has to itself."""
    group = scene.groups[which]
    if len(scene.groups) == 1:
        if group.count > 1:
            return 64.0, 108.0, 120.0, 0.95
        room = 112.0 if group.side == "centre" else 62.0
        x = {"left": 35.0, "centre": 64.0, "right": 93.0}[group.side or "centre"]
        return x + rng.uniform(-4, 4), 108.0 + rng.uniform(-3, 3), room, 1.0
    first = which == 0
    if scene.relation in ("left of", "right of"):
        left = first == (scene.relation == "left of")
        return 33.5 if left else 94.5, 107.0, 58.0, 0.9
    front = first == (scene.relation == "in front of")
    lean = 17 if random.Random(f"lean {scene.seed}").random() < 0.5 else -17
    return (64.0 + lean, 116.0, 62.0, 0.85) if front else (64.0 - lean, 91.0, 62.0, 0.8)


def _stand(canvas: Canvas, group: Group, i: int, spot: Placement, cozy: bool) -> None:
    thing = THINGS[group.kind]
    reach = thing.width * spot.scale * (0.5 if not thing.foot else 0.3)
    canvas.ellipse(spot.x + 2, spot.y, reach, max(2.0, reach * 0.16), (16, 18, 40), alpha=canvas.light.shadow)
    lift = thing.foot * spot.scale
    thing.draw(Pen(canvas, f"{group.kind}.{i}", spot.x, spot.y - lift, spot.scale, COLOURS[group.colour or "white"],
                   spot.flip, cozy))


def _glory(canvas: Canvas, group: Group, spot: Placement) -> None:
    """Majestic: light from behind, with rays."""
    x, y = spot.x, spot.y - THINGS[group.kind].height * spot.scale * 0.6
    for k in range(12):
        a, b = (2 * math.pi * (k + d) / 12 for d in (-0.22, 0.22))
        far = [(x + 100 * math.cos(t), y + 100 * math.sin(t)) for t in (a, b)]
        canvas.polygon([(x, y), *far], (255, 240, 190), alpha=0.22, glows=True)
    canvas.halo(x, y, 56, (255, 238, 180), 0.55)


def _sparks(canvas: Canvas, rng: random.Random) -> None:
    """Magical: glowing four-pointed sparks in the air."""
    canvas.part("sparks")
    for k in range(13):
        x, y = 8 + (k * 37 + rng.uniform(-6, 6)) % 112, 10 + (k * 53 % 88) + rng.uniform(-5, 5)
        r = rng.uniform(2.2, 3.8)
        colour = rng.choice(((255, 250, 190), (255, 205, 240), (190, 245, 255)))
        canvas.halo(x, y, r * 1.9, colour, 0.45)
        star = [(x, y - r), (x + r * 0.3, y - r * 0.3), (x + r, y), (x + r * 0.3, y + r * 0.3),
                (x, y + r), (x - r * 0.3, y + r * 0.3), (x - r, y), (x - r * 0.3, y - r * 0.3)]
        canvas.polygon(star, (255, 255, 250), glows=True)


def _with_unions(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add what the drawn parts make together: "car.0.wheels" also counts for "car.0" and "car"."""
    out = dict(masks)
    for name, mask in masks.items():
        while "." in name:
            name = name.rpartition(".")[0]
            out[name] = out[name] | mask if name in out else mask
    return out
