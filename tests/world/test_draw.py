"""Drawing: masks equal the visible pixels, and things stand where the scene says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import alone, bare, items, partial_scenes, same_masks, sampled, scenes

from explorable.world import COLOURS, KINDS, PLACES, TIMES, Group, Scene, complete, draw
from explorable.world.draw import MARGIN
from explorable.world.things import THINGS

few = settings(max_examples=25)
some = settings(max_examples=50)


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A mask and all pixels up to `by` away from it."""
    high, wide = mask.shape
    wider = np.pad(mask, by)
    steps = range(2 * by + 1)
    return np.any([wider[y : y + high, x : x + wide] for y in steps for x in steps], axis=0)


@some
@given(st.one_of(scenes(), sampled(), partial_scenes()))
def test_masks_are_boolean_and_as_large_as_the_image(scene):
    drawing = draw(scene)
    assert drawing.image.shape == (128, 128, 3) and drawing.image.dtype == np.uint8
    for name, mask in drawing.masks.items():
        assert mask.shape == (128, 128) and mask.dtype == bool, name
        assert mask.any(), f"{name} is invisible, yet has a mask"


@some
@given(st.one_of(scenes(), sampled()))
def test_things_keep_a_margin(scene):
    """Things keep the margin to the left and right edges and do not touch the others."""
    drawing = draw(scene)
    for group in scene.groups:
        ys, xs = np.nonzero(bare(drawing, group.kind))
        assert xs.min() >= MARGIN and xs.max() < 128 - MARGIN
        # A majestic balloon may touch the upper edge: `place_group` leaves its floating height unscaled.
        assert ys.min() > 0 or (group.kind, scene.mood) == ("balloon", "majestic")
        assert ys.max() < 127


@some
@given(st.one_of(scenes(), sampled()))
def test_a_thing_is_the_union_of_its_parts(scene):
    masks = draw(scene).masks
    for name, mask in masks.items():
        parent = name.rpartition(".")[0]
        assert not parent or not (mask & ~masks[parent]).any(), f"{name} sticks out of {parent}"
    for kind, index in items(scene):
        parts = [mask for name, mask in masks.items() if name.startswith(f"{kind}.{index}.")]
        assert np.array_equal(np.any(parts, axis=0), masks[f"{kind}.{index}"])
    for group in scene.groups:
        each = [masks[f"{group.kind}.{i}"] for i in range(group.count)]
        assert np.array_equal(np.any(each, axis=0), masks[group.kind])


@some
@given(st.one_of(scenes(), sampled()))
def test_every_pixel_belongs_to_exactly_one_part(scene):
    masks = draw(scene).masks
    owners = np.zeros((128, 128), int)
    for name, mask in masks.items():
        below = [m for other, m in masks.items() if other.startswith(f"{name}.")]
        owners += mask & ~np.any(below, axis=0) if below else mask
    assert (owners == 1).all()


@some
@given(st.one_of(scenes(), sampled()))
def test_there_are_as_many_things_as_the_scene_says(scene):
    masks = draw(scene).masks
    wanted = {f"{kind}.{index}" for kind, index in items(scene)}
    drawn = {name for name in masks if name.count(".") == 1 and name.split(".")[0] in THINGS}
    assert drawn == wanted
    assert {name for name in masks if "." not in name and name in THINGS} == {g.kind for g in scene.groups}


@few
@given(scenes().filter(lambda s: s.groups))
def test_a_thing_is_hidden_by_nearer_things_only(scene):
    """The visible part of each thing is all of it less nearer things and sparks, exactly."""
    masks = draw(scene).masks
    groups = list(scene.groups)
    if scene.relation in ("left of", "right of"):
        assert not (masks[groups[0].kind] & masks[groups[1].kind]).any()
    elif scene.relation == "behind":
        groups.reverse()  # the nearer group first
    covered = masks.get("sparks", np.zeros((128, 128), bool)).copy()
    for kind, index in (i for g in groups for i in reversed([(g.kind, n) for n in range(g.count)])):
        whole = alone(scene, kind, index)
        if scene.relation not in ("left of", "right of"):
            assert np.array_equal(masks[f"{kind}.{index}"], whole & ~covered)
        covered |= whole


@few
@given(st.one_of(scenes(), sampled()).filter(lambda s: s.groups))
def test_at_least_half_of_every_thing_is_visible(scene):
    masks = draw(scene).masks
    for kind, index in items(scene):
        whole = alone(scene, kind, index)
        assert 2 * masks[f"{kind}.{index}"].sum() >= whole.sum()


@some
@given(scenes(number=1, count=1))
def test_a_thing_is_on_its_side(scene):
    group = scene.groups[0]
    _, xs = np.nonzero(bare(draw(scene), group.kind))
    if group.side == "centre":
        assert 128 / 3 < xs.mean() < 128 * 2 / 3
    else:
        on_the_left = np.mean(xs < 64)
        assert (on_the_left if group.side == "left" else 1 - on_the_left) > 0.9


@some
@given(scenes(number=2))
def test_relations_hold_in_pixels(scene):
    drawing = draw(scene)
    (ys_a, xs_a), (ys_b, xs_b) = (np.nonzero(bare(drawing, g.kind)) for g in scene.groups)
    if scene.relation == "left of":
        assert xs_a.max() < xs_b.min()
    elif scene.relation == "right of":
        assert xs_b.max() < xs_a.min()
    elif scene.relation == "in front of":
        assert ys_a.max() > ys_b.max()
    else:
        assert ys_b.max() > ys_a.max()


