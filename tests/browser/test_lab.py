"""The helper of the browser tests: what it hears and what it says. Needs no browser."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from lab import NOT_THERE, complaints, lab


class Ears:
    """What `complaints` needs of a page."""

    def on(self, event: str, handler) -> None:
        setattr(self, event, handler)

    def error(self, text: str, url: str) -> None:
        self.console(SimpleNamespace(type="error", text=text, location={"url": url}))


def test_only_what_lab_itself_asks_for_may_be_missing():
    page, server = Ears(), "http://127.0.0.1:8888"
    found = complaints(page)  # type: ignore[arg-type]
    page.error(f"{NOT_THERE} (Not Found)", f"{server}/lab/api/workspaces/auto-x")
    page.error(f"{NOT_THERE} (Not Found)", f"{server}/favicon.ico")
    assert found == []
    page.error(f"{NOT_THERE} (Not Found)", f"{server}/files/widget.js")
    page.error("TypeError: the favicon is no function", f"{server}/favicon.ico")
    page.pageerror(ValueError("/api/workspaces/ is broken"))
    assert [text[:9] for text in found] == ["Failed to", "TypeError", "/api/work"]


@pytest.mark.skipif(not shutil.which("false"), reason="needs the program `false`")
def test_a_lab_that_does_not_start_says_where_its_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="its log is in"), lab(tmp_path):
        pass
