"""WordSpace on the page: each mode shows what was computed, and its controls act on it."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
from tiny import controls_of

import explorable as ex
from explorable.analysis.word_space import cosines, neighbours
from explorable.widgets.word_space import view
from explorable.widgets.word_space.compute import MAX_FRAMES
from explorable.widgets.word_space.controls import EXAMPLES, MODES

TEXT = "a golden dog at night"


@pytest.fixture
def made(pipe):
    made = ex.WordSpace(pipe, prompt=TEXT, other="a golden lion at night", steps=3)
    made.wait()
    yield made
    made.close()


def switch(made, **values):
    with made.hold_trait_notifications():
        for name, value in values.items():
            setattr(made, name, value)
    made.wait()
    assert made.error is None, made.error
    return made


def test_a_sentence_is_shown_layer_by_layer_and_word_by_word(made):
    words, tokens = made.stage.axes
    assert words["labels"] == ["1", "2", "3", "4", "5"] and tokens["labels"] == ["<start>", *TEXT.split(), "<end>"]
    assert tokens["counts"] == [3, 4, 5, 6, 7] and made.stage.selection == {"words": 4, "token": 2}
    assert len(made.stage.captions) == len(made.data.layer) == 3  # embedding, one layer, context
    assert "“golden”, context" in made.status_area.caption.value
    made.stage.frame, made.stage.selection = 0, {"words": 1, "token": 3}
    assert "“&lt;end&gt;”, embedding" in made.status_area.caption.value
    assert made.chart.data[0].z.shape == (4, 4)


def test_the_chart_has_the_cosines_of_the_layer_on_the_stage(made):
    for frame in (2, 0):
        made.stage.frame = frame
        vectors = made.data.vector.values[frame]
        np.testing.assert_allclose(made.chart.data[0].z, cosines(vectors, vectors), atol=6e-4)


def test_bar_codes_are_the_numbers_of_the_vectors(made):
    layer = view.sentence_recording(made.result)["layers"][0]
    vectors = made.data.vector.values
    drawn = layer.frames[:, -1].reshape(len(vectors), vectors.shape[1], -1)
    shown = drawn.shape[-1]
    for k in range(len(vectors)):  # each layer on a scale of its own
        ratio = vectors[k, :, :shown] / drawn[k]
        np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-3)
    assert view.bar_code(np.zeros((2, 768))).shape == (2, 16, 20)


def test_the_map_names_a_words_true_neighbours(made):
    switch(made, mode="map", word="car")
    near = [word for word, _ in neighbours(made.result.space, "car")]
    assert all(word in made.status_area.caption.value for word in near)
    shown = {text for trace in made.chart.data for text in trace.text if text}
    assert shown == {"car", *near} and sum(len(trace.x) for trace in made.chart.data) == 119
    assert {panel["name"] for panel in made.stage.panels} == {"map text", "map text-t5"}
    made.dimensions = 3
    assert made.chart.data[0].type == "scatter3d" and "3 principal components" in made.status_area.caption.value
    made.encoder = "both"
    made.wait()
    assert [panel["name"] for panel in made.stage.panels] == ["map text", "map text-t5", "map both"]


def test_hovering_tells_the_true_distance(made):
    switch(made, mode="map", word="dog")
    space = made.result.space
    expected = np.linalg.norm(space.vectors[-1] - space.vector("dog"), axis=1)
    found = {row[0]: row[2] for trace in made.chart.data for row in trace.customdata}
    for k, word in enumerate(space.words):
        assert found[word] == pytest.approx(expected[k], rel=1e-4, abs=1e-5)


def test_a_click_on_a_map_chooses_the_word_there(made):
    switch(made, mode="map")
    layer = view.map_recording(made.result, "dog")["layers"][1]
    at = made.result.space.words.index("lake")
    x, y = layer.frames[made.stage.frame][at]
    made.stage.pointer = {"panel": "map text-t5", "kind": "click", "x": (x + 1) / 2, "y": (1 - y) / 2}
    chosen = layer.frames[made.stage.frame][made.result.space.words.index(made.word)]
    np.testing.assert_allclose(chosen, [x, y], atol=1e-6)


def test_a_swap_shows_both_images_and_their_difference(made):
    switch(made, mode="swap")
    assert [panel["name"] for panel in made.stage.panels] == ["one", "other"]
    assert made.stage.panels[1]["layers"] == ["other", "difference"] and made.stage.layer == "other"
    assert "“dog” and “lion”" in made.status_area.caption.value
    assert made.images.shape == (2, 128, 128, 3) and made.table().shape[0] == 7
    assert f"{made.result.context_cosine:.3f}" in made.status_area.score.value
    switch(made, other="a lion")
    assert "No token was exchanged" in made.status_area.caption.value


def test_many_steps_show_a_preview_with_as_many_frames(made):
    switch(made, mode="swap", steps=10)
    assert len(made.stage.captions) == min(10, MAX_FRAMES) and not made.preview_label


def test_a_sum_is_ranked_with_its_own_words_marked(made):
    switch(made, mode="sum", expression="dog - cat + cat")
    assert made.table().index[0] == "dog" and made.images.shape[0] == 2
    inputs, others = made.chart.data
    assert inputs.name == "in the sum" and any(name.startswith("1. dog") for name in inputs.y)
    assert not set(inputs.y) & set(others.y) and len(inputs.y) + len(others.y) == 8
    switch(made, encoder="text-t5")
    assert "Only vectors that the denoiser was trained with" in made.status_area.caption.value
    assert made.stage.captions == ["+ dog", "− cat", "+ cat", "the sum"]
    with pytest.raises(ValueError, match="paints no images"):
        _ = made.images


def test_every_example_can_be_computed(pipe):
    made = ex.WordSpace(pipe, steps=2)
    for values in EXAMPLES.values():
        switch(made, **values)
    made.close()


def test_only_the_controls_of_the_mode_are_shown(made):
    rows = {name: next(box for box in made.children[1].children[1].children
                       if control in list(box.children)) for name, control in controls_of(made).items()
            if name in ("prompt", "compare with", "sum", "word")}
    for mode, names in (("sentence", {"prompt"}), ("map", {"word"}), ("swap", {"prompt", "compare with"}),
                        ("sum", {"sum"})):
        made.mode = mode
        assert {name for name, box in rows.items() if box.layout.display != "none"} == names
    assert set(MODES) == {"sentence", "map", "swap", "sum"}
    made.wait()


@pytest.mark.parametrize(("name", "value", "message"), [
    ("mode", "cloud", "choose one of sentence, map"), ("encoder", "clip", "choose one of text, text-t5, both"),
    ("dimensions", 4, "choose one of 2, 3"), ("expression", "car dog", "write \\+ or - between"),
    ("word", "zebra", "zebra"), ("word", "a car", "single word")])
def test_a_setting_out_of_its_range_is_refused_by_name(made, name, value, message):
    with pytest.raises(ValueError, match=message):
        setattr(made, name, value)


def test_the_encoders_are_compared_in_a_table(made):
    html = made._lesson.value
    assert all(f"<th>{name}</th>" in html for name in ("text", "text-t5", "both")) and "of 86" in html


@pytest.mark.parametrize("family", tp.FAMILIES)
def test_an_opened_pipeline_has_its_own_encoders(family, tmp_path):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as pipe:
        made = ex.WordSpace(pipe, prompt="a golden dog", other="a red dog", steps=2)
        made.wait()
        assert made.error is None and made.encoders == tuple(pipe.text_encoders)
        for values in ({"mode": "map"}, {"mode": "sum", "expression": "dog - red + golden"}, {"mode": "swap"},
                       {"encoder": made.encoders[-1]}):
            switch(made, **values)
            assert len(made.table()) and len(made.data)
        assert np.array_equal(made.images[0], pipe("a golden dog", steps=2, seed=0, guidance=made.guidance).image)
        assert made.save_html(tmp_path / "saved.html").stat().st_size < 1_000_000
        made.close()
