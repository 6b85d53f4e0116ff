"""How an answer of UNetXRay comes about: two runs seen from inside, where a unit looks, and what the examiner says.

Parts of the last answer are used again where the wish for them is the same. The picture that was asked for comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...analysis.receptive_field import sight
from ...analysis.unet_activations import Changes, Looks, Stage, fades, listened, seen_inside
from ...pipeline import Pipeline
from ...run import Run
from ..core.explorable import Progress
from ..core.preview import FEW, quiet, scaled
from .result import Wish, XRay, called
from .verdicts import verdicts_on
from .view import Seen

CHUNK = 4  # pictures decoded at a time: between two chunks a newer wish can come in

Drawn = tuple[Run, np.ndarray]  # a run with all stages recorded, and what it believed at each step, the picture last


class Work:
    """What was computed last, by its parts: each for which wish, and what."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Any, Any]] = {}

    def keep(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """A part, computed only for another wish than the last."""
        if not self.has(name, key):
            self.kept[name] = (key, make())
        return self.kept[name][1]

    def has(self, name: str, key: Any) -> bool:
        return name in self.kept and self.kept[name][0] == key

    def runs(self, pipe: Pipeline, stages: dict[str, Stage], asked: Wish, progress: Progress,
             picture: Callable[[np.ndarray], None] = lambda previews: None) -> tuple[Seen, Seen, Changes]:
        """The untouched run, the edited one, and the edits. picture: hears what the edited run believed at each step
        while the untouched one is still to be drawn.
        """
        s, steps = asked.settings, asked.settings.steps
        of = 3 * steps + 4

        def draw(edits: Changes, done: int) -> Drawn:
            run = listened(pipe, stages, edits, progress=lambda k, _: progress(done + k, of), **called(s))
            parts = [run.image[None]]
            for start in reversed(range(0, len(run.denoised) - 1, CHUNK)):
                parts.insert(0, pipe.decode(run.denoised.values[start : min(start + CHUNK, len(run.denoised) - 1)]))
                progress(done + steps, of)
            return run, np.concatenate(parts)

        def seen(looks: Looks, drawn: Drawn) -> Seen:
            return Seen(seen_inside(drawn[0], stages, looks), drawn[1])

        donor = self.keep("donor_prompt", (s, asked.donor_prompt, asked.swapped_skips), lambda: _given(
            pipe, asked, lambda k, _: progress(k, of))) if asked.swapped_skips else None
        edits = fades(asked.faders, asked.step_ranges, asked.swapped_skips, donor)
        first = None
        if edits and not self.has("untouched", s):
            first = draw(edits, 2 * steps)
            picture(first[1])
        # The looks belong to the untouched run: both runs are seen through them, and their colours can be compared.
        looks, untouched = self.keep("untouched", s, lambda: (made := Looks(), seen(made, draw({}, steps))))
        edited = self.keep("edited", asked.changes, lambda: seen(looks, first or draw(edits, 2 * steps))
                           ) if edits else untouched
        return untouched, edited, edits

    def answer(self, pipe: Pipeline, stages: dict[str, Stage], asked: Wish, progress: Progress,
               picture: Callable[[np.ndarray], None], pictures: Callable[[Seen, Seen], None]) -> XRay:
        """The whole. pictures: hears of both runs while it is still to be seen where the unit looks."""
        untouched, edited, edits = self.runs(pipe, stages, asked, progress, picture)
        unit = replace(asked.unit, step=min(asked.unit.step, edited.inside.run.steps - 1))  # there may be fewer
        asked = replace(asked, unit=unit)
        if not self.has("felt", (asked.changes, unit)):
            pictures(untouched, edited)
        felt = self.keep("felt", (asked.changes, unit), lambda: sight(
            pipe, edited.inside.run, unit.step, stages[unit.stage].point, unit.row, unit.column, edits))
        verdicts = self.keep("verdicts", asked.changes, lambda: verdicts_on(untouched.image, edited.image)
                             if isinstance(pipe, Pipeline) else ())  # of other pictures the examiner knows nothing
        progress(1, 1)
        return XRay(stages, untouched, edited, felt, asked, verdicts)

    def first_look(self, pipe: Pipeline, stages: dict[str, Stage], asked: Wish, progress: Progress) -> XRay:
        """Both runs in few steps. Where the unit looks is not seen yet."""
        steps = asked.settings.steps
        step_ranges = {n: (round(a * FEW / steps), round(b * FEW / steps)) for n, (a, b) in asked.step_ranges.items()}
        few = replace(asked, settings=replace(asked.settings, steps=FEW), step_ranges=step_ranges,
                      unit=replace(asked.unit, step=scaled(asked.unit.step, steps)))
        untouched, edited, _ = self.runs(pipe, stages, few, quiet(progress))
        return XRay(stages, untouched, edited, np.zeros(untouched.inside.run.latents.shape[-2:]), asked)


def _given(pipe: Pipeline, asked: Wish, progress: Progress) -> Any:
    """What the other prompt's run has at the skips that are swapped."""
    if not asked.donor_prompt.strip():
        raise ValueError("there is no prompt to take skips from: write one, or swap no skip")
    return pipe(**{**called(asked.settings), "prompt": asked.donor_prompt}, record=list(asked.swapped_skips),
                progress=progress).recorded
