"""The examiner's verdict on an image in words, and whether it matches a scene."""

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
    """What the examiner detects of one kind of thing. relation: to the other thing, or "alone"."""

    count: int
    colour: str
    side: str
    relation: str


@dataclass(frozen=True)
class Verdict:
    """Everything that the examiner detects in an image."""

    things: dict[str, Detection]
    place: str
    time: str
    mood: str | None


@lru_cache(maxsize=1)
def shipped_examiner() -> Examiner:
    """Load the shipped examiner, once."""
    return load_examiner()


@torch.inference_mode()
def examine(images: np.ndarray, examiner: Examiner | None = None) -> list[Verdict]:
    """Return the verdicts on images (n, 128, 128, 3) uint8."""
    examiner = examiner or shipped_examiner()
    out: list[Verdict] = []
    for start in range(0, len(images), BATCH_SIZE):
        x = to_tensor(images[start : start + BATCH_SIZE])
        report = examiner(x)
        best = {name: getattr(report, name).argmax(-1).numpy() for name in report._fields if name != "cells"}
        out += [_verdict_of(examiner.config, {k: v[i] for k, v in best.items()}) for i in range(len(x))]
    return out


@torch.inference_mode()
def examiner_features(images: np.ndarray, examiner: Examiner | None = None) -> np.ndarray:
    """Return the examiner's features of images (..., 128, 128, 3) uint8, for distances between them: (..., width)."""
    examiner, flat = examiner or shipped_examiner(), images.reshape(-1, *images.shape[-3:])
    features = [examiner.features(to_tensor(flat[k : k + BATCH_SIZE])).numpy() for k in range(0, len(flat), BATCH_SIZE)]
    return np.concatenate(features).reshape(*images.shape[:-3], -1)


def _verdict_of(c: ExaminerConfig, best: dict[str, np.ndarray]) -> Verdict:
    """Return the verdict on one image from the index of the most likely class in each head."""
    relations = (*c.relations, "alone")
    things = {kind: Detection(int(best["number"][k]), c.colours[best["colour"][k]], c.sides[best["side"][k]],
                         relations[best["relation"][k]])
              for k, kind in enumerate(c.kinds) if best["number"][k]}
    mood = c.moods[best["mood"]]
    return Verdict(things, c.places[best["place"]], c.times[best["time"]], None if mood == "plain" else mood)


def matches_scene(verdict: Verdict, scene: Scene) -> bool:
    """Whether the image shows everything that the scene states and no other thing. What it leaves open is free."""
    if set(verdict.things) != {g.kind for g in scene.groups}:
        return False
    for i, g in enumerate(scene.groups):
        detection = verdict.things[g.kind]
        alone = len(scene.groups) == 1
        if detection.count != g.count or g.colour not in (None, detection.colour):
            return False
        if alone and g.side is not None and detection.side != g.side:
            return False
        if i == 0 and scene.relation is not None and detection.relation != scene.relation:
            return False
    return (scene.place in (None, verdict.place) and scene.time in (None, verdict.time)
            and scene.mood in (None, verdict.mood))


def shows(verdict: Verdict, word: str) -> bool:
    """Return whether the examiner finds that thing, a thing of that colour, that place or that time."""
    return word in {*verdict.things, *(seen.colour for seen in verdict.things.values()), verdict.place, verdict.time}


@torch.inference_mode()
def silhouettes(images: np.ndarray, examiner: Examiner | None = None) -> np.ndarray:
    """Return in which of its 16 x 16 cells the examiner finds any thing, (n, 128, 128, 3) uint8 to (n, 16, 16) bool."""
    examiner, found = examiner or shipped_examiner(), [np.zeros((0, 16, 16), bool)]
    for start in range(0, len(images), BATCH_SIZE):
        nothing = examiner(to_tensor(images[start : start + BATCH_SIZE])).cells.softmax(1)[:, -1]
        found.append((nothing < 0.5).numpy())
    return np.concatenate(found)


@torch.inference_mode()
def target_probability(images: np.ndarray, word: str, examiner: Examiner | None = None) -> np.ndarray:
    """Return how probable the examiner finds it that images (n, 128, 128, 3) uint8 show a thing, colour, place or time:
    (n,). For a colour, that at least one thing has it, with the kinds taken as independent.

    Raises:
        ValueError: the examiner knows no such word.
    """
    examiner = examiner or shipped_examiner()
    c, out = examiner.config, [np.zeros(0)]
    if word not in (*c.kinds, *c.colours, *c.places, *c.times):
        raise ValueError(f"the examiner knows no {word!r}; choose one of: "
                         f"{', '.join((*c.kinds, *c.colours, *c.places, *c.times))}")
    for start in range(0, len(images), BATCH_SIZE):
        report = examiner(to_tensor(images[start : start + BATCH_SIZE]))
        present = 1 - report.number.softmax(-1)[..., 0]  # (n, kinds)
        if word in c.kinds:
            found = present[:, c.kinds.index(word)]
        elif word in c.colours:
            found = 1 - (1 - present * report.colour.softmax(-1)[..., c.colours.index(word)]).prod(1)
        else:
            labels, logits = (c.places, report.place) if word in c.places else (c.times, report.time)
            found = logits.softmax(-1)[:, labels.index(word)]
        out.append(found.double().numpy())
    return np.concatenate(out)


def preserved_traits(before: Verdict, after: Verdict) -> dict[str, float]:
    """Return which parts of a verdict an edit preserved: things, their colours, place and time, 0 to 1.

    things: kinds in both over kinds in either, 1 if there are none. colours: of the things in both.
    """
    both, either = before.things.keys() & after.things.keys(), before.things.keys() | after.things.keys()
    same = [before.things[kind].colour == after.things[kind].colour for kind in both]
    return {"things kept": len(both) / len(either) if either else 1.0,
            "colours kept": float(np.mean(same)) if same else np.nan,
            "place kept": float(before.place == after.place), "time kept": float(before.time == after.time)}
