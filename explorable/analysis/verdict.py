"""The examiner's verdict on a picture, in words, and whether it bears out what a prompt says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ..nn.examiner import Examiner, ExaminerConfig
from ..nn.pixels import to_tensor
from ..world import Scene
from ..zoo.loading import load_examiner

BATCH_SIZE = 64


@dataclass(frozen=True)
class Detection:
    """What the examiner sees of one kind of thing. relation: to the other thing, or "alone"."""

    count: int
    colour: str
    side: str
    relation: str


@dataclass(frozen=True)
class Verdict:
    """All that the examiner says of a picture: the things that are there, and the whole."""

    things: dict[str, Detection]
    place: str
    time: str
    mood: str | None


@lru_cache(maxsize=1)
def shipped_examiner() -> Examiner:
    """The shipped examiner, opened once."""
    return load_examiner()


@torch.inference_mode()
def examine(images: np.ndarray, examiner: Examiner | None = None) -> list[Verdict]:
    """Verdicts on pictures (n, 128, 128, 3) uint8."""
    examiner = examiner or shipped_examiner()
    out: list[Verdict] = []
    for start in range(0, len(images), BATCH_SIZE):
        x = to_tensor(images[start : start + BATCH_SIZE])
        report = examiner(x)
        best = {name: getattr(report, name).argmax(-1).numpy() for name in report._fields if name != "cells"}
        out += [_in_words(examiner.config, {k: v[i] for k, v in best.items()}) for i in range(len(x))]
    return out


@torch.inference_mode()
def examiner_features(images: np.ndarray, examiner: Examiner | None = None) -> np.ndarray:
    """The examiner's own view of pictures (..., 128, 128, 3) uint8, for distances between them: (..., width)."""
    examiner, flat = examiner or shipped_examiner(), images.reshape(-1, *images.shape[-3:])
    seen = [examiner.features(to_tensor(flat[k : k + BATCH_SIZE])).numpy() for k in range(0, len(flat), BATCH_SIZE)]
    return np.concatenate(seen).reshape(*images.shape[:-3], -1)


def _in_words(c: ExaminerConfig, best: dict[str, np.ndarray]) -> Verdict:
    relations = (*c.relations, "alone")
    things = {kind: Detection(int(best["number"][k]), c.colours[best["colour"][k]], c.sides[best["side"][k]],
                         relations[best["relation"][k]])
              for k, kind in enumerate(c.kinds) if best["number"][k]}
    mood = c.moods[best["mood"]]
    return Verdict(things, c.places[best["place"]], c.times[best["time"]], None if mood == "plain" else mood)


def matches_scene(verdict: Verdict, said: Scene) -> bool:
    """Whether everything that `said` states is so in the picture: every thing, number, colour, relation,
    side, place, time and mood; and no thing is there that was not asked for. What is unsaid is free."""
    if set(verdict.things) != {g.kind for g in said.groups}:
        return False
    for i, g in enumerate(said.groups):
        seen = verdict.things[g.kind]
        alone = len(said.groups) == 1
        if seen.count != g.count or g.colour not in (None, seen.colour):
            return False
        if alone and g.side is not None and seen.side != g.side:
            return False
        if i == 0 and said.relation is not None and seen.relation != said.relation:
            return False
    return (said.place in (None, verdict.place) and said.time in (None, verdict.time)
            and said.mood in (None, verdict.mood))


def preserved_traits(before: Verdict, after: Verdict) -> dict[str, float]:
    """What of the examiner's verdict is still so: its things, their colours (of things still there), place, time.

    things: shared kinds over all kinds that either picture has, 1 where both have none.
    """
    both, either = before.things.keys() & after.things.keys(), before.things.keys() | after.things.keys()
    same = [before.things[kind].colour == after.things[kind].colour for kind in both]
    return {"things kept": len(both) / len(either) if either else 1.0,
            "colours kept": float(np.mean(same)) if same else np.nan,
            "place kept": float(before.place == after.place), "time kept": float(before.time == after.time)}
