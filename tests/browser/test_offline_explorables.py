"""The offline file of every explorable, without a network: its slider by keyboard and by mouse, and every choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_pipes
from lab import browser
from playwright.sync_api import Page, expect
from test_every_explorable import CASES

import explorable as ex

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PIXELS = "canvases => canvases.map(c => c.toDataURL()).join()"


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Page]:
    with browser(chromium) as context:
        context.set_offline(True)
        yield context.new_page()


@pytest.mark.parametrize("name", CASES)
def test_a_saved_page_is_scrubbed_by_keyboard_and_by_mouse(page: Page, tmp_path: Path, name: str):
    pipe = tiny_pipes.tiny("dit" if name == "PatchTransformer" else "unet")
    made = getattr(ex, name)(pipe, **CASES[name][0])
    try:
        made.wait(120)
        made.save_html(tmp_path / "saved.html")
    finally:
        made.close()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "saved.html").as_uri())
    slider, caption = page.locator(".ex-slider").first, page.locator(".ex-caption").first

    def shown() -> tuple[str, str]:
        return caption.inner_text(), page.locator(".ex-canvas").evaluate_all(PIXELS)

    slider.press("Home")
    first = shown()
    slider.press("End")
    last = shown()
    assert first[0] != last[0] and first[1] != last[1]
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.mouse.move(0, 0)
    assert shown() == first
    for axis in page.locator(".ex-axis").all():
        choice = axis.locator(".ex-chip input").last
        if choice.is_visible() and not choice.is_checked():
            choice.check(force=True)
            expect(choice).to_be_checked()
    assert errors == []


def test_a_saved_studio_has_the_model_beside_it(page: Page, tmp_path: Path):
    made = ex.Studio(steps=4, beside="dit-flow")
    try:
        made.wait(120)
        made.save_html(tmp_path / "saved.html")
    finally:
        made.close()
    page.set_viewport_size({"width": 1024, "height": 700})
    page.goto((tmp_path / "saved.html").as_uri())
    expect(page.locator(".ex-panel-title")).to_have_text(["left: unet-flow", "right: dit-flow"])
    expect(page.locator(".ex-score")).to_have_count(2)
    canvases = page.locator(".ex-panels .ex-canvas")

    def shown() -> list[str]:
        return [canvas.evaluate("canvas => canvas.toDataURL()") for canvas in canvases.all()]

    slider = page.locator(".ex-slider")
    slider.press("Home")
    noise = shown()
    assert noise[0] == noise[1], "both start from the same noise"
    page.locator('[data-layer="denoised"]').click()
    predicted = shown()
    assert predicted[0] != noise[0] and predicted[1] != noise[1] and predicted[0] != predicted[1]
    slider.press("End")
    assert not set(shown()) & set(predicted)
    stage, text = page.locator("#stage").bounding_box(), page.locator("#text").bounding_box()
    assert stage and text and text["x"] > stage["x"] + stage["width"] - 1 and text["y"] < stage["y"] + stage["height"]
