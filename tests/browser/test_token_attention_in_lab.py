"""TokenAttention in JupyterLab: a region is brushed, faders are moved, every control is reached by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from lab import lab
from playwright.sync_api import Page, expect
from test_explorables_in_lab import open_explorable, parts_off_the_screen, scratch, serious_findings, window

pytestmark = [pytest.mark.browser, pytest.mark.slow]

__all__ = ["scratch", "window"]  # fixtures
# What has the focus, by its name; a choice by the axis that it belongs to.
FOCUSED = """() => {
  const element = document.activeElement;
  if (element.type === 'radio') return `radio ${element.closest('.ex-axis')?.dataset.axis}`;
  if (element.closest('[data-panel="attention"]')) return 'brush';
  const name = element.labels?.[0]?.textContent.trim();
  if (element.classList.contains('ex-slider')) return 'ex-slider';
  return element.getAttribute('aria-label') || name || element.textContent.trim();
}"""


def test_a_region_brushed_in_token_attention_says_at_once_what_it_attends_to(scratch: str, window: Page):
    sent = comm_messages(window)
    explorable = open_explorable(window, scratch, "TokenAttention")
    window.set_viewport_size({"width": 1024, "height": 700})
    explorable.locator(".ex-question").scroll_into_view_if_needed()
    canvas, label = explorable.locator('[data-panel="attention"] .ex-canvas'), explorable.locator(".ex-brush-label")
    expect(explorable.locator(".ex-by-pointer")).to_have_text("Drag over a region")
    box, before = canvas.bounding_box(), len(sent)
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ((0.2, 0.6), (0.75, 0.9))]
    window.mouse.move(*at[0])
    window.mouse.down()
    window.mouse.move(*at[1], steps=10)
    lines = label.inner_text().split("\n")
    assert lines[0] == "attends to" and all(re.fullmatch(r"\S+ [\d.]+%", line) for line in lines[1:4]), lines
    expect(explorable.locator(".ex-hint")).to_be_hidden()
    assert len(sent) == before, "brushing sends nothing"
    window.mouse.up()
    expect(explorable.locator(".ex-description")).to_contain_text("In the brushed region", timeout=60_000)
    assert len(sent) > before and parts_off_the_screen(window) == []
    assert serious_findings(window) == []

    # The table, which Python computes over whole pixels, has the same shares; here they are whole per cents.
    explorable.get_by_text("table of regions").click()
    word, share = lines[1].split()
    row = explorable.locator(".ex-table").last.locator("tr", has=window.get_by_role("rowheader", name=word, exact=True))
    assert float(row.locator("td").nth(2).inner_text().rstrip("%")) == pytest.approx(float(share.rstrip("%")), abs=1)

    # By keyboard a region is moved and cleared.
    canvas.focus()
    for _ in range(20):
        window.keyboard.press("ArrowUp")
    assert label.inner_text().split("\n") != lines
    window.keyboard.press("Escape")
    expect(label).to_be_hidden()
    expect(explorable.locator(".ex-description")).not_to_contain_text("In the brushed region", timeout=60_000)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Start a Lab of its own: this notebook's kernel has run nothing before."""
    cell = nbformat.v4.new_code_cell("import explorable as ex\n\nex.TokenAttention()")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "TokenAttention.ipynb")
    with lab(tmp_path) as address:
        yield address


def test_token_attention_by_keyboard_and_at_200_per_cent(address: str, window: Page):
    explorable = open_explorable(window, address, "TokenAttention")
    red = explorable.get_by_label("attention to “red” ×")
    red.focus()
    for _ in range(8):
        window.keyboard.press("ArrowRight")
    title = explorable.locator('[data-panel="edited"] .ex-panel-title')
    expect(title).to_have_text("“red” × 2", timeout=60_000)
    expect(explorable.locator('[data-axis="word"] input:checked').locator("..")).to_have_text("red")
    explorable.locator('[data-axis="layer"] .ex-chip', has_text="up.0.0").click()
    expect(explorable.locator('[data-axis="head"] .ex-chip:visible')).to_have_text(["mean", "1", "2", "3"])

    explorable.get_by_label("prompt", exact=True).focus()
    reached = set()
    for _ in range(60):
        reached.add(window.evaluate(FOCUSED))
        window.keyboard.press("Tab")
    wanted = {*(f"attention to “{word}” ×" for word in ("<start>", "a", "red", "car", "road", "<end>")), "brush",
              "radio word", "radio layer", "radio head", "Play", "Opacity of maps", "Save the image as a PNG file",
              "ex-slider", "▸ more settings", "▸ chart of the words", "▸ table of regions", "▸ words", "image"}
    assert wanted <= reached, wanted - reached

    window.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    window.set_viewport_size({"width": 512, "height": 700})  # as 1024 x 700 at 200%
    window.wait_for_timeout(1000)
    edge = explorable.bounding_box()["x"] + explorable.bounding_box()["width"]
    parts = explorable.locator(":is(.ex-canvas, .ex-fader, .ex-chip, .ex-transport, .ex-below, .ex-titles > *):visible")
    ends = [box["x"] + box["width"] for box in (part.bounding_box() for part in parts.all()) if box]
    assert len(ends) > 30 and max(ends) <= edge + 1
    assert min(box["width"] for box in (fader.bounding_box() for fader in explorable.locator(".ex-fader").all())) > 60


def comm_messages(page: Page) -> list[bytes | str]:
    """Collect the messages that widgets send to the kernel from now on."""
    found: list[bytes | str] = []

    def on_frame(payload: bytes | str) -> None:
        is_bytes = isinstance(payload, bytes)
        has = lambda text: (text.encode() if is_bytes else text) in payload  # noqa: E731
        if has("comm_msg") and not has('"svg'):  # the chart reports its SVG when it is drawn, not when one brushes
            found.append(payload)

    page.on("websocket", lambda socket: socket.on("framesent", on_frame))
    return found
