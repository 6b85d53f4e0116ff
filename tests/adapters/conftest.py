"""Tiny pipelines of each family."""

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
    """A diffusers pipeline, which a test must not change."""
    return tp.shared(family)


@pytest.fixture
def pipe(pipeline: Any, family: str) -> Iterator[Any]:
    """The same pipeline, opened."""
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as opened:
        yield opened
