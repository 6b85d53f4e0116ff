"""A reading: where the words of a picture are read, and how the picture changes when a word is silenced or made louder.

Of a picture that is being painted, step by step; or of a picture that is there already, noised to some t and looked at
once for each. Either way a word is changed by the same edit, from the same noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ..hooks import MaskToken, Reweight, edit
from ..run.run import Run
from .attention_maps import PAD, WEIGHTS, difference, gathered, of_branch, token_labels, with_means

TIMES = (0.8, 0.65, 0.5, 0.35, 0.2)  # noise times at which a picture that is there is looked at
MOST_FRAMES = 21  # of a longer run so many steps are shown, evenly spread
CHUNK = 4  # pictures decoded at a time: between two chunks a newer wish can come in
ESTIMATE = "sampler.denoised"
HEARD = "text.words"  # where the text encoder begins

Progress = Callable[[int, int], None]
Pictures = np.ndarray


def silent(done: int, of: int) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True)
class Volume:
    """How loud a word shall be: 0 silences it, and what it got goes to the others; 2 reads it twice as much.

    unheard: a silent word is kept from the text encoder too, which else mixes it into the words around it.
    """

    loudness: float = 0.0
    unheard: bool = False

    def edits(self, word: str) -> dict[str, MaskToken | Reweight]:
        """The edits that do so, by the points that they go to; none where nothing changes."""
        if self.loudness == 1 or word == PAD:  # padding is not read: there is nothing to make louder
            return {}
        if self.loudness:
            return {WEIGHTS: Reweight(word, self.loudness)}
        return dict.fromkeys((WEIGHTS, HEARD) if self.unheard else (WEIGHTS,), MaskToken(word))


@dataclass(eq=False)
class Reading:
    """What one picture's words are read like.

    tokens: all of them, padding too. weights: of all steps, as `hooks.maps.gathered` gives them.
    frames: which of the steps are shown; captions: what they are called.
    believed: what the model believed the picture to be, (frames, 128, 128, 3) uint8.
    image: the finished picture, or the one that was looked at. run: how it was painted, if it was, without the weights.
    changed: pictures with a word changed, by (word, volume), to be held against `plain`.
    """

    tokens: tuple[str, ...]
    weights: xr.DataArray
    frames: np.ndarray
    captions: tuple[str, ...]
    believed: Pictures
    image: Pictures
    again: Callable[[Progress], Pictures] = field(repr=False)
    pipe: Any = field(repr=False)
    run: Run | None = None
    changed: dict[tuple[str, Volume], Pictures] = field(default_factory=dict)
    _maps: tuple[str, xr.DataArray] | None = field(default=None, repr=False)  # of the branch that was asked for last

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for each token, each once; the padding as one."""
        return token_labels(self.tokens)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The token that each label stands for."""
        words = tuple(name for name in self.tokens if name != PAD)
        return (*words, *([PAD] if len(words) < len(self.tokens) else ()))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the prompt, each once."""
        return tuple(dict.fromkeys(name for name in self.names if not name.startswith("<")))

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that were recorded: "uncond", "cond", or both."""
        return tuple(str(b) for b in self.weights.branch.values)

    @property
    def plain(self) -> Pictures:
        """What a changed picture is held against: the finished picture, or of one looked at, what was believed."""
        return self.believed if self.run is None else self.image

    def of(self, branch: str) -> xr.DataArray:
        """The maps at the frames that are shown, (step, token, layer, head, y, x)."""
        if self._maps is None or self._maps[0] != branch:
            every = len(self.frames) == self.weights.sizes["step"]  # as mostly: then nothing need be copied
            weights = self.weights if every else self.weights.isel(step=self.frames)
            self._maps = branch, of_branch(weights, branch, self.tokens)
        return self._maps[1]

    def shown(self, branch: str) -> xr.DataArray:
        """The same, with the mean of all layers and the mean of the heads of each."""
        return with_means(self.of(branch))

    def change(self, word: str, volume: Volume, progress: Progress = silent) -> Pictures:
        """The picture (or what is believed at each frame) with a word so loud: computed once."""
        edits = volume.edits(word)
        if not edits:
            return self.plain
        if (word, volume) not in self.changed:
            with edit(self.pipe, dict(edits)):
                self.changed[word, volume] = self.again(progress)
        return self.changed[word, volume]

    def waits(self, word: str, volume: Volume) -> bool:
        """Is the picture with a word so loud still to be computed?"""
        return bool(volume.edits(word)) and (word, volume) not in self.changed

    def effect(self, word: str, volume: Volume) -> np.ndarray | None:
        """How far the changed picture is from the plain one, (…, 128, 128), 1 is black to white; None: not computed."""
        return None if self.waits(word, volume) else difference(self.change(word, volume), self.plain)


def shown_steps(steps: int) -> np.ndarray:
    """Which steps of a run are shown: all, or of a long run so many, evenly spread."""
    return np.linspace(0, steps - 1, min(steps, MOST_FRAMES)).round().astype(int)


def painted(pipe: Any, settings: Mapping[str, Any], progress: Progress = silent) -> Reading:
    """The reading of a picture that is painted now. settings: prompt, steps, guidance, seed.

    Raises:
        SettingError, UnknownWordError and the rest, as in drawing.
    """
    run = pipe(**settings, record=[WEIGHTS], progress=progress)
    weights, run = gathered(run), replace(run, recorded={})  # not both
    frames = shown_steps(run.steps)
    estimates, pictures = run.denoised.values[frames], []
    for start in range(0, len(estimates), CHUNK):
        pictures.append(pipe.decode(estimates[start:start + CHUNK]))
        progress(run.steps, run.steps)
    captions = tuple(f"step {k} of {run.steps}, t = {run.denoised.t.values[k]:.2f}" for k in frames)
    return Reading(run.tokens, weights, frames, captions, np.concatenate(pictures), run.image,
                   lambda follow: pipe(**settings, progress=follow).image, pipe, run)


def looked_at(pipe: Any, image: np.ndarray, prompt: str, seed: int = 0, progress: Progress = silent,
              times: Sequence[float] = TIMES) -> Reading:
    """The reading of a picture (128, 128, 3) uint8 that is there: noised to each of `times`, read in one pass each.

    Raises:
        SettingError, UnknownWordError and the rest, as in `Pipeline.inspect`.
    """

    def looks(*points: str, follow: Progress) -> list[Any]:
        found = []
        for k, t in enumerate(times):
            found.append(pipe.inspect(image, prompt, t, seed, record=(*points, ESTIMATE)))
            follow(k + 1, len(times))
        return found

    def believed(recordings: list[Any]) -> Pictures:
        return pipe.decode(np.concatenate([recording[ESTIMATE].values for recording in recordings]))

    recordings = looks(WEIGHTS, follow=progress)
    weights = xr.concat([gathered(recording).assign_coords(step=[k]) for k, recording in enumerate(recordings)], "step")
    captions = tuple(f"noised to t = {t:.2f}, read in one pass" for t in times)
    return Reading(tuple(str(name) for name in weights.token.values), weights, np.arange(len(times)), captions,
                   believed(recordings), image, lambda follow: believed(looks(follow=follow)), pipe)
