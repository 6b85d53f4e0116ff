"""Interrupt a program at random moments, and look for what that leaves behind.

    python tests/shared/interrupts.py FOLDER COUNT SEED [FAMILY]

A process of its own: an interrupt that is late must not end the tests. Prints how many interrupts each action met.
"""

from __future__ import annotations

import _thread
import itertools
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import tiny_pipelines as tp
from tiny_pipes import PROMPT, same, tiny

import explorable as ex
from explorable.hooks.attachments import attached_to
from explorable.nn.hook_points import ACTIVE


class Workshop:
    """Two pipelines, and the actions on them that are interrupted."""

    def __init__(self, folder: Path, family: str):
        self.folder = folder
        self.own, self.opened = tiny(), ex.open(tp.fresh(family), **tp.CALL_DEFAULTS[family])
        self.page = ex.FlowPaths(steps=3)
        self.expected = {pipe: pipe(PROMPT if pipe is self.own else tp.PROMPT, steps=3)
                         for pipe in (self.own, self.opened)}
        self.saved = {"own.nc": self.expected[self.own], "opened.nc": self.expected[self.opened]}
        for name, run in self.saved.items():
            run.save(folder / name)
        self.page.save_html(folder / "page.html")
        self.end_of_page = (folder / "page.html").read_text("utf-8")[-300:]
        self.modules = self.trace()

    def trace(self) -> Any:
        """Whatever hooks, wrapped methods and other leftovers would change."""
        pipeline = self.opened.pipeline
        networks = [self.opened.denoiser, self.own.denoiser, self.own.text, self.own.vae]
        return [sorted(vars(pipeline)), sorted(vars(pipeline.scheduler)), pipeline.scheduler.config,
                *[(len(m._forward_hooks), "forward" in vars(m), type(getattr(m, "processor", None)))
                  for network in networks for m in network.modules()]]

    def actions(self, pipe: Any) -> dict[str, Any]:
        run, point = self.expected[pipe], "*.cross.weights"
        name = "own.nc" if pipe is self.own else "opened.nc"
        prompt = run.settings.prompt

        def edit() -> None:
            with ex.edit(pipe, {point: ex.Scale(0.5)}), ex.record(pipe, point):
                pipe(prompt, steps=3)

        return {"sample": lambda: pipe(prompt, steps=3), "record": lambda: pipe(prompt, steps=3, record=point),
                "edit": edit, "branch": lambda: run.branch(1, guidance=2.0),
                "save": lambda: run.save(self.folder / name),
                "open": lambda: ex.Run.open(self.folder / name, pipe),
                "export": lambda: self.page.save_html(self.folder / "page.html")}

    def check(self, pipe: Any) -> None:
        """Raise AssertionError if anything is left, lost or different."""
        files = sorted(path.name for path in self.folder.iterdir())
        assert files == ["opened.nc", "own.nc", "page.html"], files
        for name, run in self.saved.items():
            assert same(ex.Run.open(self.folder / name), run), name
        page = (self.folder / "page.html").read_text("utf-8")
        assert page.startswith("<!doctype html>") and page.endswith(self.end_of_page)
        assert not attached_to(pipe) and ACTIVE.dispatcher is None and self.trace() == self.modules
        if pipe is self.opened:
            free: list[bool] = []
            thread = threading.Thread(target=lambda: free.append(pipe.lock.acquire(blocking=False)
                                                                 and not pipe.lock.release()))
            thread.start()
            thread.join()
            assert free == [True], "the lock is held"
        assert same(pipe(self.expected[pipe].settings.prompt, steps=3), self.expected[pipe])


class EventCounter:
    """Within this `with`, count the calls and returns of Python and C functions in this and in new threads, and
    interrupt the main thread at event number `at`; None: at none.

    Events and not seconds: where an interrupt comes does not depend on the speed of the machine.
    """

    def __init__(self, at: int | None = None):
        self.at, self.events = at, itertools.count()
        self.fired = False

    def on_event(self, frame: Any, event: str, argument: Any) -> None:
        if next(self.events) == self.at:  # of several threads, each gets another number
            self.fired = True
            _thread.interrupt_main()

    def __enter__(self) -> EventCounter:
        threading.setprofile(self.on_event)
        sys.setprofile(self.on_event)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


def count_events(action: Any) -> int:
    """Return how many events an action has."""
    with EventCounter() as counter:
        action()
    return next(counter.events)


def interrupt(action: Any, at: int) -> bool:
    """Call an action, interrupted at event number `at`; whether the interrupt came before its end."""
    counter, finished = EventCounter(at), False
    try:
        with counter:
            action()
            finished = True
        while counter.fired:  # the interrupt is under way, and arrives here
            time.sleep(0.001)
    except KeyboardInterrupt:
        return not finished
    return False


def main(folder: Path, count: int, seed: int, family: str = "sd") -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    rng, met, tried = random.Random(seed), Counter(), 0
    workshop = Workshop(folder, family)
    events: dict[Any, int] = {}
    while met.total() < count:
        tried += 1
        assert tried < 4 * count + 20, f"only {met.total()} interrupts of {tried} came in time"
        pipe = rng.choice([workshop.own, workshop.opened])
        name, action = sorted(workshop.actions(pipe).items())[met.total() % 7]  # each until it was met
        if (pipe, name) not in events:
            action()  # the first call finds the points
            events[pipe, name] = count_events(action)
        if interrupt(action, rng.randrange(events[pipe, name])):
            met[name] += 1
        try:
            workshop.check(pipe)
        except AssertionError as error:
            raise SystemExit(f"after interrupt {met.total()}, in {name} of {pipe!r}: {error!r}") from error
    print(dict(met))
    workshop.page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
