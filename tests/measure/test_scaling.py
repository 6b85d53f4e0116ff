"""Loss against compute: the fit of a power law, the table, and what is kept of it."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from explorable.measure import saved_table
from explorable.measure import scaling as module
from explorable.measure.scaling import fit_power_law
from explorable.measure.scaling_chart import scaling_chart
from explorable.measure.table import Table
from explorable.training.scaling import PATCH_SIZES, WIDTHS

SVG = "{http://www.w3.org/2000/svg}"
COMPUTE = np.geomspace(1e-5, 1e-2, 9)


def test_an_exact_power_law_is_found_with_an_interval_of_no_width():
    law = fit_power_law(COMPUTE, 0.7 * COMPUTE**-0.12)
    assert law[:4] == pytest.approx((0.7, -0.12, -0.12, -0.12)) and law.correlation == pytest.approx(-1)


def test_noise_widens_the_interval_around_the_true_exponent():
    noise = np.exp(0.1 * np.random.default_rng(0).standard_normal(9))
    law = fit_power_law(COMPUTE, COMPUTE**-0.12 * noise)
    assert law.low < -0.12 < law.high and law.high - law.low > 0.01 and -1 < law.correlation < 0


def test_the_table_has_a_row_a_model_and_the_law_of_its_rows(monkeypatch):
    def run_all(runs, tested):
        return {run: [run.seed + (run.width * n) ** -0.5 for n in tested] for run in runs}

    class Data:
        def __init__(self, vae, words):
            pass

        def forward_flops(self, net):
            return 1e6 * net.config.width**2 / net.config.patch_size**2

    monkeypatch.setattr(module, "ScalingData", Data)
    monkeypatch.setattr(module, "_run_all", run_all)
    table = module.scaling(seeds=3)
    assert [(row["patch"], row["width"]) for row in table.rows] == [(p, w) for p in PATCH_SIZES for w in WIDTHS[::-1]]
    row = table.rows[0]
    assert row["loss"] == pytest.approx(1 + (128 * 240) ** -0.5, rel=1e-3) and row["between seeds"] == 2
    assert row["petaflop"] == pytest.approx(3 * 1e6 * 128**2 * 32 * 240 / 1e15, rel=1e-3)
    law = fit_power_law(*(np.array([r[key] for r in table.rows]) for key in ("petaflop", "loss")))
    assert table.facts["power_law"]["exponent"] == law.exponent and f"{law.exponent:.3f}" in table.notes[-1]


def test_the_saved_runs_are_of_the_shipped_models():
    saved = saved_table("scaling")
    assert saved is not None and saved.is_current and len(saved.table.rows) == len(PATCH_SIZES) * len(WIDTHS)


def test_the_chart_has_a_point_for_each_model_where_its_loss_and_compute_are():
    """Points that are on a power law lie on one straight line, the larger loss above the smaller one."""
    rows = [{"patch": p, "width": w, "petaflop": c, "loss": 0.8 * c**-0.1}
            for (p, w), c in zip([(p, w) for p in PATCH_SIZES for w in WIDTHS], COMPUTE, strict=True)]
    circles = [node.attrib for node in ElementTree.fromstring(scaling_chart(Table("T", rows))).iter(f"{SVG}circle")]
    x, y = np.array([[float(circle[key]) for key in ("cx", "cy")] for circle in circles]).T
    assert len(circles) == 9 and abs(np.corrcoef(x, y)[0, 1]) == pytest.approx(1, abs=1e-5)
    assert (np.diff(y[np.argsort(x)]) > 0).all() and len({circle["fill"] for circle in circles}) == 3
