"""The parameters of a diffusers pipeline's own call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any


def call_parameters(pipeline: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a pipeline's own call by name."""
    return _call_parameters(type(pipeline).__call__)


@cache
def _call_parameters(call: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(call).parameters.items() if name != "self"}


def call_default(pipeline: Any, name: str) -> Any:
    """Return the default of a parameter of a pipeline's own call."""
    return call_parameters(pipeline)[name].default
