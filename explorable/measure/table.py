"""What a measure returns, and the list of all measures."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

# name: (module, function, what it claims)
MEASURES: dict[str, tuple[str, str, str]] = {
    "exam": ("exam", "exam", "six tasks in prompts, scored by the examiner; seen and held-out combinations apart"),
    "examiner": ("examiner", "examiner", "is the examiner right on drawings it never saw, held-out combinations apart"),
    "lesson": ("exam", "lesson", "the lesson's five prompts, four seeds each"),
    "text": ("text", "text", "does a caption find its drawing, among others and their twins"),
    "vae": ("autoencoder", "vae", "how well the autoencoder gives back drawings it never saw"),
    "world": ("world", "world", "how fast it draws, and what is held out"),
    "samplers": ("samplers", "samplers", "do our samplers walk as those of diffusers do"),
    "speed": ("speed", "speed", "time, memory and size, on this machine"),
}

# The measure whose rows go onto a model's card.
ON_CARD = {"vae": "vae", "text": "text", "examiner": "examiner", "exam": "unet-flow"}


@dataclass(frozen=True)
class Table:
    """Rows of one measure, all with the same columns, and what to read out of them."""

    title: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return asdict(self)

    def as_markdown(self) -> str:
        """The table as Markdown."""
        lines = [list(self.rows[0]), ["---"] * len(self.rows[0])]
        lines += [["" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in row.values()]
                  for row in self.rows]
        grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([self.title, grid, *self.notes])


def measure(name: str, **options) -> Table:
    """Run the measure called `name`.

    Raises:
        ValueError: no such measure; names them all.
    """
    if name not in MEASURES:
        raise ValueError(f"no measure is called {name!r}; there are: {', '.join(MEASURES)}")
    module, function, _ = MEASURES[name]
    return getattr(importlib.import_module(f".{module}", __package__), function)(**options)


def interval(passed: np.ndarray, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95% bootstrap interval of a mean in percent, resampling prompts (rows) with all their seeds."""
    rng = np.random.default_rng(seed)
    by_prompt = passed.reshape(len(passed), -1).mean(1)
    means = by_prompt[rng.integers(0, len(by_prompt), (draws, len(by_prompt)))].mean(1)
    low, high = np.percentile(100 * means, (2.5, 97.5))
    return float(low), float(high)
