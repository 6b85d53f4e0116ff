"""Captions: writing and parsing are inverse, and errors name the word."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLIPPED, LESSON, caption_content, partial_scenes, rngs, sampled, scenes, seeds

from explorable.world import (
    COLOURS,
    KINDS,
    MOODS,
    PLACES,
    RELATIONS,
    TIMES,
    VOCABULARY,
    GrammarError,
    Group,
    Scene,
    complete,
    draw,
    matches,
    parse,
    split_words,
    write_caption,
)
from explorable.world.grammar import MAX_WORDS
from explorable.world.words import COLOUR_WORDS, PLACE_WORDS, THING_WORDS, TIME_WORDS


@given(st.one_of(scenes(), sampled(), partial_scenes()), rngs, st.booleans())
def test_a_caption_parses_back_to_its_scene(scene, rng, everything):
    caption = write_caption(scene, rng, everything)
    assert matches(parse(caption).scene, scene), caption


@given(st.one_of(scenes(), sampled()), rngs)
def test_a_full_caption_determines_the_scene(scene, rng):
    caption = write_caption(scene, rng, everything=True)
    assert caption_content(parse(caption).scene) == caption_content(scene), caption


@given(st.one_of(scenes(), partial_scenes()), rngs, st.booleans())
def test_a_caption_uses_the_vocabulary_and_fits_the_context(scene, rng, everything):
    words = split_words(write_caption(scene, rng, everything))
    assert set(words) <= set(VOCABULARY)
    assert 1 <= len(words) <= MAX_WORDS


def test_the_longest_caption_fits_the_context():
    """With "a picture of" and the longest of everything it would be a word too many."""
    wordy = Scene(
        (Group("sports car", "red", "small"), Group("tree", "green", "big", 2)),
        "left of",
        "snowy mountains",
        "sunset",
        "magical",
    )
    rng = random.Random(0)
    lengths = {len(split_words(write_caption(wordy, rng, everything=True))) for _ in range(2000)}
    assert max(lengths) == MAX_WORDS


@given(st.one_of(scenes(), partial_scenes()), rngs)
def test_parsing_keeps_every_word_in_order(scene, rng):
    caption = write_caption(scene, rng)
    read = parse(caption)
    assert [w.text for w in read.words] == split_words(caption)
    for word in read.words:
        if word.group is not None:
            assert word.group < len(read.scene.groups)


@given(partial_scenes(), rngs)
def test_the_same_luck_says_the_same_caption(scene, rng):
    state = rng.getstate()
    first = write_caption(scene, rng)
    rng.setstate(state)
    assert write_caption(scene, rng) == first


@given(scenes(number=2), rngs)
def test_a_false_caption_does_not_match(scene, rng):
    """Changing any one attribute of a full caption makes it false."""
    read = parse(write_caption(scene, rng, everything=True)).scene
    first, second = read.groups
    false_scenes = [
        Scene((second, first), read.relation, read.place, read.time, read.mood),
        Scene(read.groups, FLIPPED[read.relation], read.place, read.time, read.mood),
        *(Scene(read.groups, read.relation, p, read.time, read.mood) for p in PLACES if p != read.place),
        *(Scene(read.groups, read.relation, read.place, t, read.mood) for t in TIMES if t != read.time),
        *(Scene(read.groups, read.relation, read.place, read.time, m) for m in MOODS if m != read.mood),
        *(
            Scene(
                (Group(k, first.colour, first.size), second), read.relation, read.place, read.time, read.mood
            )
            for k in KINDS
            if k not in (first.kind, second.kind)
        ),
        *(
            Scene((Group(first.kind, c, first.size), second), read.relation, read.place, read.time, read.mood)
            for c in COLOURS
            if c != first.colour
        ),
        Scene(
            (Group(first.kind, first.colour, first.size, first.count + 1), second),
            read.relation,
            read.place,
            read.time,
            read.mood,
        ),
        Scene((first,), None, read.place, read.time, read.mood),
    ]
    assert not any(matches(false_scene, scene) for false_scene in false_scenes)


@given(scenes(number=2))
def test_two_things_match_in_either_order(scene):
    turned = Scene(
        scene.groups[::-1], FLIPPED[scene.relation], scene.place, scene.time, scene.mood, scene.seed
    )
    assert matches(turned, scene) and matches(scene, turned)


@given(partial_scenes())
def test_a_completed_scene_matches_and_completing_is_idempotent(scene):
    full = complete(scene)
    assert matches(scene, full)
    assert complete(full) == full
    assert None not in (full.place, full.time, *(g.colour for g in full.groups))
    assert len(full.groups) < 2 or full.relation in RELATIONS


@given(rngs)
def test_every_synonym_is_parsed_as_its_meaning(rng):
    """Each synonym by itself, so that no two meanings share a name."""
    for kind, ways in THING_WORDS.items():
        for one, many in ways:
            assert parse(f"a {one}").scene == Scene((Group(kind),))
            assert parse(f"three {many}").scene == Scene((Group(kind, count=3),))
    noun = rng.choice(KINDS)
    for colour, names in COLOUR_WORDS.items():
        assert all(parse(f"a {name} {noun}").scene.groups[0].colour == colour for name in names)
    for place, ways in PLACE_WORDS.items():
        for preposition, article, name in ways:
            assert parse(" ".join(f"a {noun} {preposition} {article} {name}".split())).scene.place == place
            assert parse(f"the {name}").scene == Scene(place=place)
    for time, phrases in TIME_WORDS.items():
        assert all(parse(f"a {noun} {phrase}").scene.time == time for phrase in phrases)
        assert all(parse(f"{phrase}, a {noun}").scene.time == time for phrase in phrases)


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.sampled_from(RELATIONS[:2]))
def test_every_phrase_for_left_and_right_is_parsed_alike(a, b, relation):
    if a == b:
        return
    side, other = (relation.split()[0], FLIPPED[relation].split()[0])
    captions = [
        f"a {a} {side} of a {b}",
        f"a {a} to the {side} of a {b}",
        f"a {a} on the {side} and a {b} on the {other}",
        f"a {b} {other} of a {a}",
        f"a {b} to the {other} of a {a}",
        f"a {b} on the {other} and a {a} on the {side}",
    ]
    assert {caption_content(parse(caption).scene) for caption in captions} == {
        caption_content(Scene((Group(a), Group(b)), relation))
    }


@pytest.mark.parametrize("prompt", LESSON)
def test_the_grammar_writes_the_prompts_of_the_lesson(prompt):
    scene = parse(prompt).scene
    assert matches(scene, draw(scene, masks=False).scene)
    rng = random.Random(prompt)
    assert prompt in {write_caption(scene, rng) for _ in range(2000)}, "never written in 2000 captions"


@given(st.lists(st.sampled_from(VOCABULARY), max_size=8))
def test_known_words_in_any_order_are_parsed_or_refused(words):
    text = " ".join(words)
    try:
        assert [w.text for w in parse(text).words] == words
    except GrammarError as error:
        assert str(error)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        parse(text)
    except GrammarError as error:
        assert str(error)


@given(scenes(), rngs, st.data())
def test_an_error_names_the_unknown_word(scene, rng, data):
    words = split_words(write_caption(scene, rng))
    words.insert(data.draw(st.integers(0, len(words))), "zeppelin")
    with pytest.raises(GrammarError, match="'zeppelin' is not a word of the picture world"):
        parse(" ".join(words))


@given(scenes(), rngs, st.sampled_from(VOCABULARY))
def test_an_error_names_the_unexpected_word(scene, rng, extra):
    """A word appended to a full caption is unexpected, or contradicts it."""
    words = [*split_words(write_caption(scene, rng, everything=True)), extra]
    with pytest.raises(GrammarError) as caught:
        parse(" ".join(words))
    quoted = re.search(r"'(.+?)' \(word (\d+)\)", str(caught.value))
    assert quoted, caught.value
    assert words[int(quoted[2]) - 1] == quoted[1]


@pytest.mark.parametrize(
    ("caption", "place"),
    [
        ("", "empty"),
        ("the cat", "'the' (word 1)"),
        ("a", "the end"),
        ("a red", "the end"),
        ("two car", "plural thing at 'car'"),
        ("a cars", "single thing at 'cars'"),
        ("a cat and the dog", "'the' (word 4)"),
        ("a cat at a meadow", "'at' (word 3)"),
        ("a cat in a", "'in' (word 3)"),
        ("at night, a cat at night", "'at' (word 5)"),
        ("a cat on the left and a dog on the left", "left"),
        ("a cat on the left and a dog", "left"),
        ("at sunset", "the end"),
    ],
)
def test_an_error_gives_the_position(caption, place):
    with pytest.raises(GrammarError, match=re.escape(place)):
        parse(caption)


@pytest.mark.parametrize("caption", ["a red car and a blue car", "a puppy to the left of a retriever"])
def test_two_of_a_kind_are_a_grammar_error(caption):
    with pytest.raises(GrammarError, match="count"):
        parse(caption)


@pytest.mark.parametrize(
    ("caption", "first", "second", "at"),
    [
        ("a red blue car", "red", "blue", 3),
        ("a crimson small violet car", "crimson", "violet", 4),
        ("a small big cat", "small", "big", 3),
        ("a magical majestic cat", "magical", "majestic", 3),
        ("a magical cat and a majestic dog", "magical", "majestic", 6),
        ("a cozy cat in a magical forest", "cozy", "magical", 6),
    ],
)
def test_a_caption_that_contradicts_itself_is_refused(caption, first, second, at):
    with pytest.raises(GrammarError, match=rf"^'{second}' \(word {at}\) contradicts '{first}'"):
        parse(caption)


@pytest.mark.parametrize("caption", ["a red crimson car", "a tiny little cat", "a magical cat in a magical forest"])
def test_stating_the_same_twice_is_no_contradiction(caption):
    assert parse(caption).scene.groups


def test_backtracking_from_a_place_keeps_the_mood_of_the_thing():
    """The parser tries a place first and backtracks; the mood it parsed on the way belongs to the thing."""
    assert parse("a cozy cabin").scene == Scene((Group("cabin"),), mood="cozy")
    with pytest.raises(GrammarError, match=r"unexpected 'in' \(word 4\)"):
        parse("a cozy cat in a magical")


@pytest.mark.parametrize("caption", ["two cats on the left", "a red car and a blue car"])
def test_a_caption_that_cannot_be_drawn_is_refused(caption):
    with pytest.raises(GrammarError, match=r"side|two groups"):
        parse(caption)


@pytest.mark.parametrize("mood", ["cozy", "majestic"])
@given(seed=seeds)
def test_an_empty_place_is_captioned_magical_only_if_it_is(mood, seed):
    scene = Scene(place="meadow", mood=mood)
    assert matches(parse(write_caption(scene, random.Random(seed))).scene, scene)


@pytest.mark.parametrize("scene", [Scene(), Scene(time="night"), Scene(mood="magical")], ids=str)
def test_an_empty_scene_is_refused_or_parsed_back(scene):
    try:
        caption = write_caption(scene, random.Random(0), everything=True)
    except ValueError:
        return
    assert matches(parse(caption).scene, scene)
