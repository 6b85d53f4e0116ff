"""The common interface of shipped pipelines and opened diffusers pipelines, with their capabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..diffusion.paths import Path
from ..diffusion.settings import Settings
from ..hooks import PointTable, Recording
from ..run import Run
from .encoded_text import EncodeTexts


class PipelineProtocol(Protocol):
    """A text-to-image pipeline that explorables, analyses and recordings work with.

    `Pipeline` and `adapters.OpenedPipeline` implement it. Code that needs something only one of them has asks for the
    capability, never for the class. The capabilities that do not depend on the weights are attributes of the class, so
    that they can be read before a model is loaded.
    """

    has_examiner: bool
    """Whether the examiner was trained on images like these, so that its verdicts mean something."""
    has_limited_vocabulary: bool
    """Whether prompts are limited to the words of the picture world, and others are refused."""
    has_text_points: bool
    """Whether the inside of the text encoder has points, so that a word can be masked there too."""
    takes_exact_steps: bool
    """Whether a run has exactly as many steps as were requested. Some of diffusers' schedulers take more."""
    supports_preview: bool
    """Whether a run of a few steps resembles the full run enough to stand in for it while that is computed."""

    has_own_guidance: bool
    """Whether this package computes the guidance, so that w below 1, `interval` and `rescale` can be set."""

    @property
    def samples_video(self) -> bool:
        """Whether a run is a video: its image is one of its frames."""

    @property
    def takes_image(self) -> bool:
        """Whether a run can start from an image: pipe(prompt, image=…, strength=…)."""

    @property
    def uses_cfg(self) -> bool:
        """Whether guidance compares two predictions, without the prompt and with it (classifier-free guidance)."""

    @property
    def guidance_meaning(self) -> str:
        """A description of the guidance scale w in this pipeline."""

    @property
    def has_classifier(self) -> bool:
        """Whether `target` and classifier guidance are available."""

    @property
    def name(self) -> str:
        """The name of the weights, as it is stored in runs."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""

    @property
    def path(self) -> Path:
        """The noise path on which the denoiser was trained."""

    @property
    def prediction(self) -> str:
        """What the denoiser predicts: "noise", "v", "x0" or "velocity"."""

    @property
    def samplers(self) -> tuple[str, ...]:
        """The valid values of `sampler`, the default first."""

    @property
    def default_guidance(self) -> float:
        """The guidance scale for which the model was made."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the generated images, in pixels."""

    @property
    def head_weights(self) -> Mapping[str, Sequence[float]]:
        """By cross-attention layer, the weight of each head where words are compared; empty where none is known."""

    @property
    def text_width(self) -> int | None:
        """Channels of the text encoder's output; None where several encoders are joined."""

    @property
    def text_encoders(self) -> Mapping[str, EncodeTexts]:
        """By name, the text encoders whose context the denoiser receives: functions that return all layers' vectors."""

    def __call__(self, prompt: str, *, seed: int = 0, record: str | Sequence[str] = (),
                 progress: Callable[[int, int], None] | None = None, **settings: Any) -> Run:
        """Sample one image."""

    def branch(self, run: Run, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Rewind a run to the start of `step` and sample the rest again with other settings."""

    def sample_images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None,
                      progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Sample a batch of images, (batch, height, width, 3) uint8, from one prompt and one seed each."""

    def inspect(self, image: np.ndarray, prompt: str, t: float = 0.5, seed: int = 0,
                record: str | Sequence[str] = ("*.cross.weights",)) -> Recording:
        """Add noise to an existing image up to noise time t, evaluate the denoiser once, and record it."""

    def evaluate_step(self, run: Run, step: int, x: Tensor, **changes: Any) -> None:
        """Evaluate the denoiser at a step of a run on other latents, under the attached recorders and edits."""

    def points(self, steps: int = 20, *, optional: bool = True) -> PointTable:
        """Return all hook points; `optional` includes those that only some runs reach."""

    def encode(self, images: np.ndarray) -> Tensor:
        """Encode images (n, height, width, 3) uint8 as latents (n, channel, y, x), on the CPU."""

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode latents (n, channel, y, x) to images (n, height, width, 3) uint8."""
