"""The grid of scales and seeds: its images, the order in which it fills, and what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
from tiny_pipes import PROMPT

import explorable as ex
from explorable.analysis import verdict
from explorable.analysis.image_statistics import clipped_share
from explorable.diffusion.settings import Settings
from explorable.pipeline.progress import no_progress
from explorable.widgets.core.scale_grid import (
    CELL,
    DONE,
    LEFT,
    MISSING,
    PREVIEW,
    TOP,
    by_interest,
    cell_at,
    overview,
    seed_block,
)
from explorable.widgets.core.worker import Superseded
from explorable.widgets.guidance_scale import view
from explorable.widgets.guidance_scale.grid import (
    SCALES,
    GridComputation,
    GridRequest,
)

FEW = GridRequest("", Settings(PROMPT, steps=2), (0.0, 1.0, 4.0), (0, 1))
LONG = replace(FEW, settings=Settings(PROMPT, steps=9))


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipes.tiny()


@pytest.fixture(autouse=True)
def examiner(monkeypatch):
    made = tiny_pipes.tiny_examiner()
    monkeypatch.setattr(verdict, "shipped_examiner", lambda: made)


def filled(pipe, request, computation=None, interest=lambda: (4.0, 1), progress=no_progress):
    """The grid, and the states of each partial one."""
    states = []
    result = (computation or GridComputation()).compute(
        pipe, request, progress, interest, lambda partial: states.append(partial.state.copy()))
    return result, states


def test_each_cell_is_the_image_of_its_scale_and_seed(pipe):
    grid, _ = filled(pipe, FEW)
    assert grid.is_complete
    for w in FEW.scales:
        for seed in FEW.seeds:
            image = grid.images.sel(w=w, seed=seed).values
            alone = pipe(PROMPT, guidance=w, seed=seed, steps=2).image
            assert np.abs(image.astype(int) - alone).max() <= 1
            assert float(grid.facts.clipped.sel(w=w, seed=seed)) == clipped_share(image)
    assert (grid.facts.diversity > 0).all() and grid.means.right.equals(grid.facts.right.mean("seed"))


def test_the_seed_of_interest_is_previewed_at_every_scale_and_then_the_nearest_scale_comes_first(pipe):
    _, states = filled(pipe, LONG, interest=lambda: (3.0, 1))
    previews, columns = states[:3], states[3:]
    assert [int((s == PREVIEW).sum()) for s in previews] == [1, 2, 3]
    assert previews[0][2, 1] == PREVIEW and (previews[2][:, 0] == MISSING).all()
    assert [(s == DONE).all(1).tolist() for s in columns] == [[False, False, True], [False, True, True]]


def test_the_order_follows_what_the_user_looks_at_meanwhile(pipe):
    looked_at = iter([(4.0, 0), (4.0, 0), (0.0, 0), (0.0, 0)])
    _, states = filled(pipe, LONG, interest=lambda: next(looked_at))
    assert [(s == DONE).all(1).tolist() for s in states[3:]] == [[False, False, True], [True, False, True]]


def test_a_newer_request_stops_it_and_what_was_finished_is_kept(pipe):
    computation = GridComputation()

    def check(done, total):
        if done > 9 + 1:  # one column of nine steps, and a step of the next
            raise Superseded

    with pytest.raises(Superseded):
        filled(pipe, LONG, computation, progress=check)
    grid, states = filled(pipe, LONG, computation)
    assert (states[0] == DONE).all(1).tolist() == [False, False, True]
    again, states = filled(pipe, LONG, computation)
    assert computation.is_cached(LONG) and not states and np.array_equal(again.images, grid.images)
    computation.forget()
    assert not computation.is_cached(LONG)


def test_what_was_shown_is_not_changed_by_what_comes_later(pipe):
    shown = []
    GridComputation().compute(pipe, LONG, no_progress, lambda: (4.0, 0), shown.append)
    assert not (shown[0].state == DONE).any() and np.isnan(shown[0].facts.clipped).all()


def test_progress_counts_every_step(pipe):
    counted = []
    filled(pipe, FEW, progress=lambda *done: counted.append(done))
    assert counted == [(k, 6) for k in range(1, 7)]


def test_scales_are_sorted_by_distance_and_seeds_come_in_blocks():
    assert by_interest(SCALES, 7.0)[:3] == [7.0, 4.0, 12.0] and by_interest(SCALES, 0.0)[0] == 0.0
    assert seed_block(0) == seed_block(3) == (0, 1, 2, 3) and seed_block(4) == (4, 5, 6, 7)


def test_the_overview_has_each_image_in_its_cell(pipe):
    grid, _ = filled(pipe, FEW)
    at = grid.request.scales, grid.request.seeds
    page = overview(grid.images.values, grid.request.seeds, ["w", "0", "1", "4"])
    height, width = page.shape[:2]
    for k, w in enumerate(FEW.scales):
        for j, seed in enumerate(FEW.seeds):
            top, left = TOP + j * CELL, LEFT + k * CELL
            cell = page[top : top + CELL, left : left + CELL]
            image = grid.images.sel(w=w, seed=seed).values.reshape(64, 2, 64, 2, 3).mean((1, 3))
            assert np.abs(cell - image).max() <= 1
            assert cell_at(*at, (left + 3) / width, (top + 60) / height) == (w, seed)
    assert cell_at(*at, 0, 0) == (0.0, 0) and cell_at(*at, 1, 1) == (4.0, 1)


def test_an_opened_pipeline_is_sampled_image_by_image_the_chosen_first():
    request = GridRequest("", Settings(tp.PROMPT, steps=2), (1.0, 3.0), (0, 1))
    with ex.open(tp.shared("sd")) as opened:
        grid, states = filled(opened, request, interest=lambda: (3.0, 1))
        alone = opened(tp.PROMPT, guidance=3.0, seed=1, steps=2).image
    assert np.array_equal(grid.images.sel(w=3.0, seed=1), alone) and states[0].tolist() == [[0, 0], [0, 2]]
    assert np.isnan(grid.facts.right).all() and np.isnan(grid.facts.diversity).all()
    assert "examiner" not in view.describe_grid(grid, "off at 1")
    with (ex.open(tp.shared("flux"), **tp.CALL_DEFAULTS["flux"]) as opened,
          pytest.raises(ValueError, match="makes no prediction without the prompt")):
        filled(opened, request)
