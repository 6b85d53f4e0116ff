"""A cell that is run again closes what it made before; closed explorables hold nothing and say why."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import ipywidgets as ipw
import pytest
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import CountingPipeline

import explorable as ex
from explorable.widgets.core import cells
from explorable.widgets.core.lifetime import ClosedError
from explorable.widgets.studio.widget import Studio

SETTINGS = {"FlowPaths": {"steps": 5}}


class Cell:
    """A cell of a notebook, as far as the kernel's shell knows of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str):
        self.monkeypatch, self.name, self.runs = monkeypatch, name, 0

    def run(self, code):
        self.runs += 1
        request = {"header": {"msg_id": f"{self.name}-{self.runs}"}, "metadata": {"cellId": self.name}}
        with self.monkeypatch.context() as patch:
            patch.setattr(cells, "current_request", lambda: request)
            return code()


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setattr(cells, "_MADE", {})
    return Cell(monkeypatch, "cell-1")


def is_open(explorable) -> bool:
    return explorable.comm is not None


def test_a_cell_that_is_run_again_closes_what_it_made(cell: Cell, pipe: CountingPipeline):
    first = cell.run(lambda: [Studio(pipe, prompt="a red car", steps=2, seed=seed) for seed in range(3)])
    assert all(map(is_open, first)), "those of one execution do not close each other"
    second = cell.run(lambda: Studio(pipe, prompt="a red car", steps=2))
    assert is_open(second) and not any(map(is_open, first))
    other = Cell(cell.monkeypatch, "cell-2").run(lambda: Studio(pipe, prompt="a red car", steps=2))
    by_script = Studio(pipe, prompt="a red car", steps=2)
    assert is_open(second) and is_open(other) and is_open(by_script)
    for explorable in (second, other, by_script):
        explorable.close()


def test_what_is_computed_for_a_replaced_explorable_is_not_waited_for(cell: Cell, pipe: CountingPipeline, recwarn):
    pipe.go_on.clear()
    first = cell.run(lambda: Studio(pipe, prompt="a red car", steps=3))
    assert pipe.reached.wait(20)
    started = time.monotonic()
    second = cell.run(lambda: Studio(pipe, prompt="a blue boat", steps=3))
    assert time.monotonic() - started < 2 and not recwarn.list
    pipe.go_on.set()
    second.wait()
    assert [settings.prompt for settings in pipe.finished] == ["a blue boat"], "the first one stopped at its next step"
    assert second.error is None and first.result is None
    second.close()


def test_using_a_replaced_explorable_says_that_its_cell_was_run_again(cell: Cell, pipe: CountingPipeline, tmp_path):
    old = cell.run(lambda: Studio(pipe, prompt="a red car", steps=2))
    old.wait()
    cell.run(lambda: Studio(pipe, prompt="a red car", steps=2)).close()
    for use in (lambda: old.run, lambda: old.data, old.table, old.recompute, lambda: setattr(old, "seed", 3),
                lambda: old.save_html(tmp_path / "page.html")):
        with pytest.raises(ClosedError, match=r"the cell that made it was run again: .* a new one with ex\.Studio\("):
            use()
    assert old.code() and repr(old)


def test_using_an_explorable_that_was_closed_by_hand_says_so(pipe: CountingPipeline):
    studio = Studio(pipe, prompt="a red car", steps=2)
    studio.wait()
    studio.close()
    with pytest.raises(ClosedError, match=r"this Studio is closed: make a new one with ex\.Studio\("):
        studio.data  # noqa: B018


@pytest.mark.parametrize("name", ex.EXPLORABLES)
def test_ten_runs_of_a_cell_leave_as_much_as_one(cell: Cell, pipe: CountingPipeline, name: str):
    def make():
        made = getattr(ex, name)(pipe, **{"prompt": "a red car", "steps": 4} | SETTINGS.get(name, {}))
        made.wait(60)
        return made

    def left() -> tuple[int, list[str]]:
        return len(MODELS), [t.name for t in threading.enumerate() if t.name.startswith("explorable-")]

    def settled() -> tuple[int, list[str]]:
        """What is left once nothing is computed any more; an explorable may go on after its first result."""
        end = time.monotonic() + 10
        while (left()[1] or made.busy) and time.monotonic() < end:
            time.sleep(0.05)
        return left()

    made = cell.run(make)
    results = [weakref.ref(made.result)]
    after_one = settled()
    for _ in range(9):
        held = made  # as a variable of another cell may
        made = cell.run(make)
        results.append(weakref.ref(made.result))
    gc.collect()
    assert settled() == after_one and held.result is None
    assert [result() is None for result in results] == [True] * 9 + [False]
    assert not any(map(len, held.stage.buffers))
    made.close()


def test_a_closed_box_does_not_close_what_the_user_put_beside(cell: Cell, pipe: CountingPipeline):
    old = cell.run(lambda: Studio(pipe, prompt="a red car", steps=2))
    beside = ipw.HTML("mine")
    box = ipw.HBox([old, beside])
    cell.run(lambda: Studio(pipe, prompt="a red car", steps=2)).close()
    assert old.comm is None and beside.comm is not None
    box.close()
    beside.close()
