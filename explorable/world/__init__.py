"""The picture world: scenes, what they are called, how they are drawn, and the truth about every word."""

from .draw import Picture, draw
from .grammar import Caption, GrammarError, Word, agrees, parse, say, split_words
from .scene import COLOURS, KINDS, MOODS, PLACES, RELATIONS, SIDES, TIMES, Group, Scene, complete, held_out, sample
from .truth import truth
from .words import VOCABULARY

__all__ = ["COLOURS", "KINDS", "MOODS", "PLACES", "RELATIONS", "SIDES", "TIMES", "VOCABULARY", "Caption",
           "GrammarError", "Group", "Picture", "Scene", "Word", "agrees", "complete", "draw", "held_out", "parse",
           "sample", "say", "split_words", "truth"]
