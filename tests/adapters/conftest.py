"""Tiny pipelines of each family, newly loaded where a test changes one, and shared where it only looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tiny_pipelines as tp

import explorable as ex


@pytest.fixture(params=tp.FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipeline(family: str) -> Any:
    """The library's own pipeline, which a test leaves as it is."""
    return tp.shared(family)


@pytest.fixture
def pipe(pipeline: Any, family: str) -> Iterator[Any]:
    """The same, opened."""
    with ex.open(pipeline, **tp.ALWAYS[family]) as opened:
        yield opened
