"""What the examiner sees in the pictures of UNetXRay, in words, and what an edit has lost."""

from __future__ import annotations

import numpy as np

from ...analysis.verdict import Verdict, examine
from ...world.words import COUNT_WORDS, PLACE_WORDS, THING_WORDS, TIME_WORDS

EXAMINED = (128, 128, 3)  # the pictures that the examiner was taught on


def verdicts_on(*images: np.ndarray) -> tuple[Verdict, ...]:
    """The examiner's verdicts on pictures; none on pictures of another size, of which it knows nothing."""
    return tuple(examine(np.stack(images))) if all(image.shape == EXAMINED for image in images) else ()


def in_words(seen: Verdict) -> str:
    """A verdict as one would say it: two black cats in a meadow at night."""
    things = [f"{COUNT_WORDS.get(t.count, 'a')} {t.colour} {_name(kind, t.count)}" for kind, t in seen.things.items()]
    mood = f", {seen.mood}" if seen.mood else ""
    return f"{' and '.join(things) or 'nothing'} {_place(seen.place)} {TIME_WORDS[seen.time][0]}{mood}"


def lost(before: Verdict, after: Verdict) -> list[str]:
    """What is not so any more, in words: things that are gone or fewer, another colour, place or time, a mood."""
    found = []
    for kind, was in before.things.items():
        now, name = after.things.get(kind), _name(kind, was.count)
        if now is None:
            found.append(f"the {name}")
            continue
        if now.count < was.count:
            found.append(f"{was.count - now.count} of {was.count} {name}")
        if now.colour != was.colour:
            found.append(f"that the {name} {'is' if was.count == 1 else 'are'} {was.colour} (now {now.colour})")
    if after.place != before.place:
        found.append(f"{_place(before.place)} (now {_place(after.place)})")
    if after.time != before.time:
        found.append(f"{TIME_WORDS[before.time][0]} (now {TIME_WORDS[after.time][0]})")
    return found + ([f"that it is {before.mood}"] if before.mood and after.mood != before.mood else [])


def told(verdicts: tuple[Verdict, ...]) -> str:
    """The sentence on what was lost from the first verdict to the second; nothing where there are none."""
    if not verdicts:
        return ""
    gone = "; ".join(lost(*verdicts))
    return f"After the edit the examiner no longer sees: {gone}." if gone else "The examiner still sees all it saw."


def _name(kind: str, count: int) -> str:
    singular, plural = THING_WORDS[kind][0]
    return singular if count == 1 else plural


def _place(place: str) -> str:
    return " ".join(filter(None, PLACE_WORDS[place][0]))
