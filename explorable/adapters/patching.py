"""Wrap methods and restore attributes of other libraries' objects for the time of one call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Wrapper = Callable[..., Any]  # wrapper(original, *args, **kwargs) is called in place of original(*args, **kwargs)


@contextmanager
def wrapped_method(owner: Any, method: str, wrapper: Wrapper, is_active: Callable[[], bool]) -> Iterator[None]:
    """Within this `with`, calls of owner.method go through `wrapper`. Leaving it, also by an exception, undoes that.

    is_active: evaluated at each call; where it returns False (in another thread, or in a run within this one) the
    original is called directly.
    """
    own = vars(owner).get(method)  # a wrapper that others have set on the instance
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs) if is_active() else original(*args, **kwargs)

    setattr(owner, method, wrapped)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, method)
        else:
            setattr(owner, method, own)


def copy_attributes(owner: Any) -> dict[str, Any]:
    """Return an object's attributes but its wrapped methods. Lists are copied, for schedulers modify them in place."""
    return {name: list(value) if isinstance(value, list) else value for name, value in vars(owner).items()
            if not callable(value) or isinstance(value, nn.Module)}


def set_attributes(owner: Any, attributes: dict[str, Any]) -> None:
    """Restore an object's attributes from the result of `copy_attributes`."""
    vars(owner).update({name: list(value) if isinstance(value, list) else value for name, value in attributes.items()})


@contextmanager
def preserved_attributes(owner: Any) -> Iterator[None]:
    """Restore an object's attributes when the `with` is left."""
    names, attributes = set(vars(owner)), copy_attributes(owner)
    try:
        yield
    finally:
        for name in vars(owner).keys() - names:
            delattr(owner, name)
        set_attributes(owner, attributes)
