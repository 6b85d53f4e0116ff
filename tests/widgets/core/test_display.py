"""What a displayed explorable leaves in the notebook: the view and a still, at once or when there is a result."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from tiny import CountingPipeline

from explorable.widgets.core import display
from explorable.widgets.core.still import WIDTH
from explorable.widgets.studio.widget import Studio

VIEW = "application/vnd.jupyter.widget-view+json"


class Kernel:
    """Collects what a running cell displays. cell: the id that the front end sends, "" for one that sends none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cell: str = ""):
        self.outputs: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.user_ns: dict[str, Any] = {}
        request = {"header": {"msg_type": "execute_request"}, "metadata": {"cellId": cell} if cell else {}}
        monkeypatch.setattr(display, "current_request", lambda: request)
        monkeypatch.setattr(display, "get_ipython", lambda: SimpleNamespace(user_ns=self.user_ns))
        monkeypatch.setattr(display, "display", self.display)
        monkeypatch.setattr(display, "REST_SECONDS", 0.2)

    def display(self, data, *, raw, metadata=None, display_id=None, update=False):
        (self.updates if update else self.outputs).append({"data": data, "metadata": metadata, "id": display_id})


def wait_for_updates(kernel: Kernel, count: int) -> None:
    end = time.monotonic() + 20
    while len(kernel.updates) < count and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.5)  # none more may come
    assert len(kernel.updates) == count


def test_a_front_end_without_cell_ids_gets_the_result(monkeypatch, pipe: CountingPipeline):
    kernel = Kernel(monkeypatch)
    studio = Studio(pipe, prompt="a red car", steps=2)
    studio._ipython_display_()
    assert studio.result is not None, "the cell has waited"
    view, still = kernel.outputs
    assert VIEW in view["data"] and view["data"]["text/plain"] == repr(studio)
    assert still["data"]["image/png"] == studio.still() and VIEW not in still["data"]
    assert still["metadata"]["image/png"]["width"] == WIDTH and studio.question in still["metadata"]["image/png"]["alt"]
    studio.seed = 5
    studio.wait()
    time.sleep(0.5)
    assert kernel.updates == [], "what is saved does not depend on how fast later cells are"
    studio.close()


def test_a_page_gets_the_view_at_once_and_the_still_after_the_result(monkeypatch, pipe: CountingPipeline):
    kernel = Kernel(monkeypatch, "cell-1")
    pipe.go_on.clear()
    studio = Studio(pipe, prompt="a red car", steps=2)
    studio._ipython_display_()
    view, first = kernel.outputs
    assert studio.result is None and VIEW in view["data"]
    pipe.go_on.set()
    studio.wait()
    wait_for_updates(kernel, 1)
    assert kernel.updates[0]["id"] == first["id"] and kernel.updates[0]["data"]["image/png"] == studio.still()
    assert kernel.updates[0]["data"]["image/png"] != first["data"]["image/png"]
    for seed in range(5):
        studio.seed = seed
    studio.wait()
    wait_for_updates(kernel, 2)  # one for the burst
    studio.stage.frame = 0
    wait_for_updates(kernel, 3)
    assert kernel.updates[-1]["data"]["image/png"] == studio.still()
    studio.close()
    assert len(kernel.updates) == 3


def test_vscode_and_callbacks_get_the_view_alone(monkeypatch, pipe: CountingPipeline):
    kernel = Kernel(monkeypatch, "cell-1")
    kernel.user_ns[display.VSCODE] = "a.ipynb"
    studio = Studio(pipe, prompt="a red car", steps=2)
    studio._ipython_display_()
    monkeypatch.setattr(display, "current_request", lambda: {"header": {"msg_type": "comm_msg"}})
    studio._ipython_display_()
    studio.close()
    assert [VIEW in output["data"] for output in kernel.outputs] == [True, True]


def test_a_closed_explorable_has_no_still(monkeypatch, pipe: CountingPipeline):
    studio = Studio(pipe, prompt="a red car", steps=2)
    studio.close()
    kernel = Kernel(monkeypatch)
    studio._ipython_display_()
    assert [output["data"] for output in kernel.outputs] == [{"text/plain": repr(studio)}]
