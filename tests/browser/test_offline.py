"""The offline file: opened from disk without a network, and scrubbed by mouse and keyboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lab import browser
from playwright.sync_api import expect

from explorable.widgets.core.offline import offline_page
from explorable.widgets.stage.layers import Arrows, Axis, Heatmap, Images, Panel, Points
from explorable.widgets.stage.stage import Stage

pytestmark = pytest.mark.browser


def stage() -> Stage:
    """Show every kind of layer, a further axis and three panels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    maps = rng.random((5, 3, 4, 4))
    recording = Stage()
    recording.show(
        [Images("image", "Image", images), Heatmap("attention", "Attention", maps, axes=("frame", "word"), unit="of 1"),
         Points("path", "Path", rng.uniform(-1, 1, (5, 6, 2)), trail=True, highlighted=(0,)),
         Arrows("field", "Field", rng.uniform(-1, 1, (5, 9, 4)))],
        [f"</script> step {k}" for k in range(5)], thumbnails="image",
         axes=[Axis("word", "word", ("<b>red</b>", "car", "pad"))],
        panels=[Panel("main", ("image", "attention"), "A word over an image"),
                Panel("alone", ("attention",), "The map alone"),
                Panel("plane", ("field", "path"), "Paths", interaction="drag")])
    return recording


def test_it_opens_from_disk_and_every_kind_of_layer_can_be_scrubbed(chromium: str, tmp_path: Path):
    file = tmp_path / "saved.html"
    recording = stage()
    shown = np.frombuffer(recording.buffers[0], np.uint8).reshape(recording.layers[0]["shape"])
    file.write_text(offline_page("What is <here>?", recording, "", "<p>image</p>", "<table></table>", "x < 1"), "utf-8")
    with browser(chromium) as context:
        context.set_offline(True)
        tab = context.new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        tab.goto(file.as_uri())
        expect(tab.get_by_role("heading")).to_have_text("What is <here>?")
        slider = tab.locator(".ex-slider")
        expect(tab.locator(".ex-caption")).to_have_text("</script> step 4")
        paint = "k => [...document.querySelectorAll('.ex-canvas')].map(c => c.toDataURL())[k]"
        pixels = tab.evaluate("""() => [...document.querySelectorAll('.ex-thumb canvas')].map((c) =>
            [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 < 3))""")
        assert np.array_equal(np.array(pixels, np.uint8).reshape(5, 8, 8, 3), shown), "bit-identical"
        before = [tab.evaluate(paint, k) for k in range(3)]
        slider.focus()
        tab.keyboard.press("ArrowLeft")
        expect(tab.locator(".ex-caption")).to_have_text("</script> step 3")
        assert all(tab.evaluate(paint, k) != before[k] for k in range(3))
        before = [tab.evaluate(paint, k) for k in range(3)]
        tab.get_by_label("car", exact=True).check(force=True)
        after = [tab.evaluate(paint, k) for k in range(3)]
        assert [a != b for a, b in zip(after, before, strict=True)] == [True, True, False]
        tab.locator(".ex-canvas").nth(1).hover(position={"x": 5, "y": 5})
        expect(tab.locator(".ex-readout").nth(1)).to_contain_text("of 1 at column 0, row 0")
        assert errors == []
