"""The tables of TokenAttention: regions by words, and the words of one region in their order. Values as safe HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

import numpy as np

STRONGEST = 55  # per cent of the word's colour behind the greatest value: the number stays readable
GREATEST = 3.0  # a value at which the colour is full, if none is greater


def region_table(values: np.ndarray, regions: Sequence[str], words: Sequence[str],
                 true: Sequence[Collection[int]] | None = None, rule: str = "") -> str:
    """Rows of regions, columns of words; shaded by value, the greatest of a row in bold.

    values: (regions, words), in spreads above the word's average. true: for each region the columns whose words truly
    speak of it, marked by a dot. rule: how heads count in the values.
    """
    most = max(float(values.max(initial=0)), GREATEST / 3)
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in words)
    lines = []
    for r, region in enumerate(regions):
        best = int(values[r].argmax()) if values.shape[1] else -1
        mine = set(true[r]) if true is not None else set()
        cells = "".join(_cell(float(v), most, c == best, c in mine) for c, v in enumerate(values[r]))
        right = "" if true is None else f"<td>{'yes' if best in mine else 'no'}</td>"
        lines.append(f'<tr><th scope="row">{escape(region)}</th>{cells}{right}</tr>')
    last = "" if true is None else '<th scope="col">true word first?</th>'
    mark = "" if true is None else "; • marks the words that truly speak of the region"
    mark += escape(f"; {rule}" if rule else "")
    return (f'<table class="ex-table"><caption class="ex-help">How far above its own average over the picture each '
            f'word is read in a region, in spreads (standard deviations){mark}</caption>'
            f'<thead><tr><th scope="col">region</th>{head}{last}</tr></thead><tbody>{"".join(lines)}</tbody></table>')


def ranking(region: str, words: Sequence[str], standing: np.ndarray, weight: np.ndarray, effect: np.ndarray,
            scale: float = 0.0) -> str:
    """The words of one region, the most read first: how far above average, with what weight, and what each does.

    standing, weight, effect: (words,); effect NaN: not measured yet.
    """
    most, order = max(float(standing.max(initial=0)), GREATEST / 3), np.argsort(-standing)
    done = "silenced" if scale == 0 else f"read {scale:g} times as much"
    rows = []
    for place, k in enumerate(order):
        changes = "…" if np.isnan(effect[k]) else f"{effect[k]:.3f}"
        rows.append(f'<tr><td>{place + 1}</td><th scope="row">{escape(words[k])}</th>'
                    f'{_cell(float(standing[k]), most, place == 0)}<td>{weight[k]:.3f}</td><td>{changes}</td></tr>')
    return (f'<table class="ex-table"><caption class="ex-help">Words in {escape(region)}, the most read first</caption>'
            '<thead><tr><th scope="col">rank</th><th scope="col">word</th><th scope="col">read, above average</th>'
            f'<th scope="col">mean weight</th><th scope="col">change when {done}</th></tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table>')


def _cell(value: float, most: float, best: bool = False, mine: bool = False) -> str:
    share = round(STRONGEST * min(max(value / most, 0), 1))
    text = f"{value:+.1f}"
    text = f"<b>{text}</b>" if best else text
    mark = ' <span title="a true word of the region">•</span>' if mine else ""
    return f'<td style="background: color-mix(in srgb, var(--ex-word) {share}%, transparent)">{text}{mark}</td>'
