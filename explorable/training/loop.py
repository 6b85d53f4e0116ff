"""One training loop for every model: seeded, resumable, with moving-average weights and a loss curve.

The learning rate rises over a warm-up, stays, and falls to zero over the last third. The state
before the fall is kept, so that a later run can be given more steps and go on from there.
"""

from __future__ import annotations

import copy
import csv
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .data import cache


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    steps:    optimizer steps in all.
    lr:       peak learning rate; `warmup` steps up to it, and down to zero over the last `fall` share.
    average:  decay of the moving average of the weights: what is shipped.
    save_every: seconds between two states on disk.
    """

    steps: int
    lr: float = 1e-3
    warmup: int = 200
    fall: float = 0.35
    average: float = 0.999
    weight_decay: float = 0.01
    clip: float = 1.0
    save_every: float = 60.0
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of `step`."""
        start = self.fall_starts()
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        return self.lr if step < start else self.lr * (self.steps - step) / (self.steps - start)

    def fall_starts(self) -> int:
        return int(self.steps * (1 - self.fall))


def fit(name: str, model: nn.Module, loss: Callable[[nn.Module, int], dict[str, Tensor]], plan: Plan) -> nn.Module:
    """Train `model`, and return its moving average. Killed at any moment, the next call goes on.

    loss(model, step) -> {"loss": total, ...}: must depend on nothing but the weights and the step, so that a
    resumed run sees the same batches. Everything it returns goes into the curve (`NAME.csv` in the cache).
    """
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), plan.lr, betas=(0.9, 0.99), weight_decay=plan.weight_decay)
    start, spent = _resume(name, model, average, optimizer, plan)
    began = time.monotonic() - spent
    curve = (cache() / f"{name}.csv").open("a", newline="")
    writer, saved = csv.writer(curve), time.monotonic()
    sums: dict[str, float] = {}
    bar = tqdm(range(start, plan.steps), initial=start, total=plan.steps, desc=name, mininterval=5)
    for step in bar:
        if step == plan.fall_starts():
            _save(name, model, average, optimizer, step, time.monotonic() - began)
            shutil.copy(_state(name), _state(name, "stable"))
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        torch.manual_seed(plan.seed * 1_000_003 + step)
        losses = loss(model, step)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        decay = min(plan.average, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        for key, value in losses.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach()) / 50
        if (step + 1) % 50 == 0:
            if not all(v == v for v in sums.values()):
                raise FloatingPointError(f"{name}: the loss is no number at step {step}; resume with a lower rate")
            writer.writerow([step + 1, *(f"{k}={v:.5g}" for k, v in sums.items())])
            curve.flush()
            bar.set_postfix({k: f"{v:.4g}" for k, v in sums.items()}, refresh=False)
            sums = {}
        if time.monotonic() - saved > plan.save_every:
            _save(name, model, average, optimizer, step + 1, time.monotonic() - began)
            saved = time.monotonic()
    _save(name, model, average, optimizer, plan.steps, time.monotonic() - began)
    return average.eval()


def _state(name: str, tag: str = "state"):
    return cache() / f"{name}.{tag}.pt"


def _save(name: str, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, step: int,
          seconds: float) -> None:
    """Write beside, then rename: a kill in the middle leaves the last good state."""
    part = _state(name, "part")
    torch.save({"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
                "step": step, "seconds": seconds}, part)
    part.rename(_state(name))


def _resume(name: str, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer,
            plan: Plan) -> tuple[int, float]:
    """Load the latest state that lies before the end of `plan`: its step and the seconds spent.

    A state past the start of its own fall has a low rate behind it: with more steps planned than it
    had, the state from before the fall is the one to go on from.
    """
    for tag in ("state", "stable"):
        if not _state(name, tag).exists():
            continue
        state = torch.load(_state(name, tag), map_location="cpu", weights_only=True)
        stable = _state(name, "stable")
        if tag == "state" and stable.exists():
            fell = torch.load(stable, map_location="cpu", weights_only=True)["step"]
            if fell < plan.fall_starts() and state["step"] > fell:
                continue
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        return state["step"], state["seconds"]
    return 0, 0.0


def minutes_spent(name: str) -> float:
    """How long the training of `name` has taken in all, over every call."""
    return round(torch.load(_state(name), map_location="cpu", weights_only=True)["seconds"] / 60, 1)
