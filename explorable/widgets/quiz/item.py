"""Items of a quiz: what an item consists of, the table of all kinds of items, and drawing one without ambiguity.

A kind of item is a function (random generator) -> Item, registered by `@kind(idea, name, margin)`. It draws numbers,
scenes or runs, computes the answer from them, and measures a `gap`: how far the answer is from the nearest wrong one,
in the unit that its docstring names. An item whose gap is below the margin is ambiguous, and another one is drawn.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..registry import EXPLORABLES

MAX_DRAWS = 200
PACKAGE = __name__.split(".")[0]
IDEAS = {  # idea: the explorable that is about it, and the notebook
    "noise trajectory": ("NoiseTrajectory", "01-noise-trajectory.ipynb"),
    "classifier guidance": ("ClassifierGuidance", "02-classifier-guidance.ipynb"),
    "guidance scale": ("GuidanceScale", "03-guidance-scale.ipynb"),
    "latent space": ("LatentSpace", "04-latent-space.ipynb"),
    "U-Net and skips": ("UNetXRay", "05-unet-xray.ipynb"),
    "cross-attention": ("TokenAttention", "06-token-attention.ipynb"),
    "text encoder": ("WordSpace", "07-word-space.ipynb"),
    "flow paths": ("FlowPaths", "08-flow-paths.ipynb"),
    "diffusion transformer": ("PatchTransformer", "09-patch-transformer.ipynb"),
    "learning": ("Learning", "10-learning.ipynb"),
}


@dataclass(frozen=True)
class Opens:
    """The explorable in the state of an item."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def code(self) -> str:
        """Return the line that opens it."""
        return f"ex.{self.name}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"

    def open(self) -> Any:
        """Open it. Returns the explorable, which computes on its own thread."""
        module = importlib.import_module(f"{PACKAGE}.{EXPLORABLES[self.name].module}")
        return getattr(module, self.name)(**self.settings)


@dataclass(frozen=True, eq=False)
class Item:
    """One question.

    asks: the arguments of `Predict` that say what an answer is: choices; number and within or factor; order; image.
    answer: computed from what was drawn. explanation: one or two sentences with the measured numbers. opens: the
    explorable in this state. gap: see the module. material: HTML that is shown with the question.
    """

    question: str
    asks: Mapping[str, Any]
    answer: Any
    explanation: str
    opens: Opens
    gap: float
    material: str = ""


@dataclass(frozen=True)
class ItemKind:
    """A kind of item: the idea it is about, its name, and the least gap of an item that may be asked."""

    idea: str
    name: str
    margin: float
    draw: Callable[[random.Random], Item]


KINDS: dict[tuple[str, str], ItemKind] = {}


def kind(idea: str, name: str, margin: float = 1.0) -> Callable[[Callable[[random.Random], Item]], Callable]:
    """Register a function that draws items of one kind.

    Raises:
        ValueError: an unknown idea, or a second kind of the same name.
    """
    if idea not in IDEAS or (idea, name) in KINDS:
        raise ValueError(f"{idea!r}, {name!r}: the idea must be one of {', '.join(IDEAS)}, and the name new")

    def register(draw: Callable[[random.Random], Item]) -> Callable[[random.Random], Item]:
        KINDS[idea, name] = ItemKind(idea, name, margin, draw)
        return draw

    return register


def generate(which: ItemKind, seed: str) -> Item:
    """Return an item whose gap is at least the kind's margin. The same seed gives the same item.

    Raises:
        RuntimeError: none of `MAX_DRAWS` draws is unambiguous.
    """
    for k in range(MAX_DRAWS):
        item = which.draw(random.Random(f"{which.idea}, {which.name}, {seed}, {k}"))
        if item.gap >= which.margin:
            return item
    raise RuntimeError(f"{MAX_DRAWS} draws of {which.name!r} were ambiguous")


def ask_number(question: str, answer: float, mistakes: Sequence[float], explanation: str, opens: Opens, *,
               low: float = -10.0, high: float = 10.0, within: float = 0.1, unit: str = "") -> Item:
    """Return an item whose answer is a number.

    mistakes: what usual mistakes give. The gap is the distance of the answer from the nearest of them, and from where
    the slider begins, in units of `within`; 0 where the answer is out of the slider's range.
    """
    wrong = [*mistakes, (low + high) / 2]
    gap = min(abs(answer - value) for value in wrong) / within if low <= answer <= high else 0.0
    return Item(question, {"number": (low, high), "within": within * 1.001, "unit": unit}, float(answer), explanation,
                opens, gap)


def ask_choice(rng: random.Random, question: str, answer: str, wrong: Sequence[str], explanation: str, opens: Opens,
               gap: float = 1.0, material: str = "") -> Item:
    """Return an item whose answer is one of several texts, in random order. The gap is 0 where two are the same."""
    options = [answer, *wrong]
    rng.shuffle(options)
    distinct = len(set(options)) == len(options)
    return Item(question, {"choices": tuple(options)}, answer, explanation, opens, gap if distinct else 0.0, material)
