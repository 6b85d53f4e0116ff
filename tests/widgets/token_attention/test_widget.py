"""TokenAttention on tiny untrained models of both kinds: what is read, what is tried, and hand and code alike."""

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
from explorable.widgets.core.preview import PREVIEW_LABEL, PREVIEW_STEPS
from explorable.widgets.token_attention.tables import ranking, region_table
from explorable.widgets.token_attention.view import mask_of, square_of
from explorable.widgets.token_attention.widget import TokenAttention
from explorable.world import word_masks

PROMPT = "a red car on a mountain road"
PATIENCE = 600  # seconds: a busy machine is no bug
NASTY = "<img src=x onerror=alert(1)>"


def opened(network: str = "unet", **values) -> TokenAttention:
    w = TokenAttention(tiny(network), **{"prompt": PROMPT, "steps": 2, **values})
    w.wait(PATIENCE)
    return w


@pytest.fixture(params=["unet", "dit"])
def either(request):
    """Painted by a model of either kind."""
    w = opened(request.param)
    yield w
    w.close()


@pytest.fixture
def painted():
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


def test_it_shows_the_picture_and_every_words_maps(either):
    run = either.pipe(PROMPT, steps=2, guidance=either.guidance, seed=0, record=["*.cross.weights"])
    assert either.error is None, either.error
    assert np.array_equal(layer_of(either, "picture")[1], run.image)
    spec, sent = layer_of(either, "read")
    words, layers, heads = (axis["labels"] for axis in either.stage.axes)
    assert spec["axes"] == ["frame", "word", "layer", "head"] and sent.shape[:4] == (2, len(words), len(layers),
                                                                                    len(heads))
    assert words[0] == "<start>" and words[-1].endswith("<pad>") and "a (2)" in words and layers[0] == "all"
    mean = run["*.cross.weights"].sel(branch="cond").isel(token=3).mean(["layer", "head"]).transpose("step", "y", "x")
    assert np.allclose(sent[:, 3, 0, 0] / 255, mean / mean.max(), atol=0.01)


def test_the_changed_picture_is_the_one_without_the_word(either):
    either.mask_in_text_encoder = False
    either.wait(PATIENCE)
    unread, = (volume for word, volume in either.reading.edited if word == "red" and not volume.mask_in_text_encoder)
    with ex.edit(either.pipe, {"*.cross.weights": ex.MaskToken("red")}):
        assert np.array_equal(either.reading.edited["red", unread],
                              either.pipe(PROMPT, steps=2, guidance=either.guidance, seed=0).image)
    either.mask_in_text_encoder = True
    either.wait(PATIENCE)
    with ex.edit(either.pipe, dict.fromkeys(("*.cross.weights", "text.words"), ex.MaskToken("red"))):
        without = either.pipe(PROMPT, steps=2, guidance=either.guidance, seed=0).image
    _, sent = layer_of(either, "changed")
    assert np.array_equal(sent[2], without)
    effect = either.data.effect.sel(token="red")
    assert np.allclose(effect, maps.pixel_difference(without, either.data.image.values), atol=1e-6) and effect.max() > 0


def test_every_word_is_tried_and_padding_changes_nothing(painted):
    effect = painted.data.effect
    words = [k for k, name in enumerate(painted.reading.label_tokens) if not name.startswith("<")]
    assert np.isfinite(effect.values[words]).all()
    assert not effect.values[-1].any() and painted.reading.label_tokens[-1] == "<pad>"


def test_a_louder_word_changes_the_picture_and_one_changes_nothing(painted):
    painted.scale = 3.0
    painted.wait(PATIENCE)
    with ex.edit(painted.pipe, {"*.cross.weights": ex.Reweight("red", 3.0)}):
        louder = painted.pipe(PROMPT, steps=2, guidance=painted.guidance, seed=0).image
    assert np.array_equal(layer_of(painted, "changed")[1][2], louder)
    assert "3 times" in painted.stage.panels[1]["title"]
    painted.scale = 1.0
    painted.wait(PATIENCE)
    assert not np.nan_to_num(painted.data.effect.sel(token=["red", "car"]).values).any()


def test_the_word_on_the_screen_is_tried_first_and_special_ones_when_chosen(painted):
    tried = [word for word, _ in painted.reading.edited]
    assert tried[0] == "car" and tried[1:] == ["a", "red", "on", "mountain", "road"]
    assert not np.isfinite(painted.data.effect.sel(token="<start>")).any()
    painted.word = "<start>"
    painted.wait(PATIENCE)
    assert np.isfinite(painted.data.effect.sel(token="<start>")).all() and len(painted.reading.edited) == 7
    painted.scale = 2.0
    painted.wait(PATIENCE)
    assert next(word for word, volume in painted.reading.edited if volume.scale == 2) == "<start>"


