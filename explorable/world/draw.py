"""Drawing: from a scene to an image, with a mask for every visible element and part."""

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
MARGIN = 4  # pixels between a thing and the edge of the image


@dataclass(frozen=True)
class Drawing:
    """A drawn scene.

    Args:
        image: (128, 128, 3) uint8.
        masks: boolean (128, 128) arrays by name: elements of places ("sky", "road"), things ("car", "car.0",
            "car.0.wheels") and "sparks". Only visible parts have a mask.
        scene: the scene as drawn, with every attribute filled in.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]
    scene: Scene


@dataclass(frozen=True)
class Placement:
    """The placement of one thing: the centre of its foot in pixels, its scale, and whether it is mirrored."""

    x: float
    y: float
    scale: float
    flip: bool


def draw(scene: Scene, masks: bool = True) -> Drawing:
    """Draw a scene. Attributes that are None are filled in from its seed; masks=False is faster."""
    scene = complete(scene)
    assert scene.time and scene.place  # set by complete()
    rng = random.Random(f"draw {scene.seed}")
    canvas = Canvas(LIGHTS[scene.time], masks)
    paint_place(canvas, scene.place, rng)
    placed = [(g, place_group(scene, k, rng)) for k, g in enumerate(scene.groups)]
    if scene.mood == "majestic" and placed:
        _draw_rays(canvas, placed[0][0], placed[0][1][0])
    for group, placements in sorted(placed, key=lambda p: p[1][0].y):  # from back to front
        for i, placement in enumerate(placements):
            _draw_thing(canvas, group, i, placement, cozy=scene.mood == "cozy")
    if scene.mood == "magical":
        _draw_sparks(canvas, rng)
    return Drawing(canvas.image(), _with_unions(canvas.masks()), scene)


def place_group(scene: Scene, index: int, rng: random.Random) -> list[Placement]:
    """Return the placements of one group's things, inside the image and where the scene says."""
    group, thing = scene.groups[index], THINGS[scene.groups[index].kind]
    x, y, width, size = _group_area(scene, index, rng)
    scale = SCALE[group.size] * size * (1.15 if scene.mood == "majestic" else 1.0)
    slot = width / group.count
    scale = min(scale, 0.94 * slot / thing.width, (y - thing.foot - MARGIN) / thing.height)
    placements = []
    for i in range(group.count):
        dy = rng.uniform(-2.5, 2.5)
        min_x = thing.width * scale / 2 + MARGIN
        centre = x + (i - (group.count - 1) / 2) * slot + rng.uniform(-2, 2)
        placements.append(Placement(min(max(centre, min_x), SIZE - min_x), y + dy, scale, rng.random() < 0.5))
    return placements


def _group_area(scene: Scene, index: int, rng: random.Random) -> tuple[float, float, float, float]:
    """Return the centre, ground line and width (pixels) of a group's area, and its scale."""
    group = scene.groups[index]
    if len(scene.groups) == 1:
        if group.count > 1:
            return 64.0, 108.0, 120.0, 0.95
        width = 112.0 if group.side == "centre" else 62.0
        x = {"left": 35.0, "centre": 64.0, "right": 93.0}[group.side or "centre"]
        return x + rng.uniform(-4, 4), 108.0 + rng.uniform(-3, 3), width, 1.0
    is_first = index == 0
    if scene.relation in ("left of", "right of"):
        is_left = is_first == (scene.relation == "left of")
        return 33.5 if is_left else 94.5, 107.0, 58.0, 0.9
    is_front = is_first == (scene.relation == "in front of")
    shift = 17 if random.Random(f"lean {scene.seed}").random() < 0.5 else -17
    return (64.0 + shift, 116.0, 62.0, 0.85) if is_front else (64.0 - shift, 91.0, 62.0, 0.8)


def _draw_thing(canvas: Canvas, group: Group, i: int, at: Placement, cozy: bool) -> None:
    thing = THINGS[group.kind]
    radius = thing.width * at.scale * (0.5 if not thing.foot else 0.3)
    canvas.ellipse(at.x + 2, at.y, radius, max(2.0, radius * 0.16), (16, 18, 40), alpha=canvas.light.shadow)
    lift = thing.foot * at.scale
    thing.draw(Pen(canvas, f"{group.kind}.{i}", at.x, at.y - lift, at.scale, COLOURS[group.colour or "white"],
                   at.flip, cozy))


def _draw_rays(canvas: Canvas, group: Group, at: Placement) -> None:
    """Draw the majestic mood: light and rays from behind the thing."""
    x, y = at.x, at.y - THINGS[group.kind].height * at.scale * 0.6
    for k in range(12):
        a, b = (2 * math.pi * (k + d) / 12 for d in (-0.22, 0.22))
        far = [(x + 100 * math.cos(t), y + 100 * math.sin(t)) for t in (a, b)]
        canvas.polygon([(x, y), *far], (255, 240, 190), alpha=0.22, glows=True)
    canvas.halo(x, y, 56, (255, 238, 180), 0.55)


def _draw_sparks(canvas: Canvas, rng: random.Random) -> None:
    """Draw the magical mood: glowing four-pointed sparks in the air."""
    canvas.start_part("sparks")
    for k in range(13):
        x, y = 8 + (k * 37 + rng.uniform(-6, 6)) % 112, 10 + (k * 53 % 88) + rng.uniform(-5, 5)
        r = rng.uniform(2.2, 3.8)
        colour = rng.choice(((255, 250, 190), (255, 205, 240), (190, 245, 255)))
        canvas.halo(x, y, r * 1.9, colour, 0.45)
        star = [(x, y - r), (x + r * 0.3, y - r * 0.3), (x + r, y), (x + r * 0.3, y + r * 0.3),
                (x, y + r), (x - r * 0.3, y + r * 0.3), (x - r, y), (x - r * 0.3, y - r * 0.3)]
        canvas.polygon(star, (255, 255, 250), glows=True)


def _with_unions(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add the unions of parts: "car.0.wheels" also belongs to "car.0" and "car"."""
    out = dict(masks)
    for name, mask in masks.items():
        while "." in name:
            name = name.rpartition(".")[0]
            out[name] = out[name] | mask if name in out else mask
    return out
