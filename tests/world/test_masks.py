"""Word masks: the pixels that each word of a caption refers to."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LESSON, partial_scenes, rngs, sampled, scenes

from explorable.world import (
    COLOURS,
    KINDS,
    PLACES,
    TIMES,
    GrammarError,
    Group,
    Scene,
    draw,
    parse,
    split_words,
    word_masks,
    write_caption,
)

some = settings(max_examples=50)
few = settings(max_examples=25)
ARRANGEMENT = ("function", "relation", "side")


@some
@given(st.one_of(scenes(), sampled(), partial_scenes()), rngs, st.booleans())
def test_every_word_has_one_mask_and_function_words_an_empty_one(scene, rng, everything):
    drawing = draw(scene)
    caption = write_caption(drawing.scene, rng, everything)
    masks = word_masks(drawing, caption)
    assert [word for word, _ in masks] == split_words(caption)
    for word, (_, mask) in zip(parse(caption).words, masks, strict=True):
        assert mask.shape == (128, 128) and mask.dtype == bool
        if word.role in ARRANGEMENT:
            assert not mask.any(), f"{word.text!r} refers to pixels"
        elif word.role != "mood":
            assert mask.any(), f"{word.text!r} refers to no pixel"


@some
@given(scenes().filter(lambda s: s.groups), rngs)
def test_words_of_a_thing_refer_to_the_thing(scene, rng):
    """Noun, size and count refer to all of it, the colour to a part of it."""
    drawing = draw(scene)
    caption = write_caption(scene, rng, everything=True)
    parsed = parse(caption)
    for word, (_, mask) in zip(parsed.words, word_masks(drawing, caption), strict=True):
        if word.group is None:
            continue
        whole = drawing.masks[parsed.scene.groups[word.group].kind]
        if word.role in ("thing", "size", "count"):
            assert np.array_equal(mask, whole)
        elif word.role == "colour":
            assert mask.any() and not (mask & ~whole).any() and mask.sum() < whole.sum()


@few
@given(scenes(number=2), rngs)
def test_words_of_two_things_refer_to_disjoint_pixels(scene, rng):
    caption = write_caption(scene, rng, everything=True)
    words = zip(parse(caption).words, word_masks(scene, caption), strict=True)
    masks = [np.zeros((128, 128), bool), np.zeros((128, 128), bool)]
    for word, (_, mask) in words:
        if word.group is not None and word.role != "mood":
            masks[word.group] |= mask
    assert not (masks[0] & masks[1]).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", ["red", "black"])
def test_a_colour_refers_to_a_part_of_its_thing(kind, colour):
    masks = dict(word_masks(Scene((Group(kind, colour),)), f"a {colour} {kind}"))
    paint, thing = masks[colour], masks[kind.split()[-1]]
    assert paint.any() and not (paint & ~thing).any() and (thing & ~paint).any()


@few
@given(scenes(), rngs)
def test_words_of_time_refer_to_the_sky(scene, rng):
    drawing = draw(scene)
    caption = write_caption(scene, rng, everything=True)
    times = [
        mask
        for w, (_, mask) in zip(parse(caption).words, word_masks(drawing, caption), strict=True)
        if w.role == "time"
    ]
    sky = [m for name, m in drawing.masks.items() if name in ("sky", "sun", "moon", "stars", "clouds")]
    ground = [m for name, m in drawing.masks.items() if name not in ("sky", "sun", "moon", "stars", "clouds")]
    assert len(times) == 1
    assert np.array_equal(times[0], np.any(sky, axis=0))
    assert np.array_equal(times[0], ~np.any(ground, axis=0))


@few
@given(scenes(), rngs)
def test_words_of_place_refer_to_the_place(scene, rng):
    """They refer neither to the sky nor to a thing."""
    drawing = draw(scene)
    caption = write_caption(scene, rng, everything=True)
    others = [
        m for name, m in drawing.masks.items() if name in {*(g.kind for g in scene.groups), "sky", "sparks"}
    ]
    for word, (_, mask) in zip(parse(caption).words, word_masks(drawing, caption), strict=True):
        if word.role == "place":
            assert mask.any() and not (mask & np.any(others, axis=0)).any()


def test_magical_refers_to_sparks_and_cozy_to_windows():
    forest = draw(Scene(place="forest", time="twilight", mood="magical"))
    assert np.array_equal(
        dict(word_masks(forest, "a magical forest at twilight"))["magical"], forest.masks["sparks"]
    )
    cabin = draw(Scene((Group("cabin"),), place="snowy mountains", mood="cozy"))
    cozy = dict(word_masks(cabin, "a cozy cabin in snowy mountains"))["cozy"]
    assert not (cabin.masks["cabin.0.windows"] & ~cozy).any()
    assert not (cozy & ~cabin.masks["cabin"]).any()


@few
@given(scenes(), rngs)
def test_a_scene_and_its_drawing_have_the_same_masks(scene, rng):
    caption = write_caption(scene, rng)
    for (a, m), (b, n) in zip(word_masks(scene, caption), word_masks(draw(scene), caption), strict=True):
        assert a == b and np.array_equal(m, n)


@few
@given(scenes().filter(lambda s: s.groups), rngs, st.data())
def test_a_false_caption_is_refused(scene, rng, data):
    drawing = draw(scene)
    group = scene.groups[0]
    other = data.draw(
        st.sampled_from(
            [
                replace(scene, place=next(p for p in PLACES if p != scene.place)),
                replace(scene, time=next(t for t in TIMES if t != scene.time)),
                replace(
                    scene,
                    groups=(
                        replace(group, colour=next(c for c in COLOURS if c != group.colour)),
                        *scene.groups[1:],
                    ),
                ),
            ]
        )
    )
    caption = write_caption(other, rng, everything=True)
    with pytest.raises(ValueError, match="does not describe the scene"):
        word_masks(drawing, caption)


def test_a_caption_that_cannot_be_parsed_is_refused():
    with pytest.raises(GrammarError, match="zeppelin"):
        word_masks(Scene((Group("cat"),)), "a zeppelin")


@pytest.mark.parametrize("prompt", LESSON)
def test_the_words_of_the_lesson_have_masks(prompt):
    for word, mask in word_masks(parse(prompt).scene, prompt):
        assert mask.any() == (word not in ("a", "at", "on", "in"))


@few
@given(scenes(), rngs)
def test_asking_for_the_truth_changes_no_mask(scene, rng):
    drawing = draw(scene)
    before = {name: mask.copy() for name, mask in drawing.masks.items()}
    for _, mask in word_masks(drawing, write_caption(scene, rng)):
        mask[:] = random.random() < 0.5
    assert all(np.array_equal(before[name], mask) for name, mask in drawing.masks.items())
