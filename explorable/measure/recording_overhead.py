"""What listening costs: nobody, a recording of all cross-attention, and the same tensors kept as others keep them.

TransformerLens puts an identity module around a value and a forward hook on that module, which fills a dict; nnsight
has a cache of its own over modules. Both need a module to hold on to, so each gets a copy of the network with an
identity module around the attention weights of every layer, and around nothing else.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.settings import Settings, check_settings
from ..nn import hook_points as points
from ..nn.layers import CrossAttention, KVCache, attention_weights, join_heads, split_heads
from ..pipeline import Pipeline, load
from .table import Table, check_counts
from .timing import rows, turns

PROMPT = "a red sports car on a mountain road at sunset"
PATTERN = "*.cross.weights"
REPEATS = 15
DRAWS = 2000
UNHEARD, RECORDED = "nobody listens", "recorded"

Kept = dict[str, list[Tensor]]  # by layer, the weights of each step: (branches, head, place, token)
Keeping = Callable[[int], Kept]  # a seed to what is kept of its run


# ---- nobody listens -------------------------------------------------------------------------------------------------


def looks(pipe: Pipeline, settings: Settings) -> int:
    """How often a run comes by a point, and so asks whether anybody listens."""
    seen: list[str] = []

    class Counting:
        def set_step(self, *where: Any) -> None: ...
        def set_branches(self, branches: Any) -> None: ...
        def is_hooked(self, name: str) -> bool:
            seen.append(name)
            return False

        def is_edited(self, name: str) -> bool:
            seen.append(name)
            return False

        def dispatch(self, name: str, value: Tensor, axes: str) -> Tensor:
            seen.append(name)
            return value

        def end(self, interrupted: bool) -> None: ...

    with torch.inference_mode(), points.dispatching_to(Counting()):
        list(pipe.sample_steps(pipe.guided_denoiser([settings.prompt], settings), settings, [0]))
    return len(seen)


def look_seconds(count: int = 200_000) -> float:
    """Seconds that one look takes while nobody listens, its name put together as modules do."""
    value, way = torch.zeros(1), "up.0.0.cross."
    start = time.perf_counter()
    for _ in range(count):
        points.hook_point(way + "weights", value, "head position token")
    return (time.perf_counter() - start) / count


# ---- everybody keeps the same ---------------------------------------------------------------------------------------


class Hooked(CrossAttention):
    """The same layer with an module, `identity`, that its weights pass through."""

    identity: nn.Identity

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        weights = attention_weights(split_heads(self.to_q(self.norm(x)), self.heads), cache.key, cache.keep)
        return x + self.to_out(join_heads(self.identity(weights) @ cache.value))


def hooked(pipe: Pipeline) -> Pipeline:
    """A pipeline like this one whose denoiser is a copy, with hook points: the original stays as it is."""
    twin = copy.copy(pipe)
    twin.denoiser = copy.deepcopy(pipe.denoiser)
    for layer in _layers(twin, CrossAttention).values():
        layer.__class__, layer.identity = Hooked, nn.Identity()
    return twin


def _layers(pipe: Pipeline, kind: type[nn.Module]) -> dict[str, Any]:
    return {name: module for name, module in pipe.denoiser.named_modules() if isinstance(module, kind)}


def run_of(pipe: Pipeline, settings: Settings) -> Callable[..., Any]:
    """A run of the pipeline by its seed: what every way runs."""
    return lambda seed, **more: pipe(settings.prompt, steps=settings.steps, guidance=settings.guidance, seed=seed,
                                     **more)


def by_recording(pipe: Pipeline, settings: Settings) -> Keeping:
    """As this package keeps them: both branches of every step, copied."""
    run = run_of(pipe, settings)

    def keep(seed: int) -> Kept:
        recording = run(seed, record=[PATTERN]).recorded
        return {name.removesuffix(".weights"): kept.values for name, kept in recording.buffers.items()}

    return keep


def by_hook_points(pipe: Pipeline, settings: Settings) -> Keeping:
    """As TransformerLens keeps them: forward hooks that fill a dict, without a copy, gone after the run. There a second
    step would overwrite the first; here the dict holds a list."""
    twin = hooked(pipe)
    run = run_of(twin, settings)
    layers = {layer.point_prefix.removesuffix("."): layer for layer in _layers(twin, Hooked).values()}

    def keep(seed: int) -> Kept:
        kept: Kept = {name: [] for name in layers}
        handles = [layer.identity.register_forward_hook(lambda _, given, out, to=kept[name]: to.append(out.detach()))
                   for name, layer in layers.items()]
        try:
            run(seed)
        finally:
            for handle in handles:
                handle.remove()
        return kept

    return keep


def by_nnsight(pipe: Pipeline, settings: Settings) -> Keeping:
    """As nnsight keeps them: the whole sampling in one trace, with its own cache over the modules.

    Raises:
        ModuleNotFoundError: nnsight is not installed.
    """
    try:
        from nnsight import NNsight
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("this measure compares with nnsight, which is not installed: "
                                  "pip install nnsight") from error

    class Sampling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.denoiser = twin.denoiser

        def forward(self, seed: int) -> np.ndarray:
            return run(seed).image

    twin = hooked(pipe)
    run, root = run_of(twin, settings), "model.denoiser."  # of the names that nnsight gives
    model, paths = NNsight(Sampling()), [f"{root}{name}.identity" for name in _layers(twin, Hooked)]

    def keep(seed: int) -> Kept:
        with model.trace(seed) as tracer:
            cache = tracer.cache(modules=paths)
        found = {path: cache[path].output for path in cache.keys()}  # noqa: SIM118
        return {path.removeprefix(root).removesuffix("_attn.identity"): out if isinstance(out, list) else [out]
                for path, out in found.items()}

    return keep


KEEPING = {RECORDED: by_recording, "hook points, as TransformerLens": by_hook_points, "nnsight": by_nnsight}


# ---- the table ------------------------------------------------------------------------------------------------------


def recording_overhead(model: str = "unet-flow", steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Seconds of a guided run: unheard, recorded, and with the same tensors kept as others do it. quick: three repeats.

    Raises:
        ValueError: a model without cross-attention modules, or a number of steps or repeats that cannot be.
        ModuleNotFoundError: nnsight is not installed.
    """
    check_counts(1, repeats=repeats)
    settings, repeats = check_settings(Settings(PROMPT, steps=steps)), 3 if quick else repeats
    pipe = load(model)
    if not _layers(pipe, CrossAttention):
        raise ValueError(f"{model} reads words in a joint attention, which is no module of its own: choose a U-Net")
    timed = turns({UNHEARD: run_of(pipe, settings),
                   **{name: way(pipe, settings) for name, way in KEEPING.items()}}, repeats)
    look, count = look_seconds(), looks(pipe, settings)
    found: list[dict[str, Any]] = rows(timed, "way", "times unheard")
    cost = {name: costs(seconds, timed[UNHEARD]) for name, seconds in timed.items() if name != UNHEARD}
    for row in found:
        middle, low, high = cost.get(row["way"], (None, None, None))
        row |= {"cost %": middle, "95%": None if low is None else f"{low:.1f} to {high:.1f}"}
    return Table(f"What listening costs: {model}, {steps} guided steps", found, [
        f"nobody listens: {count} looks of {1e6 * look:.2f} microseconds are "
        f"{look * count / min(timed[UNHEARD]):.2%} of the run",
        f"kept by all: {PATTERN}, both branches, all steps; each picture is decoded",
        f"cost: over the unheard run of the same turn, the median of {repeats} turns and its 95%", *ratios(cost)])


def costs(seconds: list[float], unheard: list[float]) -> tuple[float, float, float]:
    """By how many percent a run is longer than the unheard one of its turn: the median, and from, to (95%)."""
    more = 100 * (np.array(seconds) / np.array(unheard) - 1)
    picks = np.random.default_rng(0).integers(0, len(more), (DRAWS, len(more)))
    low, high = np.percentile(np.median(more[picks], axis=1), (2.5, 97.5))
    return round(float(np.median(more)), 2), float(low), float(high)


def ratios(cost: dict[str, tuple[float, float, float]]) -> list[str]:
    """What a recording costs as a share of what the others do, where their cost is known to be one."""
    return [f"a recording costs {cost[RECORDED][0] / middle:.2f} of what {name} does" if low > 0 else
            f"what {name} costs is not told from nothing in so many turns"
            for name, (middle, low, _) in cost.items() if name != RECORDED]