def test_another_loudness_paints_no_plain_picture_again(painted):
    reading = painted.reading
    painted.scale = 2.0
    painted.wait(PATIENCE)
    assert painted.reading is reading and painted.result.reading is reading
    painted.seed = 1
    painted.wait(PATIENCE)
    assert painted.reading is not reading


@pytest.mark.parametrize("network", ["unet", "dit"])
def test_a_drawn_picture_is_read_in_one_pass_at_each_noise_time(network):
    drawn = opened(network, mode="drawn")
    assert drawn.error is None, drawn.error
    known = drawn.view().known
    take = drawn.pipe.inspect(known.drawing.image, PROMPT, 0.5, 0)
    want = maps.branch_maps(maps.gather_weights(take), "cond").isel(step=0)
    got = drawn.reading.maps("cond")
    k = list(got.t.values).index(0.5)
    assert np.array_equal(got.isel(step=k).values, want.values, equal_nan=True)
    assert np.array_equal(layer_of(drawn, "picture")[1], known.drawing.image)
    assert len(drawn.stage.captions) == got.sizes["step"] and "t = 0.50" in drawn.stage.captions[k]
    drawn.close()


def test_the_true_masks_are_those_of_the_world(drawn):
    known = drawn.view().known
    _, sent = layer_of(drawn, "true")
    for k, (_, mask) in enumerate(word_masks(known.drawing, PROMPT)):
        assert np.array_equal(sent[k + 1] > 0, mask)
    assert not sent[0].any()


def test_the_table_has_the_regions_that_words_speak_of(drawn):
    table = drawn.table()
    assert {"car", "car body", "car wheels", "road", "mountains"} <= set(table.index)
    assert list(table.columns) == ["red", "car", "mountain", "road"]
    html = drawn._tables.value
    assert html.startswith('<div class="ex-wide-part" tabindex="0" role="region" aria-label="Words by region">')
    assert "true word first?" in html and 'scope="row">car wheels' in html and "<caption" in html
    assert "IoU" in drawn._score.value


def test_in_a_drawn_picture_words_are_silenced_at_every_noise_time(drawn):
    spec, sent = layer_of(drawn, "effect")
    assert spec["axes"] == ["frame", "word"] and sent.shape[0] == len(drawn.stage.captions)
    assert sent[:, 2].any()


def test_setting_a_word_moves_the_page_and_the_page_sets_the_word(either):
    either.word = "red"
    labels = {axis["name"]: axis["labels"] for axis in either.stage.axes}
    assert labels["word"][either.stage.selection["word"]] == "red" and "“red”" in either._seen.value
    layer = labels["layer"][2]
    either.stage.selection = {"word": 3, "layer": 2, "head": 1}
    assert (either.word, either.layer, either.head) == ("car", layer, "1")
    assert "“car”" in either._seen.value
    either.word = "boat"
    assert "There is no word &#x27;boat&#x27; here" in status(either)


def test_a_choice_made_while_a_recording_is_put_on_the_page_stands(painted, monkeypatch):
    show, begun, go_on = painted.stage.show, threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        begun.set()
        assert go_on.wait(60)
        show(*args, **kwargs)

    monkeypatch.setattr(painted.stage, "show", slow)
    painted.scale = 2.0
    assert begun.wait(PATIENCE)
    chosen = {"word": 2, "layer": 1, "head": 1}
    hand = threading.Thread(target=lambda: setattr(painted.stage, "selection", chosen))  # as a message from the page
    hand.start()
    time.sleep(0.1)
    go_on.set()
    hand.join(60)
    painted.wait(PATIENCE)
    assert (painted.word, painted.head, painted.stage.selection) == ("red", "1", chosen)


def test_a_choice_that_a_recording_has_put_back_is_told_to_the_page_again(painted, monkeypatch):
    old, told = dict(painted.stage.selection), []
    monkeypatch.setattr(painted.stage, "send_state", lambda key=None: told.append(key))
    with painted._placed():  # as a recording that was sent just now, from another thread
        painted.stage.selection = old
    chosen = {**old, "word": 2}
    painted._follow_page({"name": "selection", "new": chosen})
    assert painted.word == "red" and painted.stage.selection == chosen and told[-1] == "selection"


