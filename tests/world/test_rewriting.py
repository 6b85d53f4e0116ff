"""Free English becomes a valid caption, and what happened to each word is said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorable.measure.rewriting import PROMPTS, silent_losses
from explorable.world import parse, sample_scene, split_words, write_caption
from explorable.world.rewriting import Rewritten, rewrite
from explorable.world.rewriting.function_words import (
    COUNTS,
    DEPTHS,
    FUNCTION_WORDS,
    GROUPS,
    NEGATIONS,
    RELATIONS,
    SIDES,
    SIMILES,
)
from explorable.world.rewriting.meanings import PHRASES
from explorable.world.rewriting.words import KNOWN, ROLES, TABLE, entries

WORDS = sorted({*KNOWN, *entries(), *COUNTS, *FUNCTION_WORDS, *PHRASES, *RELATIONS, *SIDES, *DEPTHS, *NEGATIONS,
                *SIMILES, *GROUPS, "astronaut", "of", "with", ",", "cats", "elephants", "well-known", "snow-covered",
                "non-red", "lion’s", "“", "plus", "can"})


def check(cases):
    """Make one test of each (text, caption, notes)."""
    def decorate(test):
        def run(text, caption, notes):
            result = rewrite(text)
            assert (str(result), result.notes) == (caption, notes)

        run.__doc__ = test.__doc__
        return pytest.mark.parametrize(("text", "caption", "notes"), cases)(run)

    return decorate


@check([
    ("a scarlet Ferrari by the ocean at dusk", "a red sports car on a beach at dusk",
     "scarlet -> red; Ferrari -> sports car; ocean -> beach"),
    ("a scarlet Ferrari by the ocean in the evening", "a red sports car on a beach at sunset",
     "scarlet -> red; Ferrari -> sports car; ocean -> beach; evening -> at sunset"),
    ("four small puppies playing in the garden", "three small puppies in a meadow",
     "four -> three; garden -> meadow. I left out: playing"),
    ("two kittens next to a lorry", "two kittens and a lorry", "next to -> and"),
    ("a house in front of the sea", "a house on a beach", "in front of -> on; sea -> beach"),
    ("a tiger to the left of a hut", "a lion to the left of a cabin", "tiger -> lion; hut -> cabin"),
    ("a grey horse and a white horse", "two dogs", "horse -> two dogs. I left out: grey, white"),
    ("sheep on a hill", "two dogs in a meadow", "sheep -> two dogs; hill -> meadow"),
    ("a sheep on a hill", "a dog in a meadow", "sheep -> dog; hill -> meadow"),
    ("two balls, one green and one yellow", "two balls", "I left out: green, yellow"),
    ("a herd of horses", "three dogs", "herd -> three; horses -> dogs"),
    ("a lion’s head", "a lion", "lion's -> lion. I left out: head"),
    ("my grandmother’s purple truck isn’t here", "a purple truck", "I left out: grandmother's, isn't"),
    ("“a red car”", "a red car", ""),
    ("a castle during a sunset", "a castle at sunset", "during -> at"),
    ("oil painting of a tulip field", "two flowers in a field", "tulip -> two flowers. I left out: oil painting"),
])
def test_free_english():
    """What the picture world lacks is replaced with the nearest that it has."""


@check([
    ("an astronaut beside a red balloon", "a red balloon", "I left out: astronaut, beside"),
    ("spaghetti with meatballs", "a meadow", "I left out: spaghetti, meatballs. I added: a meadow"),
    ("a banana in a bowl", "a meadow", "I left out: banana, bowl. I added: a meadow"),
    ("an elephant and a dog", "a lion and a dog", "elephant -> lion"),
    ("a shark and a parrot near a mosque", "a castle", "mosque -> castle. I left out: shark, parrot, near"),
    ("a grand piano on the beach", "a beach", "I left out: grand piano"),
])
def test_a_thing_stands_only_for_one_of_its_category():
    """A four-legged mammal stands for a mammal, a building for a building; a fish, a fruit or furniture is left out."""


@check([
    ("a woman in a red dress next to a car", "a car", "I left out: woman, red dress, next to"),
    ("a maroon door on a white house", "a white house", "I left out: maroon door"),
    ("a blue-eyed white kitten", "a white kitten", "I left out: blue-eyed"),
    ("the house behind the tree is big", "a big house behind a tree", ""),
    ("a beach hut painted lavender", "a purple cabin on a beach",
     "hut -> cabin; lavender -> purple. I left out: painted"),
    ("black and white photo of a dog", "a dog", "I left out: black, white photo"),
    ("a red and white boat", "a red boat", "I left out: white"),
    ("my cat Rex on a snowy hill", "a cat in a meadow", "hill -> meadow. I left out: Rex, snowy"),
    ("a snowy owl at night", "a meadow at night", "I left out: snowy owl. I added: a meadow"),
    ("peach coloured roses", "two pink flowers", "peach coloured -> pink; roses -> two flowers"),
    ("a non-red car", "a car", "I left out: non-red"),
    ("a red Ferrari and a red wolf", "a red sports car and a red dog", "Ferrari -> sports car; wolf -> dog"),
    ("a red car and a red car", "two red cars", "car -> two cars"),
    ("a black cat and a white cat", "two cats", "cat -> two cats. I left out: black, white"),
])
def test_an_adjective_describes_its_own_noun():
    """The colour of what is left out is left out with it."""


@check([
    ("a sea lion", "a meadow", "I left out: sea lion. I added: a meadow"),
    ("hot dogs and ice cream", "a meadow", "I left out: hot dogs, ice cream. I added: a meadow"),
    ("fresh salmon on a night table", "a meadow", "I left out: fresh salmon, night table. I added: a meadow"),
    ("an orange tree", "a tree", "I left out: orange"),
    ("an orange boat", "a golden boat", "orange -> golden"),
    ("a cat food factory", "a house", "factory -> house. I left out: cat food"),
    ("a rose garden", "two flowers in a meadow", "rose -> two flowers; garden -> meadow"),
    ("a rose car", "a pink car", "rose -> pink"),
    ("car wheels", "a car", "I left out: wheels"),
    ("lion heads", "a lion", "I left out: heads"),
    ("an empty desert highway", "a desert", "I left out: empty, highway"),
    ("a car on a desert highway", "a car in a desert", "I left out: highway"),
    ("a city skyline", "a city", "skyline -> city"),
    ("a desert island", "a beach", "desert island -> beach"),
    ("a mountain lake", "a lake", "I left out: mountain"),
    ("a racing car", "a sports car", "racing car -> sports car"),
])
def test_a_compound_is_its_last_noun_or_a_thing_of_its_own():
    """Words of a compound are not read one by one."""


@check([
    ("a beach without any people", "a beach", "I left out: without any people"),
    ("a forest with no dogs or cats", "a forest", "I left out: with no dogs, cats"),
    ("a house, no cars, dogs or cats", "a house", "I left out: no cars, dogs, cats"),
    ("a boat, without people, trees or birds", "a boat", "I left out: without people, trees, birds"),
    ("a house, no cars, a dog or cats", "a house and a dog", "I left out: no cars, cats"),
    ("a dog, cat or car", "a dog and a cat", "I left out: car"),
    ("a dog that won't chase a cat", "a dog and a cat", "I left out: won't chase"),
    ("a dog can't jump", "a dog", "I left out: can't jump"),
    ("a city street with no cars at night", "a city at night", "street -> city. I left out: with no cars"),
    ("a cake shaped like a castle near a lake", "a lake", "I left out: cake, shaped like, castle, near"),
    ("a castle made of ice", "a castle", "I left out: made of ice"),
])
def test_what_is_negated_or_a_likeness_is_not_drawn():
    """"No cars" draws none."""


@check([
    ("to the left of the castle there is a big oak", "a big tree to the left of a castle", "oak -> tree"),
    ("a barn with a tractor in front of it", "a truck in front of a cabin", "barn -> cabin; tractor -> truck"),
    ("on the left a dog, on the right a cat", "a dog to the left of a cat",
     "on the left -> to the left of; on the right -> to the left of"),
    ("a dog on the far left", "a dog on the left", "on the far left -> on the left"),
    ("a house in the background and a flower in the foreground", "a house behind a flower",
     "in the background -> behind; in the foreground -> behind"),
    ("a cat with a flower on a ball", "a cat and a ball", "on -> and. I left out: flower"),
    ("a dog on a red sofa behind a car", "a dog behind a car", "I left out: red sofa"),
    ("a dog and a man behind a car", "a dog and a car", "I left out: man, behind"),
    ("a cat on a car", "a cat and a car", "on -> and"),
    ("a cat amongst flowers", "a cat and two flowers", "amongst -> and; flowers -> two flowers"),
    ("a cat vs a dog", "a cat and a dog", "vs -> and"),
    ("a cat plus flowers", "a cat and two flowers", "flowers -> two flowers"),
    ("a cat whilst a dog sleeps", "a cat and a dog", "I left out: sleeps"),
    ("a dog can jump over a ball", "a dog and a ball", "I left out: can jump"),
    ("a dog will chase a cat", "a dog and a cat", "I left out: will chase"),
    ("a man behind the wheel of a car", "a car", "I left out: man, behind the wheel of"),
    ("a dog behind the wheel of a car", "a dog and a car", "behind the wheel of -> and"),
    ("a cat under a table", "a cat", "I left out: under, table"),
])
def test_a_relation_is_kept_or_noted():
    """Left, right, in front of and behind are kept between things; other relations become "and"."""


@pytest.mark.parametrize("seed", range(200))
def test_a_caption_stays_as_it_is(seed):
    rng = random.Random(seed)
    caption = write_caption(sample_scene(rng), rng)
    assert (rewrite(caption).caption, rewrite(caption).notes) == (" ".join(caption.replace(",", "").split()), "")


@given(st.lists(st.sampled_from(WORDS) | st.text("abcxyz-'", min_size=1, max_size=6), min_size=1, max_size=30))
def test_any_words_become_a_caption_and_none_is_lost(words):
    if not split_words(" ".join(words)):
        return
    result = rewrite(" ".join(words))
    parse(result.caption)
    assert not silent_losses(result)
    assert rewrite(result.caption).notes == ""


def test_the_free_prompts():
    for text in PROMPTS.read_text("utf-8").splitlines():
        result = rewrite(text)
        parse(result.caption)
        assert not silent_losses(result), text


def test_text_without_words_is_refused():
    with pytest.raises(ValueError, match="say what the picture should show"):
        rewrite(" ,. ")
    with pytest.raises(TypeError, match="give a string"):
        rewrite(3)  # type: ignore[arg-type]


def test_the_tables_lead_to_meanings_of_the_picture_world():
    assert {entry.meaning for entry in entries().values()} - {""} <= set(ROLES)
    assert all(word in KNOWN or word in entries() for word in PHRASES.values() if word)
    assert TABLE.stat().st_size < 1_000_000
    header = Path(TABLE).read_text("utf-8")[:1500]
    assert "PDDL" in header and "WordNet licence" in header


def test_a_lost_word_is_found():
    """The measure counts: of two red things, one is not lost unnoticed."""
    text, caption = "a red car and a red house", "a red car and a house"
    assert silent_losses(Rewritten(text, caption, kept=("red", "car", "house"))) == ["red"]
    assert silent_losses(Rewritten(text, "a car and a house", kept=("red", "car", "red", "house"))) == ["red"]
    assert not silent_losses(Rewritten(text, caption, left_out=("red",), kept=("red", "car", "house")))


def test_the_examples_of_the_table_come_from_both_sources():
    table = entries()
    assert (table["spaniel"].meaning, table["spaniel"].near) == ("dog", True)  # below "dog" in WordNet
    assert (table["mule"].meaning, table["mule"].near) == ("dog", False)  # a mammal with four legs
    assert table["volvo"].meaning == "car"  # near "toyota" and "honda" in GloVe
    assert table["sea lion"].meaning == ""
    assert "driver" not in table or not table["driver"].meaning
