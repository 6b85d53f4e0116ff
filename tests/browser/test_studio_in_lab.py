"""The first notebook in JupyterLab: a prompt gives an image that can be scrubbed, without an error."""

from __future__ import annotations

import re

import pytest
from lab import console_errors, open_and_run
from playwright.sync_api import Locator, Page, expect
from test_explorables_in_lab import parts_off_the_screen, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NASTY = "<img src=x onerror=alert(1)>"
# A subset of the pixels, enough to tell two images apart.
PIXELS = """canvas => Array.from(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 401 === 0))"""


def pixels(canvas: Locator) -> list[int]:
    return canvas.evaluate(PIXELS)


def wait_until_played(stage: Locator, last: int = 20) -> None:
    """Wait until a new recording has played to its end, and nothing follows. A preview may end with the finished image
    too; then the result is loaded, and plays."""
    caption, at_rest = stage.locator(".ex-caption"), 0
    while at_rest < 4:
        expect(caption).to_have_text(f"finished after {last} steps, t = 0.00")
        stage.page.wait_for_timeout(500)
        is_done = (caption.text_content() or "").startswith("finished") and stage.locator(".ex-moving").count() == 0
        at_rest = at_rest + 1 if is_done else 0


def type_prompt(studio: Locator, prompt: str) -> None:
    box = studio.get_by_label("prompt", exact=True)
    box.fill(prompt)
    box.press("Enter")


@pytest.fixture
def studio(page: Page, address: str) -> Locator:
    page.console_errors = console_errors(page)  # type: ignore[attr-defined]
    open_and_run(page, address, "00-studio.ipynb")
    studio = page.locator(".ex-explorable").first
    expect(studio.locator(".ex-thumb").last).to_be_visible(timeout=180_000)
    studio.locator(".ex-question").scroll_into_view_if_needed()  # Lab shows the last cell run
    wait_until_played(studio)
    return studio


def test_a_prompt_gives_an_image_that_can_be_scrubbed(page: Page, studio: Locator):
    canvas, slider = studio.locator(".ex-canvas"), studio.locator(".ex-slider")
    caption = studio.locator(".ex-caption")

    # Another prompt gives another image, and its words are shown as tokens.
    first = pixels(canvas)
    type_prompt(studio, "a cozy cabin in snowy mountains")
    expect(studio.locator(".ex-words")).to_contain_text("cabin")
    expect(studio.locator(".ex-words")).to_contain_text("<start>")
    wait_until_played(studio)
    finished = pixels(canvas)
    assert finished != first

    # The mouse drags the step slider.
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    expect(caption).to_have_text(re.compile(r"^step (9|10|11) of 20"))
    middle = pixels(canvas)
    assert middle != finished

    # The keyboard moves it too. JupyterLab does not handle the keys: no cell is added or run.
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    slider.focus()
    slider.press("Home")
    expect(caption).to_have_text("step 0 of 20, t = 1.00")
    static = pixels(canvas)
    for _ in range(3):
        slider.press("ArrowRight")
    expect(caption).to_have_text("step 3 of 20, t = 0.85")
    assert static != pixels(canvas) != middle
    slider.press("a")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    slider.press("End")
    wait_until_played(studio)
    assert pixels(canvas) == finished

    # The thumbnails are those of what the image shows, and each selects its step.
    expect(studio.locator(".ex-strip-title")).to_have_text("Noisy latent, step by step")
    studio.locator('[data-layer="denoised"]').click()
    expect(studio.locator('[data-layer="denoised"]')).to_have_attribute("aria-pressed", "true")
    expect(studio.locator(".ex-strip-title")).to_have_text("Predicted image, step by step")
    studio.locator(".ex-thumb").nth(2).click()
    expect(caption).to_have_text("step 2 of 20, t = 0.90")
    expect(studio.locator('[data-layer="denoised"]')).to_have_attribute("aria-pressed", "true")
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_a_bad_prompt_is_shown_as_text_and_the_image_stays(page: Page, studio: Locator):
    page.on("dialog", lambda dialog: pytest.fail(f"a prompt ran as a script: {dialog.message}"))
    before = pixels(studio.locator(".ex-canvas"))
    type_prompt(studio, NASTY)
    status = studio.locator(".ex-status")
    expect(status).to_contain_text("<img")
    expect(status).to_have_attribute("role", "alert")
    assert studio.locator("img").count() == 0
    assert pixels(studio.locator(".ex-canvas")) == before

    type_prompt(studio, "a red cra")
    expect(status).to_contain_text("'cra'")
    expect(status).to_contain_text("car")
    type_prompt(studio, "a red car")
    expect(status).to_contain_text("40 evaluations of the network, 20 with the prompt and 20 without")
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_the_recording_can_be_scrubbed_without_a_kernel(page: Page, studio: Locator):
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    expect(studio.locator(".ex-status")).to_have_text("The kernel is gone: run the cell again.")
    assert studio.locator(".jupyter-button:not([inert])").count() == 0
    slider = studio.locator(".ex-slider")
    slider.focus()
    slider.press("Home")
    expect(studio.locator(".ex-caption")).to_have_text("step 0 of 20, t = 1.00")
    page.wait_for_timeout(400)  # the message to the stopped kernel
    slider.press("ArrowRight")
    expect(studio.locator(".ex-caption")).to_have_text("step 1 of 20, t = 0.95")


