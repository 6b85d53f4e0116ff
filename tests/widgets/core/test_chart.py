"""The chart that is saved with a page is of the figure that is saved, whenever the page has last drawn it."""

from __future__ import annotations

import base64
import re
import threading
import time
from pathlib import Path

import plotly.graph_objects as go
import pytest
from tiny import CountingPipeline

import explorable as ex
from explorable.widgets.core.chart import Chart
from explorable.widgets.core.offline import NO_CHART


def figure(name: str) -> go.Figure:
    return go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name=name))


class Page:
    """Draws a chart when Python asks for it. delay: in seconds; None: it never answers."""

    def __init__(self, chart: Chart, monkeypatch: pytest.MonkeyPatch, delay: float | None = 0.1):
        self.chart, self.delay = chart, delay
        monkeypatch.setattr(chart, "send", self.receive)

    def draw(self) -> None:
        revision = self.chart.revision
        self.chart.set_state({"svg": f"<svg>{revision}</svg>"})
        self.chart.set_state({"svg_revision": revision})

    def receive(self, message, buffers=None) -> None:
        if message == {"need": "svg"} and self.delay is not None:
            threading.Timer(self.delay, self.draw).start()


def test_without_a_page_there_is_no_svg_and_nothing_to_wait_for():
    chart = Chart(figure("a"))
    started = time.monotonic()
    assert chart.current_svg(timeout=60) == "" and time.monotonic() - started < 5


def test_an_svg_of_the_present_figure_is_taken_as_it_is(monkeypatch):
    chart = Chart(figure("a"))
    page = Page(chart, monkeypatch, delay=None)
    page.draw()
    assert chart.current_svg() == f"<svg>{chart.revision}</svg>"


def test_after_a_change_the_page_is_asked_to_draw_again(monkeypatch):
    chart = Chart(figure("a"))
    page = Page(chart, monkeypatch)
    page.draw()
    old = chart.svg
    for change in (lambda: chart.draw(figure("b")), lambda: chart.set_dark(True)):
        change()
        assert chart.svg == old or chart.svg_revision < chart.revision
        assert chart.current_svg() == f"<svg>{chart.revision}</svg>" != old


def test_a_page_that_does_not_answer_leaves_no_old_chart(monkeypatch):
    chart = Chart(figure("a"))
    page = Page(chart, monkeypatch, delay=None)
    page.draw()
    chart.draw(figure("b"))
    assert chart.current_svg(timeout=0.1) is None


@pytest.mark.parametrize("delay", [0.2, None])
def test_a_saved_file_has_the_chart_of_its_settings_or_none(delay, pipe: CountingPipeline, monkeypatch, tmp_path: Path):
    scale = ex.GuidanceScale(pipe, prompt="a red car", steps=3)
    scale.wait()
    monkeypatch.setattr("explorable.widgets.core.chart.SVG_SECONDS", 0.5)
    page = Page(scale.chart, monkeypatch, delay)
    page.draw()
    old = scale.chart.revision
    scale.seed = 4
    text = scale.save_html(tmp_path / "saved.html").read_text("utf-8")
    charts = [base64.b64decode(found).decode() for found in re.findall(r"image/svg\+xml;base64,([^\"]+)", text)]
    revision = scale.chart.revision
    scale.close()
    assert revision > old
    assert charts == ([f"<svg>{revision}</svg>"] if delay else []) and (NO_CHART in text) == (delay is None)