def test_choosing_computes_nothing(painted, monkeypatch):
    monkeypatch.setattr(type(painted.pipe), "__call__", lambda *args, **kwargs: 1 / 0)
    recording_id = painted.stage.recording_id
    painted.stage.selection = {**painted.stage.selection, "word": 2}
    painted.stage.frame = 0
    painted.stage.pointer = {"panel": "read", "kind": "brush", "x0": 0.1, "y0": 0.1, "x": 0.4, "y": 0.6, "done": True}
    painted.wait(PATIENCE)
    assert painted.stage.recording_id == recording_id and painted.error is None and painted.word == "red"


def test_the_table_is_of_the_layer_head_and_frame_on_the_screen(painted):
    painted.layer, painted.head, painted.stage.frame = str(painted.stage.axes[1]["labels"][1]), "1", 1
    look = painted.reading.maps("cond").isel(step=1)
    standing = maps.relative_attention(look.isel(layer=[0], head=[0]).values)
    mask = mask_of((0, 0, 1, 1 / 3))
    assert painted.table().loc["top third", "red"] == pytest.approx(maps.mean_by_region(standing, {"": mask})[0, 2])


def test_a_brushed_region_ranks_the_words(painted):
    painted.stage.pointer = {"panel": "read", "kind": "brush", "x0": 0.8, "y0": 0.6, "x": 0.2, "y": 0.4, "done": True}
    assert painted.region == pytest.approx((0.2, 0.4, 0.8, 0.6))
    table = painted.table()
    assert "brushed" in table.index
    best = table.loc["brushed"].idxmax()
    rows = painted._tables.value.split("Words in the brushed region")[1]
    assert rows.split('scope="row">')[1].startswith(best)
    controls = controls_of(painted)
    controls["Keep region"].click()
    assert painted.region is None and "region 1" in painted.table().index
    controls["Forget regions"].click()
    assert "region 1" not in painted.table().index


def test_a_region_that_is_none_is_refused(painted):
    with pytest.raises(ValueError, match="give left, top, right and bottom"):
        painted.region = (0, 1)
    assert square_of((0.5, 0.5, 0.5, 0.5)) == pytest.approx((0.46875, 0.46875, 0.53125, 0.53125))
    assert square_of((2, -1, 1, 0.5)) == pytest.approx((0.9375, 0, 1, 0.5))
    assert mask_of((0, 0, 0.5, 1)).sum() == 128 * 64


def test_the_other_pass_is_not_told_the_words(painted):
    painted.branch = "uncond"
    _, sent = layer_of(painted, "read")
    assert not sent[:, 2:4].any() and sent[:, 0].any()
    assert "not told" in painted._seen.value


@pytest.mark.parametrize("settings", [{"prompt": ""}, {"guidance": 0.0}, {"guidance": 1.0}, {"prompt": "red car road"}])
def test_odd_wishes_are_answered(settings):
    w = opened(**settings)
    assert w.error is None, w.error
    assert w.table().shape[1] >= 1 and w._seen.value and w.code()
    w.close()


def test_what_the_world_cannot_draw_is_said_and_the_picture_stays(drawn):
    before = drawn.reading
    drawn.prompt = "road car red"
    drawn.wait(PATIENCE)
    assert "the picture world cannot draw this prompt" in status(drawn).lower() and drawn.reading is before
    drawn.prompt = "a red cra"
    drawn.wait(PATIENCE)
    assert "cra" in status(drawn) and drawn.reading is before


@pytest.mark.parametrize(("name", "value"), [("scale", -1.0), ("steps", 0), ("guidance", -1.0), ("mode", "zzz")])
def test_a_bad_setting_is_refused(painted, name, value):
    before = getattr(painted, name)
    with pytest.raises(Exception, match=name):
        setattr(painted, name, value)
    assert getattr(painted, name) == before


def test_the_code_reproduces_what_is_shown(painted):
    painted.word = "red"
    names = {"pipe": painted.pipe, "ex": ex}
    exec(painted.code(), names)
    assert np.array_equal(names["changed"], layer_of(painted, "changed")[1][2])
    assert np.allclose(names["weights"].astype(np.float16), painted.reading.weights, equal_nan=True)


def test_the_code_of_a_drawn_picture_runs(drawn):
    names = {"pipe": drawn.pipe, "ex": ex}
    exec(drawn.code(), names)
    assert names["changed"].sizes["channel"] == 4


def test_tables_show_text_and_never_html():
    values = np.array([[1.0, 2.0]])
    html = region_table(values, [NASTY], [NASTY, "car"], [[1]]) + ranking(NASTY, ["a", NASTY], *values.repeat(3, 0))
    assert "<img" not in html and "&lt;img" in html and "yes" in html
    assert "…" in ranking("r", ["a"], np.ones(1), np.ones(1), np.array([np.nan]))


def test_its_repr_is_one_short_line(painted):
    assert repr(painted).startswith(f"TokenAttention('{PROMPT}', mode='generated', steps=2")
    assert len(repr(painted)) < 110


