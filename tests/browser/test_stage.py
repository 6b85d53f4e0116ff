"""The page's half of the stage, in Chromium without a Lab: a few lines stand in for the kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import browser
from playwright.sync_api import Page, expect

from explorable.widgets.stage.stage import script

pytestmark = pytest.mark.browser

PAGE = "<!doctype html><meta charset=utf-8><div id=here></div>"
MODEL = """async (source) => {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: stage } = await import(address);
  const handlers = {};
  window.recording = (name, count, recording_id) => ({
    layers: [{ name: "a", label: "A", note: "", kind: "image", shape: [count, 2, 2, 3], dtype: "uint8" }],
    "bytes a": new DataView(new ArrayBuffer(count * 12)), layer: "a", thumbnails: "a", frame: count - 1, recording_id,
    captions: Array.from({ length: count }, (_, k) => `${name} ${k}`), placeholder: "", file_name: name,
  });
  window.state = recording("old", 3, 1);
  window.reports = [];
  window.tell = (event) => handlers[event]?.();
  stage.render({ el: document.getElementById("here"), model: {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; reports.push([name, value]); },
    on: (event, handler) => { handlers[event] = handler; },
    off: () => {},
    save_changes: () => {},
  } });
}"""


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    """A page with a stage of three frames, at rest on the last."""
    with browser(chromium) as context:
        page = context.new_page()
        page.set_content(PAGE)
        page.evaluate(MODEL, script())
        yield page


def test_playing_reports_no_frame_on_its_way(page: Page):
    page.evaluate("""() => {
      const slider = document.querySelector(".ex-slider");
      slider.value = 0;
      slider.dispatchEvent(new Event("input"));
      document.querySelector("[aria-label=Play]").click(); // before the hand has come to rest
    }""")
    expect(page.get_by_label("Pause", exact=True)).to_be_visible()
    expect(page.get_by_label("Play", exact=True)).to_be_visible()
    expect(page.locator(".ex-live")).to_have_text("old 2")
    assert page.evaluate("reports") == []  # it ends where Python has it


def test_a_part_of_a_recording_moves_nothing(page: Page):
    page.locator(".ex-slider").evaluate("s => { s.value = 0; s.dispatchEvent(new Event('input')); }")
    page.evaluate("() => { Object.assign(state, recording('new', 5, 2)); tell('change:frame'); }")
    expect(page.locator(".ex-caption")).to_have_text("old 0")
    page.evaluate("() => tell('change:recording_id')")
    expect(page.locator(".ex-caption")).to_have_text("new 4")
    expect(page.locator(".ex-live")).to_have_text("new 4")
    assert page.evaluate("reports.filter(([name, value]) => value !== 4)") in ([], [["frame", 0]])


def test_python_moves_it(page: Page):
    page.evaluate("() => { state.frame = 1; tell('change:frame'); }")
    expect(page.locator(".ex-caption")).to_have_text("old 1")


def test_with_less_motion_a_recording_is_shown_and_said(page: Page):
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("() => { Object.assign(state, recording('new', 5, 2)); tell('change:recording_id'); }")
    expect(page.locator(".ex-caption")).to_have_text("new 4", timeout=200)
    expect(page.locator(".ex-live")).to_have_text("new 4")


def test_a_recording_that_takes_anothers_place_leaves_the_reader_where_the_hand_is(page: Page):
    page.evaluate("""() => {
      const slider = document.querySelector(".ex-slider");
      slider.value = 1;
      slider.dispatchEvent(new Event("input")); // not told yet: the hand has not come to rest
      Object.assign(state, recording("new", 3, 2), { autoplay: false, frame: 2 });
      tell("change:recording_id");
    }""")
    expect(page.locator(".ex-caption")).to_have_text("new 1")
    expect(page.locator(".ex-live")).to_have_text("new 1")
    assert page.evaluate("reports") == [["frame", 1]]
