"""Does `rewrite` make a valid caption of any prompt, and does it say what happens to every word?

The prompts (free_prompts.txt) were written by someone who had not seen the picture world's vocabulary.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np

from ..world import split_words
from ..world.rewriting import Rewritten, rewrite
from ..world.rewriting.function_words import FUNCTION_WORDS, OPENERS
from ..world.rewriting.rewriter import is_caption
from .statistics import interval_text
from .table import Table, check_counts

PROMPTS = Path(__file__).parent / "free_prompts.txt"


def rewriting(prompts: int = 300) -> Table:
    """Measure how often a free prompt becomes a valid caption without a silent loss, and the processor time of a call.

    "faithful" is not measured here: it takes a reader.
    """
    check_counts(1, prompts=prompts)
    texts = PROMPTS.read_text("utf-8").splitlines()[:prompts]
    rewrite(texts[0])  # reads the table of words
    start = time.process_time()
    results = [rewrite(text) for text in texts]
    milliseconds = 1000 * (time.process_time() - start) / len(texts)
    rows = [_row("the caption is valid", [is_caption(r.caption) for r in results]),
            _row("every content word is kept, replaced or listed", [not silent_losses(r) for r in results]),
            _row("the caption has something of the text", [not r.added for r in results]),
            _row("a thing or place of the text is in it, and at most half of the words are left out",
                 [not r.added and 2 * len(r.left_out) <= len(_content_words(r.text)) for r in results]),
            {"what": "processor time of a call", "value": f"{milliseconds:.2f} ms", "95%": ""}]
    return Table(f"ex.rewrite on {len(texts)} free prompts", rows)


def silent_losses(result: Rewritten) -> list[str]:
    """Return the content words of the text that are neither kept nor in the notes, or not as often.

    A kept word has to be in the caption. One word of it can stand for several: "a red car and a red car" is "two red
    cars".
    """
    replaced = {w for old, _ in result.replaced for w in split_words(old)}
    caption = set(split_words(result.caption))
    kept = [w for text in result.kept for w in split_words(text)]
    accounted = Counter([w for w in kept if w in caption] + [w for text in result.left_out for w in split_words(text)])
    return [word for word, times in Counter(_content_words(result.text)).items()
            if word not in replaced and times > accounted[word]]


def _content_words(text: str) -> list[str]:
    """Return the words of a text, without dashes, function words and an opening such as "a photo of"."""
    words = split_words(text)
    opening = next((o.split() for o in OPENERS if words[: len(o.split())] == o.split()), [])
    return [word for word in words[len(opening) :] if word not in FUNCTION_WORDS and any(map(str.isalnum, word))]


def _row(what: str, hits: list[bool]) -> dict[str, str]:
    values = np.asarray(hits, float)
    return {"what": what, "value": f"{100 * values.mean():.1f} %", "95%": interval_text(values, 0, 100)}
