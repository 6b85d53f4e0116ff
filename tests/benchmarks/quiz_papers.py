"""Papers of a quiz: whether all items are valid and unambiguous, and the processor time of one of each kind.

    python tests/benchmarks/quiz_papers.py --papers 1000 --live 20

All papers are made but for their live items (those that need a network), of which as many papers as `--live` says are.
An item is valid if the answer can be given, the choices differ, the answer counts as right and where a slider begins
does not, and the gap is at least the margin.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from explorable.widgets.predict.answers import make_kind
from explorable.widgets.quiz.item import Item, ItemKind
from explorable.widgets.quiz.paper import make_paper

LIVE = {"which map belongs to the word", "predictions in order", "how the classifier sees noise", "which has w = 15",
        "noise in the latent or in the pixels", "the raised cell", "which lost the 8 × 8 skip", "the nearest word",
        "how many tokens"}
ASKS = {"choices": None, "number": None, "order": None, "image": None, "unit": "", "within": None, "factor": None}


def fault(kind: ItemKind, item: Item) -> str:
    """Return what is wrong with an item, or an empty text."""
    try:
        asked = make_kind(**(ASKS | dict(item.asks)))
        asked.check(item.answer)
    except ValueError as error:
        return str(error)
    if item.gap < kind.margin:
        return f"the gap {item.gap:g} is below the margin {kind.margin:g}"
    if "image" in item.asks:
        y, x = np.argwhere(item.answer)[0]
        return "" if asked.is_right((y, x), item.answer) else "the answer is not right"
    if not asked.is_right(item.answer, item.answer):
        return "the answer is not right"
    begins = sum(item.asks["number"]) / 2 if "within" in item.asks else None
    return "the slider begins at the answer" if begins is not None and asked.is_right(begins, item.answer) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--papers", type=int, default=1000)
    parser.add_argument("--live", type=int, default=20)
    arguments = parser.parse_args()
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    faults, skipped = [], 0
    for seed in range(arguments.papers):
        paper = make_paper(seed)
        for k, kind in enumerate(paper.kinds):
            if kind.name in LIVE and seed >= arguments.live:
                skipped += 1
                continue
            begin = time.process_time()
            item = paper.item(k)
            seconds[kind.idea, kind.name].append(time.process_time() - begin)
            if problem := fault(kind, item):
                faults.append(f"paper {seed}, item {k}, {kind.name}: {problem}")
    made = sum(map(len, seconds.values()))
    print(f"{arguments.papers} papers: {made} items of {len(seconds)} kinds made, {skipped} live ones left out, "
          f"{len(faults)} invalid or ambiguous", *faults, sep="\n")
    print(f"{'processor time of an item, ms':60} median   p95   max")
    for key, some in sorted(seconds.items(), key=lambda pair: -np.median(pair[1])):
        print(f"{': '.join(key):60} {1e3 * np.median(some):6.1f} {1e3 * np.percentile(some, 95):6.1f} "
              f"{1e3 * max(some):6.1f}")


if __name__ == "__main__":
    main()
