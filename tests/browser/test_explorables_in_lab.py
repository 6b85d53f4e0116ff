"""Every explorable in a real JupyterLab, light and dark: it opens, is scrubbed by keyboard, complains of nothing, and
has no serious finding of axe-core, which tries a page against the accessibility guidelines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from lab import browser, complaints, lab, open_and_run
from playwright.sync_api import Locator, Page, expect

from explorable import EXPLORABLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = tuple(EXPLORABLES)
GRAVE = {"serious", "critical"}
PIXELS = "canvases => canvases.map(c => c.toDataURL()).join()"
# What ipywidgets itself draws, and we cannot mend from here: its sliders' handles have no accessible name.
NOT_OURS = ".noUi-handle"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Lab with a notebook for each explorable, which does nothing but open it."""
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


def opened(page: Page, address: str, name: str) -> Locator:
    open_and_run(page, address, f"{name}.ipynb")
    explorable = page.locator(".ex-explorable").first
    expect(explorable.locator(".ex-caption")).not_to_be_empty(timeout=180_000)
    settled(page, explorable)
    return explorable


def settled(page: Page, explorable: Locator, patience: int = 180) -> None:
    """Wait until nothing is computed or played: a first look may come before the whole."""
    told = ""
    for _ in range(patience):
        page.wait_for_timeout(1000)
        now = explorable.locator(".ex-caption").inner_text()
        if now == told and explorable.locator(".ex-moving").count() == 0:
            return
        told = now
    raise AssertionError(f"the explorable has not come to rest after {patience} s: {told}")


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_is_scrubbed_by_keyboard_and_can_be_read_aloud(scratch: str, window: Page, name: str):
    wrong = complaints(window)
    explorable = opened(window, scratch, name)
    caption = explorable.locator(".ex-caption")

    def seen(key: str) -> tuple[str, str]:
        explorable.locator(".ex-slider").focus()
        window.keyboard.press(key)
        return caption.inner_text(), explorable.locator(".ex-canvas").evaluate_all(PIXELS)

    first, last = seen("Home"), seen("End")
    before = seen("ArrowLeft")
    assert len({at for at, _ in (first, last, before)}) == 3
    assert len({pixels for _, pixels in (first, last, before)}) == 3
    assert wrong == []
    assert grave(window) == []


def grave(page: Page) -> list[str]:
    """What axe-core finds serious or critical in the explorables of a page."""
    found = Axe().run(page, context={"include": [[".ex-explorable"]], "exclude": [[NOT_OURS]]}).response
    return [f"{finding['id']}: {node['html'][:160]}" for finding in found["violations"] if finding["impact"] in GRAVE
            for node in finding["nodes"]]
