"""Contact sheets: many captioned drawings on one page."""

from __future__ import annotations

import random
import textwrap
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from .captions import write_caption
from .draw import draw
from .grammar import parse
from .scene import sample_scene

GAP, LINE_HEIGHT = 10, 13  # pixels: between drawings, and of a line of a caption


def contact_sheet(count: int = 64, columns: int = 8, seed: int = 0, side: int = 160) -> Image.Image:
    """Draw `count` random scenes, each `side` pixels wide above one of its captions."""
    rng = random.Random(f"sheet {seed}")
    scenes = [sample_scene(rng) for _ in range(count)]
    font = ImageFont.load_default(size=12)
    captions = [textwrap.wrap(write_caption(scene, rng), 26) for scene in scenes]
    row_height = side + LINE_HEIGHT * max(map(len, captions), default=0) + LINE_HEIGHT // 2 + GAP
    rows = -(-count // columns)
    page = Image.new("RGB", (columns * (side + GAP) + GAP, rows * row_height + GAP), (255, 255, 255))
    page_draw = ImageDraw.Draw(page)
    for k, (scene, lines) in enumerate(zip(scenes, captions, strict=True)):
        x, y = GAP + k % columns * (side + GAP), GAP + k // columns * row_height
        drawing = Image.fromarray(draw(scene, masks=False).image).resize((side, side), Image.Resampling.LANCZOS)
        page.paste(drawing, (x, y))
        for line, text in enumerate(lines):
            page_draw.text((x, y + side + 2 + LINE_HEIGHT * line), text, fill=(40, 40, 48), font=font)
    return page


def draw_caption(caption: str, seed: int = 0, side: int = 512) -> Image.Image:
    """Draw a caption, `side` pixels wide. The seed chooses what the caption leaves open."""
    scene = replace(parse(caption).scene, seed=seed)
    return Image.fromarray(draw(scene, masks=False).image).resize((side, side), Image.Resampling.LANCZOS)