def test_closing_leaves_no_widget_model():
    opened().close()  # what is made once a kernel is made
    models = set(MODELS)
    opened().close()
    assert set(MODELS) <= models


def arrivals(w: TokenAttention) -> list[dict]:
    """What comes to the stage from now on."""
    found: list[dict] = []
    w.stage.observe(lambda change: found.append({
        "captions": w.stage.captions, "title": w.stage.panels[-2]["title"], "autoplay": w.stage.autoplay,
        "frame": w.stage.frame, "reading": w.reading,
        "layers": {s["name"]: layer_of(w, s["name"])[1] for s in w.stage.layers}}), names="recording_id")
    return found


def test_a_longer_reading_is_first_seen_in_few_steps(painted):
    came, before = arrivals(painted), painted.reading
    painted.steps = steps = 3 * PREVIEW_STEPS
    painted.wait(PATIENCE)
    first, whole = came[:2]
    assert len(first["captions"]) == len(whole["captions"]) == steps
    assert all(c.startswith(f"{PREVIEW_LABEL}: step") for c in first["captions"]) and PREVIEW_LABEL not in "".join(
        whole["captions"]
    )
    assert (first["autoplay"], whole["autoplay"]) == (True, False) and whole["frame"] == steps - 1
    assert first["reading"] is before and whole["reading"] is painted.reading and before is not painted.reading
    few = painted.pipe(PROMPT, steps=PREVIEW_STEPS, guidance=painted.guidance, seed=0)
    assert np.array_equal(first["layers"]["denoised"], few.previews.values)
    assert PREVIEW_LABEL not in status(painted).lower() and painted.data.sizes["step"] == steps


def test_a_changed_word_is_first_tried_in_few_steps(painted):
    painted.steps = 3 * PREVIEW_STEPS
    painted.wait(PATIENCE)
    came, reading = arrivals(painted), painted.reading
    painted.scale = 3.0
    painted.wait(PATIENCE)
    first, chosen, last = came
    assert (
        first["title"] == f"The word read 3 times as much: {PREVIEW_LABEL}"
        and PREVIEW_LABEL not in chosen["title"] + last["title"]
    )
    with ex.edit(painted.pipe, {"*.cross.weights": ex.Reweight("car", 3.0)}):
        few, whole = (
            painted.pipe(PROMPT, steps=n, guidance=painted.guidance, seed=0).image
            for n in (PREVIEW_STEPS, 3 * PREVIEW_STEPS)
        )
    car = painted.reading.label_tokens.index("car")
    assert np.array_equal(first["layers"]["changed"][car], few)
    assert np.array_equal(chosen["layers"]["changed"][car], whole)
    assert np.array_equal(first["layers"]["read"], last["layers"]["read"]) and painted.reading is reading
    assert all(steps.shape == reading.original.shape for steps in reading.edited.values()), "a first look is not kept"


@pytest.mark.parametrize("mode", ["generated", "drawn"])
def test_trusted_heads_count_in_the_table_and_its_code_counts_them_too(mode):
    w = opened(mode=mode)
    alike = w.table()
    assert "all heads on show count alike" in w._tables.value, "nobody knows whom to trust"
    layers = [p for p in w.pipe.points() if p.name.endswith("cross.weights")]
    chosen = layers[1].name.removesuffix(".cross.weights")
    w.pipe.head_weights = {chosen: [0.0] * (layers[1].shape[0] - 1) + [1.0]}
    w.use_head_weights = False
    w.use_head_weights = True
    assert "heads count as they are trusted" in w._tables.value
    weighed, last = w.table(), str(layers[1].shape[0])
    assert not np.allclose(weighed, alike)
    names = {"pipe": w.pipe}
    exec(w.code(), names)
    rows = maps.mean_by_region(names["standing"], w.view().regions)[:, w.view().known.competing]
    np.testing.assert_allclose(rows, weighed.values, atol=1e-5)
    w.layer, w.head = chosen, last
    np.testing.assert_allclose(w.table().values, weighed.values, atol=1e-5)
    assert "count alike" in w._tables.value
    exec(w.code(), names)
    by_region = maps.mean_by_region(names["standing"], w.view().regions)[:, w.view().known.competing]
    assert np.allclose(by_region, weighed.values, atol=1e-5)
    w.close()


def test_what_is_read_is_kept_once(painted):
    assert painted.reading.run.recorded == {} and painted.reading.weights.dtype == np.float16
    for branch in painted.reading.branches:
        painted.reading.maps(branch)
    assert painted.reading._maps[0] == painted.reading.branches[-1]
