"""Every explorable in JupyterLab: it opens, is scrubbed by keyboard, reports no error, and axe-core, which checks pages
against the accessibility guidelines, finds nothing serious. A keyboard is enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from lab import browser, console_errors, lab, open_and_run
from playwright.sync_api import Locator, Page, expect

from explorable import EXPLORABLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = tuple(EXPLORABLES)
SERIOUS = {"serious", "critical"}
PIXELS = "canvases => canvases.map(c => c.toDataURL()).join()"
SIZES = ((1440, 900), (1024, 700))
TOGETHER = (".ex-controls", ".ex-status-area", ".ex-canvas-area", ".ex-transport", ".ex-verdict")
OFF_THE_SCREEN = """parts => {
  const question = document.querySelector('.ex-question');
  question.scrollIntoView();
  const top = question.getBoundingClientRect().top;
  const room = question.closest('.jp-WindowedPanel-outer').getBoundingClientRect();
  return parts.flatMap(part => {
    const element = document.querySelector('.ex-explorable ' + part);
    if (!element || !element.offsetHeight) return [];
    const box = element.getBoundingClientRect();
    const [below, beside] = [box.bottom - top - room.height, box.right - room.right].map(Math.round);
    return below > 0 || beside > 0 ? [`${part} ends ${below} px below and ${beside} px beside the notebook`] : [];
  });
}"""
# Of every group of toggle buttons: those that are not chosen and look like the chosen one, but for a soft shadow.
TOGGLES_THAT_LOOK_CHOSEN = """() => {
  const look = button => { const s = getComputedStyle(button); return [s.backgroundColor, s.fontWeight].join(); };
  return [...document.querySelectorAll('.ex-explorable .widget-toggle-buttons')].flatMap(group => {
    const chosen = group.querySelector('.mod-active');
    return [...group.querySelectorAll('.jupyter-button:not(.mod-active)')]
      .filter(button => chosen && look(button) === look(chosen)).map(button => button.textContent);
  });
}"""
# Legends are above their plots, as wide as the chart at most, and plotly.js draws none of its own.
COVERED_PLOTS = """() => [...document.querySelectorAll('.ex-chart')].flatMap(chart => {
  const [box, plot, legend] = [chart, ...['.main-svg', '.ex-legend'].map(part => chart.querySelector(part))]
    .map(element => element?.getBoundingClientRect());
  if (chart.querySelector('.main-svg .legend')) return ['plotly.js draws a legend'];
  return legend && (legend.bottom > plot.top || legend.right > box.right + 1) ? ['a legend lies over its plot'] : [];
})"""
# The visible controls that a keyboard has to reach, numbered. Of radio buttons of one name it reaches one; arrow keys
# lead to the others.
NUMBER_CONTROLS = """explorable => {
  const names = new Set();
  const all = explorable.querySelectorAll('button, input, select, textarea, a[href], [tabindex="0"], [role="slider"]');
  const shown = [...all].filter(e => e.checkVisibility() && !e.disabled && e.getAttribute('tabindex') !== '-1');
  const reached = shown.filter(e => e.type !== 'radio' || (!names.has(e.name) && names.add(e.name)));
  reached.forEach((e, k) => (e.dataset.control = e.type === 'radio' ? e.name : k));
  shown.filter(e => e.type === 'radio').forEach(e => (e.dataset.control = e.name));
  return reached.map(e => [e.dataset.control, e.outerHTML.slice(0, 120)]);
}"""
FOCUSED = """() => document.activeElement.closest('.ex-explorable') && (document.activeElement.dataset.control ?? '')"""
# ipywidgets gives the handles of its sliders no accessible name.
IPYWIDGETS_HANDLES = ".noUi-handle"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Lab with a notebook for each explorable that only opens it."""
    root = tmp_path_factory.mktemp("scratch")
    for name in NAMES:
        cell = nbformat.v4.new_code_cell(f"import explorable as ex\n\nex.{name}()")
        notebook = nbformat.v4.new_notebook(cells=[cell])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, Path(root) / f"{name}.ipynb")
    with lab(root) as address:
        yield address


@pytest.fixture
def window(chromium: str) -> Iterator[Page]:
    with browser(chromium) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        yield page


def open_explorable(page: Page, address: str, name: str) -> Locator:
    open_and_run(page, address, f"{name}.ipynb")
    explorable = page.locator(".ex-explorable").first
    expect(explorable.locator(".ex-caption")).not_to_be_empty(timeout=180_000)
    wait_until_idle(page, explorable)
    return explorable


