"""The offline file: opened from disk without a network, and scrubbed by mouse and keyboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lab import browser
from playwright.sync_api import expect

from explorable.widgets.core.offline import offline_page
from explorable.widgets.stage.layers import Arrows, Axis, Heatmap, Images, Panel, Points
from explorable.widgets.stage.stage import Diagram, Element, Stage

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


def diagram() -> Stage:
    """Show a block, a bridge and a block whose activations take turns in a panel."""
    rng = np.random.default_rng(0)
    names = ("left", "bridge", "right")
    tiles = [Images(name, f"activations of {name}", rng.integers(0, 256, (3, 4, 4, 3)).astype(np.uint8))
             for name in names]
    elements = [Element(name, "8 × 4 × 4", (0.1 + 0.3 * k, 0.2, 0.2, 0.2), tile=name, label=name,
                        label_at=(0.2 + 0.3 * k, 0.1), path=((0.3, 0.3), (0.7, 0.3)) if name == "bridge" else ())
                for k, name in enumerate(names)]
    u = Diagram("u", "Parts", np.array([[1.0, 2.0, 3.0], [4.0, 50.0, 6.0], [7.0, 0.0, 9.0]]), elements=tuple(elements),
                selects="part", quantity="norm", scale_box=(0.3, 0.7, 0.5, 0.2))
    made = Stage()
    made.show([*tiles, u], ["step 0", "step 1", "step 2"], axes=[Axis("part", "part", names, in_diagram=True)],
              panels=[Panel("u", ("u",), "The U"), Panel("activations", names, layer_axis="part")], autoplay=False,
              frame=1)
    return made


def test_parts_of_a_diagram_are_chosen_by_mouse_and_keyboard(chromium: str, tmp_path: Path):
    file = tmp_path / "saved.html"
    file.write_text(offline_page("What?", diagram(), "", "<p>text</p>", "<table></table>", "x"), "utf-8")
    with browser(chromium) as context:
        context.set_offline(True)
        tab = context.new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(file.as_uri())

        def pixels() -> list[str]:
            return tab.locator(".ex-canvas").evaluate_all("canvases => canvases.map(c => c.toDataURL())")

        bridge = tab.get_by_role("radio", name="bridge: norm 50, 8 × 4 × 4")
        tab.get_by_role("radio", name="right").click()
        expect(tab.get_by_role("radio", name="right")).to_be_checked()
        expect(tab.locator(".ex-panel-title").nth(1)).to_have_text("activations of right")
        before = pixels()
        tab.keyboard.press("ArrowLeft")
        expect(bridge).to_be_checked()
        expect(bridge).to_be_focused()
        expect(tab.locator(".ex-panel-title").first).to_have_text("bridge: norm 50, 8 × 4 × 4")
        expect(tab.locator(".ex-caption")).to_have_text("step 1")
        assert all(now != was for now, was in zip(pixels(), before, strict=True)), "the mark and the activations"
        before = pixels()
        tab.keyboard.press("Tab")
        tab.locator(".ex-slider").press("ArrowRight")
        expect(tab.get_by_role("radio", name="bridge: norm 0, 8 × 4 × 4")).to_be_checked()
        expect(tab.locator(".ex-live")).to_have_text("step 2, part bridge")
        assert all(now != was for now, was in zip(pixels(), before, strict=True)), "the band and the activations"
        left = tab.get_by_role("radio", name="left")
        left.hover()
        expect(tab.locator(".ex-panel-title").nth(1)).to_have_text("activations of left")
        expect(left).not_to_be_checked()
        assert errors == []
