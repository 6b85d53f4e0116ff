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
def test_truth_speaks_of_every_word_once_and_is_silent_on_grammar(scene, rng, everything):
    picture = draw(scene)
    caption = write_caption(picture.scene, rng, everything)
    told = word_masks(picture, caption)
    assert [word for word, _ in told] == split_words(caption)
    for word, (_, mask) in zip(parse(caption).words, told, strict=True):
        assert mask.shape == (128, 128) and mask.dtype == bool
        if word.role in ARRANGEMENT:
            assert not mask.any(), f"{word.text!r} speaks of pixels"
        elif word.role != "mood":
            assert mask.any(), f"{word.text!r} speaks of nothing"


@some
@given(scenes().filter(lambda s: s.groups), rngs)
def test_words_of_a_thing_speak_of_the_thing(scene, rng):
    """Noun, size and number: all of it. Colour: some of it, and not all."""
    picture = draw(scene)
    caption = write_caption(scene, rng, everything=True)
    read = parse(caption)
    for word, (_, mask) in zip(read.words, word_masks(picture, caption), strict=True):
        if word.group is None:
            continue
        whole = picture.masks[read.scene.groups[word.group].kind]
        if word.role in ("thing", "size", "count"):
            assert np.array_equal(mask, whole)
        elif word.role == "colour":
            assert mask.any() and not (mask & ~whole).any() and mask.sum() < whole.sum()


@few
@given(scenes(number=2), rngs)
def test_words_of_one_thing_say_nothing_of_the_other(scene, rng):
    caption = write_caption(scene, rng, everything=True)
    words = zip(parse(caption).words, word_masks(scene, caption), strict=True)
    spoken = [np.zeros((128, 128), bool), np.zeros((128, 128), bool)]
    for word, (_, mask) in words:
        if word.group is not None and word.role != "mood":
            spoken[word.group] |= mask
    assert not (spoken[0] & spoken[1]).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", ["red", "black"])
def test_red_is_inside_the_car(kind, colour):
    told = dict(word_masks(Scene((Group(kind, colour),)), f"a {colour} {kind}"))
    paint, thing = told[colour], told[kind.split()[-1]]
    assert paint.any() and not (paint & ~thing).any() and (thing & ~paint).any()


@few
@given(scenes(), rngs)
def test_words_of_the_time_speak_of_the_sky(scene, rng):
    picture = draw(scene)
    caption = write_caption(scene, rng, everything=True)
    times = [
        mask
        for w, (_, mask) in zip(parse(caption).words, word_masks(picture, caption), strict=True)
        if w.role == "time"
    ]
    heaven = [m for name, m in picture.masks.items() if name in ("sky", "sun", "moon", "stars", "clouds")]
    earth = [m for name, m in picture.masks.items() if name not in ("sky", "sun", "moon", "stars", "clouds")]
    assert len(times) == 1
    assert np.array_equal(times[0], np.any(heaven, axis=0))
    assert np.array_equal(times[0], ~np.any(earth, axis=0))


@few
@given(scenes(), rngs)
def test_words_of_the_place_speak_of_the_place(scene, rng):
    """No sky and no thing: only what is neither."""
    picture = draw(scene)
    caption = write_caption(scene, rng, everything=True)
    others = [
        m for name, m in picture.masks.items() if name in {*(g.kind for g in scene.groups), "sky", "sparks"}
    ]
    for word, (_, mask) in zip(parse(caption).words, word_masks(picture, caption), strict=True):
        if word.role == "place":
            assert mask.any() and not (mask & np.any(others, axis=0)).any()


def test_magic_is_in_the_sparks_and_coziness_in_the_windows():
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
def test_a_scene_and_its_picture_have_the_same_truth(scene, rng):
    caption = write_caption(scene, rng)
    for (a, m), (b, n) in zip(word_masks(scene, caption), word_masks(draw(scene), caption), strict=True):
        assert a == b and np.array_equal(m, n)


@few
@given(scenes().filter(lambda s: s.groups), rngs, st.data())
def test_a_caption_that_is_not_so_is_refused(scene, rng, data):
    picture = draw(scene)
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
    with pytest.raises(ValueError, match="does not fit the scene"):
        word_masks(picture, caption)


def test_a_caption_that_cannot_be_read_has_no_truth():
    with pytest.raises(GrammarError, match="zeppelin"):
        word_masks(Scene((Group("cat"),)), "a zeppelin")


@pytest.mark.parametrize("prompt", LESSON)
def test_the_prompts_of_the_lesson_have_a_truth(prompt):
    for word, mask in word_masks(parse(prompt).scene, prompt):
        assert mask.any() == (word not in ("a", "at", "on", "in"))


@few
@given(scenes(), rngs)
def test_asking_for_the_truth_changes_no_mask(scene, rng):
    picture = draw(scene)
    before = {name: mask.copy() for name, mask in picture.masks.items()}
    for _, mask in word_masks(picture, write_caption(scene, rng)):
        mask[:] = random.random() < 0.5
    assert all(np.array_equal(before[name], mask) for name, mask in picture.masks.items())
