"""The helpers of the browser tests: which errors they report. Needs no browser."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from lab import NOT_FOUND, console_errors, lab


class FakePage:
    """The part of a page that `console_errors` uses."""

    def on(self, event: str, handler) -> None:
        setattr(self, event, handler)

    def error(self, text: str, url: str) -> None:
        self.console(SimpleNamespace(type="error", text=text, location={"url": url}))


def test_only_requests_of_lab_itself_may_fail():
    page, server = FakePage(), "http://127.0.0.1:8888"
    found = console_errors(page)  # type: ignore[arg-type]
    page.error(f"{NOT_FOUND} (Not Found)", f"{server}/lab/api/workspaces/auto-x")
    page.error(f"{NOT_FOUND} (Not Found)", f"{server}/favicon.ico")
    assert found == []
    page.error(f"{NOT_FOUND} (Not Found)", f"{server}/files/widget.js")
    page.error("TypeError: the favicon is no function", f"{server}/favicon.ico")
    page.pageerror(ValueError("/api/workspaces/ is broken"))
    assert [text[:9] for text in found] == ["Failed to", "TypeError", "/api/work"]


@pytest.mark.skipif(not shutil.which("false"), reason="needs the program `false`")
def test_the_error_of_a_lab_that_does_not_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="its log is in"), lab(tmp_path):
        pass
