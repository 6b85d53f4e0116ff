"""Items about the text encoder."""

from __future__ import annotations

import functools
import math
import random

import numpy as np

from ....world import COLOURS, VOCABULARY
from ....world.near_words import NEAR_WORDS
from ....world.words import COLOUR_WORDS, THING_WORDS
from ..item import Item, Opens, ask_choice, ask_number, kind
from ..material import show_images
from .sources import drawing_of, pipeline, random_scene, recoloured, rms

SINGLES = sorted({names[0] for things in THING_WORDS.values() for names in things if " " not in names[0]})


@kind("text encoder", "how many tokens", margin=2)
def count_tokens(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    _, caption = random_scene(rng)
    tokenizer = pipeline().text.tokenizer
    names = tokenizer.token_names(caption)
    answer, words = len([name for name in names if name != "<pad>"]), len(tokenizer.words(caption))
    return ask_number("The tokenizer makes each word a token, and adds a start and an end. How many tokens does "
                      f"{caption!r} have, without padding?", answer, [words, words + 1, len(names)],
                      f"{words} words, start and end: {answer}. Padding fills them up to {len(names)}.",
                      Opens("WordSpace", {"prompt": caption}), low=0, high=41, within=0.5)


@kind("text encoder", "cosine by hand", margin=3)
def cosine(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    pairs = ((3, 4), (4, 3), (0, 1), (1, 0), (-3, 4), (4, -3), (-4, -3), (0, -2), (6, 8))
    a, b = rng.sample(pairs, 2)
    dot = a[0] * b[0] + a[1] * b[1]
    answer = dot / (math.hypot(*a) * math.hypot(*b))
    return ask_number(f"What is the cosine of the vectors {a} and {b}?", answer, [0.0, -answer] if answer else [],
                      f"{dot} / ({math.hypot(*a):g} · {math.hypot(*b):g}) = {answer:.2f}: lengths do not count.",
                      Opens("WordSpace"), low=-1, high=1.1, within=0.02)


@kind("text encoder", "the nearest word", margin=0.1)
def nearest(rng: random.Random) -> Item:
    """gap: the cosine of the nearest word minus that of the next, among the choices."""
    word, *others = rng.sample(SINGLES, 5)
    table = _cosines()
    values = {other: float(table[SINGLES.index(word), SINGLES.index(other)]) for other in others}
    answer, second = sorted(values, key=lambda w: -values[w])[:2]
    return ask_choice(rng, f"Which of these words has the vector with the largest cosine to that of {word!r}?", answer,
                      [w for w in others if w != answer],
                      "Measured, with the mean of all words taken off: "
                      + ", ".join(f"{w} {v:.2f}" for w, v in values.items()) + ".",
                      Opens("WordSpace", {"prompt": f"a {word}", "word": word}), values[answer] - values[second])


@functools.cache
def _cosines() -> np.ndarray:
    """Return the cosines of the word vectors, one article before each, (words, words)."""
    texts = pipeline().text_encoders["text"]([f"a {word}" for word in SINGLES])
    vectors = np.stack([text.vectors[-1][2] for text in texts]).astype(np.float64)
    vectors -= vectors.mean(0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


@kind("text encoder", "which word was swapped", margin=12)
def swapped_word(rng: random.Random) -> Item:
    """gap: the RMS difference of the two images, in levels; the colours that are asked for differ by 60 or more."""
    scene, caption = random_scene(rng)
    old = scene.groups[0].colour or ""
    far = [c for c in sorted(COLOURS) if rms(np.array(COLOURS[c]), np.array(COLOURS[old])) >= 60]
    new, *wrong = rng.sample(far, 3)
    images = [drawing_of(scene).image, drawing_of(recoloured(scene, new)).image]
    gap = rms(*images)
    nearest_wrong = min(rms(np.array(COLOURS[w]), np.array(COLOURS[new])) for w in wrong)
    return ask_choice(rng, f"Image A is drawn from {caption!r}. In the text of image B the word {old!r} was swapped. "
                           "For which?", new,
                      wrong, f"{caption.replace(old, new, 1)!r}: the images differ by {gap:.0f} levels, all in the "
                             "painted parts.",
                      Opens("WordSpace", {"mode": "swap", "prompt": caption, "other": caption.replace(old, new, 1)}),
                      gap if nearest_wrong >= 60 else 0.0, show_images(dict(zip("AB", images, strict=True))))


@kind("text encoder", "the unknown word")
def unknown_word(rng: random.Random) -> Item:
    """gap: 1; a word is in the vocabulary or not."""
    unknown = rng.choice(sorted(word for word in NEAR_WORDS if not word.endswith("s")))  # plurals are made by rule
    known = rng.sample(sorted({*SINGLES, *(w for names in COLOUR_WORDS.values() for w in names)} & set(VOCABULARY)), 3)
    return ask_choice(rng, "One of these words is not among those that the text encoder was trained on. "
                           "Which?", unknown, known,
                      f"{unknown!r} is unknown and refused, with near words: {', '.join(NEAR_WORDS[unknown][:3])}. All "
                      f"{len(VOCABULARY)} known words are of the picture world.", Opens("WordSpace"))
