"""From a prompt to an image: text encoder, denoiser, sampler, guidance and decoder together.

    pipe = ex.load("unet-flow")
    run = pipe("a red car on a mountain road", steps=20, guidance=4, seed=0)
    run.image
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion.samplers import SAMPLERS, Step, initial_noise
from ..diffusion.settings import DEFAULT_GUIDANCE, Settings, change_settings, check_settings, make_settings
from ..hooks import (
    Point,
    PointFinder,
    PointTable,
    Recorder,
    Recording,
    RunPlan,
    attached_to,
    dispatcher_for,
    edited_points,
)
from ..hooks.points import IMAGE_SIZE
from ..nn.hook_points import dispatching_to, set_branches, set_step
from ..run import Run, collect_run
from ..run.known import acting_edits, find_known_run
from .arguments import (
    check_image,
    check_noise_time,
    check_pairs,
    check_progress,
    check_strength_has_image,
    make_recorder,
    starting_image,
)
from .encoded_text import EncodeTexts, encode_texts
from .latent_diffusion import LATENT_SHAPE, LatentDiffusion
from .points import CLASSIFIER_POINTS, ENCODER_POINTS, GUIDANCE_POINT, OPTIONAL_POINTS, point_table

DEFAULT_STRENGTH = 0.8  # that of diffusers' pipeline for Stable Diffusion


class Pipeline(LatentDiffusion):
    """A text-to-image pipeline: prompt to Run. It implements `PipelineProtocol`.

    head_weights: by cross-attention layer, the weight of each head where words are compared with regions,
    from the model's card (`measure regions`); empty where the card has none.
    """

    head_weights: Mapping[str, Sequence[float]] = {}
    default_guidance = DEFAULT_GUIDANCE
    has_examiner = has_limited_vocabulary = has_text_points = takes_exact_steps = True
    samples_video = False
    supports_preview = has_own_guidance = uses_cfg = takes_image = True
    guidance_meaning = "denoised = uncond + w (cond - uncond): w = 1 is plain conditional, w = 0 ignores the prompt"
    samplers: tuple[str, ...] = tuple(SAMPLERS)
    image_size: tuple[int, int] = IMAGE_SIZE

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, device={str(self.device)!r})"

    @property
    def text_encoders(self) -> Mapping[str, EncodeTexts]:
        """The text encoder, "text": encodes texts, and returns the vectors of all layers."""
        return {"text": functools.partial(encode_texts, self.text)}

    # ---- sampling ------------------------------------------------------------------------------------------------

    def __call__(self, prompt: str, negative: str | None = None, steps: int = 20, guidance: float | None = None,
                 seed: int = 0, sampler: str = "euler", record: str | Sequence[str] = (),
                 progress: Callable[[int, int], None] | None = None, image: Any = None, strength: float | None = None,
                 **more: Any) -> Run:
        """Sample one image, from noise or from another image.

        Args:
            prompt: what to draw; "" samples unconditionally.
            negative: the negative prompt, which replaces the empty prompt in guidance.
            guidance: w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt.
                None: the model's `default_guidance`.
            record: names or patterns of points to record: run["up.*.skip"]. `points` lists them all.
            progress: called with (steps done, all steps) after each step; what it raises stops the run.
            image: sample from an image (SDEdit, Meng et al. 2022): (128, 128, 3) uint8, a PIL image of that size, or a
                latent (4, 16, 16), which is not encoded. It gets the noise of the first step, and is denoised.
            strength: with an image, the share of the steps that are sampled, above 0, up to 1, as in diffusers; 1
                leaves nothing of the image. None: 0.8.
            more: the other fields of `Settings`: interval, rescale, spacing, shift, eta, target, classifier_scale,
                classifier_interval, noise_aware.

        Raises:
            SettingError, UnknownWordError, PromptTooLongError, UnknownTargetError, UnknownPointError,
            MemoryRefusedError: before anything is computed.
        """
        w = self.default_guidance if guidance is None else guidance
        check_strength_has_image(strength, image)
        strength = 1.0 if image is None else DEFAULT_STRENGTH if strength is None else strength
        settings = make_settings(prompt, negative=negative, steps=steps, guidance=w, seed=seed, sampler=sampler,
                                 strength=strength, **more)
        if image is None and (known := find_known_run(self, settings, record)):
            check_progress(progress)
            for k in range(known.steps):
                if progress:
                    progress(k + 1, known.steps)
            return known
        image = None if image is None else starting_image(image, self.image_size, LATENT_SHAPE)
        return self._sample(settings, record, progress, image=image)

    def branch(self, run: Run, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Rewind to the start of `step` and sample only the rest again, with other settings: see `Run.branch`."""
        settings, step = change_settings(run.settings, changes), run.check_step(step)
        start = run.steps_taken[step]
        x = start.x
        if settings.seed != run.settings.seed:  # the same estimate with other noise
            noise = initial_noise(settings.seed, LATENT_SHAPE)[None]
            x = self.path.alpha(start.t) * start.denoised.double() + self.path.sigma(start.t) * noise
        return self._sample(settings, record, progress, (run, step, x))

    def _sample(self, settings: Settings, record: str | Sequence[str], progress: Callable[[int, int], None] | None,
                start: tuple[Run, int, Tensor] | None = None, image: np.ndarray | None = None) -> Run:
        """Sample one image. start: of a branch: the parent run, the step, and the latent there. image: of a run that
        starts from one: the image or its latent."""
        check_progress(progress)
        tokens = self._tokenize(settings)
        steps = [] if start is None else list(start[0].steps_taken[: start[1]])
        recorder = make_recorder(record) if record else None
        seconds: dict[str, float] = {}
        x, encodes = start and start[2], image is not None and image.dtype == np.uint8
        with torch.inference_mode(), self._dispatching([settings.prompt], settings, len(steps), recorder, encodes):
            if image is not None:
                with self._timed("encoder", seconds if encodes else {}):
                    x = self.noised(image, settings)
            with self._timed("text encoder", seconds):
                denoise = self.guided_denoiser([settings.prompt], settings)
            with self._timed("denoiser", seconds):
                for step in self.sample_steps(denoise, settings, [settings.seed], x, tuple(steps)):
                    steps.append(step)
                    if progress:
                        with dispatching_to(None):  # it may use the networks itself
                            progress(len(steps), settings.sampled_steps)
            with self._timed("decoder", seconds):
                finished = self._decode_final(steps[-1])[0]
        return collect_run(settings, self.name, tokens, steps, finished, seconds, denoise.evaluations,
                           len(denoise.branches), recorder.last if recorder else None, pipe=self,
                           edited_points=edited_points(self), branch_of=start and (start[0], start[1]),
                           evaluation_seconds=tuple(denoise.evaluation_seconds),
                           repeated_edits=acting_edits(self) if start is None and image is None else None)

    def sample_images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None,
                      progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Sample a batch of images, (batch, 128, 128, 3) uint8, from one prompt and one seed each."""
        check_progress(progress)
        check_pairs(prompts, seeds)
        for prompt, seed in zip(prompts, seeds, strict=True):
            s = settings or Settings("", guidance=self.default_guidance)
            s = check_settings(replace(s, prompt=prompt, seed=seed))
            check_strength_has_image(None if s.strength == 1 else s.strength, None)
            self._tokenize(s)
        with torch.inference_mode(), self._dispatching(prompts, s):
            for step in self.sample_steps(self.guided_denoiser(prompts, s), s, seeds):
                if progress:
                    with dispatching_to(None):
                        progress(step.index + 1, s.steps)
            return self._decode_final(step)

    def _tokenize(self, settings: Settings) -> tuple[str, ...]:
        """Return the prompt's tokens, and check the negative prompt and the target.

        Raises:
            UnknownWordError, PromptTooLongError, UnknownTargetError
        """
        if settings.target is not None:
            self.classifier.check_target(settings.target)
        names = tuple(self.text.tokenizer.token_names(settings.prompt))
        self.text.tokenizer.token_names(settings.negative or "", "the negative prompt")
        return names

    @contextmanager
    def _timed(self, stage: str, seconds: dict[str, float]) -> Iterator[None]:
        """Measure the seconds of a stage, waiting for the GPU."""
        start = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds[stage] = time.perf_counter() - start

    # ---- single evaluations of the denoiser ----------------------------------------------------------------------

    def inspect(self, image: np.ndarray, prompt: str, t: float = 0.5, seed: int = 0,
                record: str | Sequence[str] = ("*.cross.weights",)) -> Recording:
        """Add noise to an existing image up to noise time t, evaluate the denoiser once, and record it.

        Args:
            image: (128, 128, 3) uint8. t: above 0, at most 1. record: names or patterns of points to record.

        Raises:
            SettingError: the image or t is invalid; UnknownWordError and what else `__call__` raises.
        """
        check_image(image, self.image_size)
        check_noise_time(t)
        settings = check_settings(Settings(prompt, steps=1, guidance=1.0, seed=seed))
        self._tokenize(settings)
        recorder = make_recorder(record)
        with torch.inference_mode(), self._dispatching([prompt], settings, recorder=recorder, encodes_image=True):
            latent = self.encode(image[None]).double()
            denoise = self.guided_denoiser([prompt], settings)
            x = self.path.alpha(t) * latent + self.path.sigma(t) * initial_noise(settings.seed, LATENT_SHAPE)[None]
            denoise(x, t)
        return recorder.last

    def evaluate_step(self, run: Run, step: int, x: Tensor, **changes: Any) -> None:
        """Evaluate the denoiser at a step of a run on other latents, under the attached recorders and edits.

        Gradients flow from the activations to `x`, through copies of the networks: the pipeline's own were loaded in
        inference mode, which allows none. Only the branch with the prompt is evaluated, or without guidance the other.

        Args:
            x: latents (batch, 4, 16, 16); create them outside of inference mode where they require a gradient.
            changes: settings that differ from the run's.
        """
        t = float(run.denoised.t[run.check_step(step)])
        settings = replace(run.settings, **{"guidance": 1.0 if run.settings.guidance else 0.0, **changes})
        prompts = [settings.prompt] * len(x)
        with torch.inference_mode(False), torch.enable_grad(), self._dispatching(prompts, settings, step):
            copied = copy.copy(self)
            for name in ("text", "denoiser"):
                setattr(copied, name, copy.deepcopy(getattr(self, name)).requires_grad_(False))
            denoise = copied.guided_denoiser(prompts, settings)
            denoise.start_step(step)
            denoise(x, t)

    # ---- points --------------------------------------------------------------------------------------------------

    def points(self, steps: int = 20, optional: bool = True) -> PointTable:
        """Return all points, with the sizes of their recordings over `steps` guided steps. optional: include those that
        only some runs pass, of the classifier and of the image encoder."""
        return point_table(self._all_points, steps, OPTIONAL_POINTS if optional else (GUIDANCE_POINT,))

    @functools.cached_property
    def _all_points(self) -> tuple[Point, ...]:
        """The points, found by sampling one step."""
        finder = PointFinder()
        target = self.classifier.labels[0] if self.has_classifier else None
        settings = Settings(self.vocabulary[0], steps=2, guidance=2.0, target=target,
                            classifier_scale=1.0 if target else 0.0)
        with torch.inference_mode(), dispatching_to(finder):
            self.encode(np.zeros((1, *self.image_size, 3), np.uint8))
            denoise = self.guided_denoiser([settings.prompt], settings)
            self._decode_final(next(self.sample_steps(denoise, settings, [0])))
        return tuple(finder.points.values())

    def _dispatching(self, prompts: list[str], settings: Settings, first_step: int = 0,
                     recorder: Recorder | None = None, encodes_image: bool = False) -> AbstractContextManager[None]:
        """Return a context that dispatches hooks: what is attached to this pipeline, and the run's own recorder.

        Raises:
            MemoryRefusedError, UnknownPointError
        """
        attachments = (*attached_to(self), *([recorder] if recorder else ()))
        if not attachments:
            return dispatching_to(None)
        branches = self._branches(prompts, settings)
        texts = {"uncond": {settings.negative or ""}, "cond": set(prompts)}
        tokens = {b: tuple(self.text.tokenizer.token_names(*texts[b])) if len(texts[b]) == 1 else () for b in branches}
        passed: Collection[str] = [prefix for prefix, is_passed in (
            (GUIDANCE_POINT, len(branches) > 1), (CLASSIFIER_POINTS, bool(settings.target)),
            (ENCODER_POINTS, encodes_image)) if is_passed]
        points = point_table(self._all_points, settings.sampled_steps, passed)
        plan = RunPlan(points, settings.sampled_steps, len(prompts), tokens, first_step)
        return dispatching_to(dispatcher_for(attachments, plan))

    def _decode_final(self, last: Step) -> np.ndarray:
        """Decode the latents at the end of sampling; its points belong to no step and no branch."""
        set_step(None, None)
        set_branches("")
        return self.decode(last.next_x.numpy())
