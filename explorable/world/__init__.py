"""The picture world: scenes, their captions, their drawings, and a ground-truth mask for every word."""

from .captions import write_caption
from .draw import Drawing, draw
from .grammar import Caption, GrammarError, Word, parse, split_words
from .masks import word_masks
from .scene import (
    COLOURS,
    KINDS,
    MOODS,
    PLACES,
    RELATIONS,
    SIDES,
    TIMES,
    Group,
    Scene,
    complete,
    held_out,
    matches,
    sample_scene,
)
from .words import SYNONYMS, VOCABULARY

__all__ = ["COLOURS", "KINDS", "MOODS", "PLACES", "RELATIONS", "SIDES", "SYNONYMS", "TIMES", "VOCABULARY", "Caption",
           "Drawing", "GrammarError", "Group", "Scene", "Word", "complete", "draw", "held_out", "matches", "parse",
           "sample_scene", "split_words", "word_masks", "write_caption"]
