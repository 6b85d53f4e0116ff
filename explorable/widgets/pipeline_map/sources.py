"""The explorables in which edits of a run are made: which edits are their own, as their settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ...analysis.patch_attention import KEPT, REMOVED, SHUFFLED, PatchEdits, patch_layout
from ...analysis.unet_activations import fader_edits
from ...analysis.word_attention import TEXT_INPUT, WordWeight
from ...hooks import Ablate, LocalAttention, MaskToken, Point, Reweight, Scale, ShufflePositions
from ..token_attention.compute import MAX_SCALE
from ..unet_xray.compute import MAX_FACTOR
from .edits import Edits, Pair, as_edits, as_list

Settings = Mapping[str, Any]  # traits of an explorable by name
Points = Iterable[Point]  # all of a network


@dataclass(frozen=True)
class EditSource:
    """An explorable in which edits are made.

    traits: those that make them. key: what in it makes an edit, such as a fader; None: nothing does. to_traits: the
    traits for edits, as far as they can express them. read: the edits that the traits make in a network with `points`.
    """

    traits: tuple[str, ...]
    key: Callable[[Pair], Hashable | None]
    to_traits: Callable[[Sequence[Pair]], dict[str, Any]]
    read: Callable[[Settings, Points], Edits]

    def split(self, edits: Edits, points: Points) -> tuple[list[Pair], list[Pair]]:
        """Return the edits that are its own, and the others.

        Its own are those that the traits, read back, make again. Since the others act first, an edit that stands before
        one of them at the same point is not its own.
        """
        pairs = as_list(edits)
        keys = [self.key(pair) for pair in pairs]
        groups = _grouped(pairs, keys)
        own = set(groups) - {None}
        while own:
            traits = self.to_traits([pair for pair, key in zip(pairs, keys, strict=True) if key in own])
            made = as_list(self.read(traits, points))
            again = _grouped(made, [self.key(pair) for pair in made])
            kept = {key for key in own if as_edits(again.get(key, ())) == as_edits(groups[key])}
            kept -= {key for k, key in enumerate(keys) for other, later in zip(keys[k:], pairs[k:], strict=True)
                     if other not in own and _share_point(pairs[k][0], later[0], points)}
            if kept == own:
                break
            own = kept
        return ([pair for pair, key in zip(pairs, keys, strict=True) if key in own],
                [pair for pair, key in zip(pairs, keys, strict=True) if key not in own])


def _grouped(pairs: Sequence[Pair], keys: Sequence[Hashable | None]) -> dict[Hashable | None, list[Pair]]:
    groups: dict[Hashable | None, list[Pair]] = {}
    for pair, key in zip(pairs, keys, strict=True):
        groups.setdefault(key, []).append(pair)
    return groups


def _share_point(one: str, other: str, points: Points) -> bool:
    return one == other or any(fnmatchcase(p.name, one) and fnmatchcase(p.name, other) for p in points)


# ---- UNetXRay --------------------------------------------------------------------------------------------------------


def _to_faders(pairs: Sequence[Pair]) -> dict[str, Any]:
    scales = {point: edit for point, edit in pairs if isinstance(edit, Scale) and 0 <= edit.factor <= MAX_FACTOR}
    return {"faders": {point: edit.factor for point, edit in scales.items()},
            "step_ranges": {point: edit.steps for point, edit in scales.items() if _is_range(edit.steps)}}


def _is_range(steps: Any) -> bool:
    return isinstance(steps, tuple) and len(steps) == 2 and None not in steps and steps[0] <= steps[1]


# ---- TokenAttention --------------------------------------------------------------------------------------------------


def _to_scales(pairs: Sequence[Pair]) -> dict[str, Any]:
    words = [(point, edit) for point, edit in pairs if isinstance(edit, Reweight) and 0 <= edit.scale <= MAX_SCALE]
    masked = [point for point, edit in words if isinstance(edit, MaskToken)]
    traits: dict[str, Any] = {"scales": {edit.word: float(edit.scale) for _, edit in words}}
    return traits | ({"mask_in_text_encoder": TEXT_INPUT in masked} if masked else {})


def _read_scales(traits: Settings, points: Points) -> Edits:
    masks_text = traits.get("mask_in_text_encoder", True) and any(p.name == TEXT_INPUT for p in points)
    return as_edits((point, edit) for word, scale in traits["scales"].items()
                    for point, edit in WordWeight(scale, masks_text and scale == 0).edits(word).items())


# ---- PatchTransformer ------------------------------------------------------------------------------------------------

_BLOCK = re.compile(r"(blocks|single)\.(\d+)\.")
UNEDITED = {"radius": None, "dropped_block": "", "dropped_head": None, "positions": KEPT}


def _part_of_transformer(pair: Pair) -> str | None:
    point, edit = pair
    if isinstance(edit, LocalAttention):
        return "radius"
    if point == "pos_embed":
        return "positions"
    return "block" if _BLOCK.match(point) else None


def _to_patch_edits(pairs: Sequence[Pair]) -> dict[str, Any]:
    traits: dict[str, Any] = dict(UNEDITED)
    for point, edit in pairs:
        block = _BLOCK.match(point)
        if isinstance(edit, LocalAttention):
            traits["radius"] = edit.radius
        elif isinstance(edit, ShufflePositions):
            traits["positions"] = SHUFFLED
        elif isinstance(edit, Ablate) and point == "pos_embed":
            traits["positions"] = REMOVED
        elif isinstance(edit, Ablate) and block:
            traits["dropped_block"] = block[2] if block[1] == "blocks" else f"single {block[2]}"
            traits["dropped_head"] = edit.heads[0] + 1 if edit.heads else None
        steps = getattr(edit, "steps", None)
        traits["edit_steps"] = steps if _is_range(steps) else None
    return traits


def _read_patch_edits(traits: Settings, points: Points) -> Edits:
    block, head = traits["dropped_block"], traits["dropped_head"]
    edits = PatchEdits(traits["radius"], block, head - 1 if block and head is not None else None, traits["positions"],
                       traits.get("edit_steps"))
    try:
        return edits.points(patch_layout(points))
    except ValueError:  # another network's block or head: the explorable says so
        return {}


SOURCES = {
    "UNetXRay": EditSource(
        ("faders", "step_ranges"), lambda pair: None if set(pair[0]) & set("*?[") else pair[0], _to_faders,
        lambda traits, points: fader_edits(traits["faders"], traits["step_ranges"])),
    "TokenAttention": EditSource(
        ("scales", "mask_in_text_encoder"),
        lambda pair: pair[1].word if isinstance(pair[1], Reweight) else None, _to_scales, _read_scales),
    "PatchTransformer": EditSource((*UNEDITED, "edit_steps"), _part_of_transformer, _to_patch_edits, _read_patch_edits),
}
