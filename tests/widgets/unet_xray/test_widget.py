"""UNetXRay on a tiny untrained model: its stage, its faders, its receptive fields and its sentences."""

from __future__ import annotations

import json
import re

import ipywidgets as ipw
import numpy as np
import pytest
from tiny_pipes import OTHER, PROMPT, tiny

from explorable.analysis.receptive_field import receptive_field
from explorable.analysis.spectrum import high_frequency_share
from explorable.analysis.unet_activations import unet_parts
from explorable.analysis.verdict import Detection as Examined
from explorable.analysis.verdict import Verdict
from explorable.hooks import PatchFrom, Scale, edit, record
from explorable.widgets.core import verdict
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.preview import PREVIEW_LABEL, PREVIEW_STEPS
from explorable.widgets.core.verdict import describe_losses, describe_verdict, examine_images, losses
from explorable.widgets.unet_xray.compute import Position
from explorable.widgets.unet_xray.view import moved, norm_of
from explorable.widgets.unet_xray.widget import UNetXRay


@pytest.fixture(scope="module")
def pipe():
    return tiny()


@pytest.fixture
def xray(pipe):
    made = UNetXRay(pipe, prompt=PROMPT, steps=3, step=1)
    made.wait()
    assert made.error is None
    yield made
    made.close()


def controls(xray: UNetXRay) -> dict:
    """The controls by description."""
    return {w.description: w for w in descendants(xray) if getattr(w, "description", "")}


def on_stage(xray: UNetXRay, name: str) -> np.ndarray:
    k = [spec["name"] for spec in xray.stage.layers].index(name)
    kind = "<f4" if xray.stage.layers[k]["kind"] == "diagram" else np.uint8
    return np.frombuffer(xray.stage.buffers[k], kind).reshape(xray.stage.layers[k]["shape"])


def choose(xray: UNetXRay, part: str) -> None:
    """Choose a part in the diagram, as the page does."""
    k = list(xray.result.parts).index(part)
    xray.stage.set_state({"selection": {**xray.stage.selection, "part": k}})


def titles(xray: UNetXRay) -> dict[str, str]:
    return {panel["name"]: panel["title"] for panel in xray.stage.panels}


def test_without_edits_it_shows_what_the_pipeline_samples(xray, pipe):
    run = pipe(PROMPT, steps=3)
    data = xray.data
    for name in ("original", "edited"):
        assert np.array_equal(data.image.sel(run=name), run.image)
        assert np.array_equal(on_stage(xray, f"image {name}")[-1], run.image)
        assert np.array_equal(on_stage(xray, f"image {name}")[:-1], run.previews[:-1])
    assert xray.result.image_difference == 0 and "Nothing is edited" in xray.status_area.caption.value
    assert xray.stage.captions[0] == "step 0 of 3, t = 1.00" and len(xray.stage.captions) == 3
    assert f"{100 * float(high_frequency_share(run.image)):.2f}%" in xray.status_area.score.value


def test_every_part_is_in_the_u_with_its_activations(xray, pipe):
    parts = unet_parts(pipe.points(optional=False))
    panels = {p["name"]: p for p in xray.stage.panels}
    assert set(panels) == {"u", "activations", "image original", "image edited", "receptive field"}
    assert panels["activations"]["layers"] == [*parts, "ring"] and panels["activations"]["layer_axis"] == "part"
    assert panels["activations"]["interaction"] == "click" and panels["u"]["interaction"] == ""
    tile = on_stage(xray, "up.1.0")
    assert tile.shape == (3, 4, 2, 16, 16, 3)
    assert np.array_equal(tile[:, :, 0, ::2, ::2], xray.data["tile up.1.0"].sel(run="edited"))
    assert [a["name"] for a in xray.stage.axes] == ["part", "colours", "run"]
    assert xray.stage.axes[0]["labels"] == [part.point for part in parts.values()] and xray.stage.axes[0]["in_diagram"]


