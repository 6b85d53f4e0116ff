"""The overhead of opening a pipeline is measured on the same images."""

from __future__ import annotations

import re

import numpy as np

import explorable as ex
from explorable.adapters.tokens import END, PAD, START
from explorable.diffusion.settings import Settings
from explorable.measure.opening_overhead import OPENED, RECORDED, UNOPENED, opening_overhead, runs, tiny_pipeline


def test_all_runs_generate_the_same_image():
    with tiny_pipeline((16, 32)) as pipeline, ex.open(pipeline) as pipe:
        compared = runs(pipeline, pipe, Settings("a golden retriever", steps=2))
        images = [run(3) for run in compared.values()]
        assert list(compared) == [UNOPENED, OPENED, RECORDED]
        assert all(np.array_equal(image, images[0]) for image in images)
        assert images[0].shape == (64, 64, 3) and images[0].std() > 1
        assert pipe("a golden retriever", steps=1).tokens == (START, "a", "golden", "retriever", END, PAD)


def test_the_tiny_pipeline_is_always_the_same():
    images = []
    for _ in range(2):
        with tiny_pipeline((16, 32)) as pipeline, ex.open(pipeline) as pipe:
            images.append(pipe("a red car", steps=2).image)
    assert np.array_equal(*images)


def test_the_table_has_the_cost_of_opening():
    table = opening_overhead(steps=2, repeats=2, quick=True)
    assert [row["pipeline"] for row in table.rows] == [UNOPENED, OPENED, RECORDED]
    assert table.rows[0]["cost %"] is None and all(isinstance(row["cost %"], float) for row in table.rows[1:])
    assert table.notes[0].endswith("bit-identical")
    assert re.match(r"opening adds \d+\.\d ms to a call", table.notes[3])
    assert table.notes[1].startswith(f"{OPENED}: ") and table.notes[1].endswith(" 1%")
    assert table.notes[2].startswith(f"{RECORDED}: ") and table.notes[2].endswith(" 15%")
