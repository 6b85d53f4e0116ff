"""One training loop for every model: seeded, resumable, with moving-average weights and a loss curve.

The learning rate rises over a warm-up, stays, and falls to zero at the end. The state before the fall is
kept, so that a later run can be given more steps and go on from there; or a finished training goes on in a
second round, with its rates risen again.

It runs under accelerate: alone, or in many processes (`accelerate launch -m explorable train NAME`), each of
which takes its share of every batch; in bfloat16 where there is a GPU for it.
"""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from .data import cache, write_beside
from .muon import Muon, inner_matrices
from .plan import Plan

if TYPE_CHECKING:
    from accelerate import Accelerator

EVERY = 50  # steps to a point of the loss curve
AHEAD = 3  # processes, at most, that make batches ahead of a GPU
Batch = dict[str, Tensor]
Losses = dict[str, Tensor]


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
        self.step, self.seconds, self.precision = 0, 0.0, "float32"
        self.first = True  # of the processes that trained it: what ships it
        self.curve: list[dict[str, float]] = []
        self._sums: dict[str, float] = {}
        self._summed = 0

    def advance(self, losses: Losses) -> None:
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

    def note(self, losses: Losses) -> None:
        """Add to the loss curve: means over `EVERY` steps."""
        self._summed += 1
        for key, value in losses.items():
            self._sums[key] = self._sums.get(key, 0.0) + float(value)
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
            if self.plan.goes_on_from(state["step"], state["steps"]):
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


class Objective(nn.Module):
    """A model and its loss as one module, which is what data-parallel training wraps."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], Losses]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> Losses:
        return self.loss(self.model, batch)


def fit(name: str, model: nn.Module, batch: Callable[[int], Batch], loss: Callable[[nn.Module, Batch], Losses],
        plan: Plan, of: str = "") -> Training:
    """Train `model`; its moving average is what counts. Killed at any moment, the next call goes on.
    Ctrl-C ends it after the present step, and what there is is returned.

    batch(step) -> tensors, on the CPU, rows first: the whole batch with all of its dice, so that a resumed run,
    or one in several processes, sees the same numbers. Each process then takes its share of the rows. For a GPU it is
    called in processes beside this one, a step here and a step there: it must rest on nothing but the step.
    loss(model, batch) -> {"loss": total, ...}: a mean over rows. Everything it returns goes into the curve.
    """
    accelerator = _accelerator()
    training = Training(name, model.to(accelerator.device), plan, of)
    training.resume()
    training.precision = {"no": "float32"}.get(accelerator.mixed_precision, f"mixed {accelerator.mixed_precision}")
    objective = accelerator.prepare_model(Objective(training.model, loss))
    began = time.monotonic() - training.seconds
    saved = time.monotonic()
    training.first = accelerator.is_main_process
    bar = tqdm(initial=training.step, total=plan.steps, desc=name, mininterval=5, disable=not training.first)
    with brake() as stopped, bar:
        batches = iter(_batches(batch, plan, training.step, accelerator.device))
        while training.step < plan.steps and not _anybody(stopped(), accelerator):
            if training.step == plan.fall_starts(training.step) and training.first:
                training.save("stable")
            rows = _share(next(batches), accelerator)
            torch.manual_seed(plan.dice(training.step))
            losses = objective(rows)
            training.advance(losses)
            training.note({k: accelerator.reduce(v.detach(), "mean") for k, v in losses.items()})
            training.seconds = time.monotonic() - began
            if training.step % EVERY == 0:
                bar.set_postfix({k: f"{v:.4g}" for k, v in training.curve[-1].items() if k != "step"}, refresh=False)
            if time.monotonic() - saved > plan.save_every and training.first:
                training.save()
                saved = time.monotonic()
            bar.update()
    if training.first:
        training.save()
    training.average.to("cpu").eval()
    return training


class _Steps(Dataset[Batch]):
    """The batches of a training by their steps, each with its own dice."""

    def __init__(self, batch: Callable[[int], Batch], plan: Plan):
        self.batch, self.plan = batch, plan

    def __getitem__(self, step: int) -> Batch:
        torch.manual_seed(self.plan.dice(step))
        return self.batch(step)


def _deaf(worker: int) -> None:
    """Ctrl-C is for the process that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batches(batch: Callable[[int], Batch], plan: Plan, begin: int, device: torch.device) -> Iterable[Batch]:
    """The batches from `begin` on. A GPU would wait for them: for it, processes beside this one make them ahead.

    A batch function lives in a closure, which goes into another process only where processes fork.
    """
    ahead = device.type == "cuda" and begin < plan.steps and "fork" in multiprocessing.get_all_start_methods()
    return DataLoader(_Steps(batch, plan), batch_size=None, sampler=range(begin, plan.steps),
                      num_workers=min(AHEAD, os.cpu_count() or 1) if ahead else 0,
                      multiprocessing_context="fork" if ahead else None, worker_init_fn=_deaf)


def _accelerator() -> Accelerator:
    """Imported here, not above: measures read the training data, and must not need what only training needs.

    Raises:
        ModuleNotFoundError: accelerate is not installed; says how.
    """
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('training needs accelerate: pip install "explorable[train]"') from error
    # Without a GPU accelerate's own word decides: ACCELERATE_MIXED_PRECISION=bf16 pays where the processor has it.
    return Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else None,
                       kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


def _share(batch: Batch, accelerator: Accelerator) -> Batch:
    """The rows of a batch that this process works on, on its device.

    Raises:
        ValueError: the rows cannot be shared out evenly.
    """
    count = accelerator.num_processes
    rows = len(next(iter(batch.values())))
    if rows % count:
        raise ValueError(f"{rows} rows of a batch cannot be shared evenly by {count} processes: choose a divisor")
    part = slice(accelerator.process_index * rows // count, (accelerator.process_index + 1) * rows // count)
    return {name: value[part].to(accelerator.device) for name, value in batch.items()}


def _anybody(stopped: bool, accelerator: Accelerator) -> bool:
    """Has any process been asked to stop? All must leave together, or the others would wait for ever."""
    if accelerator.num_processes == 1:
        return stopped
    asked = torch.tensor(float(stopped), device=accelerator.device)
    return bool(accelerator.reduce(asked, "sum") > 0)


def gathered(x: Tensor) -> Tensor:
    """The rows of all processes, for a loss that compares each row with every other; gradients flow back."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return x
    return torch.cat(all_gather(x))


def state_path(name: str, tag: str) -> Path:
    """Where the state of a training lies: "state" the latest, "stable" from before the rates fell."""
    return cache() / f"{name}.{tag}.pt"


def read_state(name: str, tag: str) -> dict[str, Any] | None:
    """A state from disk, None where there is none."""
    path = state_path(name, tag)
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
