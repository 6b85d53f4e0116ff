"""How accurate is the examiner? Every head, on drawings that it was not trained on."""

from __future__ import annotations

import numpy as np
import torch

from ..analysis.verdict import shipped_examiner
from ..nn.examiner import Report
from ..nn.pixels import to_tensor
from ..training.data import cell_maps, images, scene
from ..training.examiner import random_blur, targets
from ..world import held_out
from .table import Table

BATCH = 50


@torch.inference_mode()
def examiner(count: int = 2000) -> Table:
    """Measure the accuracy of every head in percent, on `count` drawings each of two splits.

    "test" has only combinations that occurred in training; the drawings are clean, or slightly blurred. Of "wide", only
    scenes with a held-out combination count. The heads for colour, side and relation are evaluated for the things that
    are in the scene, the head for number for every kind.
    """
    wide = np.array([held_out(scene(i, "wide")) for i in range(count)])
    columns = {"clean": right_answers("test", count), "blurred": right_answers("test", count, blur=True),
               "held-out": right_answers("wide", count, keep=wide)}
    rows: list[dict] = []
    for head in columns["clean"]:
        row: dict[str, object] = {"head": head}
        for column, right in columns.items():
            row[f"{column} %"] = round(100 * float(right[head].mean()), 2)
        rows.append(row | {"answers, clean": len(columns["clean"][head])})
    return Table(f"The examiner on {count} drawings of the test split, and on {int(wide.sum())} with a held-out "
                 "combination", rows)


def right_answers(split: str, count: int, blur: bool = False, keep: np.ndarray | None = None,
                  ) -> dict[str, np.ndarray]:
    """Return for every head whether each answer is right. keep: which of the scenes count; None: all."""
    data, cells, model = images(count, split), cell_maps(count, split), shipped_examiner()
    picks = np.arange(count) if keep is None else np.flatnonzero(keep)
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(picks), BATCH):
        pick = picks[start : start + BATCH]
        x = to_tensor(data[pick])
        torch.manual_seed(start)  # blurring adds noise
        report: Report = model(random_blur(x, np.random.default_rng(start)) if blur else x)
        truth = targets([scene(int(i), split) for i in pick], cells[pick])
        for name in report._fields:
            answer, guess = getattr(truth, name), getattr(report, name).argmax(1 if name == "cells" else -1)
            right = (guess == answer).numpy()
            found.setdefault(name, []).append(right[(answer != -100).numpy()])
            if name == "number":
                found.setdefault("number, where there are any", []).append(right[(answer > 0).numpy()])
    return {name: np.concatenate(parts) for name, parts in found.items()}
