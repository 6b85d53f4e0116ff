"""How does the loss of a diffusion transformer fall with compute? Nine small ones, trained here."""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple
from typing import NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from ..files import write_files
from ..nn.dit import DiT
from ..training.data import cache_folder, world_fingerprint
from ..training.denoiser import BATCH_SIZE
from ..training.scaling import (
    BACKWARD_COST,
    DEPTH,
    DRAWINGS,
    PATCH_SIZES,
    TEST_DRAWINGS,
    WIDTHS,
    ScalingData,
    ScalingRun,
    train_scaling_run,
)
from ..zoo import fingerprint
from ..zoo.loading import load_text, load_vae
from .statistics import central_range, resample
from .table import Table, check_counts

STEPS, QUICK_STEPS = 240, 16
SEEDS = 2
TESTED = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)  # shares of the steps after which the loss is measured


class PowerLaw(NamedTuple):
    """loss = coefficient * compute ** exponent, the exponent's 95% interval, and the correlation of the logarithms."""

    coefficient: float
    exponent: float
    low: float
    high: float
    correlation: float


def fit_power_law(compute: np.ndarray, loss: np.ndarray) -> PowerLaw:
    """Fit a line to log loss against log compute, by least squares; both (model,).

    The interval is a bootstrap over models. Samples of fewer than three different models are left out.
    """
    x, y = np.log(compute), np.log(loss)
    exponent, intercept = np.polyfit(x, y, 1)
    samples = [s for s in resample(len(x)) if len(np.unique(s)) > 2]
    low, high = central_range(np.array([np.polyfit(x[s], y[s], 1)[0] for s in samples]))
    return PowerLaw(float(np.exp(intercept)), float(exponent), low, high, float(np.corrcoef(x, y)[0, 1]))


def scaling(seeds: int = SEEDS, quick: bool = False) -> Table:
    """Train diffusion transformers of three patch sizes and three widths on the same batches, and fit a power law.

    Each run is kept in the cache folder, so that an interrupted measurement goes on where it stopped. quick: few steps
    of one seed, for patch sizes 2 and 4.
    """
    check_counts(1, seeds=seeds)
    steps, seeds, patches = (QUICK_STEPS, 1, PATCH_SIZES[1:]) if quick else (STEPS, seeds, PATCH_SIZES)
    tested = tuple(round(share * steps) for share in TESTED)
    models = [(patch, width) for patch in patches for width in reversed(WIDTHS)]  # the slowest first
    data = ScalingData(load_vae(), load_text())  # the drawings are made here, once
    found = _run_all([ScalingRun(*model, steps, seed) for model in models for seed in range(seeds)], tested)
    rows = []
    for patch, width in models:
        runs = [ScalingRun(patch, width, steps, seed) for seed in range(seeds)]
        rows.append(_row(DiT(runs[0].config), data, [found[run] for run in runs], tested))
    law = fit_power_law(*(np.array([row[key] for row in rows]) for key in ("petaflop", "loss")))
    return Table("Loss of small diffusion transformers against compute", rows, [
        f"{steps} steps of {BATCH_SIZE} on {DRAWINGS:,} drawings, depth {DEPTH}, straight path, velocity, no other "
        f"loss; mean of {seeds} seeds; between seeds: the largest difference of two",
        f"loss: mean squared error of the predicted velocity on {TEST_DRAWINGS} drawings of other scenes; "
        f"gflop: floating-point operations of a forward pass on one latent, / 10^9; petaflop: of the whole training, "
        f"/ 10^15, a backward pass counted as {BACKWARD_COST} forward passes (Kaplan et al. 2020)",
        "loss after N: during the same training, before its learning rate has fallen",
        f"loss = {law.coefficient:.3f} petaflop^{law.exponent:.3f}, exponent {law.low:.3f} to {law.high:.3f} (95% "
        f"bootstrap over the {len(rows)} models); correlation of the logarithms {law.correlation:.2f}"],
        {"power_law": law._asdict()})


def _row(net: DiT, data: ScalingData, losses: list[list[float]], tested: tuple[int, ...]) -> dict[str, float]:
    """Return a model's row from the losses of its runs, (seed, tested)."""
    *during, final = zip(*losses, strict=True)
    flops = data.forward_flops(net)
    return {"patch": net.config.patch_size, "width": net.config.width,
            "parameters": sum(p.numel() for p in net.parameters()), "gflop": _round(flops / 1e9),
            "petaflop": _round(flops * (1 + BACKWARD_COST) * BATCH_SIZE * tested[-1] / 1e15),
            **{f"loss after {step}": _round(np.mean(values)) for step, values in zip(tested[:-1], during, strict=True)},
            "loss": _round(np.mean(final)), "between seeds": _round(np.ptp(final))}


def _round(value: float | np.floating) -> float:
    return float(f"{value:.4g}")


# ---- the runs, in as many processes as there are cores ---------------------------------------------------------------

_data: ScalingData | None = None  # of a worker process


def _run_all(runs: list[ScalingRun], tested: tuple[int, ...]) -> dict[ScalingRun, list[float]]:
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _start_worker) as pool:
        jobs = {pool.submit(_run_once, run, tested): run for run in runs}
        return {jobs[job]: job.result() for job in tqdm(as_completed(jobs), total=len(jobs), desc="scaling")}


def _start_worker() -> None:
    global _data
    torch.set_num_threads(1)
    _data = ScalingData(load_vae(), load_text())


def _run_once(run: ScalingRun, tested: tuple[int, ...]) -> list[float]:
    """Train a run, or read what an earlier measurement has kept of the same run."""
    assert _data is not None
    made_from = [DEPTH, DRAWINGS, *tested, world_fingerprint(), fingerprint("vae", "encoder"), fingerprint("text", "")]
    path = cache_folder() / f"scaling-{'-'.join(map(str, [*astuple(run), *made_from]))}.json"
    if not path.exists():
        write_files({path: json.dumps(train_scaling_run(run, _data, tested)).encode()})
    return json.loads(path.read_text("utf-8"))
