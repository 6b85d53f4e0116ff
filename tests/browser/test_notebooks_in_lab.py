"""A notebook as it opens in JupyterLab, before anything is run."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_folded_output_unfolds_on_a_click(page: Page, address: str):
    page.goto(f"{address}/lab/tree/01-noise-trajectory.ipynb?reset")
    cell = page.locator(".jp-CodeCell").filter(has_text="the estimate is less than half as far")
    cell.scroll_into_view_if_needed()
    answer = cell.locator(".jp-OutputArea-output").filter(has_text="half as far as x_t: True")
    folded = cell.locator(".jp-OutputPlaceholder")
    expect(folded).to_contain_text("Distance from the finished latent:")
    expect(answer).not_to_be_visible()
    folded.locator(".jp-Placeholder-contentContainer").click()
    expect(answer).to_be_visible()
