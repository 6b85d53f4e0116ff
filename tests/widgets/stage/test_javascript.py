"""The tests of the page's half that need no browser, by node's own runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def test_in_node():
    node = shutil.which("node")
    if node is None:
        if os.environ.get("EXPLORABLE_REQUIRE_BROWSER"):
            pytest.fail("node is not installed; .ci/run installs it")
        pytest.skip("needs node 20 or newer")
    tests = sorted(Path(__file__).parents[1].rglob("*.test.mjs"))
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
