"""Runs: their branches, their tree, their files."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest
from tiny_pipes import OTHER, PROMPT, tiny

import explorable as ex
from explorable.diffusion.samplers import SAMPLERS


@pytest.fixture(scope="module", params=["straight", "linear"])
def pipe(request):
    return tiny("unet", request.param)


@pytest.fixture(scope="module")
def run(pipe):
    return pipe(PROMPT, steps=5, guidance=3, seed=1, record=["up.*.skip", "*.cross.weights", "text.context"])


# ------------------------------------------------------------- branches


@pytest.mark.parametrize("more", [{"sampler": s} for s in SAMPLERS] + [{"sampler": "ddim", "eta": 0.7}], ids=str)
@pytest.mark.parametrize("step", [0, 1, 4])
def test_a_branch_with_no_change_is_bit_identical_to_the_run(pipe, more, step):
    whole = pipe(PROMPT, steps=5, guidance=3, seed=1, **more)
    tail = whole.branch(step)
    assert np.array_equal(whole.latents, tail.latents) and np.array_equal(whole.denoised, tail.denoised)
    assert np.array_equal(whole.image, tail.image)
    assert tail.evaluations <= whole.evaluations - step
    assert np.array_equal(tail.branch(3).latents, whole.latents), "a branch can branch"


@pytest.mark.parametrize("change", [{"prompt": OTHER}, {"guidance": 7}, {"seed": 9}, {"sampler": "heun"},
                                    {"negative": OTHER}, {"interval": (0.7, 1)}, {"rescale": 0.5}], ids=str)
def test_a_change_changes_only_the_later_steps(run, change):
    tail = run.branch(2, **change)
    kept = 2 if "seed" in change else 3  # with another seed, the same estimate gets other noise at once
    assert np.array_equal(tail.latents[:kept], run.latents[:kept])
    assert not np.array_equal(tail.latents[kept], run.latents[kept])
    assert tail.settings == ex.Settings(**{**vars(run.settings), **change})
    assert tail.parent is run and tail.branched_at == 2


def test_another_seed_keeps_the_denoised_estimate(run, pipe):
    tail = run.branch(2, seed=9)
    t = float(run.latents.t[2])
    noise = pipe(PROMPT, steps=1, seed=9).latents[0]
    expected = pipe.path.alpha(t) * run.denoised[2] + pipe.path.sigma(t) * noise.drop_vars(["t", "step"])
    assert np.allclose(tail.latents[2], expected, atol=1e-5)


def test_numpy_integers_are_accepted(run):
    assert np.array_equal(run.branch(np.int64(3), record="up.0.skip").latents, run.latents)
    assert np.array_equal(run.preview(np.int64(1)), run.preview(1))


def test_a_branch_records_its_own_steps(run):
    tail = run.branch(3, record=["up.0.skip"])
    assert np.array_equal(tail["up.0.skip"], run["up.0.skip"].isel(step=slice(3, 5)))


def test_a_branch_can_be_edited(run, pipe):
    with ex.edit(pipe, {"up.0.skip": ex.Scale(0.0)}):
        tail = run.branch(3)
    assert np.array_equal(tail.latents[:4], run.latents[:4]) and not np.array_equal(tail.latents[4], run.latents[4])


@pytest.mark.parametrize("step", [5, 99, -1, 2.5])
def test_an_unknown_step_raises_with_the_range(run, step):
    with pytest.raises(IndexError, match="this run has steps 0 to 4"):
        run.branch(step)


@pytest.mark.parametrize(("change", "says"), [({"steps": 9}, "cannot change steps, which sets the timesteps"),
                                              ({"shift": 3}, "cannot change shift"), ({"sead": 9}, "sead, which is no"),
                                              ({"guidance": -1}, "guidance is -1")])
def test_what_a_branch_cannot_change_raises(run, change, says):
    with pytest.raises(ex.SettingError, match=says):
        run.branch(2, **change)


def test_the_tree_has_a_line_for_each_run(pipe):
    run = pipe(PROMPT, steps=5, seed=1)
    child = run.branch(2, guidance=7)
    grandchild = child.branch(3, seed=5)
    run.branch(1)
    lines = grandchild.tree().splitlines()
    assert len(lines) == 3, "a branch without a reference is forgotten"
    assert lines[0] == repr(run) and "from step 2: guidance=7.0" in lines[1]
    assert "from step 3: seed=5" in lines[2] and lines[2].endswith("←")
    assert run.tree().splitlines()[0].endswith("←")


def test_the_tree_says_which_runs_were_edited(pipe, tmp_path):
    with ex.edit(pipe, {"up.0.skip": ex.Scale(0.0)}):
        run = pipe(PROMPT, steps=5, seed=1)
        same = run.branch(2)
    without = run.branch(2)
    assert run.edited_points == same.edited_points == ("up.0.skip",) and without.edited_points == ()
    assert np.array_equal(same.latents, run.latents) and not np.array_equal(without.latents, run.latents)
    lines = run.tree().splitlines()
    assert "edited_points=('up.0.skip',)" in lines[0]
    assert "from step 2: edits of up.0.skip" in lines[1]
    assert "from step 2: without the edits of up.0.skip" in lines[2]
    assert ex.Run.open(run.save(tmp_path / "run.nc")).edited_points == run.edited_points


def test_in_a_notebook_the_tree_is_collapsible(pipe):
    run = pipe(PROMPT, steps=3, seed=1, negative="")
    child = run.branch(1, guidance=7)
    first, second = child.branch(2, seed=5), child.branch(2, seed=6)
    page = ElementTree.fromstring(child.tree()._repr_html_())  # well formed, so that no prompt can inject HTML
    outer, inner = page.iter("details")
    assert [d[0].tag for d in (outer, inner)] == ["summary"] * 2, "the keyboard reaches every branch"
    assert "".join(outer[0].itertext()) == repr(run)
    (here,) = page.findall(".//*[@aria-current='true']")
    assert "".join(here.itertext()).startswith("from step 1: guidance=7.0")
    assert ["".join(li.itertext()) for li in inner.iter("li")] == ["from step 2: seed=5", "from step 2: seed=6"]
    assert not page.findall(".//*[@style]"), "it has the page's own colours, light or dark"
    assert repr(first.tree()) == str(first.tree()) and first.tree() != second.tree()


def test_a_prompt_is_shown_as_text_in_the_tree():
    evil = dataclasses.replace(tiny()(PROMPT, steps=1), settings=ex.Settings("<img src=x onerror=alert(1)>"))
    assert "<img" in evil.tree() and "<img" not in evil.tree()._repr_html_()


# ------------------------------------------------------------- files


@pytest.mark.filterwarnings("error")
def test_a_saved_run_opens_as_it_was_without_its_model(run, pipe, tmp_path):
    path = tmp_path / "run.nc"
    run.save(path)
    opened = ex.Run.open(run.save(path))
    assert (opened.settings, opened.tokens, opened.model) == (run.settings, run.tokens, run.model)
    assert (opened.seconds, opened.evaluations, opened.branches) == (run.seconds, run.evaluations, run.branches)
    for part in ("latents", "denoised"):
        assert getattr(opened, part).identical(getattr(run, part))
    assert np.array_equal(opened.image, run.image)
    assert list(opened.recorded) == list(run.recorded)
    for point in run.recorded:
        assert opened[point].dims == run[point].dims and np.array_equal(opened[point], run[point])
        for label in run[point].coords:
            assert np.array_equal(opened[point][label], run[point][label]), label
    assert np.array_equal(opened["*.cross.weights"], run["*.cross.weights"], equal_nan=True)
    with pytest.raises(ex.SettingError, match=r"Run\.open\(path, ex\.load"):
        opened.branch(2)
    with pytest.raises(ex.SettingError, match="but the pipeline is 'tiny-dit'"):
        ex.Run.open(path, tiny("dit"))
    again = ex.Run.open(path, pipe)
    assert np.array_equal(again.branch(2).latents, run.latents)
    assert np.array_equal(again.preview(2), run.preview(2))


def test_a_file_that_is_no_run_raises(run, tmp_path):
    (tmp_path / "text.nc").write_text("nothing")
    with pytest.raises(ValueError, match="not a run saved by explorable"):
        ex.Run.open(tmp_path / "text.nc")
    with pytest.raises(FileNotFoundError, match="no run is saved"):
        ex.Run.open(tmp_path / "nowhere.nc")
    with pytest.raises(ValueError, match=r"run\.txt: runs are saved as netCDF"):
        run.save(tmp_path / "run.txt")


# ------------------------------------------------------------- inspecting an image


def test_inspecting_an_image_evaluates_its_noised_latent_once(pipe, run):
    recording = pipe.inspect(run.image, PROMPT, t=0.4, seed=3, record=["sampler.latent", "*.cross.weights"])
    noise = pipe(PROMPT, steps=1, seed=3).steps_taken[0].x[0].numpy()
    z = pipe.encode(run.image[None]).numpy()[0].astype("float64")
    expected = pipe.path.alpha(0.4) * z + pipe.path.sigma(0.4) * noise
    assert np.allclose(recording["sampler.latent"].isel(step=0), expected)
    weights = recording["*.cross.weights"]
    assert weights.sizes["branch"] == 1 and tuple(weights.token.values) == run.tokens and float(weights.t[0]) == 0.4


@pytest.mark.parametrize(("change", "says"), [({"t": 0.0}, "t is 0.0"), ({"t": 1.5}, "t is 1.5"),
                                              ({"image": np.zeros((3, 3))}, "image must be an array"),
                                              ({"prompt": "a zebra"}, "zebra")])
def test_what_cannot_be_inspected_raises(pipe, run, change, says):
    with pytest.raises(ValueError, match=says):
        pipe.inspect(**({"image": run.image, "prompt": PROMPT} | change))
