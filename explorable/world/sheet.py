"""Contact sheets: many captioned pictures on one page."""

from __future__ import annotations

import random
import textwrap

from PIL import Image, ImageDraw, ImageFont

from .draw import draw
from .grammar import parse, say
from .scene import Scene, sample

GAP, LINES = 10, 4


def contact_sheet(count: int = 64, columns: int = 8, seed: int = 0, side: int = 160) -> Image.Image:
    """`count` scenes drawn by lot, each with one of its captions below."""
    rng = random.Random(f"sheet {seed}")
    scenes = [sample(rng) for _ in range(count)]
    font = ImageFont.load_default(size=12)
    high = side + 14 * LINES + GAP
    rows = -(-count // columns)
    page = Image.new("RGB", (columns * (side + GAP) + GAP, rows * high + GAP), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    for k, scene in enumerate(scenes):
        x, y = GAP + k % columns * (side + GAP), GAP + k // columns * high
        picture = Image.fromarray(draw(scene, masks=False).image).resize((side, side), Image.Resampling.LANCZOS)
        page.paste(picture, (x, y))
        for line, text in enumerate(textwrap.wrap(say(scene, rng), 26)[:LINES]):
            pen.text((x, y + side + 2 + 13 * line), text, fill=(40, 40, 48), font=font)
    return page


def caption_picture(caption: str, seed: int = 0, side: int = 512) -> Image.Image:
    """One of the pictures that a caption can mean."""
    s = parse(caption).scene
    scene = Scene(s.groups, s.relation, s.place, s.time, s.mood, seed)
    return Image.fromarray(draw(scene, masks=False).image).resize((side, side), Image.Resampling.LANCZOS)
