"""What a diagram sends to the page: the numbers of its elements, what selects them, one scale for all bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorable.widgets.core.preview import stretch_layers
from explorable.widgets.stage.diagram import scale_end
from explorable.widgets.stage.layers import Axis, Heatmap, Panel, Recording
from explorable.widgets.stage.stage import Diagram, Element, Stage

STEPS = ("step 0", "step 1", "step 2")
PARTS = Axis("part", "part", ("block", "skip"), in_diagram=True)
ELEMENTS = (Element("block", "8 × 4 × 4", (0.0, 0.0, 0.1, 0.1), tile="tile"),
            Element("skip", "8 × 4 × 4", (0.1, 0.0, 0.8, 0.1), path=((0.1, 0.05), (0.9, 0.05))))
NUMBERS = np.array([[900.0, 10.0], [800.0, 37.0], [700.0, 0.0]])


def drawn(numbers: np.ndarray = NUMBERS, **values) -> Diagram:
    return Diagram("u", "The U", numbers, **{"elements": ELEMENTS, "selects": "part", "quantity": "norm"} | values)


def test_the_numbers_arrive_as_they_are():
    layer = drawn()
    Recording((layer,), STEPS, (PARTS,))
    assert np.array_equal(np.frombuffer(layer.data(), "<f4").reshape(3, 2), NUMBERS)
    spec = layer.spec()
    assert [e["name"] for e in spec["elements"]] == ["block", "skip"] and spec["selects"] == "part"
    assert spec["elements"][1]["path"] == [[0.1, 0.05], [0.9, 0.05]] and spec["shape"] == [3, 2]


def test_one_scale_for_all_frames_ends_above_the_thickest_band_not_the_largest_block():
    assert drawn().spec()["high"] == 40 and drawn(high=1000.0).spec()["high"] == 1000
    assert drawn(np.zeros((3, 2))).spec()["high"] == 1, "nothing to divide by"


@pytest.mark.parametrize(("largest", "end"), [(0, 1), (1, 1), (1.01, 2), (3, 4), (4.5, 5), (6, 8), (8.1, 10),
                                              (3913, 4000), (0.037, 0.04)])
def test_a_scale_ends_at_a_round_number(largest, end):
    assert scale_end(largest) == pytest.approx(end)


@pytest.mark.parametrize(("layer", "why"), [
    (drawn(NUMBERS - 100), "numbers from 0"), (drawn(NUMBERS * np.nan), "numbers from 0"),
    (drawn(NUMBERS[:, :1]), "numbers from 0"), (drawn(NUMBERS[:2]), r"must be \(3, elements"),
    (drawn(selects="word"), "selects 'word': give an axis"),
    (drawn(NUMBERS[:, :1], elements=ELEMENTS[:1]), "has 1 elements and selects 'part'")])
def test_a_diagram_that_does_not_fit_is_refused_by_name(layer, why):
    with pytest.raises(ValueError, match=f"layer 'u'.*{why}"):
        Recording((layer,), STEPS, (PARTS,))


def test_a_panel_whose_layers_take_turns_has_one_for_each_position():
    layers = tuple(Heatmap(name, name, np.zeros((3, 2, 2))) for name in "ab")
    Recording(layers, STEPS, (PARTS,), (Panel("p", ("a", "b"), layer_axis="part"),))
    for panel in (Panel("p", ("a",), layer_axis="part"), Panel("p", ("a", "b"), layer_axis="word")):
        with pytest.raises(ValueError, match=r"panel 'p'.*give an axis of that name, and a layer for each position"):
            Recording(layers, STEPS, (PARTS,), (panel,))


def test_a_preview_is_laid_out_over_the_frames():
    stretched = stretch_layers([drawn(NUMBERS[:2])], np.array([0, 1, 1]))[0]
    Recording((stretched,), STEPS, (PARTS,))
    assert stretched.frame_indices == [0, 1, 1]


def test_the_page_chooses_an_element_and_nothing_else():
    stage = Stage()
    stage.show([drawn()], STEPS, axes=[PARTS], autoplay=False)
    stage.set_state({"selection": {"part": 1}})
    assert stage.selection == {"part": 1}
    stage.set_state({"selection": {"part": 9}})
    assert stage.selection == {"part": 1}
    stage.close()


def test_texts_of_elements_are_sent_as_text():
    spec = drawn(elements=(replace(ELEMENTS[0], name="<b>"), ELEMENTS[1])).spec()
    assert spec["elements"][0]["name"] == "<b>"
