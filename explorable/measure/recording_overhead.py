"""What does recording cost? All cross-attention of a run, recorded by this package and by two others' methods.

TransformerLens wraps a value in an identity module whose forward hook fills a dict; nnsight has its own cache over
modules. Both need a module, so each gets a copy of the network with an identity module around the attention weights
of every layer, and nowhere else.
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
from ..nn.hook_points import dispatching_to, hook_point
from ..nn.layers import CrossAttention, KVCache, attention_weights, join_heads, split_heads
from ..pipeline import Pipeline, load
from .machine import alternate, overhead, overhead_rows, require
from .table import Table, check_counts

PROMPT = "a red sports car on a mountain road at sunset"
PATTERN = "*.cross.weights"
REPEATS, QUICK_REPEATS = 15, 3
UNRECORDED, RECORDED = "not recorded", "recorded"

Weights = dict[str, list[Tensor]]  # by layer, the weights of each step: (branches, head, position, token)
Method = Callable[[int], Weights]  # runs the pipeline with a seed and returns what it recorded


# ---- without recording ----------------------------------------------------------------------------------------------


class _CallCounter:
    """A dispatcher that counts the calls of hook points and hooks none."""

    calls = 0

    def set_step(self, *arguments: Any) -> None: ...
    def set_branches(self, branches: Any) -> None: ...
    def end(self, interrupted: bool) -> None: ...

    def is_hooked(self, name: str) -> bool:
        self.calls += 1
        return False

    is_edited = is_hooked

    def dispatch(self, name: str, x: Tensor, axes: str) -> Tensor:
        self.calls += 1
        return x


def count_calls(pipe: Pipeline, settings: Settings) -> int:
    """Return how often the hook points of a run are called."""
    counter = _CallCounter()
    with torch.inference_mode(), dispatching_to(counter):
        list(pipe.sample_steps(pipe.guided_denoiser([settings.prompt], settings), settings, [0]))
    return counter.calls


def seconds_per_call(count: int = 200_000) -> float:
    """Return how long a call takes while nothing is recorded, including its name, composed as modules do."""
    value, prefix = torch.zeros(1), "up.0.0.cross."
    start = time.perf_counter()
    for _ in range(count):
        hook_point(prefix + "weights", value, "head position token")
    return (time.perf_counter() - start) / count


# ---- methods that record the same -----------------------------------------------------------------------------------


class IdentityCrossAttention(CrossAttention):
    """The same layer with an identity module, `recorded`, that its weights pass through."""

    recorded: nn.Identity

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        weights = attention_weights(split_heads(self.to_q(self.norm(x)), self.heads), cache.key, cache.keep)
        return x + self.to_out(join_heads(self.recorded(weights) @ cache.value))


def with_identity_modules(pipe: Pipeline) -> Pipeline:
    """Return a pipeline whose denoiser is a copy with identity modules. The original does not change."""
    copied = copy.copy(pipe)
    copied.denoiser = copy.deepcopy(pipe.denoiser)
    for layer in _cross_attention(copied).values():
        layer.__class__, layer.recorded = IdentityCrossAttention, nn.Identity()
    return copied


def _cross_attention(pipe: Pipeline) -> dict[str, Any]:
    """Return the layers by their path in the denoiser."""
    return {path: module for path, module in pipe.denoiser.named_modules() if isinstance(module, CrossAttention)}


def _point_prefix(layer: Any) -> str:
    return layer.point_prefix.removesuffix(".")


def run_of(pipe: Pipeline, settings: Settings) -> Callable[..., Any]:
    """Return the function that every method times: a run of the pipeline, by its seed."""
    return lambda seed, **more: pipe(settings.prompt, steps=settings.steps, guidance=settings.guidance, seed=seed,
                                     **more)


def with_recorder(pipe: Pipeline, settings: Settings) -> Method:
    """Record as this package does: both branches of every step, copied."""
    run = run_of(pipe, settings)

    def record(seed: int) -> Weights:
        recording = run(seed, record=[PATTERN]).recorded
        return {name.removesuffix(".weights"): buffer.values for name, buffer in recording.buffers.items()}

    return record


def with_forward_hooks(pipe: Pipeline, settings: Settings) -> Method:
    """Record as TransformerLens does: forward hooks, removed after the run, that fill a dict without copying.

    There, each step would overwrite the step before; here, the dict contains lists.
    """
    copied = with_identity_modules(pipe)
    run, layers = run_of(copied, settings), {_point_prefix(k): k for k in _cross_attention(copied).values()}

    def record(seed: int) -> Weights:
        cache: Weights = {name: [] for name in layers}
        handles = [layer.recorded.register_forward_hook(
            lambda module, inputs, output, steps=cache[name]: steps.append(output.detach()))
            for name, layer in layers.items()]
        try:
            run(seed)
        finally:
            for handle in handles:
                handle.remove()
        return cache

    return record


def with_nnsight(pipe: Pipeline, settings: Settings) -> Method:
    """Record as nnsight does: the whole sampling in one trace, with its cache over modules."""
    nnsight = require("nnsight", "nnsight")

    class Sampling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.denoiser = copied.denoiser

        def forward(self, seed: int) -> np.ndarray:
            return run(seed).image

    copied = with_identity_modules(pipe)
    run, root = run_of(copied, settings), "model.denoiser."  # of the names in nnsight
    model = nnsight.NNsight(Sampling())
    paths = {f"{root}{path}.recorded": _point_prefix(layer) for path, layer in _cross_attention(copied).items()}

    def record(seed: int) -> Weights:
        with model.trace(seed) as tracer:
            cache = tracer.cache(modules=list(paths))
        found = {path: cache[path].output for path in cache.keys()}  # noqa: SIM118
        return {paths[path]: out if isinstance(out, list) else [out] for path, out in found.items()}

    return record


METHODS = {RECORDED: with_recorder, "hooks as in TransformerLens": with_forward_hooks, "nnsight": with_nnsight}


# ---- the table ------------------------------------------------------------------------------------------------------


def recording_overhead(model: str = "unet-flow", steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Time a guided run without recording, and with each method. quick: three repeats."""
    check_counts(1, repeats=repeats)
    settings, repeats = check_settings(Settings(PROMPT, steps=steps)), QUICK_REPEATS if quick else repeats
    pipe = load(model)
    if not _cross_attention(pipe):
        raise ValueError(f"{model} has joint attention, which is no module of its own: choose a U-Net")
    seconds = alternate({UNRECORDED: run_of(pipe, settings),
                         **{name: method(pipe, settings) for name, method in METHODS.items()}}, repeats)
    per_call, calls = seconds_per_call(), count_calls(pipe, settings)
    return Table(f"Overhead of recording: {model}, {steps} guided steps",
                 overhead_rows(seconds, "method", "unrecorded"), [
        f"not recorded: {calls} calls of hook points, {1e6 * per_call:.2f} microseconds each, are "
        f"{per_call * calls / min(seconds[UNRECORDED]):.2%} of the run",
        f"each method records {PATTERN}, both branches, all steps; each image is decoded",
        f"cost: over the unrecorded run of the same turn, the median of {repeats} turns and its 95% interval",
        *ratios({name: overhead(times, seconds[UNRECORDED]) for name, times in seconds.items() if name != UNRECORDED})])


def ratios(costs: dict[str, tuple[float, float, float]]) -> list[str]:
    """Return notes on our cost as a share of each other method's, where that one is significantly above 0."""
    return [f"recording costs {costs[RECORDED][0] / middle:.2f} of what {name} costs" if low > 0 else
            f"the cost of {name} is not significant in so many turns"
            for name, (middle, low, _) in costs.items() if name != RECORDED]
