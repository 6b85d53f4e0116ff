"""One training loop for every model: seeded, resumable, with moving-average weights and a loss curve.

The learning rate rises over a warm-up, stays, and falls to zero over the last third. The state
before the fall is kept, so that a later run can be given more steps and go on from there.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .data import cache, write_beside
from .muon import Muon, inner_matrices

EVERY = 50  # steps to a point of the loss curve


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    steps:    optimizer steps in all.
    lr, muon: peak learning rates of AdamW and of Muon; `warmup` steps up to them, and down to zero over the
              last `fall` share.
    average:  decay of the moving average of the weights: what is shipped.
    save_every: seconds between two states on disk.
    """

    steps: int
    lr: float = 1e-3
    muon: float = 0.02
    warmup: int = 200
    fall: float = 0.35
    average: float = 0.999
    weight_decay: float = 0.01
    clip: float = 1.0
    save_every: float = 45.0
    seed: int = 0

    def share(self, step: int) -> float:
        """What share of the peak rates `step` is taken at."""
        start = self.fall_starts()
        if step < self.warmup:
            return (step + 1) / self.warmup
        return 1.0 if step < start else (self.steps - step) / (self.steps - start)

    def fall_starts(self) -> int:
        """The first step of the fall."""
        return int(self.steps * (1 - self.fall))


class Training:
    """A model on its way: weights, their moving average, optimizers, step, time and loss curve; and its files.

    `of` says what the training rests on (sizes, data, forerunners): a state that rests on something else is
    refused, not continued.
    """

    def __init__(self, name: str, model: nn.Module, plan: Plan, of: str = ""):
        self.name, self.model, self.plan, self.of = name, model, plan, of
        self.average = copy.deepcopy(model).requires_grad_(False)
        matrices = inner_matrices(model)
        inner = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in inner]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, plan.lr, betas=(0.9, 0.99), weight_decay=plan.weight_decay)]
        if matrices:
            self.optimizers.append(Muon(matrices, plan.muon, weight_decay=plan.weight_decay))
        self.peaks = [o.param_groups[0]["lr"] for o in self.optimizers]
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        self._sums: dict[str, float] = {}
        self._summed = 0

    def advance(self, losses: dict[str, Tensor]) -> None:
        """One optimizer step on losses["loss"].

        Raises:
            FloatingPointError: the loss is no finite number; the weights are as they were.
        """
        if not math.isfinite(float(losses["loss"].detach())):
            raise FloatingPointError(f"{self.name}: the loss is no number at step {self.step}; "
                                     "the last state on disk is good: go on from it with lower rates")
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * self.plan.share(self.step)
            optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(self.plan.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        self.step += 1
        self._note(losses)

    def _note(self, losses: dict[str, Tensor]) -> None:
        """Add to the loss curve: means over `EVERY` steps."""
        self._summed += 1
        for key, value in losses.items():
            self._sums[key] = self._sums.get(key, 0.0) + float(value.detach())
        if self.step % EVERY == 0:
            self.curve.append({"step": self.step, **{k: v / self._summed for k, v in self._sums.items()}})
            self._sums, self._summed = {}, 0

    def save(self, tag: str = "state") -> None:
        """Write the state beside the old one, then put it in its place: a kill leaves the last good one."""
        state = {"model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
                 "optimizers": [o.state_dict() for o in self.optimizers], "seconds": self.seconds,
                 "curve": self.curve, "sums": [self._sums, self._summed], "of": self.of, "steps": self.plan.steps}
        write_beside(state_path(self.name, tag), lambda path: torch.save(state, path))

    def resume(self) -> None:
        """Go on from the latest state that this plan could have come through; from the start where there is none.

        Raises:
            ValueError: the state on disk is of another training, or past all that this plan asks for.
        """
        for tag in ("state", "stable"):
            state = read_state(self.name, tag)
            if state is None:
                continue
            if state["of"] != self.of:
                raise ValueError(f"{state_path(self.name, tag)} is the state of another training "
                                 f"({state['of']}, not {self.of}): move it away to begin anew")
            unfallen = state["step"] <= min(replace(self.plan, steps=state["steps"]).fall_starts(),
                                            self.plan.fall_starts())
            if unfallen or state["steps"] == self.plan.steps:
                return self._take(state)
        if state_path(self.name, "state").exists():
            raise ValueError(f"{self.name} was trained further than {self.plan.steps} steps allow for: ask for more, "
                             f"or move {state_path(self.name, '*')} away to begin anew")

    def _take(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]
        self._sums, self._summed = state["sums"]


@contextmanager
def brake() -> Iterator[Callable[[], bool]]:
    """Ctrl-C stops between two steps; the second one at once. Yields a function: has it been asked for?"""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():  # only there can signals be heard
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def fit(name: str, model: nn.Module, loss: Callable[[nn.Module, int], dict[str, Tensor]], plan: Plan,
        of: str = "") -> Training:
    """Train `model`; its moving average is what counts. Killed at any moment, the next call goes on.
    Ctrl-C ends it after the present step, and what there is is returned.

    loss(model, step) -> {"loss": total, ...}: must depend on nothing but the weights and the step, so that a
    resumed run sees the same batches. Everything it returns goes into the curve.
    """
    training = Training(name, model, plan, of)
    training.resume()
    began = time.monotonic() - training.seconds
    saved = time.monotonic()
    bar = tqdm(initial=training.step, total=plan.steps, desc=name, mininterval=5)
    with brake() as stopped, bar:
        while training.step < plan.steps and not stopped():
            if training.step == plan.fall_starts():
                training.save("stable")
            torch.manual_seed(plan.seed * 1_000_003 + training.step)
            training.advance(loss(model, training.step))
            training.seconds = time.monotonic() - began
            if training.step % EVERY == 0:
                bar.set_postfix({k: f"{v:.4g}" for k, v in training.curve[-1].items() if k != "step"}, refresh=False)
            if time.monotonic() - saved > plan.save_every:
                training.save()
                saved = time.monotonic()
            bar.update()
    training.save()
    training.average.eval()
    return training


def state_path(name: str, tag: str) -> Path:
    """Where the state of a training lies: "state" the latest, "stable" from before the rates fell."""
    return cache() / f"{name}.{tag}.pt"


def read_state(name: str, tag: str) -> dict[str, Any] | None:
    """A state from disk, None where there is none."""
    path = state_path(name, tag)
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
