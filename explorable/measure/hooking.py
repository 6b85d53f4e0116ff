"""What listening costs: nobody, a recording of all cross-attention, and the same by hook points as modules."""

from __future__ import annotations

import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import points
from ..nn.blocks import CrossAttention, Memory, attention_weights, join_heads, split_heads
from ..pipeline import Pipeline, load
from ..settings import Settings, check
from .table import Table, at_least
from .turns import Way, rows, turns

PROMPT = "a red sports car on a mountain road at sunset"
PATTERN = "*.cross.weights"
REPEATS = 15


def looks(pipe: Pipeline, settings: Settings) -> int:
    """How often a run comes by a point, and so asks whether anybody listens."""
    seen: list[str] = []

    class Counting:
        def move(self, *where: Any) -> None: ...
        def among(self, branches: Any) -> None: ...
        def wants(self, name: str) -> bool:
            seen.append(name)
            return False

        def changes(self, name: str) -> bool:
            seen.append(name)
            return False

        def hear(self, name: str, value: Tensor, axes: str) -> Tensor:
            seen.append(name)
            return value

    with torch.inference_mode(), points.heard_by(Counting()):
        list(pipe.walk(pipe.denoiser_for([settings.prompt], settings), settings, [0]))
    return len(seen)


def look_seconds(count: int = 200_000) -> float:
    """Seconds that one look takes while nobody listens, its name put together as modules do."""
    value, way = torch.zeros(1), "up.0.0.cross."
    start = time.perf_counter()
    for _ in range(count):
        points.point(way + "weights", value, "head place token")
    return (time.perf_counter() - start) / count


@contextmanager
def hook_points(net: nn.Module, kept: dict[tuple[str, int], Tensor]) -> Iterator[None]:
    """Every cross-attention with an identity module around its weights and a forward hook on it that keeps a copy,
    as TransformerLens has it, but keyed by the step, which it is not there."""
    handles, steps = [], {"now": -1}
    for name, module in net.named_modules():
        if isinstance(module, CrossAttention):
            hook = nn.Identity()

            def keep(hook: nn.Module, given: Any, out: Tensor, name: str = name) -> None:
                kept[name, steps["now"]] = out.detach().clone()

            def forward(self: CrossAttention, x: Tensor, memory: Memory, hook: nn.Module = hook) -> Tensor:
                weights = attention_weights(split_heads(self.query(self.norm(x)), self.heads), memory.key, memory.keep)
                return x + self.out(join_heads(hook(weights) @ memory.value))

            module.forward = types.MethodType(forward, module)  # type: ignore[method-assign]
            handles += [hook.register_forward_hook(keep)]
    handles.append(net.register_forward_pre_hook(lambda *_: steps.update(now=steps["now"] + 1)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module in net.modules():
            if isinstance(module, CrossAttention):
                del module.forward


def hooking(model: str = "unet-flow", steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Seconds of a guided run: unheard, recorded, and with hook points as modules. quick: three repeats.

    Raises:
        ValueError: a model without cross-attention modules, or a number of steps or repeats that cannot be.
    """
    at_least(1, repeats=repeats)
    settings, repeats = check(Settings(PROMPT, steps=steps)), 3 if quick else repeats
    pipe = load(model)
    if not any(isinstance(m, CrossAttention) for m in pipe.denoiser.modules()):
        raise ValueError(f"{model} reads words in a joint attention, which is no module of its own: choose a U-Net")
    timed = turns(ways(pipe, settings), repeats)
    look, count = look_seconds(), looks(pipe, settings)
    share = look * count / min(timed["nobody listens"])
    return Table(f"What listening costs: {model}, {steps} guided steps", rows(timed, "way", "times unheard"), [
        f"nobody listens: {count} looks of {1e6 * look:.2f} microseconds are {share:.2%} of the run",
        f"recorded: {PATTERN}, both branches, all steps; medians of {repeats}, taking turns; each picture is decoded"])


def ways(pipe: Pipeline, settings: Settings) -> dict[str, Way]:
    """The ways that take turns."""
    def run(seed: int, **more: Any) -> object:
        return pipe(settings.prompt, steps=settings.steps, guidance=settings.guidance, seed=seed, **more)

    def hooked(seed: int) -> object:
        with hook_points(pipe.denoiser, {}):
            return run(seed)

    return {"nobody listens": run, "recorded": lambda seed: run(seed, record=[PATTERN]),
            "hook points as modules": hooked}
