"""Contact sheets: many captioned pictures on one page."""

from __future__ import annotations

import random
import textwrap
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from .draw import draw
from .grammar import parse, write_caption
from .scene import sample_scene

GAP, LINE = 10, 13  # pixels between pictures, and from one line of a caption to the next


def contact_sheet(count: int = 64, columns: int = 8, seed: int = 0, side: int = 160) -> Image.Image:
    """`count` scenes drawn by lot, each with one of its captions below, whole."""
    rng = random.Random(f"sheet {seed}")
    scenes = [sample_scene(rng) for _ in range(count)]
    font = ImageFont.load_default(size=12)
    captions = [textwrap.wrap(write_caption(scene, rng), 26) for scene in scenes]
    high = side + LINE * max(map(len, captions), default=0) + LINE // 2 + GAP
    rows = -(-count // columns)
    page = Image.new("RGB", (columns * (side + GAP) + GAP, rows * high + GAP), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    for k, (scene, lines) in enumerate(zip(scenes, captions, strict=True)):
        x, y = GAP + k % columns * (side + GAP), GAP + k // columns * high
        picture = Image.fromarray(draw(scene, masks=False).image).resize((side, side), Image.Resampling.LANCZOS)
        page.paste(picture, (x, y))
        for line, text in enumerate(lines):
            pen.text((x, y + side + 2 + LINE * line), text, fill=(40, 40, 48), font=font)
    return page


def draw_caption(caption: str, seed: int = 0, side: int = 512) -> Image.Image:
    """One of the pictures that a caption can mean."""
    scene = replace(parse(caption).scene, seed=seed)
    return Image.fromarray(draw(scene, masks=False).image).resize((side, side), Image.Resampling.LANCZOS)
