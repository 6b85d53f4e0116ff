"""Edits of a run as `ex.edit` takes them: chips on the map, and settings of the explorables that make them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...analysis.attention_maps import WEIGHTS
from ...analysis.unet_activations import fader_edits
from ...analysis.word_attention import WordWeight
from ...hooks import Ablate, MaskToken, Reweight, Scale
from ...hooks.edits import Edit, StepEdit

Edits = Mapping[str, Edit | Iterable[Edit]]  # by point or pattern, as in `ex.edit`


def as_list(edits: Edits) -> list[tuple[str, Edit]]:
    """Return every single edit with its point or pattern."""
    return [(point, edit) for point, group in edits.items()
            for edit in (group if isinstance(group, Iterable) else (group,))]


def as_edits(pairs: Iterable[tuple[str, Edit]]) -> dict[str, tuple[Edit, ...]]:
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


def describe(point: str, edit: Edit) -> str:
    """Return an edit in words: "up.0.skip × 0.3, steps 5 to 14"."""
    if isinstance(edit, MaskToken):
        text = f"“{edit.word}” masked"
    elif isinstance(edit, Reweight):
        text = f"“{edit.word}” × {edit.scale:g}"
    elif isinstance(edit, Scale):
        text = f"{point} × {edit.factor:g}"
    elif isinstance(edit, Ablate):
        text = f"{point} ablated"
    else:
        text = f"{point}: {type(edit).__name__}"
    steps = getattr(edit, "steps", None)
    if isinstance(steps, tuple):
        text += f", steps {steps[0]} to {steps[1] - 1}"
    branch = getattr(edit, "branch", None)
    return text + (f", {branch} only" if branch else "")


def acts_on(edit: Edit, prompt: str) -> bool:
    """Return whether an edit changes a run of this prompt: that of a word only where the prompt contains the word."""
    return not isinstance(edit, Reweight) or edit.word.lower() in re.findall(r"\w+", prompt.lower())


def chips_of(edits: Edits, prompt: str) -> list[dict[str, str]]:
    """Return a chip for each edit; the same edit at several points has one."""
    texts: dict[str, str] = {}
    for point, edit in as_list(edits):
        idle = "" if acts_on(edit, prompt) else "It does nothing here: the prompt does not contain this word."
        texts.setdefault(describe(point, edit), idle)
    return [{"key": text, "text": text, "note": note} for text, note in texts.items()]


def without(edits: Edits, text: str) -> dict[str, tuple[Edit, ...]]:
    """Return the edits without those that a chip describes."""
    return as_edits((point, edit) for point, edit in as_list(edits) if describe(point, edit) != text)


# ---- the explorables in which edits are made -------------------------------------------------------------------------


@dataclass(frozen=True)
class EditSource:
    """An explorable in which edits are made.

    traits: those that make them. is_own: whether it can show an edit. read: its edits. to_traits: edits as its traits.
    """

    traits: tuple[str, ...]
    is_own: Callable[[str, Edit], bool]
    read: Callable[[Any], Edits]
    to_traits: Callable[[list[tuple[str, Edit]]], dict[str, Any]]


def _is_fader(point: str, edit: Edit) -> bool:
    return isinstance(edit, Scale) and edit.branch is None and "*" not in point and (
        edit.steps is None or isinstance(edit.steps, tuple))


def _to_faders(pairs: list[tuple[str, Edit]]) -> dict[str, Any]:
    scales = [(point, edit) for point, edit in pairs if isinstance(edit, Scale)]
    return {"faders": {point: edit.factor for point, edit in scales},
            "step_ranges": {point: edit.steps for point, edit in scales if isinstance(edit.steps, tuple)}}


def _is_weight(point: str, edit: Edit) -> bool:
    is_plain = isinstance(edit, StepEdit) and edit.steps is None and edit.branch is None
    return is_plain and isinstance(edit, Reweight) and edit.region is None


def _to_scales(pairs: list[tuple[str, Edit]]) -> dict[str, Any]:
    return {"scales": {edit.word: 0.0 if isinstance(edit, MaskToken) else edit.scale
                       for point, edit in pairs if isinstance(edit, Reweight) and point == WEIGHTS}}


def _read_weights(opened: Any) -> Edits:
    masks_text = opened.mask_in_text_encoder and opened.capabilities.has_text_points
    return as_edits((point, edit) for word, scale in opened.scales.items()
                    for point, edit in WordWeight(scale, masks_text and scale == 0).edits(word).items())


SOURCES = {
    "UNetXRay": EditSource(("faders", "step_ranges"), _is_fader,
                           lambda opened: fader_edits(opened.faders, opened.step_ranges), _to_faders),
    "TokenAttention": EditSource(("scales", "mask_in_text_encoder"), _is_weight, _read_weights, _to_scales),
}
