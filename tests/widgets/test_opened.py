"""Every explorable on somebody else's pipeline, opened: it works where the architecture has the thing, and says in
words where it has not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp

import explorable as ex
from explorable.analysis.attention_maps import coverage
from explorable.analysis.receptive_field import receptive_field
from explorable.widgets.core.explorable import Explorable

SMALL = {"prompt": tp.PROMPT, "steps": 3, "seed": 1}
pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.fixture(params=tp.FAMILIES)
def pipe(request: pytest.FixtureRequest) -> Iterator[Any]:
    with ex.open(tp.shared(request.param), **tp.CALL_DEFAULTS[request.param]) as opened:
        yield opened


@pytest.fixture
def sd() -> Iterator[Any]:
    with ex.open(tp.shared("sd")) as opened:
        yield opened


def shown(kind: type[Explorable], pipe: Any, **more: Any) -> Explorable:
    made = kind(pipe, **SMALL | more)
    made.wait()
    assert made.error is None, made.error
    return made


def code_runs(made: Explorable, pipe: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"pipe": pipe}
    exec(compile(made.code(), "code", "exec"), found)
    return found


def test_the_studio_shows_the_run_that_the_pipeline_paints(pipe, tmp_path):
    made = shown(ex.Studio, pipe)
    run = pipe(tp.PROMPT, steps=3, seed=1, guidance=made.guidance)
    assert np.array_equal(made.run.image, run.image) and made.sampler == pipe.samplers[0]
    assert made.data.image.shape == (16, 16, 3) and len(made.stage.captions) == run.steps + 1
    assert len(made.table()) == run.steps
    assert np.array_equal(code_runs(made, pipe)["run"].image, run.image)
    assert made.save_html(tmp_path / "saved.html").stat().st_size < 1_000_000
    with pytest.raises(ex.SettingError, match="choose one of " + pipe.samplers[0]):
        made.sampler = "euler"
    made.close()


def test_noise_trajectory_noises_and_branches(pipe):
    made = shown(ex.NoiseTrajectory, pipe, prompt="a red car")
    forward = made.result.forward
    assert forward.is_drawing and forward.image.shape == (16, 16, 3)  # a drawing at the pipeline's image size
    latent, start = pipe.encode(forward.image[None]).numpy()[0], made.run.latents.values[0]
    t = float(forward.times[1])
    np.testing.assert_allclose(forward.latents[1], pipe.path.alpha(t) * latent + pipe.path.sigma(t) * start, atol=1e-4)
    assert len(made.table()) == made.run.steps + 1
    made.branch(1, prompt=tp.PROMPT)
    made.wait()
    assert made.error is None and made.branch_run.parent is made.run
    assert not np.array_equal(made.branch_run.image, made.run.image)
    assert made.data.sizes["run"] == 2
    assert np.array_equal(code_runs(made, pipe)["branch"].image, made.branch_run.image)
    made.close()


def test_a_prompt_that_cannot_be_drawn_noises_the_generated_image(sd):
    made = shown(ex.NoiseTrajectory, sd, prompt="a golden on red")
    assert not made.result.forward.is_drawing and "no drawing of this prompt" in made.status_area.status.value
    made.close()


def test_guidance_scale_compares_two_predictions_or_says_that_there_is_one(pipe, tmp_path):
    made = ex.GuidanceScale(pipe, **SMALL)
    made.wait()
    if pipe.uses_cfg:
        assert made.error is None and np.array_equal(code_runs(made, pipe)["image"], made.run.image)
        assert np.array_equal(made.run.image, pipe(tp.PROMPT, steps=3, seed=1, guidance=made.guidance).image)
        assert made.data["cond"].shape == made.data["guided"].shape and len(made.table()) == made.run.steps
        assert made.save_html(tmp_path / "saved.html").stat().st_size < 1_000_000
    else:
        assert "makes no prediction without the prompt" in made.status_area.status.value
    made.close()


def test_token_attention_records_and_edits_each_word(pipe):
    made = shown(ex.TokenAttention, pipe, word="dog")
    run = pipe(tp.PROMPT, steps=3, seed=1, guidance=made.guidance, record="*.cross.weights")
    assert np.array_equal(made.attention.image, run.image)
    assert made.attention.weights.sizes["layer"] == len(run.recorded)
    with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog")}):
        masked = pipe(tp.PROMPT, steps=3, seed=1, guidance=made.guidance)
    assert np.array_equal(made.attention.edit_word("dog", made._current.request.word_weight), masked.image)
    assert "dog" in made.table().columns and np.isfinite(made.table().values).all()
    assert made.data.effect.shape[1:] == (16, 16) and not np.isnan(made.data.effect.sel(token="dog")).any()
    assert "masked word still acts" in made.status_area.status.value  # its text encoder has no points
    assert np.array_equal(code_runs(made, pipe)["edited"], masked.image)
    made.region = (0.0, 0.0, 0.5, 0.5)
    assert "brushed" in made.table().index
    made.close()


def test_token_attention_of_a_drawing_has_ground_truth(pipe):
    made = shown(ex.TokenAttention, pipe, prompt="a red car", word="car", mode="drawn")
    assert made.attention.image.shape == (16, 16, 3) and made.view().result.word_masks is not None
    assert made.attention.weights.sizes["step"] == 5 and "IoU" in made.status_area.score.value
    assert code_runs(made, pipe)["weights"].sizes["step"] == 1
    made.close()


@pytest.mark.parametrize("family", ("sd", "flux"))
def test_pictures_that_are_not_square_are_read(family):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family] | {"height": 16, "width": 24}) as pipe:
        made = shown(ex.TokenAttention, pipe, word="dog")
        assert made.data.effect.shape[1:] == (16, 24) and " × " in made.status_area.caption.value
        made.mode = "drawn"
        made.prompt = "a red car"
        made.wait()
        assert isinstance(made.error, ValueError) and "drawings are square" in made.status_area.status.value
        made.close()
        walk = shown(ex.NoiseTrajectory, pipe, prompt="a red car")
        assert not walk.result.forward.is_drawing and walk.result.forward.images.shape[1:] == (16, 24, 3)
        walk.close()


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_the_x_ray_opens_the_u_of_a_foreign_u_net(family):
    with ex.open(tp.shared(family)) as pipe:
        made = shown(ex.UNetXRay, pipe, step=1)
        skips = [s.point for s in made.result.parts.values() if s.kind == "skip"]
        assert skips == ["up.1.0.skip", "up.1.1.skip", "up.0.0.skip", "up.0.1.skip"]
        assert made.result.receptive_field.shape == (8, 8) and made.result.receptive_field.max() > 0
        assert not made.result.verdicts
        (drawing,) = [layer for layer in made.stage.layers if layer["kind"] == "diagram"]
        boxes = [tuple(element["box"]) for element in drawing["elements"]]
        assert len(boxes) == len(made.result.parts) == len(set(boxes))  # tests/…/test_drawing.py: none on another
        bridges = [e for e in drawing["elements"] if e["name"] in skips]
        assert all(e["path"][0][1] == e["path"][1][1] for e in bridges) and len(bridges) == 4
        before = made.result.edited.image
        made.faders = {"up.0.0.skip": 0.0}
        made.wait()
        assert made.error is None and "skip 8 × 8, block 0 scaled by 0" in made.status_area.caption.value
        with ex.edit(pipe, {"up.0.0.skip": ex.Scale(0.0)}):
            edited = pipe(tp.PROMPT, steps=3, seed=1, guidance=made.guidance)
        assert np.array_equal(made.result.edited.image, edited.image) and not np.array_equal(before, edited.image)
        assert np.array_equal(code_runs(made, pipe)["run"].image, edited.image)
        made.swapped_skips = ("up.0.1.skip",)
        made.wait()
        assert made.error is None and len(made.table()) == made.result.original.inside.run.steps
        assert made.data["share"].sizes["skip"] == 4
        made.close()


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_where_a_place_looks_is_the_gradient_and_nothing_is_left_behind(family):
    """Of the first convolution it is known: the size of its weights for each place around."""
    with ex.open(tp.shared(family)) as pipe:
        run = pipe(tp.PROMPT, steps=3)
        felt = receptive_field(pipe, run, 1, "conv_in", 4, 4, probes=400)
        true = np.zeros((8, 8))
        true[3:6, 3:6] = pipe.denoiser.conv_in.weight.detach().square().sum((0, 1)).sqrt()
        np.testing.assert_allclose(felt, true, rtol=0.2)
        whole = receptive_field(pipe, run, 1, "middle.last.res.out", 1, 1)
        assert (whole > 0).all()
        assert np.array_equal(pipe(tp.PROMPT, steps=3).image, run.image)
        assert all(p.grad is None for p in pipe.denoiser.parameters())


@pytest.mark.parametrize("family", [name for name in tp.FAMILIES if name not in ("sd", "sdxl")])
def test_the_x_ray_refuses_a_network_without_skips(family):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as pipe:
        made = ex.UNetXRay(pipe, **SMALL)
        made.wait()
        assert isinstance(made.error, ValueError) and "it is not a U-Net" in made.status_area.status.value
        made.close()


def test_the_x_ray_says_that_it_needs_square_images():
    with ex.open(tp.shared("sd"), height=16, width=24) as pipe:
        made = ex.UNetXRay(pipe, **SMALL)
        made.wait()
        assert "shows square images" in made.status_area.status.value
        made.close()


def test_what_an_opened_pipeline_refuses_is_said_in_words(sd):
    made = shown(ex.Studio, sd)
    before = made.result
    made.guidance = 0.5
    made.wait()
    assert made.result is before and "from 1 to 100" in made.status_area.status.value
    made.close()


def test_a_run_drawn_by_an_explorable_can_be_branched_in_a_cell(pipe):
    """Explorables compute in inference mode, and cells do not."""
    made = shown(ex.Studio, pipe)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert np.array_equal(made.run.branch(1).image, made.run.image)
    made.close()


def test_regions_cover_places_of_grids_that_do_not_divide_the_picture():
    """96 places a side of 128 pixels, as at 768 pixels in Stable Diffusion; and grids that are not square."""
    mask = np.zeros((128, 128), bool)
    mask[32:64, :16] = True
    assert np.allclose(coverage(mask, 96).sum() / 96**2, mask.mean())
    assert np.allclose(coverage(mask, (24, 36)).sum() / (24 * 36), mask.mean())
    assert np.array_equal(coverage(mask, 32), mask.reshape(32, 4, 32, 4).mean((1, 3)))
    assert coverage(mask, (4, 8)).tolist()[1] == [1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("family", ("sd3", "flux", "pixart"))
def test_the_patches_of_a_foreign_transformer_are_shown_and_edited(family, tmp_path):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as pipe:
        made = shown(ex.PatchTransformer, pipe, step=1, patch=(1, 2))
        layout = made.result.layout
        assert layout.grid == (4, 4) and layout.can_move_positions and made.result.unet_influence is None
        attention = made.data.attention[:, 1:, 1:]
        assert attention.sizes["block"] == len(layout.blocks) == {"sd3": 3, "flux": 4, "pixart": 2}[family]
        words = made.data.attention_to_words[:, 1:, 1:].sum("token")
        # PixArt's attention between patches and its attention to words are two; elsewhere they share one softmax.
        apart = family == "pixart"
        np.testing.assert_allclose(attention.sum(["y", "x"]) + (0 if apart else words), 1, atol=5e-3)
        np.testing.assert_allclose(words, 1 if apart else words, atol=5e-3)
        assert (made.data.influence > 0).all() and made.data.influence.values.argmax() == 6
        before = made.result.original.run.latents
        changes = ({"radius": 1.0}, {"radius": None, "dropped_block": "1"}, {"dropped_head": 2},
                   {"dropped_block": "", "positions": "removed"}, {"positions": "shuffled", "edit_steps": (1, 3)})
        for change in changes:
            with made.hold_trait_notifications():
                for name, value in change.items():
                    setattr(made, name, value)
            made.wait()
            assert made.error is None, made.error
            edited = made.result.edited.run.latents
            assert not np.array_equal(edited, before) and np.isfinite(edited).all()
            with ex.edit(pipe, made.result.request.edits.points(layout)):
                assert np.array_equal(pipe(tp.PROMPT, steps=3, seed=1, guidance=made.guidance).image,
                                      made.result.edited.run.image)
        assert np.array_equal(edited[:2], before[:2])  # the first step is not edited
        assert made.save_html(tmp_path / "saved.html").stat().st_size < 1_000_000
        made.close()


def test_of_linear_attention_it_is_said_that_it_has_no_weights():
    with ex.open(tp.shared("sana"), **tp.CALL_DEFAULTS["sana"]) as pipe:
        made = ex.PatchTransformer(pipe, **SMALL)
        made.wait()
        assert "between patches cannot be shown: the self-attention of this network is linear" in str(made.error)
        made.close()
        assert "4 more points do not exist: the self-attention of this network is linear" in repr(pipe.points())
        with pytest.raises(ex.UnknownPointError, match=r"network has no 'blocks\.0\.self\.weights'.*is linear"):
            pipe(tp.PROMPT, record="blocks.*.self.weights")


@pytest.mark.parametrize("family", ("sd", "sdxl"))
def test_a_foreign_u_net_has_no_patches(family):
    with ex.open(tp.shared(family)) as pipe:
        made = ex.PatchTransformer(pipe, **SMALL)
        made.wait()
        assert isinstance(made.error, ValueError) and "look into a U-Net with UNetXRay" in made.status_area.status.value
        made.close()