def test_the_u_has_the_norm_of_each_part_at_each_step_in_both_runs(xray, pipe):
    xray.faders = {"up.0.skip": 0.5}
    xray.wait()
    names, norms = list(xray.result.parts), on_stage(xray, "u")
    assert norms.shape == (3, 2, len(names))
    for k, edits in enumerate(({"up.0.skip": Scale(0.5)}, {})):
        with edit(pipe, edits), record(pipe, "up.*.skip", "up.*.backbone") as recorder:
            pipe(PROMPT, steps=3)
        for name in ("up.0.skip", "up.1.skip", "up.0.backbone", "up.1.backbone"):
            values = recorder[name].sel(branch="cond").values.astype(np.float64)
            true = np.sqrt(np.square(values).sum(axis=tuple(range(1, values.ndim))))
            np.testing.assert_allclose(norms[:, k, names.index(name)], true.ravel(), rtol=1e-4)
    share = [norms[:, 0, names.index(f"up.0.{kind}")] ** 2 for kind in ("skip", "backbone")]
    np.testing.assert_allclose(share[0] / (share[0] + share[1]),
                               xray.data.share.sel(run="edited", skip="up.0.skip"), rtol=1e-4)
    (spec,) = [layer for layer in xray.stage.layers if layer["kind"] == "diagram"]
    bands = [names.index(f"up.{k}.{kind}") for k in (0, 1) for kind in ("skip", "backbone")]
    assert norms[..., bands].max() <= spec["high"] < 2.5 * norms[..., bands].max(), "one scale for both sides and runs"


def test_choosing_a_part_shows_its_receptive_field_and_samples_nothing(xray):
    before = xray.result
    choose(xray, "up.1.backbone")
    xray.wait()
    assert xray.position == ("up.1.backbone", 5, 5), "what covers the centre of (2, 2) at 4 × 4"
    assert xray.result.edited is before.edited
    assert titles(xray)["receptive field"] == f"receptive field of up.1.backbone at step {xray.step}"
    choose(xray, "middle")
    assert xray.position == ("middle", 2, 2)
    xray.position = ("up.0.skip", 3, 9)
    assert xray.stage.selection["part"] == list(before.parts).index("up.0.skip"), "and from code it is marked"


