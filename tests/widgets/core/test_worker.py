"""The thread behind an explorable."""

from __future__ import annotations

import threading
import time

import pytest

from explorable.widgets.core.worker import Superseded, Worker


def test_the_worker_reports_when_time_is_up():
    worker, hold = Worker("test"), threading.Event()
    worker.submit(lambda check: hold.wait(20))
    assert not worker.wait(0.05)
    hold.set()
    assert worker.wait(20)


def test_when_the_worker_is_done_its_thread_is_gone(monkeypatch: pytest.MonkeyPatch):
    class SlowToGo(threading.Thread):
        def run(self):
            super().run()
            time.sleep(0.2)

    monkeypatch.setattr(threading, "Thread", SlowToGo)
    worker = Worker("test")
    worker.submit(lambda check: None)
    assert worker.wait(20)
    assert not [t for t in threading.enumerate() if t.name == "explorable-test"]


def test_the_worker_goes_on_after_a_mistake():
    worker, done = Worker("test"), []
    worker.submit(lambda check: 1 / 0)
    worker.wait(20)
    worker.submit(lambda check: done.append(1))
    assert worker.wait(20) and done == [1]


def test_an_overtaken_job_is_told():
    worker, started, go_on, told = Worker("test"), threading.Event(), threading.Event(), []

    def first(check):
        started.set()
        go_on.wait(20)
        try:
            check()
        except Superseded:
            told.append(True)
            raise

    worker.submit(first)
    started.wait(20)
    worker.submit(lambda check: check())
    go_on.set()
    assert worker.wait(20) and told == [True]
