"""The reach of transformers and U-Nets: the numbers of an image are those of the analysis; the table has each t."""

from __future__ import annotations

import numpy as np
import tiny_pipes

from explorable.analysis.patch_influence import mean_distance
from explorable.analysis.patch_influence import patch_influence as influence_on
from explorable.measure import patch_influence as module


def test_the_table_has_the_equal_pair_at_each_noise_time(monkeypatch):
    pipes = {"dit-diffusion": tiny_pipes.tiny("dit"), "unet-diffusion": tiny_pipes.tiny("unet")}
    monkeypatch.setattr(module, "load", pipes.__getitem__)
    monkeypatch.setattr(module, "PATCHES", ((1, 2),))  # its patches are larger
    table = module.patch_influence(quick=True)
    assert [row["t"] for row in table.rows] == ["0.90", "0.50", "0.15"]
    dit, unet = pipes.values()
    found = module._reach(dit, unet, tiny_pipes.PROMPT, 3)
    run = dit(tiny_pipes.PROMPT, steps=module.STEPS, seed=3)
    for column, pipe in ((1, dit), (2, unet)):
        for row, step in zip(found, module.MEASURED_STEPS, strict=True):
            field = influence_on(pipe, run, step, (1, 2), (4, 4))
            np.testing.assert_allclose(row[column], mean_distance(field, (1, 2)), rtol=1e-6)