def test_another_part_has_the_position_that_covers_the_same_place(xray):
    parts = xray.result.parts
    for row in range(16):
        at = moved(Position("conv_in", row, 15 - row, 0), parts, "middle")
        assert (at.row, at.column) == (row // 4, (15 - row) // 4) and at.part == "middle"
    rings = on_stage_points(xray, "ring")
    at = xray.result.request.position
    for name, ring in zip(parts, rings, strict=True):
        here, side = moved(at, parts, name), parts[name].side
        np.testing.assert_allclose(ring[0], ((here.column + 0.5) / side, 1 - (here.row + 0.5) / side), atol=1e-4)


def on_stage_points(xray: UNetXRay, name: str) -> np.ndarray:
    k = [spec["name"] for spec in xray.stage.layers].index(name)
    return np.frombuffer(xray.stage.buffers[k], "<u2").reshape(xray.stage.layers[k]["shape"]) / 65535


def test_a_norm_is_the_root_of_the_energy(xray):
    run = xray.result.edited
    part = xray.result.parts["up.1.skip"]
    energy = run.inside.rms["up.1.skip"] ** 2 * part.channels * part.side**2
    np.testing.assert_allclose(norm_of(run, part) ** 2, energy)


def test_no_two_panels_lie_on_each_other(xray):
    for panels in (xray.stage.panels, xray.panels_to_save()):
        cells = [(c, r) for left, top, wide, high in (panel["grid_area"] for panel in panels)
                 for c in range(left, left + wide) for r in range(top, top + high)]
        assert len(cells) == len(set(cells)) and max(c for c, _ in cells) <= xray.stage.columns


def test_a_fader_edits_its_point_on_its_steps(xray, pipe):
    controls(xray)["skip 16 × 16"].value = 0.5
    xray.wait()
    controls(xray)["skip 16 × 16 on steps"].value = (1, 3)
    xray.wait()
    assert xray.faders == {"up.0.skip": 0.5} and xray.step_ranges == {"up.0.skip": (1, 3)}
    with edit(pipe, {"up.0.skip": Scale(0.5, steps=(1, 3))}):
        run = pipe(PROMPT, steps=3)
    assert np.array_equal(xray.data.image.sel(run="edited"), run.image)
    assert np.array_equal(xray.data.image.sel(run="original"), pipe(PROMPT, steps=3).image)
    assert "skip 16 × 16 scaled by 0.5 on steps 1 to 2" in xray.status_area.caption.value
    controls(xray)["skip 16 × 16 on steps"].value = (0, 3)
    assert xray.step_ranges == {}, "all steps is the default and not stored"
    controls(xray)["reset faders"].click()
    xray.wait()
    assert xray.faders == {} and controls(xray)["skip 16 × 16"].value == 1 and xray.result.image_difference == 0


def test_setting_a_trait_moves_the_fader(xray):
    xray.faders = {"up.1.backbone": 3.0}
    fader = controls(xray)["backbone 8 × 8"]
    assert fader.value == 3 and fader.max == 3
    xray.step_ranges = {"up.1.backbone": (1, 2)}
    xray.steps = 4
    assert controls(xray)["backbone 8 × 8 on steps"].value == (1, 2)
    assert controls(xray)["skip 8 × 8 on steps"].value == (0, 4)
    xray.wait()
    assert xray.error is None and len(xray.stage.captions) == 4


def test_any_point_can_be_scaled_from_code_and_an_unknown_one_is_named(xray):
    xray.faders = {"middle.cross.added": 0}
    xray.wait()
    assert xray.error is None and xray.result.image_difference > 0
    assert "middle.cross.added scaled by 0" in xray.status_area.caption.value
    before = xray.result
    xray.faders = {"up.0.skpi": 0}
    xray.wait()
    assert "up.0.skip" in xray.status_area.status.value and xray.result is before


@pytest.mark.parametrize(("name", "value", "said"), [
    ("faders", {"up.0.skip": -1}, "0 to 10"), ("faders", {"up.0.skip": float("nan")}, "0 to 10"),
    ("step_ranges", {"up.0.skip": (3, 1)}, r"give \(first, end\)"),
    ("step_ranges", {"up.0.skip": 5}, r"give \(first, end\)"),
    ("swapped_skips", (3,), "names or patterns"), ("steps", 0, "steps"), ("seed", -1, "seed")])
def test_an_invalid_value_is_refused(xray, name, value, said):
    before = getattr(xray, name)
    with pytest.raises(ValueError, match=said):
        setattr(xray, name, value)
    assert getattr(xray, name) == before


def test_swapped_skips_are_patched_from_the_other_prompts_run(xray, pipe):
    xray.donor_prompt = OTHER
    controls(xray)["swap skips"].value = ("up.1.skip",)
    xray.wait()
    assert xray.swapped_skips == ("up.1.skip",) and xray.error is None and xray.result.image_difference > 0
    with record(pipe, "up.1.skip") as other:
        pipe(OTHER, steps=3)
    with edit(pipe, {"up.1.skip": PatchFrom(other)}):
        run = pipe(PROMPT, steps=3)
    assert np.array_equal(xray.data.image.sel(run="edited"), run.image)
    assert f"patched from {OTHER!r}".replace("'", "&#x27;") in xray.status_area.caption.value
    xray.donor_prompt = " "
    xray.wait()
    assert "donor prompt is empty" in xray.status_area.status.value


def test_a_click_shows_the_receptive_field_of_a_position(xray, pipe):
    xray.stage.frame = 2
    choose(xray, "up.1.0")
    xray.stage.set_state({"pointer": {"panel": "activations", "kind": "click", "x": 0.99, "y": 0.3, "count": 1}})
    xray.wait()
    assert xray.position == ("up.1.0", 2, 7) and xray.step == 2
    field = receptive_field(pipe, pipe(PROMPT, steps=3), 2, "up.1.0.mlp.out", 2, 7)
    np.testing.assert_allclose(xray.data.receptive_field, field, rtol=1e-4)
    assert "receptive field of up.1.0 at step 2" in [p["title"] for p in xray.stage.panels]
    np.testing.assert_allclose(on_stage_points(xray, "ring receptive field"), [[7.5 / 8, 1 - 2.5 / 8]], atol=1e-4)
    xray.stage.set_state({"pointer": {"panel": "image edited", "kind": "click", "x": 0.5, "y": 0.5, "count": 2}})
    assert xray.position == ("up.1.0", 2, 7)


@pytest.mark.parametrize("position", [("nowhere", 0, 0), ("middle", 4, 0), ("middle", 0, -1)])
def test_a_position_outside_the_network_is_an_error(xray, position):
    xray.position = position
    xray.wait()
    assert isinstance(xray.error, ValueError) and position[0] in xray.status_area.status.value


def test_another_position_samples_nothing_again(xray):
    before = xray.result
    xray.position = ("conv_in", 3, 3)
    xray.wait()
    assert xray.result.original is before.original and xray.result.edited is before.edited
    assert (xray.data.receptive_field > 0).sum() == 9


def arrivals(xray: UNetXRay) -> list[dict]:
    """What arrives on the stage from now on."""
    found: list[dict] = []
    stage = xray.stage
    stage.observe(lambda change: found.append({
        "captions": stage.captions, "titles": {p["name"]: p["title"] for p in stage.panels}, "autoplay": stage.autoplay,
        "shown": xray.result, "frame": stage.frame,
        "layers": {spec["name"]: on_stage(xray, spec["name"]) for spec in stage.layers if spec["kind"] != "points"}}),
                  names="recording_id")
    return found


def test_a_preview_comes_first_and_the_edited_image_before_the_original(pipe):
    steps = 3 * PREVIEW_STEPS
    xray = UNetXRay(pipe, prompt=PROMPT, steps=steps, faders={"up.0.skip": 0.5})
    xray.wait()
    came, before = arrivals(xray), xray.result
    xray.stage.frame = 7
    xray.seed = 1
    xray.wait()
    first, image, both, last = came
    assert [len(c["captions"]) for c in came] == [steps] * 4 and [c["frame"] for c in came] == [7] * 4
    assert all(c["shown"] is before for c in came[:3]), "a preview is not the result"
    assert first["titles"]["image edited"] == "edited, preview" and first["captions"][0].startswith(
        PREVIEW_LABEL
    )
    assert image["titles"]["image edited"] == "edited" and PREVIEW_LABEL in image["captions"][0]
    assert last["titles"]["image edited"] == "edited"
    assert f"the examiner sees {describe_verdict(xray.result.verdicts[1])}" in xray.status_area.caption.value
    with edit(pipe, {"up.0.skip": Scale(0.5)}):
        few, whole = (pipe(PROMPT, steps=n, seed=1) for n in (PREVIEW_STEPS, steps))
    assert np.array_equal(first["layers"]["image edited"][-1], few.image)
    for c in (image, both, last):
        assert np.array_equal(c["layers"]["image edited"][-1], whole.image)
        assert np.array_equal(c["layers"]["image edited"][:-1], whole.previews[:-1])
    assert not both["layers"]["receptive field"].any() and last["layers"]["receptive field"].any()
    assert np.array_equal(both["layers"]["up.0.0"], last["layers"]["up.0.0"])
    assert PREVIEW_LABEL not in "".join(both["captions"] + last["captions"]) and not any(c["autoplay"] for c in came)
    came.clear()
    xray.faders = {"up.0.skip": 0.25}
    xray.wait()
    assert len(came) == 3 and PREVIEW_LABEL in came[0]["captions"][0], "the original run is cached"
    xray.close()


def test_swapped_skips_have_a_preview_too(pipe):
    xray = UNetXRay(pipe, prompt=PROMPT, steps=3 * PREVIEW_STEPS, donor_prompt=OTHER)
    xray.wait()
    came = arrivals(xray)
    xray.swapped_skips = ("up.0.skip",)
    xray.wait()
    with record(pipe, "up.0.skip") as other:
        pipe(OTHER, steps=PREVIEW_STEPS)
    with edit(pipe, {"up.0.skip": PatchFrom(other)}):
        assert np.array_equal(came[0]["layers"]["image edited"][-1], pipe(PROMPT, steps=PREVIEW_STEPS).image)
    assert xray.error is None and PREVIEW_LABEL not in xray.status_area.caption.value
    xray.close()


def test_it_says_what_the_examiner_sees_in_both_images_and_what_was_lost(xray, pipe, monkeypatch):
    cat = Verdict({"cat": Examined(2, "black", "centre", "alone")}, "meadow", "night", "cozy")
    cats = {"original": cat, "edited": Verdict({"cat": Examined(1, "red", "left", "alone")}, "beach", "night", None)}
    examined = []

    def examine(images):
        examined.append(images)
        return list(cats.values())

    monkeypatch.setattr(verdict, "examine", examine)
    xray.faders = {"up.0.skip": 0}
    xray.wait()
    assert np.array_equal(examined[0], [xray.result.original.image, xray.result.edited.image])
    assert ("In the edited image the examiner sees a red cat on a beach at night; in the original, two black cats in a "
            "meadow at night, cozy.") in xray.status_area.caption.value
    lost = "1 cat instead of 2; the cat is red instead of black; on a beach instead of in a meadow; no longer cozy"
    assert f"Lost in the edit: {lost}." in xray.status_area.caption.value
    assert xray.data.attrs["examiner, edited"] == describe_verdict(cats["edited"])
    xray.position = ("conv_in", 3, 3)
    xray.wait()
    assert len(examined) == 1, "the images are the same"
    assert describe_losses((cat, cat)) == "It sees no loss."
    assert losses(cat, Verdict({}, "meadow", "day", "cozy")) == ["the cats are gone", "by day instead of at night"]
    assert examine_images(np.zeros((64, 64, 3), np.uint8)) == (), "it was trained on images of one size"


def test_the_chart_has_both_spectra_and_follows_the_theme(xray):
    xray.faders = {"up.0.skip": 0}
    xray.wait()
    assert [t.name for t in xray.chart.data] == ["original", "edited"]
    np.testing.assert_allclose(xray.chart.data[1].y, xray.data.power.sel(run="edited"))
    light = xray.chart.data[1].line.color
    xray.stage.dark = True
    assert xray.chart.data[1].line.color != light


def test_the_code_samples_the_same_image(xray, pipe):
    import explorable as ex

    xray.faders, xray.step_ranges = {"up.0.skip": 0.5, "conv_in": 1}, {"up.0.skip": (0, 2)}
    xray.donor_prompt, xray.swapped_skips = OTHER, ("up.1.skip",)
    xray.wait()
    names = {"pipe": pipe, "ex": ex}
    exec(xray.code(), names)
    assert np.array_equal(names["run"].image, xray.data.image.sel(run="edited"))


def test_the_table_has_a_row_for_each_step(xray):
    table = xray.table()
    assert list(table.index) == [0, 1, 2] and (table["image difference"] == 0).all()
    assert ((table["skip 16 × 16, edited"] > 0) & (table["skip 16 × 16, edited"] < 1)).all()


def test_a_transformer_is_refused_in_plain_words():
    xray = UNetXRay(tiny("dit"), prompt=PROMPT, steps=2)
    xray.wait()
    assert "use a U-Net" in xray.status_area.status.value
    xray.close()


def test_guidance_of_one_and_zero_works(xray):
    for guidance in (1.0, 0.0):
        xray.guidance = guidance
        xray.faders = {"up.0.skip": guidance / 2}
        xray.wait()
        assert xray.error is None and np.isfinite(xray.data.receptive_field).all()


def test_closing_leaves_no_widget_model(pipe):
    from ipywidgets.widgets.widget import _instances as models

    before = set(models)
    xray = UNetXRay(pipe, prompt=PROMPT, steps=2)
    xray.wait()
    xray.close()
    assert set(models) == before


def test_its_repr_is_one_short_line(xray):
    assert repr(xray).startswith("UNetXRay('a red car") and len(repr(xray)) < 110


def test_the_receptive_field_of_a_swapped_skip_is_empty(xray):
    xray.swapped_skips = ("up.0.skip",)
    xray.wait()
    choose(xray, "up.0.skip")
    xray.stage.set_state({"pointer": {"panel": "activations", "kind": "click", "x": 0.2, "y": 0.2}})
    xray.wait()
    assert xray.error is None and xray.position[0] == "up.0.skip" and not xray.data.receptive_field.any()
    assert "does not depend on the latent: its receptive field is empty" in xray.status_area.caption.value


def test_the_receptive_field_is_of_the_step_on_the_slider(xray: UNetXRay):
    """At first, after the slider was moved on the page, and after the step was set from code."""

    def title() -> str:
        return titles(xray)["receptive field"]

    def dims_beside() -> int:
        return next(p["of_frame"] for p in xray.stage.panels if p["name"] == "receptive field")

    assert title().endswith(f"at step {xray.stage.frame}") and not xray.stage.autoplay
    run = xray.result.original
    for step in (2, 0):
        xray.stage.set_state({"frame": step})
        xray.wait()
        assert (xray.step, xray.stage.frame) == (step, step) and title().endswith(f"at step {step}")
        assert dims_beside() == step
    xray.step = 1
    xray.wait()
    assert xray.stage.frame == 1 and title().endswith("at step 1") and xray.result.original is run


def test_faders_stand_above_the_stage_and_move_the_image_while_they_slide(xray):
    faders = [w for w in descendants(xray.children[1]) if isinstance(w, ipw.FloatSlider)]
    assert [f.description for f in faders] == ["skip 16 × 16", "backbone 16 × 16", "skip 8 × 8", "backbone 8 × 8"]
    assert all(f.continuous_update for f in faders)


def test_while_a_fader_slides_a_preview_of_each_value_that_is_computed_is_shown(pipe):
    xray = UNetXRay(pipe, prompt=PROMPT, steps=3 * PREVIEW_STEPS)
    xray.wait()
    came = arrivals(xray)
    controls(xray)["skip 16 × 16"].value = 0.5
    xray.wait()
    previews = [c for c in came if c["titles"]["image edited"] == "edited, preview"]
    assert len(previews) == 1 and came[0] is previews[0]
    with edit(pipe, {"up.0.skip": Scale(0.5)}):
        assert np.array_equal(previews[0]["layers"]["image edited"][-1], pipe(PROMPT, steps=PREVIEW_STEPS).image)
    assert not np.array_equal(previews[0]["layers"]["u"], came[-1]["layers"]["u"]), "the bridges are previews too"
    xray.close()


def test_a_saved_page_has_one_image_where_both_are_the_same(xray, tmp_path):
    def saved() -> dict[str, str]:
        text = xray.save_html(tmp_path / "saved.html").read_text("utf-8")
        assert '<main class="ex-explorable ex-diagram ex-full-width">' in text, "it is laid out as on the page"
        state = json.loads(re.search(r'id="state">(.*?)</script>', text, re.DOTALL)[1])
        return {panel["name"]: panel["title"] for panel in state["panels"]}

    assert saved() | {"u": ""} == {"image edited": "edited and original are the same", "u": "", "activations": "",
                                   "receptive field": titles(xray)["receptive field"]}
    xray.faders = {"up.0.skip": 0.5}
    assert {"image edited": "edited", "image original": "original"}.items() <= saved().items()
