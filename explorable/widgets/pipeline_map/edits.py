"""Edits of a run, as `ex.edit` takes them, and the chips on the map that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...analysis.attention_maps import WEIGHTS
from ...analysis.word_attention import TEXT_INPUT
from ...hooks import (
    Ablate,
    LocalAttention,
    MaskToken,
    PatchFrom,
    PromptToPrompt,
    Replace,
    Reweight,
    Scale,
    ShufflePositions,
)
from ...hooks.edits import Edit
from ...hooks.step_range import StepRange

Edits = Mapping[str, Edit | Iterable[Edit]]  # by point or pattern, as in `ex.edit`
Pair = tuple[str, Edit]  # a point or pattern, and one edit there


def as_list(edits: Edits) -> list[Pair]:
    """Return every single edit with its point or pattern."""
    return [(point, edit) for point, group in edits.items()
            for edit in (group if isinstance(group, Iterable) else (group,))]


def as_edits(pairs: Iterable[Pair]) -> dict[str, tuple[Edit, ...]]:
    """Return edits by their points, as `ex.edit` takes them."""
    edits: dict[str, tuple[Edit, ...]] = {}
    for point, edit in pairs:
        edits[point] = (*edits.get(point, ()), edit)
    return edits


def check_edits(value: Any) -> dict[str, tuple[Edit, ...]]:
    """Return edits by their points.

    Raises:
        ValueError: an edit cannot be called, or a name is no text.
    """
    pairs = as_list(value)
    for point, edit in pairs:
        if not isinstance(point, str) or not callable(edit):
            raise ValueError(f"edits has {edit!r} at {point!r}: give edits by point, as in "
                             '{"up.0.skip": ex.Scale(0.3)}')
    return as_edits(pairs)


def acts_on(edit: Edit, prompt: str) -> bool:
    """Return whether an edit changes a run of this prompt: that of a word only where the prompt contains the word."""
    return not isinstance(edit, Reweight) or edit.word.lower() in re.findall(r"\w+", prompt.lower())


def active_edits(edits: Edits, prompt: str) -> dict[str, tuple[Edit, ...]]:
    """Return the edits that change a run of this prompt."""
    return as_edits(pair for pair in as_list(edits) if acts_on(pair[1], prompt))


# ---- chips -----------------------------------------------------------------------------------------------------------


def chips_of(edits: Edits, prompt: str) -> list[dict[str, str]]:
    """Return a chip for each edit; the same edit at several points has one."""
    notes = {text: "" if acts_on(edit, prompt) else "It does nothing here: the prompt does not contain this word."
             for text, (_, edit) in _with_texts(edits)}
    return [{"key": text, "text": text, "note": note} for text, note in notes.items()]


def without(edits: Edits, key: str) -> dict[str, tuple[Edit, ...]]:
    """Return the edits without those that a chip stands for."""
    return as_edits(pair for text, pair in _with_texts(edits) if text != key)


def _with_texts(edits: Edits) -> list[tuple[str, Pair]]:
    """Return every single edit with the text of its chip; different edits that read the same are numbered."""
    texts: dict[str, Edit] = {}
    found = []
    for point, edit in as_list(edits):
        text, number = describe(point, edit), 1
        while texts.setdefault(text, edit) != edit:
            number += 1
            text = f"{describe(point, edit)} ({number})"
        found.append((text, (point, edit)))
    return found


def describe(point: str, edit: Edit) -> str:
    """Return an edit in words: "up.0.skip × 0.3, steps 5 to 14"."""
    heads, region, steps, branch = (getattr(edit, name, None) for name in ("heads", "region", "steps", "branch"))
    details = (_heads(heads), _region(region), _steps(steps), branch and f"{branch} only")
    return ", ".join([_what(point, edit), *filter(None, details)])


def _what(point: str, edit: Edit) -> str:
    """Return what an edit does, and where, unless that is where edits of words usually are."""
    at = "" if point in (WEIGHTS, TEXT_INPUT) else f" at {point}"
    if isinstance(edit, MaskToken):
        return f"“{edit.word}” masked{at}"
    if isinstance(edit, Reweight):
        return f"“{edit.word}” × {edit.scale:g}{at}"
    if isinstance(edit, PromptToPrompt):
        return f"layout of another prompt{at}"
    if isinstance(edit, Scale):
        return f"{point} × {edit.factor:g}"
    if isinstance(edit, LocalAttention):
        return f"attention within {edit.radius:g} patches"
    if isinstance(edit, ShufflePositions):
        return "positions shuffled"
    if isinstance(edit, Ablate):
        block = re.fullmatch(r"(blocks|single)\.(\d+)\.\*\.added", point)
        if block:
            return f"{'block' if block[1] == 'blocks' else 'single block'} {block[2]} dropped"
        return "positions removed" if point == "pos_embed" else f"{point} ablated"
    if isinstance(edit, Replace):
        return f"{point} replaced"
    if isinstance(edit, PatchFrom):
        return f"{point} from another run"
    name = getattr(edit, "__name__", "")
    return f"{point}: {name if name.isidentifier() else type(edit).__name__}"


def _heads(heads: tuple[int, ...] | None) -> str:
    """Heads count from 1 on the screen; negative ones count from the last."""
    names = [str(head + 1 if head >= 0 else head) for head in heads or ()]
    return f"head{'s' if len(names) > 1 else ''} {', '.join(names)}" if heads is not None else ""


def _region(region: Any) -> str:
    return "" if region is None else f"in a region of {100 * float(np.asarray(region, float).mean()):.0f}% of the image"


def _steps(steps: StepRange) -> str:
    """Return a range of steps in words."""
    if steps is None:
        return ""
    steps = steps if isinstance(steps, slice) else slice(*steps)
    first, stride = steps.start or 0, steps.step or 1
    every = f", every {stride}th" if stride > 3 else {1: "", 2: ", every 2nd", 3: ", every 3rd"}[stride]
    if steps.stop is None:
        return f"from step {first} on{every}"
    if steps.stop <= first:
        return "no step"
    return f"step {first}" if steps.stop == first + 1 else f"steps {first} to {steps.stop - 1}{every}"
