"""Is the examiner to be trusted? Every head on true drawings that it never saw."""

from __future__ import annotations

import numpy as np
import torch

from ..analysis.verdict import shipped_examiner
from ..nn.examiner import Report
from ..nn.pixels import to_tensor
from ..training.data import pictures, scene
from ..training.examiner import answers, blurred, cell_maps
from ..world import held_out
from .table import Table

BATCH = 50


@torch.inference_mode()
def examiner(count: int = 2000) -> Table:
    """Accuracy in percent of every head on `count` drawings each of two splits that training never had.

    "test" has only combinations that training had, clean and slightly blurred; of "wide" the scenes with a
    held-out combination are marked. colour, side and relation are asked of the things that are there, number
    of every kind, also of those that are not.
    """
    wide = np.array([held_out(scene(i, "wide")) for i in range(count)])
    columns = {"clean": hits("test", count), "blurred": hits("test", count, blur=True),
               "held-out": hits("wide", count, keep=wide)}
    rows: list[dict] = []
    for head in columns["clean"]:
        row: dict[str, object] = {"head": head}
        for column, all_hits in columns.items():
            row[f"{column} %"] = round(100 * float(all_hits[head].mean()), 2)
        rows.append(row | {"asked, clean": len(columns["clean"][head])})
    return Table(f"The examiner on {count} drawings it never saw, and on {int(wide.sum())} with a held-out combination",
                 rows)


def hits(split: str, count: int, blur: bool = False, keep: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """For every head, whether each of its answers was right: over the scenes to `keep` (all, if None)."""
    data, cells, model = pictures(count, split), cell_maps(count, split), shipped_examiner()
    picks = np.arange(count) if keep is None else np.flatnonzero(keep)
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(picks), BATCH):
        pick = picks[start : start + BATCH]
        x = to_tensor(data[pick])
        torch.manual_seed(start)  # the blurred are a little noisy
        report: Report = model(blurred(x, np.random.default_rng(start)) if blur else x)
        truth = answers([scene(int(i), split) for i in pick], cells[pick])
        for name in report._fields:
            answer, guess = getattr(truth, name), getattr(report, name).argmax(1 if name == "cells" else -1)
            right = (guess == answer).numpy()
            found.setdefault(name, []).append(right[(answer != -100).numpy()])
            if name == "number":
                found.setdefault("number, where there are any", []).append(right[(answer > 0).numpy()])
    return {name: np.concatenate(parts) for name, parts in found.items()}
