"""Is the examiner to be trusted? Every head on true drawings that it never saw."""

from __future__ import annotations

import numpy as np
import torch

from ..training.data import pictures, scene
from ..training.examiner import answers, blurred, cell_maps
from ..training.vae import to_tensor
from .table import Table
from .verdict import load_examiner


@torch.inference_mode()
def examiner(count: int = 2000) -> Table:
    """Accuracy of every head on `count` drawings of the test split, clean and blurred. "colour", "side" and
    "relation" are asked of the things that are there; "number" of every kind, also of those that are not."""
    model, rows = load_examiner(), []
    data, cells = pictures(count, "test"), cell_maps(count, "test")
    truth = answers([scene(i, "test") for i in range(count)], cells)
    right: dict[str, list[np.ndarray]] = {}
    for start in range(0, count, 50):
        clean = to_tensor(data[start : start + 50])
        for sort, x in (("clean", clean), ("blurred", blurred(clean, np.random.default_rng(start)))):
            report = model(x)
            for name in report._fields:
                answer = getattr(truth, name)[start : start + 50]
                guess = getattr(report, name).argmax(1 if name == "cells" else -1)
                asked = answer != -100
                right.setdefault(f"{name} {sort}", []).append((guess == answer)[asked].numpy())
                if name == "number":
                    right.setdefault(f"number, things that are there {sort}", []).append(
                        (guess == answer)[answer > 0].numpy())
    for key in right:
        if key.endswith(" clean"):
            head = key.removesuffix(" clean")
            row: dict[str, str | float] = {"head": head}
            for sort in ("clean", "blurred"):
                hits = np.concatenate(right[f"{head} {sort}"])
                row |= {f"{sort} %": round(100 * float(hits.mean()), 2), "asked": len(hits)}
            rows.append(row)
    return Table(f"The examiner on {count} drawings it never saw", rows)