def wait_until_idle(page: Page, explorable: Locator, timeout: int = 180) -> None:
    """Wait until nothing is computed or played. A preview may come before the result."""
    before = ""
    for _ in range(timeout):
        page.wait_for_timeout(1000)
        now = explorable.locator(".ex-caption").inner_text()
        if now == before and explorable.locator(".ex-moving").count() == 0:
            return
        before = now
    raise AssertionError(f"the explorable is not idle after {timeout} s: {before}")


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_can_be_scrubbed_by_keyboard_and_is_accessible(scratch: str, window: Page, name: str):
    errors = console_errors(window)
    explorable = open_explorable(window, scratch, name)
    caption = explorable.locator(".ex-caption")

    def press(key: str) -> tuple[str, str]:
        explorable.locator(".ex-slider").focus()
        window.keyboard.press(key)
        return caption.inner_text(), explorable.locator(".ex-canvas").evaluate_all(PIXELS)

    first, last = press("Home"), press("End")
    before = press("ArrowLeft")
    assert len({at for at, _ in (first, last, before)}) == 3
    assert len({pixels for _, pixels in (first, last, before)}) == 3
    assert errors == []
    assert serious_findings(window) == []
    assert parts_off_the_screen(window) == []
    assert window.evaluate(TOGGLES_THAT_LOOK_CHOSEN) == []
    assert_a_refused_prompt_is_seen(window, explorable)


@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_alone_is_enough(scratch: str, window: Page, name: str):
    explorable = open_explorable(window, scratch, name)
    cells = window.locator(".jp-Cell").count()
    titles = explorable.locator(".ex-titles button")
    for k in range(titles.count()):
        titles.nth(k).focus()
        window.keyboard.press("a")  # a shortcut of JupyterLab
        window.keyboard.press("Enter" if k % 2 else "Space")
        expect(titles.nth(k)).to_have_class(re.compile("mod-active"))
    assert window.locator(".jp-Cell").count() == cells
    assert out_of_reach(window, explorable) == []
    assert_arrows_move_sliders(window, explorable)


def out_of_reach(page: Page, explorable: Locator) -> list[str]:
    """Return the controls of an explorable that the Tab key does not reach from its first one."""
    controls = dict(explorable.evaluate(NUMBER_CONTROLS))
    explorable.locator("[data-control]").first.focus()
    reached = {page.evaluate(FOCUSED)}
    for _ in range(2 * len(controls) + 20):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        reached.add(focused)
    return [html for number, html in controls.items() if number not in reached]


def assert_arrows_move_sliders(page: Page, explorable: Locator) -> None:
    handles = [handle for handle in explorable.locator(".noUi-handle").all() if handle.is_visible()][:2]
    for handle in handles:
        handle.focus()
        before = handle.get_attribute("aria-valuenow")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
        if handle.get_attribute("aria-valuenow") == before:  # at its end
            page.keyboard.press("ArrowLeft")
        expect(handle).not_to_have_attribute("aria-valuenow", before or "")


def serious_findings(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical in the explorables of a page."""
    found = Axe().run(page, context={"include": [[".ex-explorable"]], "exclude": [[IPYWIDGETS_HANDLES]]}).response
    return [f"{finding['id']}: {node['html'][:160]}" for finding in found["violations"] if finding["impact"] in SERIOUS
            for node in finding["nodes"]]


def parts_off_the_screen(page: Page) -> list[str]:
    """Return the parts of an explorable that are not on the screen together with its question, and the legends over
    plots, at each size of window, with Lab's side bar open and closed."""
    found = []
    for sidebar in ("expandLeft", "collapseLeft"):
        page.evaluate(f"() => window.jupyterapp.shell.{sidebar}()")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(1000)
            found += [f"{width} x {height}, {sidebar}: {part}" for part in [
                *page.evaluate(OFF_THE_SCREEN, TOGETHER), *page.evaluate(COVERED_PLOTS)]]
    return found


def assert_a_refused_prompt_is_seen(page: Page, explorable: Locator) -> None:
    box = explorable.get_by_label("prompt", exact=True).first
    if not box.is_visible():
        return  # no prompt in its first mode
    before = explorable.locator(".ex-status").first.inner_text()
    box.fill("a flying elephant")
    box.press("Enter")
    error = explorable.locator(".ex-status.ex-error").first
    expect(error).to_contain_text("flying", timeout=60_000)
    expect(error).to_be_in_viewport()
    assert error.inner_text() != before
