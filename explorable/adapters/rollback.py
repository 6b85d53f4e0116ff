"""Undo what a call that does not reach its end has changed: attributes of modules and processors, random generators.

An error or an interrupt ends a call early. A survey of points and a single evaluation always end early, for they stop
after one evaluation of the denoiser.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .caches import module_caches
from .steps import StopSampling

TORCH_ATTRIBUTES = vars(nn.Module()).keys()  # of every module: parameters, buffers, hooks


@contextmanager
def rollback_on_error(modules: Iterable[nn.Module], device: torch.device) -> Iterator[None]:
    """Restore the state of modules, and torch's global generators, if an exception leaves this `with`.

    The generators belong to the whole process. A call that another thread began may last long, and what the main thread
    drew in the meantime must not be drawn again: they stay as they are, unless the call was a short one of our own.
    """
    owners = [owner for module in modules for owner in _stateful_parts(module)]
    saved = [(owner, _attributes(owner)) for owner in owners]
    on_gpu = device.type == "cuda"
    generators = torch.get_rng_state(), torch.cuda.get_rng_state(device) if on_gpu else None
    try:
        yield
    except BaseException as error:
        for owner, attributes in saved:
            _restore(owner, attributes)
        if isinstance(error, StopSampling) or threading.current_thread() is threading.main_thread():
            torch.set_rng_state(generators[0])
            if generators[1] is not None:
                torch.cuda.set_rng_state(generators[1], device)
        raise


def _stateful_parts(module: nn.Module) -> Iterable[Any]:
    """Return a module, its attention processor and its caches."""
    processor = vars(module).get("processor")  # one that is a module is among the modules itself
    return (module, *([processor] if hasattr(processor, "__dict__") else ()), *module_caches(module))


def _attributes(owner: Any) -> dict[str, tuple[Any, Any]]:
    """Return an object's own attributes, each with a copy where it is a container."""
    return {name: (value, value.copy() if type(value) in (list, dict, set) else None)
            for name, value in vars(owner).items() if name not in TORCH_ATTRIBUTES}


def _restore(owner: Any, attributes: dict[str, tuple[Any, Any]]) -> None:
    for name in vars(owner).keys() - TORCH_ATTRIBUTES - attributes.keys():
        del vars(owner)[name]
    for name, (value, contents) in attributes.items():
        vars(owner)[name] = value
        if contents is not None:
            value.clear()
            value.extend(contents) if isinstance(value, list) else value.update(contents)
