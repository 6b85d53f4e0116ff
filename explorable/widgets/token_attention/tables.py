"""The tables of TokenAttention as safe HTML: regions by words, and the ranking of the words in one region."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

import numpy as np

MAX_SHADE = 55  # per cent of the word colour behind the largest value, so that the number stays readable
MIN_FULL_VALUE = 1.0  # the shade is full at the largest value, or here if that is smaller


def region_table(values: np.ndarray, regions: Sequence[str], words: Sequence[str],
                 correct: Sequence[Collection[int]] | None = None, note: str = "") -> str:
    """Return a table with a row per region and a column per word, shaded by value, the largest of a row in bold.

    values: (regions, words), attention relative to the word's average. correct: for each region the columns of the
    words that describe it, marked by a dot. note: how heads are weighted.
    """
    largest = max(float(values.max(initial=0)), MIN_FULL_VALUE)
    rows = []
    for k, region in enumerate(regions):
        first = int(values[k].argmax()) if values.shape[1] else -1
        described = set(correct[k]) if correct is not None else set()
        cells = "".join(_cell(float(v), largest, c == first, c in described) for c, v in enumerate(values[k]))
        verdict = "" if correct is None else f"<td>{'yes' if first in described else 'no'}</td>"
        rows.append(f'<tr><th scope="row">{escape(region)}</th>{cells}{verdict}</tr>')
    caption = ("Attention to each word in a region, relative to its average over the image, in standard deviations"
               + ("" if correct is None else "; • marks the words that describe the region")
               + (f"; {escape(note)}" if note else ""))
    return _table(caption, ["region", *words, *([] if correct is None else ["correct word first?"])], rows)


def ranking_table(region: str, words: Sequence[str], relative: np.ndarray, weight: np.ndarray, effect: np.ndarray,
                  scale: float | None = 0.0) -> str:
    """Return a table of the words in one region, the one with the largest relative attention first.

    relative, weight, effect: (words,), attention relative to the word's average, mean weight, and effect of its edit;
    effect NaN: not computed yet. scale: of the edit; None: each word has its own.
    """
    largest = max(float(relative.max(initial=0)), MIN_FULL_VALUE)
    rows = []
    for rank, k in enumerate(np.argsort(-relative)):
        change = "computing …" if np.isnan(effect[k]) else f"{effect[k]:.3f}"
        rows.append(f'<tr><td>{rank + 1}</td><th scope="row">{escape(words[k])}</th>'
                    f'{_cell(float(relative[k]), largest, rank == 0)}<td>{weight[k]:.1%}</td><td>{change}</td></tr>')
    edit = ("effect of its edit" if scale is None else "effect of masking it" if scale == 0 else
            f"effect of scaling it by {scale:g}")
    return _table(f"Words in {escape(region)}, the farthest above their average in the image first",
                  ["rank", "word", "relative attention", "share of the attention", edit], rows)


def _table(caption: str, columns: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return (f'<table class="ex-table"><caption class="ex-help">{caption}</caption><thead><tr>{head}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table>')


def _cell(value: float, largest: float, is_first: bool = False, is_correct: bool = False) -> str:
    shade = round(MAX_SHADE * min(max(value / largest, 0), 1))
    text = f"<b>{value:+.1f}</b>" if is_first else f"{value:+.1f}"
    mark = ' <span title="describes the region">•</span>' if is_correct else ""
    return f'<td style="background: color-mix(in srgb, var(--ex-word) {shade}%, transparent)">{text}{mark}</td>'
