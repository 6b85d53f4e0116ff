"""What goes to the stage: shapes that fit the axes, bytes that say the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorable.widgets.core.preview import (
    PREVIEW_STEPS,
    nearest_frames,
    needs_preview,
    stretch_layers,
    to_preview_step,
)
from explorable.widgets.stage.layers import Arrows, Axis, Heatmap, Images, Panel, Points, Recording
from explorable.widgets.stage.stage import Stage

STEPS = [f"step {k}" for k in range(3)]
WORDS = Axis("word", "word", ("red", "car"))


def test_a_map_keeps_its_numbers_to_one_part_in_255():
    numbers = np.random.default_rng(0).uniform(0, 3, (3, 2, 4, 5))
    layer = Heatmap("read", "Read", numbers, axes=("frame", "word"))
    Recording((layer,), tuple(STEPS), (WORDS,))
    low, high = layer.ends()
    back = low + np.frombuffer(layer.data(), np.uint8).reshape(numbers.shape) / 255 * (high - low)
    assert (low, high) == (0, numbers.max()) and np.abs(back - numbers).max() <= 0.5 * high / 255 + 1e-9
    assert Heatmap("flat", "Flat", np.zeros((3, 2, 2))).ends() == (0, 1)  # nothing to divide by


def test_points_keep_their_places_and_what_lies_outside_is_put_on_the_edge():
    places = np.array([[[-2.0, -1.0], [2.0, 3.0], [0.5, 9.0]]] * 3)
    layer = Points("path", "Path", places, extent=(-2, 2, -1, 3))
    parts = np.frombuffer(layer.data(), "<u2").reshape(3, 3, 2) / 65535
    assert parts[0].tolist() == pytest.approx(np.array([[0, 0], [1, 1], [0.625, 1]]), abs=1e-4)
    ends = np.array([[[-2.0, -1.0, 2.0, 3.0]]] * 3)
    arrows = Arrows("field", "Field", ends, extent=(-2, 2, -1, 3))
    assert arrows.data() == np.array([0, 0, 65535, 65535] * 3, "<u2").tobytes()


def test_there_may_be_no_points():
    layer = Points("none", "None", np.zeros((3, 0, 2)), target_frames=())
    Recording((layer, Arrows("field", "Field", np.zeros((3, 0, 4)))), tuple(STEPS))
    assert layer.data() == b"" and layer.spec()["shape"] == [3, 0, 2]


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Heatmap("a", "A", np.zeros((3, 4, 4)), axes=("frame", "head")), "spans head: this stage has frame, word"),
        (
            Heatmap("a", "A", np.zeros((3, 4, 4)), axes=("frame", "word")),
            r"must be \(3, 2, height, width\), finite numbers",
        ),
        (Heatmap("a", "A", np.full((3, 4, 4), np.nan)), "finite numbers"),
        (Images("a", "A", np.zeros((3, 4, 4, 3))), "uint8"),
        (Images("a", "A", np.zeros((2, 4, 4, 3), np.uint8)), r"must be \(3, height, width, 3\) uint8"),
        (Points("a", "A", np.zeros((3, 4, 3))), r"points, 2\)"),
        (Arrows("a", "A", np.zeros((3, 4, 2))), r"arrows, 4\)"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused_by_name(layer, why):
    with pytest.raises(ValueError, match=why):
        Recording((layer,), tuple(STEPS), (WORDS,))


def test_frames_that_show_the_same_are_sent_once():
    layer = Images("a", "A", np.zeros((2, 2, 4, 4, 3), np.uint8), axes=("frame", "word"), frame_indices=[0, 0, 1])
    Recording((layer,), tuple(STEPS), (WORDS,))
    assert layer.spec()["frame_indices"] == [0, 0, 1] and len(layer.data()) == 2 * 2 * 48
    for wrong in ([0, 1], [0, 1, 2], [0, -1, 1]):
        with pytest.raises(ValueError, match="layer 'a'"):
            Recording((replace(layer, frame_indices=wrong),), tuple(STEPS), (WORDS,))


def test_a_short_recording_is_laid_out_over_the_frames_of_a_long_one():
    frame_indices, places = np.array([0, 0, 1, 1, 2]), np.arange(6.0).reshape(3, 1, 2)
    pictures = Images("p", "P", np.zeros((2, 4, 4, 3), np.uint8), frame_indices=[0, 0, 1])
    still = Heatmap("s", "S", np.zeros((4, 4)), axes=())
    ways = Points("w", "W", places, target_frames=(0, 1, 2))
    laid = stretch_layers([pictures, still, ways], frame_indices)
    assert laid[0].frame_indices == [0, 0, 0, 0, 1] and laid[0].frames is pictures.frames and laid[1] is still
    assert np.array_equal(laid[2].frames[:, 0], places[frame_indices, 0]) and laid[2].target_frames == [0, 2, 4]
    Recording(tuple(laid), tuple("abcde"))


def test_a_first_look_shows_what_is_nearest():
    assert nearest_frames(range(21), 20).tolist() == [0] * 3 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 3
    assert (
        [to_preview_step(k, 20) for k in (0, 2, 3, 12, 19)] == [0, 0, 1, 2, 3]
        and not needs_preview(2 * PREVIEW_STEPS)
        and needs_preview(2 * PREVIEW_STEPS + 1)
    )


def test_a_panel_of_a_layer_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="panel 'main' shows b: there are a"):
        Recording((Heatmap("a", "A", np.zeros((3, 2, 2))),), tuple(STEPS), (), (Panel("main", ("a", "b")),))


def test_a_recording_that_takes_the_place_of_another_leaves_the_reader_where_they_are():
    made, layer = Stage(), Heatmap("a", "A", np.zeros((3, 2, 2, 2)), axes=("frame", "word"))
    made.show([layer], STEPS, axes=[WORDS], autoplay=False)
    assert (made.frame, made.selection) == (2, {"word": 0})  # the first one rests on its end
    made.frame, made.selection = 1, {"word": 1}
    made.show([layer], STEPS, axes=[WORDS], autoplay=False)
    assert (made.frame, made.selection, made.recording_id) == (1, {"word": 1}, 2)
    made.show([layer], STEPS, axes=[WORDS])
    assert made.frame == 2
    made.close()


def test_a_layer_whose_bytes_are_the_same_is_not_sent_again(monkeypatch: pytest.MonkeyPatch):
    made, noise = Stage(), np.random.default_rng(0)
    still, moving = (noise.integers(0, 255, (3, 32, 32, 3)).astype(np.uint8) for _ in range(2))
    sent: list[list[bytes]] = []
    monkeypatch.setattr(made, "_send", lambda message, buffers=(): sent.append([bytes(b) for b in buffers]))

    def show(*names: str) -> list[bytes]:
        sent.clear()
        made.show([Images(name, name, {"still": still, "moving": moving}[name]) for name in names], STEPS)
        return sorted(part for parts in sent for part in parts)  # a message has no order

    assert show("still", "moving") == sorted([still.tobytes(), moving.tobytes()])
    moving = 255 - moving
    assert show("still", "moving") == [moving.tobytes()]
    assert show("moving", "still") == [], "another order, the same bytes"
    assert show("moving") == [b""], "what is gone is let go"
    assert made.buffers == [moving.tobytes()]
    whole = {name: value for name, value in made.get_state().items() if name.startswith("bytes ")}
    assert whole == {"bytes moving": moving.tobytes(), "bytes still": b""}, "who comes later gets all there is"
    made.close()


@pytest.mark.parametrize("shows", ["b", "points", "still"])
def test_what_an_axis_shows_is_a_picture_along_it(shows):
    layers = (
        Heatmap("a", "A", np.zeros((3, 2, 2, 2)), axes=("frame", "word")),
        Heatmap("still", "Still", np.zeros((3, 2, 2))),
        Points("points", "Points", np.zeros((3, 2, 4, 2)), axes=("frame", "word")),
    )
    Recording(layers, tuple(STEPS), (replace(WORDS, thumbnail_layer="a"),))
    with pytest.raises(ValueError, match=f"axis 'word' has thumbnail_layer='{shows}'"):
        Recording(layers, tuple(STEPS), (replace(WORDS, thumbnail_layer=shows),))


def test_shares_rankings_and_titles_need_an_axis_that_has_them():
    layers = (Heatmap("a", "A", np.zeros((3, 2, 2, 2)), axes=("frame", "word")),
              Heatmap("still", "Still", np.zeros((3, 2, 2))))
    word = replace(WORDS, share_layer="a")
    titles = {"titles": ("one", "two"), "titles_along": "word"}
    Recording(layers, tuple(STEPS), (word,), (Panel("p", ("a",), ranks="word", **titles),))
    with pytest.raises(ValueError, match="axis 'word' has share_layer='still': choose a heatmap layer"):
        Recording(layers, tuple(STEPS), (replace(word, share_layer="still"),))
    with pytest.raises(ValueError, match="panel 'p' has ranks='frame': choose an axis with a share_layer: word"):
        Recording(layers, tuple(STEPS), (word,), (Panel("p", ("a",), ranks="frame"),))
    with pytest.raises(ValueError, match="panel 'p' has 1 titles: give one for each of the 2 choices of axis 'word'"):
        Recording(layers, tuple(STEPS), (word,), (Panel("p", ("a",), **titles | {"titles": ("one",)}),))


def test_peaks_take_a_scaled_heatmap_back():
    maps = np.random.default_rng(0).random((3, 2, 4, 4)).astype(np.float32)
    peaks = maps.max((0, 2, 3), keepdims=True)
    layer = Heatmap("a", "A", maps / peaks, axes=("frame", "word"), high=1.0, peaks=peaks[..., 0, 0])
    spec = layer.spec()
    assert spec["peak_shape"] == [1, 2]
    levels = np.frombuffer(layer.data(), np.uint8).reshape(maps.shape) / 255
    back = levels * np.reshape(spec["peaks"], spec["peak_shape"])[..., None, None]
    assert np.allclose(back, maps, atol=peaks.max() / 255)
