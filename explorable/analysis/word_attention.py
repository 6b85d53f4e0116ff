"""Where an image attends to each word of a prompt, and how the image changes when the weight of a word is changed.

The image is either sampled now, step by step, or it exists already and is noised to several noise times, with one
evaluation each. In both cases a word is edited in the same way, from the same noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ..hooks import MaskToken, Reweight, edit
from ..nn.special_tokens import NOT_WORDS
from ..pipeline import PipelineProtocol
from ..pipeline.progress import Progress, decode_in_chunks, no_progress, shown_steps
from ..run.run import Run
from .attention_maps import (
    PAD,
    WEIGHTS,
    add_means,
    branch_maps,
    gather_weights,
    pixel_difference,
    to_half_precision,
    token_labels,
)
from .trajectory import describe_step

NOISE_TIMES = (0.8, 0.65, 0.5, 0.35, 0.2)  # at which an existing image is evaluated
MAX_FRAMES = 21  # of a longer run, this many evenly spread steps are shown
ESTIMATE = "sampler.denoised"
TEXT_INPUT = "text.words"  # the input of the text encoder


@dataclass(frozen=True)
class WordWeight:
    """The factor on the attention to a word: 0 masks it and gives its weight to the other tokens, 2 doubles it.

    mask_in_text_encoder: mask the word there too; otherwise the encoder mixes it into the words around it.
    """

    scale: float = 0.0
    mask_in_text_encoder: bool = False

    def edits(self, word: str) -> dict[str, MaskToken | Reweight]:
        """Return the edits by point; none if nothing changes."""
        if self.scale == 1 or word == PAD:  # padding gets no attention
            return {}
        if self.scale:
            return {WEIGHTS: Reweight(word, self.scale)}
        return dict.fromkeys((WEIGHTS, TEXT_INPUT) if self.mask_in_text_encoder else (WEIGHTS,), MaskToken(word))


@dataclass(eq=False)
class WordAttention:
    """The attention of one image to the words of a prompt, and the image with edited words.

    tokens: all of them, with padding. weights: of all steps, from `attention_maps.gather_weights`, kept in half
    precision; `maps` returns them in single precision.
    frames: the steps that are shown; captions: their names.
    denoised_images: the denoised estimates at these steps, decoded, (frames, 128, 128, 3) uint8.
    image: the final image, or the existing one. run: the run if the image was sampled, without the weights.
    edited: the images with an edited word, by (word, weight), to compare with `original`.
    """

    tokens: tuple[str, ...]
    weights: xr.DataArray
    frames: np.ndarray
    captions: tuple[str, ...]
    denoised_images: np.ndarray
    image: np.ndarray
    sample_again: Callable[[Progress], np.ndarray] = field(repr=False)
    pipe: PipelineProtocol = field(repr=False)
    run: Run | None = None
    edited: dict[tuple[str, WordWeight], np.ndarray] = field(default_factory=dict)
    _maps: tuple[str, xr.DataArray] | None = field(default=None, repr=False)  # of the last branch requested

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A unique name for each token; one for all padding."""
        return token_labels(self.tokens)

    @cached_property
    def label_tokens(self) -> tuple[str, ...]:
        """The token that each label stands for."""
        words = tuple(name for name in self.tokens if name != PAD)
        return (*words, *([PAD] if len(words) < len(self.tokens) else ()))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the prompt, each once."""
        return tuple(dict.fromkeys(name for name in self.label_tokens if name not in NOT_WORDS))

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that were recorded: "uncond", "cond", or both."""
        return tuple(str(b) for b in self.weights.branch.values)

    @property
    def original(self) -> np.ndarray:
        """The reference for edited images: the final image; for an existing image, the denoised estimates."""
        return self.denoised_images if self.run is None else self.image

    def maps(self, branch: str) -> xr.DataArray:
        """Return the maps at the shown steps, (step, token, layer, head, y, x)."""
        if self._maps is None or self._maps[0] != branch:
            all_shown = len(self.frames) == self.weights.sizes["step"]  # the usual case needs no copy
            weights = self.weights if all_shown else self.weights.isel(step=self.frames)
            self._maps = branch, branch_maps(weights, branch, self.tokens)
        return self._maps[1]

    def maps_with_means(self, branch: str) -> xr.DataArray:
        """Return the maps with the mean over all layers and the mean over the heads of each layer."""
        return add_means(self.maps(branch))

    def edit_word(self, word: str, weight: WordWeight, progress: Progress = no_progress) -> np.ndarray:
        """Return the image (or the denoised estimates) with an edited word, computed at most once."""
        edits = weight.edits(word)
        if not edits:
            return self.original
        if (word, weight) not in self.edited:
            with edit(self.pipe, dict(edits)):
                self.edited[word, weight] = self.sample_again(progress)
        return self.edited[word, weight]

    def is_pending(self, word: str, weight: WordWeight) -> bool:
        """Whether the image with this edited word has not been computed yet."""
        return bool(weight.edits(word)) and (word, weight) not in self.edited

    def effect(self, word: str, weight: WordWeight) -> np.ndarray | None:
        """Return the difference from `original` at each pixel, (…, 128, 128); None if it is not computed yet."""
        if self.is_pending(word, weight):
            return None
        return pixel_difference(self.edit_word(word, weight), self.original)


def frame_steps(steps: int) -> np.ndarray:
    """Return the steps of a run that are shown: all, or `MAX_FRAMES` evenly spread ones."""
    return shown_steps(steps - 1, MAX_FRAMES)


def attention_while_sampling(pipe: PipelineProtocol, settings: Mapping[str, Any],
                             progress: Progress = no_progress) -> WordAttention:
    """Sample an image and return its attention. settings: prompt, steps, guidance, seed.

    Raises:
        What calling the pipeline raises.
    """
    run = pipe(**settings, record=[WEIGHTS], progress=progress)
    weights, run = to_half_precision(gather_weights(run)), replace(run, recorded={})  # keep the weights once
    frames = frame_steps(run.steps)
    images = decode_in_chunks(pipe, run.denoised.values[frames], lambda done, total: progress(run.steps, run.steps))
    captions = tuple(describe_step(k, run.steps, run.denoised.t.values[k]) for k in frames)
    return WordAttention(run.tokens, weights, frames, captions, images, run.image,
                         lambda progress: pipe(**settings, progress=progress).image, pipe, run)


def attention_in_image(pipe: PipelineProtocol, image: np.ndarray, prompt: str, seed: int = 0,
                       progress: Progress = no_progress, times: Sequence[float] = NOISE_TIMES) -> WordAttention:
    """Return the attention in an existing image (128, 128, 3) uint8, noised to each of `times`, one evaluation each.

    Raises:
        What `pipe.inspect` raises.
    """

    def evaluate(progress: Progress, *points: str) -> list[Any]:
        recordings = []
        for k, t in enumerate(times):
            recordings.append(pipe.inspect(image, prompt, t, seed, record=(*points, ESTIMATE)))
            progress(k + 1, len(times))
        return recordings

    def estimates(recordings: list[Any]) -> np.ndarray:
        return pipe.decode(np.concatenate([recording[ESTIMATE].values for recording in recordings]))

    recordings = evaluate(progress, WEIGHTS)
    weights = xr.concat([to_half_precision(gather_weights(one)).assign_coords(step=[k])
                         for k, one in enumerate(recordings)], "step")
    captions = tuple(f"noised to t = {t:.2f}, one evaluation" for t in times)
    return WordAttention(tuple(str(name) for name in weights.token.values), weights, np.arange(len(times)), captions,
                         estimates(recordings), image, lambda progress: estimates(evaluate(progress)), pipe)
