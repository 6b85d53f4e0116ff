"""A worker: does the latest job asked for, apart from the message loop, and drops what a newer one has overtaken."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

Check = Callable[[], None]


class Superseded(Exception):
    """Raised inside a computation that nobody waits for any more."""


class Worker:
    """Does the latest job asked for, on a thread that lives only as long as there is work.

    A newer job takes the place of one that waits, and stops one that runs: the `check` that it was given
    raises Overtaken.
    """

    def __init__(self, name: str):
        self._name = name
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None  # the last one: it may have ended
        self._busy = False
        self._waiting: Callable[[Check], None] | None = None
        self._wish: Any = None
        self._latest = 0
        self._closed = False

    def submit(self, job: Callable[[Check], None], wish: Any = None) -> None:
        """Do this, and nothing that was asked for before. A wish that is already waited for is not begun anew."""
        with self._change:
            if self._closed or (self._busy and wish is not None and wish == self._wish):
                return
            self._latest += 1
            self._waiting, self._wish = job, wish
            if not self._busy:
                self._busy = True
                self._thread = threading.Thread(target=self._work, name=f"explorable-{self._name}", daemon=True)
                self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Whether all work was done in time. If so, its thread is gone."""
        with self._change:
            done = self._change.wait_for(lambda: not self._busy, timeout)
            thread = self._thread
        return done and _ended(thread, timeout)

    def close(self, timeout: float = 10) -> bool:
        """Drop what waits, stop what runs, take nothing more. Whether the thread was gone in time."""
        with self._change:
            self._closed, self._waiting = True, None
            self._latest += 1
            thread = self._thread
        return _ended(thread, timeout)

    def _work(self) -> None:
        while True:
            with self._change:
                if self._waiting is None:
                    self._busy, self._wish = False, None
                    self._change.notify_all()
                    return
                job, self._waiting, number = self._waiting, None, self._latest
            try:
                job(functools.partial(self._check, number))
            except Superseded:
                pass
            except Exception:  # a mistake in the explorable itself: the next wish must still be answered
                logging.getLogger(__name__).exception("%s failed", self._name)

    def _check(self, number: int) -> None:
        if number != self._latest:
            raise Superseded


def _ended(thread: threading.Thread | None, timeout: float) -> bool:
    """Wait for a thread's end. It is not waited for by itself."""
    if thread is None or thread is threading.current_thread():
        return True
    thread.join(timeout)
    return not thread.is_alive()