def test_a_part_of_the_map_opens_by_keyboard_on_the_same_step(page: Page, studio: Locator):
    slider = studio.locator(".ex-slider").first
    slider.focus()
    slider.press("Home")
    for _ in range(3):
        slider.press("ArrowRight")
    node = studio.locator('[data-node="guidance"]')
    node.focus()
    node.press("Enter")
    opened = studio.locator(".ex-opened .ex-explorable")
    expect(opened.locator(".ex-question")).to_contain_text("with minus without")
    expect(opened.locator(".ex-caption")).to_contain_text("step 3")
    expect(node).to_have_attribute("aria-pressed", "true")
    node.press("Enter")
    expect(opened).to_have_count(0)
    expect(node).to_be_focused()
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_a_second_model_is_scrubbed_together_and_all_of_it_is_on_the_screen(page: Page, studio: Locator):
    menu, canvases = studio.get_by_label("beside it", exact=True), studio.locator(".ex-panels .ex-canvas")
    menu.select_option(label="dit-flow")
    expect(studio.locator(".ex-score")).to_have_count(2, timeout=60_000)
    wait_until_played(studio)
    expect(studio.locator(".ex-panel-title")).to_have_text(["left: unet-flow", "right: dit-flow"])
    finished = [pixels(canvas) for canvas in canvases.all()]
    assert len(finished) == 2 and finished[0] != finished[1]
    slider = studio.locator(".ex-slider").first
    slider.focus()
    slider.press("Home")
    noise = [pixels(canvas) for canvas in canvases.all()]
    assert noise[0] == noise[1] and noise[0] not in finished, "both start from the same noise"
    studio.locator('[data-layer="denoised"]').click()
    predicted = [pixels(canvas) for canvas in canvases.all()]
    assert predicted[0] != noise[0] and predicted[1] != noise[1] and predicted[0] != predicted[1]
    slider.focus()
    slider.press("End")
    assert [pixels(canvas) for canvas in canvases.all()] == finished
    assert serious_findings(page) == [] and parts_off_the_screen(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    menu.select_option(label="none")
    expect(studio.locator(".ex-score")).to_have_count(1, timeout=60_000)
    expect(canvases).to_have_count(1)
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_a_picture_starts_the_run_and_a_broken_file_is_said_beside_the_button(page: Page, studio: Locator):
    title = studio.get_by_role("button", name="start from a picture")
    title.focus()
    title.press("Enter")
    expect(studio).to_contain_text("starts from noise alone, at step 0 of 20")
    studio.get_by_label("picture", exact=True).select_option(label="a majestic lion at sunset")
    expect(studio).to_contain_text("with the noise of t = 0.60, at step 8 of 20: 12 steps are sampled", timeout=60_000)
    wait_until_played(studio, 12)
    expect(studio.locator(".ex-status").first).to_contain_text("From step 8 of 20: 24 evaluations")
    before = pixels(studio.locator(".ex-canvas"))
    studio.locator('input[type="file"]').set_input_files(
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(studio.locator(".ex-group .ex-error")).to_contain_text("is no picture that can be read")
    assert pixels(studio.locator(".ex-canvas")) == before
    assert serious_findings(page) == []
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_nothing_but_the_diagram_scrolls_sideways_at_200_per_cent(page: Page, studio: Locator):
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.set_viewport_size({"width": 720, "height": 450})
    for title in studio.locator(".ex-titles button").all():
        title.click()
    wide = """studio => [studio, ...studio.querySelectorAll(".ex-group")].filter(e => e.scrollWidth > e.clientWidth + 1)
        .map(e => e.className)"""
    assert studio.evaluate(wide) == []
