"""Painting a stage with Pillow: pixels are those of the layers, and shapes are where the layers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explorable.widgets.core.palette import colour
from explorable.widgets.stage.painting import HEAT, Snapshot, heat, paint_panel, paint_thumbnail
from explorable.widgets.stage.stage import Arrows, Axis, Diagram, Element, Heatmap, Images, Panel, Points, Stage

RNG = np.random.default_rng(0)


def painted(layers: list[Any], frames: int, width: int, frame: int = 0, axes: tuple[Axis, ...] = (),
            selection: dict[str, int] | None = None, switchable: bool = False) -> np.ndarray:
    stage = Stage()
    stage.show(layers, [f"step {k}" for k in range(frames)], axes=axes,
               panels=[Panel("all", tuple(layer.name for layer in layers), switchable=switchable)])
    stage.frame, stage.selection = frame, selection or stage.selection
    snapshot = Snapshot.of(stage)
    return np.asarray(paint_panel(snapshot, snapshot.panels[0], width))


def rgb(name: str) -> list[int]:
    return [int(colour(name)[k : k + 2], 16) for k in (1, 3, 5)]


def random_images(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (*shape, 8, 8, 3), np.uint8)


def test_an_image_at_its_own_size_is_the_frame():
    images = random_images(3)
    for k in range(3):
        assert np.array_equal(painted([Images("a", "A", images)], 3, 8, k), images[k])


def test_the_position_along_every_axis_counts():
    images, axes = random_images(2, 3), (Axis("word", "Word", ("red", "car", "road")),)
    layer = Images("a", "A", images, axes=("frame", "word"))
    assert np.array_equal(painted([layer], 2, 8, 1, axes, {"word": 2}), images[1, 2])


def test_frames_that_several_positions_share():
    images = random_images(2)
    layer = Images("a", "A", images, frame_indices=[0, 0, 1, 1])
    assert [np.array_equal(painted([layer], 4, 8, k), images[k // 2]) for k in range(4)] == [True] * 4


def test_a_switchable_panel_shows_the_chosen_layer():
    first, second = random_images(1), random_images(1)
    layers = [Images("a", "A", first), Images("b", "B", second)]
    assert np.array_equal(painted(layers, 1, 8, switchable=True), first[0])
    assert np.array_equal(painted(layers, 1, 8), second[0]), "on top of each other, the last one is seen"


def test_switchable_panels_show_the_layer_in_the_same_place():
    stage = Stage()
    stage.show([Images(name, name, random_images(1)) for name in "abcd"], ["now"],
               panels=[Panel("one", ("a", "b"), switchable=True), Panel("other", ("c", "d"), switchable=True)])
    for layer, shown in (("a", [["a"], ["c"]]), ("b", [["b"], ["d"]])):
        stage.layer = layer
        snapshot = Snapshot.of(stage)
        assert [snapshot.shown_layers(panel) for panel in snapshot.panels] == shown


def test_a_heatmap_alone_is_squares_and_over_an_image_is_partly_transparent():
    numbers = np.array([[[0.0, 1.0]]])
    alone = painted([Heatmap("h", "H", numbers, high=1.0)], 1, 4)
    assert np.array_equal(alone[:, :2], np.broadcast_to(HEAT[0], (2, 2, 3)))
    assert np.array_equal(alone[:, 2:], np.broadcast_to(HEAT[-1], (2, 2, 3)))
    white = Images("a", "A", np.full((1, 8, 8, 3), 255, np.uint8))
    over = painted([white, Heatmap("h", "H", np.zeros((1, 2, 2)), high=1.0)], 1, 8)
    opacity = Stage().opacity
    assert np.allclose(over, 255 + opacity * (np.array(HEAT[0]) - 255.0), atol=1)


def test_the_colours_of_a_heatmap_are_those_of_the_page():
    assert np.array_equal(heat(np.array([0, 255])), [HEAT[0], HEAT[-1]])
    quarter = 255 / 4
    assert np.allclose(heat(np.array([quarter, 2 * quarter])), [HEAT[1], HEAT[2]])


def test_points_and_arrows_are_where_they_are_said_to_be():
    point = np.array([[[0.5, 0.5]]])  # right of the middle, and above it
    image = painted([Points("p", "P", point, size=60.0, colours=("word",))], 1, 100)
    ys, xs = np.nonzero((image == rgb("word")).all(-1))
    assert (xs.mean(), ys.mean()) == (pytest.approx(75, abs=1), pytest.approx(25, abs=1))
    assert np.ptp(xs) == pytest.approx(12, abs=2)
    image = painted([Arrows("r", "R", np.array([[[-0.5, 0.0, 0.5, 0.0]]]), colour="noise")], 1, 100)
    ys, xs = np.nonzero((image != image[0, 0]).any(-1))
    assert (xs.min(), xs.max()) == (pytest.approx(25, abs=1), pytest.approx(75, abs=1))
    assert ys.mean() == pytest.approx(50, abs=1)


def test_a_trail_goes_through_the_earlier_frames_only():
    line = np.linspace(-0.9, 0.9, 5).reshape(5, 1, 1) * [1.0, 0.0]
    layer = Points("p", "P", line, size=10.0, trail=True)

    def right_end(frame: int) -> int:
        image = painted([layer], 5, 100, frame)
        return int(np.nonzero((image != image[0, 0]).any(-1))[1].max())

    assert [right_end(k) for k in (0, 2, 4)] == [pytest.approx(x, abs=3) for x in (5, 50, 95)]


def test_a_thumbnail_of_another_frame():
    images = random_images(2)
    stage = Stage()
    stage.show([Images("a", "A", images)], ["one", "two"])
    snapshot = Snapshot.of(stage)
    assert snapshot.frame == 1
    assert np.array_equal(np.asarray(paint_thumbnail(snapshot, "a", 0, 8)), images[0])


def test_a_diagram_has_tiles_in_its_boxes_and_bands_as_thick_as_their_numbers():
    tile = np.full((1, 8, 8, 3), (10, 20, 200), np.uint8)
    elements = (Element("a", "a box", (0.0, 0.0, 0.25, 0.5), tile="a"),
                Element("b", "a band", (0, 0, 1, 1), path=((0.0, 0.75), (1.0, 0.75)), colour="word"))
    axes = (Axis("part", "Part", ("a", "b")),)

    def band(number: float) -> int:
        """Paint it and return the height of the band, in its middle."""
        diagram = Diagram("u", "U", np.array([[0.0, number]]), elements=elements, selects="part", high=1.0,
                          thickness=0.2, ratio=1.0)
        stage = Stage()
        stage.show([diagram, Images("a", "A", tile)], ["one"], axes=axes, panels=[Panel("u", ("u",))])
        snapshot = Snapshot.of(stage)
        image = np.asarray(paint_panel(snapshot, snapshot.panels[0], 200))
        assert image.shape == (200, 200, 3) and image[30, 20].tolist() == [10, 20, 200]
        return int((image[110:, 100] != 255).any(-1).sum())

    assert band(1.0) == pytest.approx(40, abs=2) and band(0.5) == pytest.approx(20, abs=2)
    assert 1 <= band(0.0) <= 2


def test_where_layers_take_turns_the_chosen_one_is_shown_and_named():
    first, second = random_images(1), random_images(1)
    stage = Stage()
    stage.show([Images("a", "A", first), Images("b", "B", second)], ["one"], axes=[Axis("part", "Part", ("a", "b"))],
               panels=[Panel("turns", ("a", "b"), layer_axis="part")])
    stage.selection = {"part": 1}
    snapshot = Snapshot.of(stage)
    assert np.array_equal(np.asarray(paint_panel(snapshot, snapshot.panels[0], 8)), second[0])
    assert snapshot.title(snapshot.panels[0]) == "B"
