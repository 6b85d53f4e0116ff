"""The training loop of every model: seeded, resumable, with moving-average weights and a loss curve.

Learning rates follow a `Plan`. The state before their decay is kept, so that a later run can continue with more steps;
a finished training can also continue in a second round.

It runs under accelerate: in one process, or in several (`accelerate launch -m explorable train NAME`), each of which
takes its share of every batch; in bfloat16 on a GPU.
"""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from ..files import write_files
from .data import cache_folder
from .interrupt import stop_on_interrupt
from .muon import Muon, muon_parameters
from .plan import Plan

if TYPE_CHECKING:
    from accelerate import Accelerator

LOG_EVERY = 50  # steps per row of the loss curve
MAX_WORKERS = 3  # processes that prepare batches for a GPU
Batch = dict[str, Tensor]
Losses = dict[str, Tensor]


class Training:
    """The state of a training: weights, their moving average, optimizers, step, time and loss curve; and its files.

    depends_on: describes what the training was made from (data, earlier models). A state on disk that depends on
    something else is refused.
    """

    def __init__(self, name: str, model: nn.Module, plan: Plan, depends_on: str = ""):
        self.name, self.model, self.plan, self.depends_on = name, model, plan, depends_on
        self.average = copy.deepcopy(model).requires_grad_(False)
        matrices = muon_parameters(model)
        inner = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in inner]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, plan.lr, betas=(0.9, 0.99), weight_decay=plan.weight_decay)]
        if matrices:
            self.optimizers.append(Muon(matrices, plan.muon_lr, weight_decay=plan.weight_decay))
        self.peak_lrs = [o.param_groups[0]["lr"] for o in self.optimizers]
        self.step, self.seconds, self.precision = 0, 0.0, "float32"
        self.is_main_process = True
        self.curve: list[dict[str, float]] = []
        self._loss_sums: dict[str, float] = {}
        self._logged_steps = 0

    def optimize(self, losses: Losses) -> None:
        """Take one optimizer step on losses["loss"].

        Raises:
            FloatingPointError: the loss is not finite; the weights are unchanged.
        """
        if not math.isfinite(float(losses["loss"].detach())):
            raise FloatingPointError(f"{self.name}: the loss is not finite at step {self.step}; the last saved state "
                                     "is good: resume from it with lower learning rates")
        for optimizer, peak in zip(self.optimizers, self.peak_lrs, strict=True):
            optimizer.param_groups[0]["lr"] = peak * self.plan.lr_scale(self.step)
            optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.grad_clip)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(self.plan.ema_decay, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        self.step += 1

    def log(self, losses: Losses) -> None:
        """Add to the loss curve: means over `LOG_EVERY` steps."""
        self._logged_steps += 1
        for key, value in losses.items():
            self._loss_sums[key] = self._loss_sums.get(key, 0.0) + float(value)
        if self.step % LOG_EVERY == 0:
            self.curve.append({"step": self.step,
                               **{k: v / self._logged_steps for k, v in self._loss_sums.items()}})
            self._loss_sums, self._logged_steps = {}, 0

    def save(self, tag: str = "state") -> None:
        """Write the state to disk, atomically: if the process is killed, the last complete state remains."""
        state = {"model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
                 "optimizers": [o.state_dict() for o in self.optimizers], "seconds": self.seconds,
                 "curve": self.curve, "loss_sums": [self._loss_sums, self._logged_steps],
                 "depends_on": self.depends_on, "planned_steps": self.plan.steps}
        write_files({state_path(self.name, tag): lambda path: torch.save(state, path)})

    def resume(self) -> None:
        """Continue from the latest state that agrees with this plan; from the start where there is none.

        Raises:
            ValueError: the state on disk is of another training, or further than this plan goes.
        """
        for tag in ("state", "before-decay"):
            state = read_state(self.name, tag)
            if state is None:
                continue
            if state["depends_on"] != self.depends_on:
                raise ValueError(f"{state_path(self.name, tag)} is the state of another training "
                                 f"({state['depends_on']}, not {self.depends_on}): move it away to start again")
            if self.plan.can_resume(state["step"], state["planned_steps"]):
                return self._load(state)
        if state_path(self.name, "state").exists():
            raise ValueError(f"{self.name} was already trained further than {self.plan.steps} steps: choose more "
                             f"steps, or move {state_path(self.name, '*')} away to start again")

    def _load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]
        self._loss_sums, self._logged_steps = state["loss_sums"]


def state_path(name: str, tag: str) -> Path:
    """Return the file of a training state: "state" is the latest, "before-decay" the one to continue from with more
    steps."""
    return cache_folder() / f"{name}.{tag}.pt"


def checkpoint_tag(step: int) -> str:
    """Return the tag of the state that a plan keeps after a step."""
    return f"step-{step}"


def read_state(name: str, tag: str) -> dict[str, Any] | None:
    """Read a state from disk; None where there is none."""
    path = state_path(name, tag)
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


