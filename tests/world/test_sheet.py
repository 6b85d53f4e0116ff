"""Contact sheets: captions are complete, and a caption can be drawn."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np

from explorable.world import draw, parse, sheet
from explorable.world.sheet import contact_sheet, draw_caption


def test_a_long_caption_is_not_cut():
    """Six lines of text below each drawing are printed to the last line, and clear of the next drawing."""
    long = "\n".join(["three turquoise balloons on"] * 6)
    with patch.object(sheet, "write_caption", lambda scene, rng: long.replace("\n", " ")):
        page = np.asarray(contact_sheet(count=2, columns=1, side=64).convert("L"))
    with patch.object(sheet, "write_caption", lambda scene, rng: "a cat"):
        short = np.asarray(contact_sheet(count=2, columns=1, side=64).convert("L"))
    each = (page.shape[0] - 10) // 2
    assert each - (short.shape[0] - 10) // 2 >= 5 * 13
    text = page[10 + 64 : 10 + each]
    text_rows = np.flatnonzero((text < 128).any(axis=1))
    assert text_rows.max() >= 5 * 13 and (text[-5:] == 255).all()


def test_an_empty_sheet_is_a_blank_page():
    assert (np.asarray(contact_sheet(count=0)) == 255).all()


def test_a_caption_has_a_drawing_for_every_seed():
    drawings = [np.asarray(draw_caption("two cats in a meadow", seed, side=128)) for seed in (0, 1)]
    assert np.array_equal(drawings[0], draw(parse("two cats in a meadow").scene).image)
    assert not np.array_equal(*drawings)
