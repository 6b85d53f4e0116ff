"""What a measure returns, and the list of all measures."""

from __future__ import annotations

import importlib
import inspect
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
    "steps": ("steps", "steps", "the exam against the number of steps, for every denoiser there is"),
    "guidance": ("guidance", "guidance", "exam, saturation and diversity against w; where a model's sweet spot lies"),
    "classifier-guidance": ("classifier_guidance", "classifier_guidance",
                            "does a teacher's pull put the target into the picture, and what diversity does it cost"),
    "latent": ("latent", "latent", "time and memory of a step in latent space, and of the same network on pixels"),
    "straightness": ("straightness", "straightness", "how far each denoiser's paths are from straight lines"),
    "frechet": ("frechet", "frechet", "Frechet distance of its pictures to true drawings of the same captions"),
    "hooking": ("hooking", "hooking", "what listening costs: nobody, a recording, and the same kept by others' ways"),
    "opening": ("opened", "opening", "what opening a diffusers pipeline costs: nothing recorded, or all attention"),
    "pipelines": ("opened", "pipelines", "the memory that each family of pipelines needs: weights, and maps of words"),
    "attention": ("attention", "attention", "do places read a word where its thing is: IoU with the true masks"),
    "attention-layers": ("attention", "layers", "which layers' attention shows where a word's thing is"),
    "regions": ("regions", "regions", "does the true word rank first in the region-by-word tables of drawn pictures"),
    "attention-ablation": ("regions", "beside_ablation",
                           "where a word is read, beside what its silencing changes: do they agree"),
    "branching": ("trajectory", "branching", "when a picture is decided: rewound, with other words or fresh noise"),
    "xray": ("xray", "xray", "what each skip and backbone stage is worth: verdict and fine detail without it"),
    "faces": ("xray", "faces", "are eyes and whiskers forgotten without skips"),
    "silence": ("silence", "silence", "does a thing lose its colour with its colour word, and keep the rest"),
    "diffusers-loop": ("diffusers_loop", "diffusers_loop", "seconds a picture, beside a loop as diffusers does it"),
}

# The measure whose rows, or facts, go onto a model's card.
ON_CARD = {"vae": "vae", "text": "text", "examiner": "examiner", "exam": "unet-flow", "regions": "unet-flow"}
PATIENT = ("exam", "regions")  # those that take some ten minutes


@dataclass(frozen=True)
class Table:
    """Rows of one measure, all with the same columns, and what to read out of them.

    facts: what a card keeps of it, by name, where that is not the rows.
    """

    title: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def on_card(self) -> dict[str, Any]:
        """What `--card` writes onto a model's card."""
        return self.facts or {"measured": {"title": self.title, "rows": self.rows}}

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
        ValueError: no such measure, or an option that it does not have; names those there are.
    """
    if name not in MEASURES:
        raise ValueError(f"no measure is called {name!r}; there are: {', '.join(MEASURES)}")
    module, function, _ = MEASURES[name]
    run = getattr(importlib.import_module(f".{module}", __package__), function)
    known = inspect.signature(run).parameters
    for option in options:
        if option not in known:
            raise ValueError(f"the measure {name} has no option {option!r}; it has: {', '.join(known) or 'none'}")
    return run(**options)


def at_least(least: int, **counts: int) -> None:
    """Refuse a count that is too small to measure with, by name: at_least(2, prompts=prompts)."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} is {value!r}: choose a whole number, {least} or more")


def interval(passed: np.ndarray, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95% bootstrap interval of a mean in percent, resampling prompts (rows) with all their seeds."""
    low, high = bootstrap(passed, seed, draws)
    return 100 * low, 100 * high


def bootstrap(values: np.ndarray, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95% bootstrap interval of a mean, resampling rows with all that is in them (Efron 1979)."""
    rng = np.random.default_rng(seed)
    rows = values.reshape(len(values), -1).mean(1)
    means = rows[rng.integers(0, len(rows), (draws, len(rows)))].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def lead(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """By how many points `one` passes more often than `other` on the same prompts and seeds, from, to (95%)."""
    gap = one.astype(float) - other.astype(float)
    return 100 * float(gap.mean()), *interval(gap)
