"""The thread behind an explorable."""

from __future__ import annotations

import subprocess
import sys
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


LEAVING = """
import sys, threading, time
import torch
from explorable.widgets.core.worker import Worker

started = threading.Event()


def compute(check):
    x = torch.ones(300, 300)
    while True:
        started.set()
        x = torch.softmax(x @ x, 1)
        check()


workers = [Worker("a"), Worker("b")]
for worker in workers:
    worker.submit(compute)
started.wait()
print("leaving")
"""


def test_the_interpreter_ends_cleanly_while_workers_compute():
    ended = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "leaving\n", "")


@pytest.mark.parametrize("name", ["Studio", "NoiseTrajectory", "ClassifierGuidance", "GuidanceScale",
                                  "UNetXRay", "TokenAttention"])
def test_the_interpreter_ends_cleanly_while_an_explorable_computes(name):
    program = (f"import time, explorable as ex\nw = ex.{name}(steps=50)\nwhile not w.busy:\n    time.sleep(0.01)\n"
               "time.sleep(0.3)\nprint('leaving', w.busy)")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "leaving True\n"), ended.stderr


def test_a_job_that_ends_its_thread_does_not_end_the_worker():
    worker, done = Worker("test"), []
    worker.submit(lambda check: sys.exit(1))
    assert worker.wait(20)
    worker.submit(lambda check: done.append(worker.is_current_thread and worker.wait(20)))
    assert worker.wait(20) and done == [True]
