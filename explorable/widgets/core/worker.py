"""A worker thread that runs the latest job and drops superseded ones."""

from __future__ import annotations

import atexit
import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

Check = Callable[[], None]

EXIT_TIMEOUT = 60  # seconds that the interpreter waits at its end for the running steps of all workers
_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()


class Superseded(Exception):
    """Raised inside a computation whose result is no longer wanted."""


class Worker:
    """Runs the latest submitted job, on a thread that exists only while there is work.

    A newer job replaces one that waits, and stops one that runs: the `check` that was passed to it raises Superseded.
    """

    def __init__(self, name: str):
        self._name = name
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None  # the last one: it may have ended
        self._busy = False
        self._waiting: Callable[[Check], None] | None = None
        self._request: Any = None
        self._latest = 0
        self._closed = False
        _WORKERS.add(self)

    @property
    def is_current_thread(self) -> bool:
        """Whether this is called on the thread that runs the jobs."""
        return threading.current_thread() is self._thread

    def submit(self, job: Callable[[Check], None], request: Any = None) -> None:
        """Run a job instead of all earlier ones. Does nothing if a job with an equal request runs or waits already."""
        with self._condition:
            if self._closed or (self._busy and request is not None and request == self._request):
                return
            self._latest += 1
            self._waiting, self._request = job, request
            if not self._busy:
                self._busy = True
                self._thread = threading.Thread(target=self._work, name=f"explorable-{self._name}", daemon=True)
                self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Return whether all work was done, and the thread ended, within `timeout` seconds. True on the thread itself,
        which cannot wait for itself."""
        if self.is_current_thread:
            return True
        with self._condition:
            done = self._condition.wait_for(lambda: not self._busy, timeout)
            thread = self._thread
        return done and _join(thread, timeout)

    def close(self, timeout: float = 10) -> bool:
        """Drop all jobs and accept no more. Returns whether the thread ended within `timeout` seconds."""
        with self._condition:
            self._closed, self._waiting = True, None
            self._latest += 1
            thread = self._thread
        return _join(thread, timeout)

    def _work(self) -> None:
        while True:
            with self._condition:
                if self._waiting is None:
                    self._busy, self._request = False, None
                    self._condition.notify_all()
                    return
                job, self._waiting, number = self._waiting, None, self._latest
            try:
                job(functools.partial(self._check, number))
            except Superseded:
                pass
            except BaseException:  # a bug, or an observer that ends its thread: the next job must still run
                if not self._closed:  # at the interpreter's end, imports in a computation fail
                    logging.getLogger(__name__).exception("%s failed", self._name)

    def _check(self, number: int) -> None:
        if number != self._latest:
            raise Superseded


@atexit.register
def close_all() -> None:
    """Close all workers. A thread that computes while the interpreter ends would abort the process."""
    workers = list(_WORKERS)
    for worker in workers:
        worker.close(0)  # all of them first, since one may wait for another
    deadline = time.monotonic() + EXIT_TIMEOUT
    for worker in workers:
        worker.close(max(0.0, deadline - time.monotonic()))


def _join(thread: threading.Thread | None, timeout: float) -> bool:
    """Wait for a thread to end, unless it is the current one. Returns whether it ended."""
    if thread is None or thread is threading.current_thread():
        return True
    thread.join(timeout)
    return not thread.is_alive()
