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
from .attention_maps import PAD, WEIGHTS, add_means, branch_maps, gather_weights, pixel_difference, token_labels

NOISE_TIMES = (0.8, 0.65, 0.5, 0.35, 0.2)  # noise times at which a picture that is there is looked at
MAX_FRAMES = 21  # of a longer run so many steps are shown, evenly spread
DECODE_BATCH = 4  # pictures decoded at a time: between two chunks a newer wish can come in
ESTIMATE = "sampler.denoised"
TEXT_INPUT = "text.words"  # where the text encoder begins

Progress = Callable[[int, int], None]
Pictures = np.ndarray


def no_progress(done: int, of: int) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True)
class WordWeight:
    """How loud a word shall be: 0 silences it, and what it got goes to the others; 2 reads it twice as much.

    unheard: a silent word is kept from the text encoder too, which else mixes it into the words around it.
    """

    scale: float = 0.0
    mask_in_text_encoder: bool = False

    def edits(self, word: str) -> dict[str, MaskToken | Reweight]:
        """The edits that do so, by the points that they go to; none where nothing changes."""
        if self.scale == 1 or word == PAD:  # padding is not read: there is nothing to make louder
            return {}
        if self.scale:
            return {WEIGHTS: Reweight(word, self.scale)}
        return dict.fromkeys((WEIGHTS, TEXT_INPUT) if self.mask_in_text_encoder else (WEIGHTS,), MaskToken(word))


@dataclass(eq=False)
class WordAttention:
    """What one picture's words are read like.

    tokens: all of them, padding too. weights: of all steps, as `hooks.maps.gathered` gives them.
    frames: which of the steps are shown; captions: what they are called.
    denoised_images: what the model believed the picture to be, (frames, 128, 128, 3) uint8.
    image: the finished picture, or the one that was looked at. run: how it was painted, if it was, without the weights.
    edited: pictures with a word changed, by (word, volume), to be held against `plain`.
    """

    tokens: tuple[str, ...]
    weights: xr.DataArray
    frames: np.ndarray
    captions: tuple[str, ...]
    denoised_images: Pictures
    image: Pictures
    sample_again: Callable[[Progress], Pictures] = field(repr=False)
    pipe: Any = field(repr=False)
    run: Run | None = None
    edited: dict[tuple[str, WordWeight], Pictures] = field(default_factory=dict)
    _maps: tuple[str, xr.DataArray] | None = field(default=None, repr=False)  # of the branch that was asked for last

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for each token, each once; the padding as one."""
        return token_labels(self.tokens)

    @cached_property
    def label_tokens(self) -> tuple[str, ...]:
        """The token that each label stands for."""
        words = tuple(name for name in self.tokens if name != PAD)
        return (*words, *([PAD] if len(words) < len(self.tokens) else ()))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the prompt, each once."""
        return tuple(dict.fromkeys(name for name in self.label_tokens if not name.startswith("<")))

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that were recorded: "uncond", "cond", or both."""
        return tuple(str(b) for b in self.weights.branch.values)

    @property
    def original(self) -> Pictures:
        """What a changed picture is held against: the finished picture, or of one looked at, what was believed."""
        return self.denoised_images if self.run is None else self.image

    def maps(self, branch: str) -> xr.DataArray:
        """The maps at the frames that are shown, (step, token, layer, head, y, x)."""
        if self._maps is None or self._maps[0] != branch:
            every = len(self.frames) == self.weights.sizes["step"]  # as mostly: then nothing need be copied
            weights = self.weights if every else self.weights.isel(step=self.frames)
            self._maps = branch, branch_maps(weights, branch, self.tokens)
        return self._maps[1]

    def maps_with_means(self, branch: str) -> xr.DataArray:
        """The same, with the mean of all layers and the mean of the heads of each."""
        return add_means(self.maps(branch))

    def edit_word(self, word: str, volume: WordWeight, progress: Progress = no_progress) -> Pictures:
        """The picture (or what is believed at each frame) with a word so loud: computed once."""
        edits = volume.edits(word)
        if not edits:
            return self.original
        if (word, volume) not in self.edited:
            with edit(self.pipe, dict(edits)):
                self.edited[word, volume] = self.sample_again(progress)
        return self.edited[word, volume]

    def is_pending(self, word: str, volume: WordWeight) -> bool:
        """Is the picture with a word so loud still to be computed?"""
        return bool(volume.edits(word)) and (word, volume) not in self.edited

    def effect(self, word: str, volume: WordWeight) -> np.ndarray | None:
        """How far the changed picture is from the plain one, (…, 128, 128), 1 is black to white; None: not computed."""
        return None if self.is_pending(word, volume) else pixel_difference(self.edit_word(word, volume), self.original)


def frame_steps(steps: int) -> np.ndarray:
    """Which steps of a run are shown: all, or of a long run so many, evenly spread."""
    return np.linspace(0, steps - 1, min(steps, MAX_FRAMES)).round().astype(int)


def attention_while_sampling(pipe: Any, settings: Mapping[str, Any], progress: Progress = no_progress) -> WordAttention:
    """The reading of a picture that is painted now. settings: prompt, steps, guidance, seed.

    Raises:
        SettingError, UnknownWordError and the rest, as in drawing.
    """
    run = pipe(**settings, record=[WEIGHTS], progress=progress)
    weights, run = gather_weights(run), replace(run, recorded={})  # not both
    frames = frame_steps(run.steps)
    estimates, pictures = run.denoised.values[frames], []
    for start in range(0, len(estimates), DECODE_BATCH):
        pictures.append(pipe.decode(estimates[start:start + DECODE_BATCH]))
        progress(run.steps, run.steps)
    captions = tuple(f"step {k} of {run.steps}, t = {run.denoised.t.values[k]:.2f}" for k in frames)
    return WordAttention(run.tokens, weights, frames, captions, np.concatenate(pictures), run.image,
                   lambda follow: pipe(**settings, progress=follow).image, pipe, run)


def attention_in_image(pipe: Any, image: np.ndarray, prompt: str, seed: int = 0, progress: Progress = no_progress,
              times: Sequence[float] = NOISE_TIMES) -> WordAttention:
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
    weights = xr.concat([gather_weights(one).assign_coords(step=[k]) for k, one in enumerate(recordings)], "step")
    captions = tuple(f"noised to t = {t:.2f}, read in one pass" for t in times)
    return WordAttention(tuple(str(name) for name in weights.token.values), weights, np.arange(len(times)), captions,
                   believed(recordings), image, lambda follow: believed(looks(follow=follow)), pipe)