class ModelWithLoss(nn.Module):
    """A model and its loss as one module, for data-parallel training to wrap."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], Losses]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> Losses:
        return self.loss(self.model, batch)


def fit(name: str, model: nn.Module, batch: Callable[[int], Batch], loss: Callable[[nn.Module, Batch], Losses],
        plan: Plan, depends_on: str = "") -> Training:
    """Train `model` and return its state, whose moving average is the result. Resumes an interrupted training.

    Ctrl-C ends it after the present step.

    Args:
        batch: batch(step) -> tensors on the CPU, rows first: the whole batch with all its random numbers, so that a
            resumed run, or one in several processes, sees the same. Each process then takes its share of the rows. For
            a GPU it is called in worker processes, for some steps each: it must depend on the step only.
        loss: loss(model, batch) -> {"loss": total, ...}: means over rows, all of which go into the loss curve.
        depends_on: see `Training`.
    """
    accelerator = _accelerator()
    training = Training(name, model.to(accelerator.device), plan, depends_on)
    training.resume()
    training.precision = {"no": "float32"}.get(accelerator.mixed_precision, f"mixed {accelerator.mixed_precision}")
    objective = accelerator.prepare_model(ModelWithLoss(training.model, loss))
    began = time.monotonic() - training.seconds
    saved = time.monotonic()
    training.is_main_process = accelerator.is_main_process
    bar = tqdm(initial=training.step, total=plan.steps, desc=name, mininterval=5, disable=not training.is_main_process)
    with stop_on_interrupt() as is_stopped, bar, _attention_kernels(accelerator.device):
        batches = iter(_batches(batch, plan, training.step, accelerator.device))
        while training.step < plan.steps and not _any_process(is_stopped(), accelerator):
            if training.step == plan.decay_start(training.step) and training.is_main_process:
                training.save("before-decay")
            rows = _shard(next(batches), accelerator)
            torch.manual_seed(plan.step_seed(training.step))
            losses = objective(rows)
            training.optimize(losses)
            training.log({k: accelerator.reduce(v.detach(), "mean") for k, v in losses.items()})
            training.seconds = time.monotonic() - began
            if training.step % LOG_EVERY == 0:
                bar.set_postfix({k: f"{v:.4g}" for k, v in training.curve[-1].items() if k != "step"}, refresh=False)
            if training.step in plan.checkpoints and training.is_main_process:
                training.save(checkpoint_tag(training.step))
            if time.monotonic() - saved > plan.save_every and training.is_main_process:
                training.save()
                saved = time.monotonic()
            bar.update()
    if training.is_main_process:
        training.save()
    training.average.to("cpu").eval()
    return training


class _StepDataset(Dataset[Batch]):
    """The batches of a training by step, each with its own seed."""

    def __init__(self, batch: Callable[[int], Batch], plan: Plan):
        self.batch, self.plan = batch, plan

    def __getitem__(self, step: int) -> Batch:
        torch.manual_seed(self.plan.step_seed(step))
        return self.batch(step)


def _ignore_interrupt(worker: int) -> None:
    """Leave Ctrl-C to the process that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batches(batch: Callable[[int], Batch], plan: Plan, begin: int, device: torch.device) -> Iterable[Batch]:
    """Return the batches from step `begin` on, for a GPU prepared in worker processes, so that it need not wait.

    Batch functions are closures, which reach a worker only where processes are forked.
    """
    use_workers = device.type == "cuda" and begin < plan.steps and "fork" in multiprocessing.get_all_start_methods()
    return DataLoader(_StepDataset(batch, plan), batch_size=None, sampler=range(begin, plan.steps),
                      num_workers=min(MAX_WORKERS, os.cpu_count() or 1) if use_workers else 0,
                      multiprocessing_context="fork" if use_workers else None, worker_init_fn=_ignore_interrupt)


def _accelerator() -> Accelerator:
    """Return the accelerator. Imported here because measures use the training data and must not need accelerate.

    Raises:
        ModuleNotFoundError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('training needs accelerate: pip install "explorable[train]"') from error
    # Without a GPU accelerate's own setting decides: ACCELERATE_MIXED_PRECISION=bf16 is faster on some processors.
    return Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else None,
                       kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


def _attention_kernels(device: torch.device) -> AbstractContextManager[None]:
    """Compute attention by plain matrix products on a CPU, whose fused kernel has a slow backward pass."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _shard(batch: Batch, accelerator: Accelerator) -> Batch:
    """Return this process's rows of a batch, on its device.

    Raises:
        ValueError: the rows cannot be divided evenly.
    """
    count = accelerator.num_processes
    rows = len(next(iter(batch.values())))
    if rows % count:
        raise ValueError(f"{rows} rows of a batch cannot be shared evenly by {count} processes: choose a divisor")
    part = slice(accelerator.process_index * rows // count, (accelerator.process_index + 1) * rows // count)
    return {name: value[part].to(accelerator.device) for name, value in batch.items()}


def _any_process(stopped: bool, accelerator: Accelerator) -> bool:
    """Return whether any process was stopped: all must leave the loop together, or the others would wait for it."""
    if accelerator.num_processes == 1:
        return stopped
    count = torch.tensor(float(stopped), device=accelerator.device)
    return bool(accelerator.reduce(count, "sum") > 0)


def gather_rows(x: Tensor) -> Tensor:
    """Return the rows of all processes, for a loss that compares every row with every other. Differentiable."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return x
    return torch.cat(all_gather(x))
