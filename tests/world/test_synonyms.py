"""The groups of synonyms are words of the vocabulary, each in one group, and of one meaning."""

from __future__ import annotations

from explorable.world import SYNONYMS, VOCABULARY, parse


def test_each_word_is_in_one_group():
    words = [word for group in SYNONYMS for word in group]
    assert len(words) == len(set(words)) and set(words) <= set(VOCABULARY) and min(map(len, SYNONYMS)) >= 2


def test_a_synonym_describes_the_same_scene():
    """Of things and colours, which stand in a caption alone."""
    checked = 0
    for group in SYNONYMS:
        for template in ("a {}", "two {}", "a {} lion"):
            try:
                scenes = {str(parse(template.format(word)).scene) for word in group}
            except ValueError:
                continue
            assert len(scenes) == 1, group
            checked += 1
    assert checked >= 20
