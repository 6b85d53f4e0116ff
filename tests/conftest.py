"""What every test shares: polite threads, the machine's Chromium, and what its absence means."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several: each has a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import explorable  # noqa: F401  (before torch, so that its threads wait as they do for users)

# A shared machine is slow at odd moments, so no example has a deadline. In CI the examples never change.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one the test skips, or fails if EXPLORABLE_REQUIRE_BROWSER is 1."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        reason = f"no browser found: looked on PATH for {', '.join(CHROMIUMS)}"
        if os.environ.get("EXPLORABLE_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason} (EXPLORABLE_REQUIRE_BROWSER=1)", pytrace=False)
        pytest.skip(reason)
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
