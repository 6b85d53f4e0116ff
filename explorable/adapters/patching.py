"""Wrap methods and restore attributes of other libraries' objects for the time of one call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode

Wrapper = Callable[..., Any]  # wrapper(original, *args, **kwargs) is called in place of original(*args, **kwargs)


class CallArguments(dict[str, Any]):
    """The arguments of one call by name, which can be changed before they are passed on.

    They are passed in the form in which they came, by position or by keyword, for other wrappers may depend on that.
    """

    def __init__(self, names: Sequence[str], args: tuple[Any, ...], kwargs: dict[str, Any]):
        super().__init__(zip(names, args, strict=False), **kwargs)
        self.positional, self.keywords = names[:len(args)], tuple(kwargs)

    def pass_to(self, function: Callable[..., Any]) -> Any:
        return function(*(self[name] for name in self.positional), **{name: self[name] for name in self.keywords})


class InterruptibleMode(TorchFunctionMode):
    """A mode that can be left after an interrupt has lost it: torch takes a mode off its stack while it calls it."""

    def __exit__(self, *error: object) -> None:
        if any(mode is self for mode in _get_current_function_mode_stack()):
            super().__exit__(*error)


@contextmanager
def restored_modes() -> Iterator[None]:
    """When the `with` is left, take modes off the stack that an interrupt has left there, right after their entry."""
    before = len(_get_current_function_mode_stack())
    try:
        yield
    finally:
        while len(_get_current_function_mode_stack()) > before:
            _pop_mode()


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


@contextmanager
def temporary_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within this `with`, an attribute has another value. Leaving it, also by an exception, restores what there was."""
    before, is_inherited = getattr(owner, name), name not in vars(owner) and hasattr(type(owner), name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name) if is_inherited else setattr(owner, name, before)


class TensorCopies:
    """Copies of tensors: of one that was not modified since the round before, the copy made there."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[torch.Tensor, int, torch.Tensor]] = {}  # by id: tensor, version and copy
        self._copies = self._last

    def begin_round(self) -> None:
        """Begin to copy all once more, and forget what the last round did not copy."""
        self._last, self._copies = self._copies, {}

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_inference():  # has no version
            return tensor.clone()
        entry = self._last.get(id(tensor))  # which keeps the tensor, so that no other has its id
        if entry is None or entry[1] != tensor._version:
            entry = tensor, tensor._version, tensor.clone()
        self._copies[id(tensor)] = entry
        return entry[2]


def copy_attributes(owner: Any, copies: TensorCopies | None = None) -> dict[str, Any]:
    """Return an object's attributes but its wrapped methods, with copies of what schedulers modify in place: tensors
    and containers of them. copies: shared by several calls, so that what stays the same is copied once."""
    if copies is not None:
        copies.begin_round()
    copy = torch.Tensor.clone if copies is None else copies.copy
    return {name: _copied(value, copy) for name, value in vars(owner).items()
            if not callable(value) or isinstance(value, nn.Module)}


def _copied(value: Any, copy: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_copied(item, copy) for item in value)
    if type(value) is dict:
        return {key: _copied(item, copy) for key, item in value.items()}
    return copy(value) if type(value) is torch.Tensor else value


def set_attributes(owner: Any, attributes: dict[str, Any]) -> None:
    """Restore an object's attributes from the result of `copy_attributes`."""
    vars(owner).update({name: _copied(value, torch.Tensor.clone) for name, value in attributes.items()})


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
