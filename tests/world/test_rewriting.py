"""Free English becomes a valid caption, and what happened to each word is said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorable.measure.rewriting import PROMPTS, silent_losses
from explorable.world import parse, sample_scene, write_caption
from explorable.world.rewriting import rewrite
from explorable.world.rewriting.meanings import BY_HAND, FAR_BY_HAND, PHRASES
from explorable.world.rewriting.rewriter import SPATIAL
from explorable.world.rewriting.words import COUNTS, FUNCTION_WORDS, KNOWN, ROLES, TABLE, nearest_words

WORDS = sorted({*KNOWN, *nearest_words(), *COUNTS, *FUNCTION_WORDS, *PHRASES, *SPATIAL, "astronaut", "on the left",
                "to the right", "cats", "elephants", "well-known", "snow-covered"})


@pytest.mark.parametrize(("text", "caption", "notes"), [
    ("a scarlet Ferrari by the ocean at dusk", "a red sports car on a beach at dusk",
     "scarlet -> red; Ferrari -> sports car; ocean -> beach"),
    ("a scarlet Ferrari by the ocean in the evening", "a red sports car on a beach at sunset",
     "scarlet -> red; Ferrari -> sports car; ocean -> beach; evening -> at sunset"),
    ("an astronaut beside a red balloon", "a red balloon", "I left out: astronaut, beside"),
    ("four small puppies playing in the garden", "three small puppies in a meadow",
     "four -> three; garden -> meadow. I left out: playing"),
    ("two kittens next to a lorry", "two kittens and a lorry", "next to -> and"),
    ("a house in front of the sea", "a house on a beach", "in front of -> on; sea -> beach"),
    ("a tiger to the left of a hut", "a lion to the left of a cabin", "tiger -> lion; hut -> cabin"),
    ("spaghetti with meatballs", "a meadow", "I left out: spaghetti, meatballs. I added: a meadow"),
    ("an elephant", "a lion", "elephant -> lion"),
    ("an elephant and a dog", "a dog", "I left out: elephant"),  # a far meaning only for want of a near one
    ("a black cat and a white cat", "a black cat", "I left out: white, cat"),
])
def test_free_english(text, caption, notes):
    result = rewrite(text)
    assert (str(result), result.notes) == (caption, notes)


@pytest.mark.parametrize("seed", range(200))
def test_a_caption_stays_as_it_is(seed):
    rng = random.Random(seed)
    caption = write_caption(sample_scene(rng), rng)
    assert (rewrite(caption).caption, rewrite(caption).notes) == (" ".join(caption.replace(",", "").split()), "")


@given(st.lists(st.sampled_from(WORDS) | st.text("abcxyz-'", min_size=1, max_size=6), min_size=1, max_size=30))
def test_any_words_become_a_caption_and_none_is_lost(words):
    if not " ".join(words).strip("' "):
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
    meanings = {meaning for meaning, _ in nearest_words().values()} | {*BY_HAND.values(), *FAR_BY_HAND.values()}
    assert meanings - {""} <= set(ROLES)
    assert TABLE.stat().st_size < 1_000_000
    header = Path(TABLE).read_text("utf-8")[:1500]
    assert "PDDL" in header and "WordNet licence" in header


def test_the_examples_of_the_table_come_from_both_sources():
    table = nearest_words()
    assert table["spaniel"] == ("dog", True)  # below "dog" in WordNet
    assert table["volvo"][0] == "car"  # near "toyota" and "honda" in GloVe
    assert "driver" not in table or table["driver"][0] == ""
