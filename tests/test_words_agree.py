"""The grammar of the picture world and the text encoder's tokenizer read the same words in any text.

Neither may import the other (tests/test_imports.py), so the rule stands in both.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorable.nn import text
from explorable.nn.text import Tokenizer, UnknownWordError
from explorable.world import VOCABULARY, GrammarError, grammar, parse, split_words

TOKENIZER = Tokenizer(VOCABULARY, 24)
PUNCTUATION = ".,!?;:\"'()"
# Words, the marks that the rule speaks of, and spaces of several kinds, in any order; and any text at all.
prose = st.lists(st.sampled_from((*VOCABULARY[:40], *PUNCTUATION, *"<>=/-& \t\n\u00a0\u2003\u0130"))).map("".join)


def test_the_rule_is_the_same():
    assert text.WORD.pattern == grammar.WORD.pattern and text.WORD.flags == grammar.WORD.flags


@given(st.one_of(prose, st.text()))
@example("a red,blue car")
@example("(a) 'cat' <img src=x onerror=alert(1)>")
def test_the_words_are_the_same(any_text):
    assert TOKENIZER.words(any_text) == split_words(any_text)


@given(st.one_of(prose, st.text()))
def test_nothing_but_punctuation_and_space_is_dropped(any_text):
    kept = "".join(split_words(any_text))
    marks = str.maketrans("", "", PUNCTUATION)
    assert kept.translate(marks) == "".join(any_text.lower().split()).translate(marks)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("A red car, at sunset.", ["a", "red", "car", "at", "sunset"]),
        ("at sunset,a (red) car", ["at", "sunset", "a", "red", "car"]),
        ("\"a 'red' car\"!", ["a", "red", "car"]),
        ("the cat's ball", ["the", "cat's", "ball"]),
        ("<img src=x onerror=alert(1)>", ["<img", "src=x", "onerror=alert", "1", ">"]),
        ("a <script>alert('a.b')</script> cat", ["a", "<script>alert('a.b')</script>", "cat"]),
        (" .,!?;:\"'() ", []),
    ],
)
def test_how_a_text_falls_into_words(written, words):
    assert split_words(written) == TOKENIZER.words(written) == words


@pytest.mark.parametrize(
    ("written", "shown"),
    [("<img src=x onerror=alert(1)>", "'<img'"), ("a <b>cat</b>", "'<b>cat</b>'"), ("a <i:x,y>", "'<i:x,y>'")],
)
def test_html_is_an_unknown_word_to_both_and_shown_as_typed(written, shown):
    with pytest.raises(UnknownWordError) as caught:
        TOKENIZER.token_names(written)
    assert shown in str(caught.value)
    with pytest.raises(GrammarError) as refused:
        parse(written)
    assert shown in str(refused.value)