@few
@given(scenes(number=1), st.sampled_from(KINDS))
def test_a_bigger_size_is_drawn_no_smaller(scene, kind):
    """A thing alone in the centre is drawn strictly bigger."""
    assume(scene.mood != "majestic")
    areas = []
    for size in ("small", "medium", "big"):
        group = replace(scene.groups[0], kind=kind, size=size)
        areas.append(bare(draw(replace(scene, groups=(group,))), kind).sum())
    small, medium, big = areas
    assert small <= medium <= big
    if scene.groups[0].count == 1 and scene.groups[0].side == "centre":
        assert small < medium < big


@few
@given(scenes(), st.randoms(use_true_random=False))
def test_drawing_is_bit_identical(scene, rng):
    first = draw(scene)
    draw(replace(scene, seed=rng.randrange(2**31)))
    again = draw(scene)
    assert (
        np.array_equal(first.image, again.image) and same_masks(first, again) and first.scene == again.scene
    )


@few
@given(partial_scenes())
def test_open_attributes_are_filled_in_before_drawing(scene):
    a, b = draw(scene), draw(complete(scene))
    assert np.array_equal(a.image, b.image) and same_masks(a, b) and a.scene == b.scene == complete(scene)


@few
@given(st.one_of(scenes(), sampled()))
def test_masks_do_not_change_the_image(scene):
    without = draw(scene, masks=False)
    assert np.array_equal(without.image, draw(scene).image)
    assert without.masks == {}


@few
@given(scenes())
def test_another_seed_gives_another_drawing_of_the_same_scene(scene):
    other = draw(replace(scene, seed=scene.seed + 1))
    assert not np.array_equal(draw(scene).image, other.image)
    assert replace(other.scene, seed=scene.seed) == complete(scene)


@some
@given(scenes().filter(lambda s: s.groups), st.sampled_from(tuple(COLOURS)))
def test_a_colour_changes_its_thing_only(scene, colour):
    first = scene.groups[0]
    assume(colour != first.colour)
    before = draw(scene)
    after = draw(replace(scene, groups=(replace(first, colour=colour), *scene.groups[1:])))
    changed = (before.image != after.image).any(axis=-1)
    assert same_masks(before, after)
    # A pixel that a thing's rim covers in part may belong to its neighbour.
    assert not (changed & ~grown(before.masks[first.kind], 3)).any()
    for i in range(first.count):
        painted = [
            mask
            for name, mask in before.masks.items()
            if name.startswith(f"{first.kind}.{i}.") and name.split(".")[2] in THINGS[first.kind].painted
        ]
        assert changed[np.any(painted, axis=0)].mean() > 0.8


@few
@given(scenes())
def test_every_time_of_day_and_every_place_looks_different(scene):
    times = {draw(replace(scene, time=t), masks=False).image.tobytes() for t in TIMES}
    places = {draw(replace(scene, place=p), masks=False).image.tobytes() for p in PLACES}
    assert len(times) == len(TIMES) and len(places) == len(PLACES)


@few
@given(st.sampled_from(KINDS), scenes(number=0))
def test_moods_are_visible(kind, scene):
    scene = replace(scene, groups=(Group(kind, "red", "big", side="centre"),), mood=None)
    plain = draw(scene)
    majestic, magical = (draw(replace(scene, mood=m)) for m in ("majestic", "magical"))
    assert bare(majestic, kind).sum() > bare(plain, kind).sum()
    around = ~grown(plain.masks[kind] | majestic.masks[kind], 2)[:90]  # above every shadow
    red = majestic.image[:90, :, 0][around].astype(int) - plain.image[:90, :, 0][around]
    assert red.min() >= -1 and red.max() > 1, "rays add light, with full red"
    assert "sparks" in magical.masks and "sparks" not in plain.masks
    assert magical.image[magical.masks["sparks"]].mean() > plain.image[magical.masks["sparks"]].mean()


@pytest.mark.parametrize("kind", ["cabin", "house", "castle"])
@pytest.mark.parametrize("time", TIMES)
def test_a_cozy_home_has_lit_windows(kind, time):
    scene = Scene((Group(kind, "brown"),), place="meadow", time=time, seed=3)
    plain, cozy = draw(scene), draw(replace(scene, mood="cozy"))
    panes = cozy.masks[f"{kind}.0.windows"]
    warmth = [drawing.image[panes].astype(float).mean(0) for drawing in (plain, cozy)]
    assert warmth[1][0] - warmth[1][2] > warmth[0][0] - warmth[0][2], "more red and less blue"
    elsewhere = ~grown(cozy.masks[kind], 2)
    assert np.array_equal(plain.image[elsewhere], cozy.image[elsewhere])


def test_every_kind_has_all_its_painted_parts():
    for kind, thing in THINGS.items():
        parts = {
            name.split(".")[2] for name in draw(Scene((Group(kind),))).masks if name.startswith(f"{kind}.0.")
        }
        assert set(thing.painted) <= parts, kind
        assert len(parts) > 1, f"{kind} has painted parts only"


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_fills_its_bounding_box(kind):
    """`Thing.width` and `height` are the drawn size at scale 1, to within a pixel and a half."""
    from explorable.world.canvas import Canvas, Pen
    from explorable.world.light import LIGHTS

    thing = THINGS[kind]
    canvas = Canvas(LIGHTS["day"])
    thing.draw(Pen(canvas, "it", 64, 100, 1.0, COLOURS["red"]))
    ys, xs = np.nonzero(np.any(list(canvas.masks().values()), axis=0))
    assert 64 - thing.width / 2 - 1.5 <= xs.min() and xs.max() < 64 + thing.width / 2 + 1.5
    assert 100 - thing.height - 1.5 <= ys.min() and ys.max() < 100 + 1.5
    assert xs.max() + 1 - xs.min() > 0.9 * thing.width and ys.max() + 1 - ys.min() > 0.9 * thing.height
