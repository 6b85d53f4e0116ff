"""Caches that diffusers puts into a network (enable_cache): their state, and what they skip.

A cache replaces the `forward` of some modules, and leaves their computation out at some steps. Its state belongs to one
image; diffusers clears it when a call ends, and not when it ends early, by an error.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from ..diffusion.settings import SettingError


def module_caches(module: nn.Module) -> Iterable[Any]:
    """Return the hooks that diffusers has put around a module's forward."""
    registry = vars(module).get("_diffusers_hook")
    return registry.hooks.values() if registry is not None else ()


def cache_states(modules: Iterable[nn.Module]) -> list[Any]:
    """Return the states of all caches of a network, each once: some are shared by several modules."""
    values = (value for module in modules for hook in module_caches(module) for value in vars(hook).values())
    return list({id(v): v for v in values if callable(getattr(v, "reset", None)) and hasattr(v, "__dict__")}.values())


@contextmanager
def fresh_caches(states: Sequence[Any]) -> Iterator[None]:
    """Within this `with`, caches are empty, as before an image. Leaving it restores what they held."""
    saved = [dict(vars(state)) for state in states]
    for state in states:
        if hasattr(state, "_state_cache"):  # a manager of states, whose reset would clear the saved ones
            state._state_cache, state._context = {}, None
        else:
            vars(state).update({k: copy.copy(v) for k, v in vars(state).items() if isinstance(v, (dict, list))})
            state.reset()
    try:
        yield
    finally:
        for state, attributes in zip(states, saved, strict=True):
            vars(state).clear()
            vars(state).update(attributes)


def innermost_forward(module: nn.Module) -> tuple[Any, str]:
    """Return the object and attribute that hold a module's own forward, inside of what caches have put around it, so
    that a hook point there is passed only when it is computed."""
    references = getattr(vars(module).get("_diffusers_hook"), "_fn_refs", None)
    if not references:
        return module, "forward"
    return references[0], "forward" if references[0].original_forward is None else "original_forward"


def check_branches_computed(modules: Iterable[nn.Module], branches: Sequence[str]) -> None:
    """Refuse to record or edit where a cache leaves out one of two branches, and the batch changes its length.

    Raises:
        SettingError: says how to disable the cache.
    """
    if len(branches) > 1 and any("FasterCacheDenoiser" in type(hook).__name__
                                 for module in modules for hook in module_caches(module)):
        raise SettingError("FasterCache leaves out the unconditional branch at some steps, so that nothing can be "
                           "recorded or edited there: disable it, or choose guidance=1")


def warn_of_skipped(passes: Mapping[str, int], evaluations: int, denoiser: nn.Module) -> None:
    """Warn of the points that fewer than all evaluations of a run have passed."""
    skipped = {name: evaluations - n for name, n in passes.items() if n < evaluations}
    if not skipped:
        return
    config = getattr(denoiser, "_cache_config", None)
    cache = "a cache" if config is None else f"its cache ({type(config).__name__})"
    name, most = max(skipped.items(), key=lambda item: item[1])
    others = f" and {len(skipped) - 1} other points" if len(skipped) > 1 else ""
    warnings.warn(f"{type(denoiser).__name__} did not compute {name}{others} at {most} of {evaluations} steps, because "
                  f"{cache} skipped them: nothing was recorded or edited there, and arrays of several layers have NaN. "
                  "Without the cache (disable_cache()) every step is computed.", stacklevel=_callers_stacklevel())


def _callers_stacklevel() -> int:
    """Return the `stacklevel` with which a warning of the function that calls this names the line, outside of this
    package, that called the package."""
    package, frame, level = str(Path(__file__).parents[1]), sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level
