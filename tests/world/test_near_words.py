"""Words near in meaning to those that the picture world lacks."""

from __future__ import annotations

import pytest

from explorable.world import GrammarError, parse
from explorable.world.near_words import NEAR_WORDS
from explorable.world.words import VOCABULARY


def test_the_table_leads_from_unknown_words_to_known_ones():
    assert NEAR_WORDS.keys().isdisjoint(VOCABULARY)
    assert {word for near in NEAR_WORDS.values() for word in near} <= set(VOCABULARY)


@pytest.mark.parametrize(("word", "near"), [
    ("elephant", ("lion", "dog")), ("elephants", ("lion", "dog")), ("ocean", ("beach", "lake")),
    ("orange", ("golden", "red")), ("horse", ("lion", "dog")), ("bushes", ("tree",))])
def test_a_word_has_near_ones_by_meaning(word, near):
    assert NEAR_WORDS[word] == near


def test_the_grammar_names_all_unknown_words():
    with pytest.raises(GrammarError, match=r"^'elephant' and 'ocean' are not words of the picture world$"):
        parse("an elephant on the ocean")
    with pytest.raises(GrammarError, match=r"^'elephant' is not a word of the picture world$"):
        parse("an elephant beside an elephant".replace("beside", "and"))
