"""The diagrams of the famous systems say what the table says, and name no mirror that is not there."""

from __future__ import annotations

from html import escape

from explorable.measure.cheatsheet.diagram import BOXES, PARTS, system_diagrams
from explorable.measure.cheatsheet.systems import SYSTEMS


def test_every_box_is_from_the_table():
    html = system_diagrams()
    for row in SYSTEMS:
        assert all(escape(row[name]) in html for name in ("system", *BOXES[:-1]))
    without = [row["system"] for row in SYSTEMS if row["its mirror here"] == "–"]
    assert set(PARTS) <= set(without) and html.count("none yet") == len(without) - len(PARTS)
    assert html.count("&rarr;") == len(SYSTEMS) * (len(BOXES) - 2)
