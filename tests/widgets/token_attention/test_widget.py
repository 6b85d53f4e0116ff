"""TokenAttention on tiny untrained models of both kinds: attention, edits, and control from the page and from code."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import controls_of, status
from tiny_pipes import tiny

import explorable as ex
from explorable.analysis import attention_maps as maps
from explorable.widgets.core.notice import notice
from explorable.widgets.core.preview import PREVIEW_LABEL, PREVIEW_STEPS
from explorable.widgets.token_attention.compute import box_mask, to_box
from explorable.widgets.token_attention.tables import ranking_table, region_table
from explorable.widgets.token_attention.widget import TokenAttention
from explorable.world import word_masks

PROMPT = "a red car on a mountain road"
TIMEOUT = 600  # seconds: a busy machine is no bug
NASTY = "<img src=x onerror=alert(1)>"


def opened(network: str = "unet", **values) -> TokenAttention:
    w = TokenAttention(tiny(network), **{"prompt": PROMPT, "steps": 2, **values})
    w.wait(TIMEOUT)
    return w


@pytest.fixture(params=["unet", "dit"])
def either(request):
    """An explorable of a generated image, with a model of either kind."""
    w = opened(request.param)
    yield w
    w.close()


@pytest.fixture
def generated():
    w = opened()
    yield w
    w.close()


@pytest.fixture
def drawn():
    w = opened(mode="drawn")
    yield w
    w.close()


def layer_of(w: TokenAttention, name: str) -> tuple[dict, np.ndarray]:
    k = [spec["name"] for spec in w.stage.layers].index(name)
    spec = w.stage.layers[k]
    return spec, np.frombuffer(w.stage.buffers[k], np.uint8).reshape(spec["shape"])


def title(w: TokenAttention, panel: str) -> str:
    """The title of a panel, with the chosen word."""
    found, = (p for p in w.stage.panels if p["name"] == panel)
    return found["titles"][w.stage.selection["word"]] if found["titles_along"] == "word" else found["title"]


def test_it_shows_the_image_and_the_maps_of_every_word(either):
    run = either.pipe(PROMPT, steps=2, guidance=either.guidance, seed=0, record=["*.cross.weights"])
    assert either.error is None, either.error
    assert np.array_equal(layer_of(either, "image")[1], run.image)
    spec, sent = layer_of(either, "attention")
    words, layers, heads = (axis["labels"] for axis in either.stage.axes)
    assert spec["axes"] == ["frame", "word", "layer", "head"] and sent.shape[:4] == (2, len(words), len(layers),
                                                                                    len(heads))
    assert words[0] == "<start>" and words[-1].endswith("<pad>") and "a (2)" in words and layers[0] == "all"
    mean = run["*.cross.weights"].sel(branch="cond").isel(token=3).mean(["layer", "head"]).transpose("step", "y", "x")
    assert np.allclose(sent[:, 3, 0, 0] / 255, mean / mean.max(), atol=0.01)


def test_the_edited_image_is_the_one_with_the_word_masked(either):
    either.mask_in_text_encoder = False
    either.wait(TIMEOUT)
    cross_only, = (weight for word, weight in either.attention.edited
                   if word == "red" and not weight.mask_in_text_encoder)
    with ex.edit(either.pipe, {"*.cross.weights": ex.MaskToken("red")}):
        assert np.array_equal(either.attention.edited["red", cross_only],
                              either.pipe(PROMPT, steps=2, guidance=either.guidance, seed=0).image)
    either.mask_in_text_encoder = True
    either.wait(TIMEOUT)
    with ex.edit(either.pipe, dict.fromkeys(("*.cross.weights", "text.words"), ex.MaskToken("red"))):
        without = either.pipe(PROMPT, steps=2, guidance=either.guidance, seed=0).image
    _, sent = layer_of(either, "edited")
    assert np.array_equal(sent[2], without)
    effect = either.data.effect.sel(token="red")
    assert np.allclose(effect, maps.pixel_difference(without, either.data.image.values), atol=1e-6) and effect.max() > 0


def test_every_word_is_edited_and_padding_changes_nothing(generated):
    effect = generated.data.effect
    words = [k for k, name in enumerate(generated.attention.label_tokens) if not name.startswith("<")]
    assert np.isfinite(effect.values[words]).all()
    assert not effect.values[-1].any() and generated.attention.label_tokens[-1] == "<pad>"


def test_scaling_a_word_changes_the_image_and_one_changes_nothing(generated):
    generated.scale = 3.0
    generated.wait(TIMEOUT)
    with ex.edit(generated.pipe, {"*.cross.weights": ex.Reweight("red", 3.0)}):
        scaled = generated.pipe(PROMPT, steps=2, guidance=generated.guidance, seed=0).image
    assert np.array_equal(layer_of(generated, "edited")[1][2], scaled)
    assert title(generated, "edited") == "“car” × 3"
    generated.scale = 1.0
    generated.wait(TIMEOUT)
    assert not np.nan_to_num(generated.data.effect.sel(token=["red", "car"]).values).any()


def test_the_chosen_word_is_edited_first_and_special_tokens_only_when_chosen(generated):
    edited = [word for word, _ in generated.attention.edited]
    assert edited[0] == "car" and edited[1:] == ["a", "red", "on", "mountain", "road"]
    assert not np.isfinite(generated.data.effect.sel(token="<start>")).any()
    generated.word = "<start>"
    generated.wait(TIMEOUT)
    assert np.isfinite(generated.data.effect.sel(token="<start>")).all() and len(generated.attention.edited) == 7
    generated.scale = 2.0
    generated.wait(TIMEOUT)
    assert next(word for word, weight in generated.attention.edited if weight.scale == 2) == "<start>"


def test_another_scale_does_not_sample_the_original_again(generated):
    attention = generated.attention
    generated.scale = 2.0
    generated.wait(TIMEOUT)
    assert generated.attention is attention and generated.result.attention is attention
    generated.seed = 1
    generated.wait(TIMEOUT)
    assert generated.attention is not attention


@pytest.mark.parametrize("network", ["unet", "dit"])
def test_a_drawing_takes_one_forward_pass_per_noise_time(network):
    drawn = opened(network, mode="drawn")
    assert drawn.error is None, drawn.error
    result = drawn.view().result
    take = drawn.pipe.inspect(result.drawing.image, PROMPT, 0.5, 0)
    want = maps.branch_maps(maps.gather_weights(take), "cond").isel(step=0)
    got = drawn.attention.maps("cond")
    k = list(got.t.values).index(0.5)
    assert np.array_equal(got.isel(step=k).values, want.values, equal_nan=True)
    assert np.array_equal(layer_of(drawn, "image")[1], result.drawing.image)
    assert len(drawn.stage.captions) == got.sizes["step"] and "t = 0.50" in drawn.stage.captions[k]
    drawn.close()


def test_the_ground_truth_masks_are_those_of_the_picture_world(drawn):
    result = drawn.view().result
    _, sent = layer_of(drawn, "ground truth")
    for k, (_, mask) in enumerate(word_masks(result.drawing, PROMPT)):
        assert np.array_equal(sent[k + 1] > 0, mask)
    assert not sent[0].any()


def test_the_table_has_the_regions_that_words_describe(drawn):
    table = drawn.table()
    assert {"car", "car body", "car wheels", "road", "mountains"} <= set(table.index)
    assert list(table.columns) == ["red", "car", "mountain", "road"]
    html = drawn._tables.value
    assert html.startswith('<div class="ex-wide-part" tabindex="0" role="region" aria-label="Words by region">')
    assert "correct word first?" in html and 'scope="row">car wheels' in html and "<caption" in html
    assert "IoU" in drawn.status_area.score.value


def test_in_a_drawing_words_are_masked_at_every_noise_time(drawn):
    spec, sent = layer_of(drawn, "effect")
    assert spec["axes"] == ["frame", "word"] and sent.shape[0] == len(drawn.stage.captions)
    assert sent[:, 2].any()


def test_setting_a_word_moves_the_page_and_the_page_sets_the_word(either):
    either.word = "red"
    labels = {axis["name"]: axis["labels"] for axis in either.stage.axes}
    assert labels["word"][either.stage.selection["word"]] == "red" and "“red”" in either.status_area.caption.value
    layer = labels["layer"][2]
    either.stage.selection = {"word": 3, "layer": 2, "head": 1}
    assert (either.word, either.layer, either.head) == ("car", layer, "1")
    assert "“car”" in either.status_area.caption.value
    either.word = "boat"
    assert "There is no word &#x27;boat&#x27; here" in status(either)


def test_a_choice_made_while_a_recording_is_sent_stays(generated, monkeypatch):
    show, begun, go_on = generated.stage.show, threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        begun.set()
        assert go_on.wait(60)
        show(*args, **kwargs)

    monkeypatch.setattr(generated.stage, "show", slow)
    generated.scale = 2.0
    assert begun.wait(TIMEOUT)
    chosen = {"word": 2, "layer": 1, "head": 1}
    user = threading.Thread(target=lambda: setattr(generated.stage, "selection", chosen))  # as a message from the page
    user.start()
    time.sleep(0.1)
    go_on.set()
    user.join(60)
    generated.wait(TIMEOUT)
    assert (generated.word, generated.head, generated.stage.selection) == ("red", "1", chosen)


def test_a_choice_that_a_recording_has_reset_is_sent_to_the_page_again(generated, monkeypatch):
    old, sent_keys = dict(generated.stage.selection), []
    monkeypatch.setattr(generated.stage, "send_state", lambda key=None: sent_keys.append(key))
    with generated._syncing():  # as a recording that was sent just now, from another thread
        generated.stage.selection = old
    chosen = {**old, "word": 2}
    generated._on_page_selection({"name": "selection", "new": chosen})
    assert generated.word == "red" and generated.stage.selection == chosen and sent_keys[-1] == "selection"


def test_choosing_computes_nothing(generated, monkeypatch):
    monkeypatch.setattr(type(generated.pipe), "__call__", lambda *args, **kwargs: 1 / 0)
    recording_id = generated.stage.recording_id
    generated.stage.selection = {**generated.stage.selection, "word": 2}
    generated.stage.frame = 0
    generated.stage.set_state({"region": [0.1, 0.1, 0.4, 0.6]})
    generated.wait(TIMEOUT)
    assert generated.stage.recording_id == recording_id and generated.error is None and generated.word == "red"


def test_the_table_is_of_the_layer_head_and_frame_on_the_screen(generated):
    generated.layer, generated.head, generated.stage.frame = str(generated.stage.axes[1]["labels"][1]), "1", 1
    recorded = generated.attention.maps("cond").isel(step=1)
    relative = maps.relative_attention(recorded.isel(layer=[0], head=[0]).values)
    mask = box_mask((0, 0, 1, 1 / 3))
    assert generated.table().loc["top third", "red"] == pytest.approx(maps.mean_by_region(relative, {"": mask})[0, 2])


def test_a_brushed_region_ranks_the_words(generated):
    generated.stage.set_state({"region": [0.2, 0.4, 0.8, 0.6]})
    assert generated.region == pytest.approx((0.2, 0.4, 0.8, 0.6))
    table = generated.table()
    assert "brushed" in table.index
    best = table.loc["brushed"].idxmax()
    rows = generated._tables.value.split("Words in the brushed region")[1]
    assert rows.split('scope="row">')[1].startswith(best)
    assert f"In the brushed region “{best}” is the farthest above its average" in generated.status_area.caption.value
    controls = controls_of(generated)
    controls["Save region"].click()
    assert generated.region is None and generated.stage.region == [] and "region 1" in generated.table().index
    controls["Clear regions"].click()
    assert "region 1" not in generated.table().index


def test_an_invalid_region_is_refused(generated):
    with pytest.raises(ValueError, match="give left, top, right and bottom"):
        generated.region = (0, 1)
    assert to_box((0.5, 0.5, 0.5, 0.5)) == pytest.approx((0.46875, 0.46875, 0.53125, 0.53125))
    assert to_box((2, -1, 1, 0.5)) == pytest.approx((0.9375, 0, 1, 0.5))
    assert box_mask((0, 0, 0.5, 1)).sum() == 128 * 64


def test_the_pass_without_the_prompt_has_no_attention_to_its_words(generated):
    generated.branch = "uncond"
    _, sent = layer_of(generated, "attention")
    assert not sent[:, 2:4].any() and sent[:, 0].any()
    assert "does not receive" in generated.status_area.caption.value


@pytest.mark.parametrize("settings", [{"prompt": ""}, {"guidance": 0.0}, {"guidance": 1.0}, {"prompt": "red car road"}])
def test_unusual_settings_work(settings):
    w = opened(**settings)
    assert w.error is None, w.error
    assert w.table().shape[1] >= 1 and w.status_area.caption.value and w.code()
    w.close()


def test_a_prompt_that_cannot_be_drawn_is_an_error_and_the_image_stays(drawn):
    before = drawn.attention
    drawn.prompt = "road car red"
    drawn.wait(TIMEOUT)
    assert "the picture world cannot draw this prompt" in status(drawn).lower() and drawn.attention is before
    drawn.prompt = "a red cra"
    drawn.wait(TIMEOUT)
    assert "cra" in status(drawn) and drawn.attention is before


@pytest.mark.parametrize(("name", "value"), [("scale", -1.0), ("steps", 0), ("guidance", -1.0), ("mode", "zzz")])
def test_a_bad_setting_is_refused(generated, name, value):
    before = getattr(generated, name)
    with pytest.raises(Exception, match=name):
        setattr(generated, name, value)
    assert getattr(generated, name) == before


def test_the_code_reproduces_what_is_shown(generated):
    generated.word = "red"
    names = {"pipe": generated.pipe, "ex": ex}
    exec(generated.code(), names)
    assert np.array_equal(names["edited"], layer_of(generated, "edited")[1][2])
    assert np.allclose(names["weights"].astype(np.float16), generated.attention.weights, equal_nan=True)


def test_the_code_of_a_drawing_runs(drawn):
    names = {"pipe": drawn.pipe, "ex": ex}
    exec(drawn.code(), names)
    assert names["edited"].sizes["channel"] == 4


def test_tables_show_text_and_never_html():
    values = np.array([[1.0, 2.0]])
    html = region_table(values, [NASTY], [NASTY, "car"], [[1]])
    html += ranking_table(NASTY, ["a", NASTY], *values.repeat(3, 0))
    assert "<img" not in html and "&lt;img" in html and "yes" in html
    assert "…" in ranking_table("r", ["a"], np.ones(1), np.ones(1), np.array([np.nan]))


def test_its_repr_is_one_short_line(generated):
    assert repr(generated).startswith(f"TokenAttention('{PROMPT}', mode='generated', steps=2")
    assert len(repr(generated)) < 110


def test_closing_leaves_no_widget_model():
    opened().close()  # what is made once a kernel is made
    models = set(MODELS)
    opened().close()
    assert set(MODELS) <= models


def arrivals(w: TokenAttention) -> list[dict]:
    """What arrives on the stage from now on."""
    found: list[dict] = []
    w.stage.observe(lambda change: found.append({
        "captions": w.stage.captions, "title": title(w, "edited"), "autoplay": w.stage.autoplay,
        "panels": w.stage.panels,
        "frame": w.stage.frame, "attention": w.attention,
        "layers": {s["name"]: layer_of(w, s["name"])[1] for s in w.stage.layers}}), names="recording_id")
    return found


def test_longer_sampling_has_a_preview_in_few_steps(generated):
    came, before = arrivals(generated), generated.attention
    generated.steps = steps = 3 * PREVIEW_STEPS
    generated.wait(TIMEOUT)
    first, whole = came[:2]
    assert len(first["captions"]) == len(whole["captions"]) == steps
    assert all(c.startswith(f"{PREVIEW_LABEL}: step") for c in first["captions"]) and PREVIEW_LABEL not in "".join(
        whole["captions"]
    )
    assert (first["autoplay"], whole["autoplay"]) == (True, False) and whole["frame"] == steps - 1
    assert first["attention"] is before and whole["attention"] is generated.attention
    assert before is not generated.attention
    few = generated.pipe(PROMPT, steps=PREVIEW_STEPS, guidance=generated.guidance, seed=0)
    assert np.array_equal(first["layers"]["denoised"], few.previews.values)
    assert PREVIEW_LABEL not in status(generated).lower() and generated.data.sizes["step"] == steps


def test_an_edit_has_a_preview_in_few_steps(generated):
    generated.steps = 3 * PREVIEW_STEPS
    generated.wait(TIMEOUT)
    came, attention = arrivals(generated), generated.attention
    generated.scale = 3.0
    generated.wait(TIMEOUT)
    first, chosen, last = came
    assert (
        first["title"] == f"“car” × 3 ({PREVIEW_LABEL})"
        and PREVIEW_LABEL not in chosen["title"] + last["title"]
    )
    with ex.edit(generated.pipe, {"*.cross.weights": ex.Reweight("car", 3.0)}):
        few, whole = (
            generated.pipe(PROMPT, steps=n, guidance=generated.guidance, seed=0).image
            for n in (PREVIEW_STEPS, 3 * PREVIEW_STEPS)
        )
    car = generated.attention.label_tokens.index("car")
    assert np.array_equal(first["layers"]["edited"][car], few)
    assert np.array_equal(chosen["layers"]["edited"][car], whole)
    assert np.array_equal(first["layers"]["attention"], last["layers"]["attention"])
    assert generated.attention is attention
    assert all(image.shape == attention.original.shape for image in attention.edited.values()), "a preview is not kept"


@pytest.mark.parametrize("mode", ["generated", "drawn"])
def test_the_table_and_its_code_weight_the_heads(mode):
    w = opened(mode=mode)
    equal = w.table()
    assert "all heads shown have equal weight" in w._tables.value, "the model has no head weights"
    layers = [p for p in w.pipe.points() if p.name.endswith("cross.weights")]
    chosen = layers[1].name.removesuffix(".cross.weights")
    w.pipe.head_weights = {chosen: [0.0] * (layers[1].shape[0] - 1) + [1.0]}
    w.use_head_weights = False
    w.use_head_weights = True
    assert "heads are weighted by" in w._tables.value
    weighted, last = w.table(), str(layers[1].shape[0])
    assert not np.allclose(weighted, equal)
    names = {"pipe": w.pipe}
    exec(w.code(), names)
    rows = maps.mean_by_region(names["relative"], w.view().regions)[:, w.view().result.compared_labels]
    np.testing.assert_allclose(rows, weighted.values, atol=1e-5)
    w.layer, w.head = chosen, last
    np.testing.assert_allclose(w.table().values, weighted.values, atol=1e-5)
    assert "equal weight" in w._tables.value
    exec(w.code(), names)
    by_region = maps.mean_by_region(names["relative"], w.view().regions)[:, w.view().result.compared_labels]
    assert np.allclose(by_region, weighted.values, atol=1e-5)
    w.close()


def test_the_recording_is_stored_once(generated):
    assert generated.attention.run.recorded == {} and generated.attention.weights.dtype == np.float16
    for branch in generated.attention.branches:
        generated.attention.maps(branch)
    assert generated.attention._maps[0] == generated.attention.branches[-1]


# ---- words, shares and faders ---------------------------------------------------------------------------------------


def shares_on_the_page(w: TokenAttention, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> np.ndarray:
    """The share of each word in a box that ends at positions of the maps, from what the page has."""
    spec, sent = layer_of(w, "attention")
    peaks = np.array(spec["peaks"]).reshape(spec["peak_shape"])
    chosen = w.stage.selection
    index = [chosen["layer"], chosen["head"]]
    found = sent[(w.stage.frame, slice(None), *index)] / 255 * peaks[(0, slice(None), *index)][:, None, None]
    left, top, right, bottom = (round(v * found.shape[-1]) for v in box)
    return found[:, top:bottom, left:right].mean((1, 2))


def test_the_page_can_compute_every_share(either):
    heads = either.view().heads
    assert np.allclose(shares_on_the_page(either), np.nanmean(heads, (1, 2, 3, 4)), atol=2e-3)
    total = shares_on_the_page(either).sum()
    is_joint = "dit" in type(either.pipe.denoiser).__name__.lower()  # there the image's own tokens get the rest
    assert 0 < total < 1 if is_joint else total == pytest.approx(1, abs=0.01), "the weights of a position sum to 1"
    box = (0.25, 0.5, 0.75, 1.0)
    either.region = box
    assert np.allclose(shares_on_the_page(either, box)[either._current.compared_labels], either.view().comparison[1],
                       atol=2e-3)
    word, layer, head = either.stage.axes
    assert [word["labels"][k] for k in word["ranked"]] == ["red", "car", "mountain", "road"]
    assert word["share_layer"] == "attention" and layer["share_layer"] == head["share_layer"] == ""
    assert either.stage.panels[0]["ranks"] == "word"


def test_each_word_has_a_fader_and_padding_has_none(generated):
    keys = generated.stage.axes[0]["fader"]["keys"]
    assert keys == ["<start>", "a", "red", "car", "on", "a", "mountain", "road", "<end>", ""]
    assert generated.stage.faders == dict.fromkeys(keys[:-1], 0.0)


def test_a_fader_edits_its_word_alone(generated):
    masked = dict(generated.attention.edited)
    generated.stage.set_state({"selection": generated.stage.selection | {"word": 2}, "faders": {"red": 3.0}})
    generated.wait(TIMEOUT)
    assert generated.scales == {"red": 3.0} and generated.scale == 0 and generated.word == "red"
    new = [(word, weight.scale) for word, weight in generated.attention.edited if (word, weight) not in masked]
    assert new == [("red", 3.0)]
    with ex.edit(generated.pipe, {"*.cross.weights": ex.Reweight("red", 3.0)}):
        scaled = generated.pipe(PROMPT, steps=2, guidance=generated.guidance, seed=0).image
    sent, car = layer_of(generated, "edited")[1], generated.attention.label_tokens.index("car")
    weight = generated._current.request.weight("car")
    assert np.array_equal(sent[2], scaled) and np.array_equal(sent[car], generated.attention.edited["car", weight])
    assert title(generated, "edited") == "“red” × 3" and title(generated, "image") == "with “red”"
    factors = generated.data.factor
    assert factors.sel(token="red") == 3 and factors.sel(token="car") == 0
    names = {"pipe": generated.pipe, "ex": ex}
    exec(generated.code(), names)
    assert np.array_equal(names["edited"], scaled)
    assert "change by its edit" in generated.chart.figure.layout.yaxis.title.text


def test_the_scale_of_all_words_takes_the_place_of_those_of_single_words(generated):
    generated.scales = {"red": 3.0, "car": 2}
    assert generated.stage.faders["red"] == 3 and generated.stage.faders["car"] == 2
    generated.scale = 1.0
    generated.wait(TIMEOUT)
    assert generated.scales == {} and set(generated.stage.faders.values()) == {1.0}
    assert not generated.request().own_weights


def test_an_unknown_word_or_a_bad_factor_is_refused(generated):
    with pytest.raises(ValueError, match=r"scales has 'boat': the prompt has <start>, a, red, car"):
        generated.scales = {"boat": 2.0}
    for bad in (-1, 101, "2", float("nan"), True):
        with pytest.raises(ValueError, match=r"the scale of 'red' is .*: choose a number from 0"):
            generated.scales = {"red": bad}
    generated.stage.set_state({"faders": {"red": 1e9}})  # the page may send anything
    assert generated.scales == {"red": 4} and generated.stage.faders["red"] == 4


def test_a_scale_of_a_word_that_the_prompt_does_not_have_is_said():
    w = opened(scales={"boat": 2.0})
    assert w.error is None and "does not contain &#x27;boat&#x27;, which scales names" in status(w)
    w.close()


# ---- layers and heads -----------------------------------------------------------------------------------------------


def test_only_heads_that_a_layer_has_can_be_chosen(generated):
    counts = generated.head_counts
    few, many = min(counts, key=counts.get), max(counts, key=counts.get)
    assert counts[few] < counts[many], "the tiny model has layers with fewer heads"
    with pytest.raises(ValueError, match="while all layers are shown there is only 'mean'"):
        generated.head = "1"
    generated.layer = many
    generated.head = str(counts[many])
    axis, chosen = generated.stage.axes[2], generated.stage.selection
    assert axis["labels"][chosen["head"]] == str(counts[many])
    generated.layer = few
    assert generated.head == "mean" and generated.stage.selection["head"] == 0
    with pytest.raises(ValueError, match=f"layer {few} has heads 1 to {counts[few]}, and 'mean'"):
        generated.head = str(counts[few] + 1)
    with pytest.raises(ValueError, match="choose 'all' or one of"):
        generated.layer = "zzz"
    assert (generated.layer, generated.head) == (few, "mean")
    labels = generated.stage.axes[1]["labels"]
    assert [counts.get(label, 0) + 1 for label in labels] == axis["counts"]


def test_a_head_is_refused_before_the_first_result_too():
    pipe = tiny("unet")
    points = [p for p in pipe.points() if p.name.endswith("cross.weights")]
    counts = {p.name.removesuffix(".cross.weights"): p.shape[0] for p in points}
    layer = min(counts, key=counts.get)
    with pytest.raises(ValueError, match=f"layer {layer} has heads 1 to {counts[layer]}"):
        TokenAttention(pipe, prompt=PROMPT, layer=layer, head=str(counts[layer] + 1))
    w = opened(layer=layer, head="1")
    assert w.error is None and w.stage.selection["head"] == 1
    w.close()


# ---- panels ---------------------------------------------------------------------------------------------------------


def test_the_image_with_the_word_stands_beside_the_one_without(either):
    names = [panel["name"] for panel in either.stage.panels]
    assert names.index("edited") == names.index("image") + 1
    assert (title(either, "image"), title(either, "edited")) == ("with “car”", "without “car”")
    assert len(either.stage.panels[1]["titles"]) == len(either.attention.labels)


def test_in_a_drawing_the_estimate_with_the_word_stands_beside_the_one_without(drawn):
    names = [panel["name"] for panel in drawn.stage.panels]
    assert names == ["attention", "ground truth", "image", "edited", "effect"]
    assert drawn.stage.panels[2]["layers"] == ["denoised"] and title(drawn, "image") == "with “car”"


def test_panels_say_what_is_still_computed():
    w = TokenAttention(tiny("unet"), prompt=PROMPT, steps=2)
    came = arrivals(w)
    w.wait(TIMEOUT)
    first, start = came[0], w.attention.label_tokens.index("<start>")
    effect = next(panel for panel in first["panels"] if panel["name"] == "effect")
    car = w.attention.label_tokens.index("car")
    assert effect["titles"][car] == "effect: computing …" and effect["titles"][-1] == "effect"
    assert np.array_equal(first["layers"]["edited"][car], notice("computing …", w.attention.image.shape[:2]))
    assert title(w, "effect") == "effect"
    last = came[-1]["layers"]["edited"]
    assert np.array_equal(last[start], notice("is computed\nonce chosen", w.attention.image.shape[:2]))
    w.close()


def test_another_model_is_chosen_and_it_says_whose_attention_was_trained_on_masks():
    w = TokenAttention(prompt=PROMPT, mode="drawn", model="unet-small", scale=1.0)
    w.wait(TIMEOUT)
    supervised = w.data.attention
    assert "heads of 7 layers, 4 trained on masks, at 5 noise times" in status(w)
    w.layer, w.head = "up.1.0", "4"
    w.model = "unet-small-unsupervised"
    w.wait(TIMEOUT)
    assert "of 7 layers, none trained on masks, at 5 noise times" in status(w) and (w.layer, w.head) == ("up.1.0", "4")
    assert w.data.attention.shape == supervised.shape and not np.allclose(w.data.attention, supervised)
    assert "ex.load('unet-small-unsupervised')" in w.code()
    w.model = "dit-flow"
    w.wait(TIMEOUT)
    assert w.error is None and (w.layer, w.head) == (maps.ALL_LAYERS, maps.MEAN_HEAD), "it has other layers"
    assert "of 6 layers, 3 trained on masks, at" in status(w)
    w.close()


def test_an_explored_pipeline_has_no_choice_of_models(generated):
    assert "model" not in controls_of(generated) and "masks" not in status(generated)
    with pytest.raises(ValueError, match="leave it out"):
        generated.model = "unet-flow"
