"""Interrupts at random moments leave no hook, lock, debris or lost file, and the next image is identical.

EXPLORABLE_INTERRUPTS=300 makes as many in place of 14.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = int(os.environ.get("EXPLORABLE_INTERRUPTS", 14))


@pytest.mark.parametrize("family", ("sd", "chroma", "bria", "zimage", "klein", "qwen", "lumina", "sana", "flux2",
                                    "ovis", "wan"))
def test_random_interrupts_leave_no_trace(tmp_path, family):
    tests = Path(__file__).parent
    program, env = tests / "shared" / "interrupts.py", {**os.environ, "PYTHONPATH": str(tests.parent)}
    done = subprocess.run([sys.executable, program, tmp_path, str(COUNT), "0", family], capture_output=True, text=True,
                          env=env, timeout=120 + 10 * COUNT)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    for action in ("sample", "record", "edit", "branch", "save", "export"):
        assert f"'{action}'" in done.stdout, done.stdout
