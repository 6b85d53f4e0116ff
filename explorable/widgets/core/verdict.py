"""What the examiner sees in images, in words."""

from __future__ import annotations

import numpy as np

from ...analysis.verdict import Verdict, examine, matches_scene
from ...world import GrammarError, Scene, parse
from ...world.words import COUNT_WORDS, PLACE_WORDS, THING_WORDS, TIME_WORDS

EXAMINED_SHAPE = (128, 128, 3)  # of the images that the examiner was trained on


def examine_images(*images: np.ndarray) -> tuple[Verdict, ...]:
    """The examiner's verdicts on images; none for images of another size, on which it was not trained."""
    if any(image.shape != EXAMINED_SHAPE for image in images):
        return ()
    return tuple(examine(np.stack(images)))


def scene_of(prompt: str) -> Scene | None:
    """The scene that a prompt describes; None for a prompt that is not in the picture world's grammar."""
    try:
        return parse(prompt).scene
    except GrammarError:
        return None


def check_against_prompt(verdict: Verdict, prompt: str) -> str:
    """Say whether a verdict is what the prompt says; empty for a prompt that describes no scene."""
    scene = scene_of(prompt)
    if scene is None:
        return ""
    return "as the prompt says" if matches_scene(verdict, scene) else "which is not what the prompt says"


def describe_verdict(verdict: Verdict) -> str:
    """Put a verdict in words: two black cats in a meadow at night."""
    things = [f"{COUNT_WORDS.get(t.count, 'a')} {t.colour} {_noun(kind, t.count)}"
              for kind, t in verdict.things.items()]
    mood = f", {verdict.mood}" if verdict.mood else ""
    where, when = _place(verdict.place), TIME_WORDS[verdict.time][0]
    return f"{' and '.join(things) or 'no thing'} {where} {when}{mood}"


def losses(before: Verdict, after: Verdict) -> list[str]:
    """List the losses: things that are gone or fewer, another colour, place or time, a lost mood."""
    found = []
    for kind, old in before.things.items():
        new, name = after.things.get(kind), _noun(kind, old.count)
        verb = "is" if old.count == 1 else "are"
        if new is None:
            found.append(f"the {name} {verb} gone")
            continue
        if new.count < old.count:
            found.append(f"{new.count} {_noun(kind, new.count)} instead of {old.count}")
        if new.colour != old.colour:
            found.append(f"the {_noun(kind, new.count)} {'is' if new.count == 1 else 'are'} {new.colour} instead of "
                         f"{old.colour}")
    if after.place != before.place:
        found.append(f"{_place(after.place)} instead of {_place(before.place)}")
    if after.time != before.time:
        found.append(f"{TIME_WORDS[after.time][0]} instead of {TIME_WORDS[before.time][0]}")
    return found + ([f"no longer {before.mood}"] if before.mood and after.mood != before.mood else [])


def describe_losses(verdicts: tuple[Verdict, ...]) -> str:
    """Describe the losses from the first verdict to the second; empty without verdicts."""
    if not verdicts:
        return ""
    lost = "; ".join(losses(*verdicts))
    return f"Lost in the edit: {lost}." if lost else "It sees no loss."


def _noun(kind: str, count: int) -> str:
    singular, plural = THING_WORDS[kind][0]
    return singular if count == 1 else plural


def _place(place: str) -> str:
    return " ".join(filter(None, PLACE_WORDS[place][0]))
