"""From a prompt to a picture: text encoder, denoiser, sampler, guidance and decoder, joined.

    pipe = ex.load("unet-flow")
    run = pipe("a red car on a mountain road", steps=20, guidance=4, seed=0)
    run.image
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion.guidance import shift_denoised, shift_mean
from ..diffusion.guided_denoiser import GuidedDenoiser
from ..diffusion.paths import Path
from ..diffusion.predictions import check_prediction, to_denoised
from ..diffusion.samplers import SAMPLERS, Step, initial_noise, make_noise_sampler, run_sampler, sampler_options
from ..diffusion.settings import DEFAULT_GUIDANCE, SettingError, Settings, change_settings, check_settings
from ..diffusion.timesteps import make_timesteps
from ..hooks import PointFinder, PointTable, Recorder, Recording, RunPlan, attached_to, dispatcher_for
from ..nn.classifier import Classifier
from ..nn.dit import DiT, Prompt
from ..nn.hook_points import dispatching_to, set_branches, set_step
from ..nn.layers import Memory
from ..nn.pixels import to_images, to_tensor
from ..nn.text import TextEncoder
from ..nn.unet import UNet
from ..nn.vae import VAE
from ..run import Run, collect
from ..zoo import names
from ..zoo.loading import load_classifier
from .device import full_float32

DECODED_AT_ONCE = 16  # pictures: a long recording must not need a lot of memory
LATENT_SHAPE = (4, 16, 16)
IMAGE_SIZE = (128, 128)  # pixels, height and width
GUIDED, TAUGHT, ENCODED = "sampler.difference", "classifier.", "vae.encoder."
SPECIAL = {GUIDED: "only where guidance is neither 0 nor 1 are two estimates compared",
           TAUGHT: "only with a target is the classifier asked: pipe(prompt, target=…, classifier_scale=…)",
           ENCODED: "only a picture that is there already is encoded: pipe.inspect(image, prompt)"}


def patterns(record: str | Sequence[str]) -> tuple[str, ...]:
    """One pattern, or several."""
    return (record,) if isinstance(record, str) else tuple(record)


class Pipeline:
    """Prompt to Run. The networks are public: `text`, `denoiser`, `vae`; so are the `path` and the `prediction`.

    head_weights: by cross-attention layer, the weight of each head where words are compared with regions, from the
    model's card (`measure regions`); empty where the card has none.
    """

    head_weights: Mapping[str, Sequence[float]] = {}
    default_guidance = DEFAULT_GUIDANCE  # what its model is meant for, where its card says so
    has_examiner = has_text_points = takes_exact_steps = supports_preview = True  # see PipelineProtocol
    samplers: tuple[str, ...] = tuple(SAMPLERS)
    image_size: tuple[int, int] = IMAGE_SIZE

    def __init__(self, name: str, text: TextEncoder, denoiser: UNet | DiT, vae: VAE, path: Path, prediction: str,
                 device: torch.device):
        check_prediction(prediction, path)
        self.name, self.path, self.prediction, self.device = name, path, prediction, device
        self.text = text.eval().to(device)
        self.denoiser = denoiser.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.vae = vae.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, device={str(self.device)!r})"

    @property
    def has_classifier(self) -> bool:
        """Whether the classifier is among the shipped weights, so that `target` can be set."""
        return "classifier" in names()

    @property
    def text_width(self) -> int:
        """Channels of the text encoder's output."""
        return self.text.config.width

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that the text encoder knows."""
        return self.text.tokenizer.vocabulary

    def __call__(self, prompt: str, negative: str | None = None, steps: int = 20, guidance: float | None = None,
                 seed: int = 0, sampler: str = "euler", record: str | Sequence[str] = (),
                 progress: Callable[[int, int], None] | None = None, **more: Any) -> Run:
        """Sample one picture.

        Args:
            prompt: what to draw; "" draws without a wish (unconditional).
            negative: what to compare with, in place of the empty prompt.
            guidance: w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt.
                None: what the model is meant for, `default_guidance`.
            record: names or patterns of points to keep: run["up.*.skip"]. `points` lists them all.
            progress: called with (steps done, steps in all) after each step; what it raises stops the run.
            more: the other fields of `Settings`: interval, rescale, spacing, shift, eta, target, classifier_scale.

        Raises:
            SettingError, UnknownWordError, PromptTooLongError, UnknownTargetError, UnknownPointError,
            MemoryRefusedError: before anything is computed.
        """
        w = self.default_guidance if guidance is None else guidance
        settings = check_settings(Settings(prompt, negative, steps, w, seed, sampler, **more))
        return self._sample(settings, record, progress)

    def branch(self, run: Run, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Draw the tail of a run anew from the start of `step` on, with other settings: see `Run.branch`."""
        settings, step = change_settings(run.settings, changes), run.check_step(step)
        x = run.steps_taken[step].x
        if settings.seed != run.settings.seed:  # the same belief, drowned in other static
            t = run.steps_taken[step].t
            fresh = initial_noise(settings.seed, LATENT_SHAPE)[None]
            x = self.path.alpha(t) * run.steps_taken[step].denoised.double() + self.path.sigma(t) * fresh
        return self._sample(settings, record, progress, (run, step, x))

    def _sample(self, settings: Settings, record: str | Sequence[str], progress: Callable[[int, int], None] | None,
                start: tuple[Run, int, Tensor] | None = None) -> Run:
        """One picture; from `start` on (a run, a step, and the latent there) where it is a branch."""
        tokens = self.read(settings)
        before = [] if start is None else list(start[0].steps_taken[: start[1]])
        own = Recorder(patterns(record)) if record else None
        seconds: dict[str, float] = {}
        with torch.inference_mode(), self.dispatch_hooks([settings.prompt], settings, len(before), own):
            started = time.perf_counter()
            denoise = self.guided_denoiser([settings.prompt], settings)
            self._finish()
            seconds["text encoder"] = time.perf_counter() - started
            started = time.perf_counter()
            records = before
            for step in self.sample_steps(denoise, settings, [settings.seed], start and start[2], before):
                records.append(step)
                if progress:
                    with dispatching_to(None):  # it may draw and decode things of its own
                        progress(len(records), settings.steps)
            seconds["denoiser"] = time.perf_counter() - started
            started = time.perf_counter()
            self._move_out()
            image = self.decode(records[-1].next_x.numpy())[0]
            seconds["decoder"] = time.perf_counter() - started
        return collect(self, settings, tokens, records, image, seconds, (denoise.evaluations, len(denoise.branches)),
                       own.last if own else None, start and (start[0], start[1]))

    def inspect(self, image: np.ndarray, prompt: str, t: float = 0.5, seed: int = 0,
                record: str | Sequence[str] = ("*.cross.weights",)) -> Recording:
        """What the denoiser sees in a picture that is there already: it is noised to t, and looked at once.

        Args:
            image: (128, 128, 3) uint8. t: above 0, at most 1. record: names or patterns of points to keep.

        Raises:
            SettingError: no such picture, or t out of range; UnknownWordError and the rest as in drawing.
        """
        if not isinstance(image, np.ndarray) or image.shape != (128, 128, 3) or image.dtype != np.uint8:
            raise SettingError("image is no array of (128, 128, 3) uint8")
        if not 0 < t <= 1:
            raise SettingError(f"t is {t!r}: choose a noise time above 0, up to 1")
        settings = check_settings(Settings(prompt, steps=1, guidance=1.0, seed=seed))
        self.read(settings)
        recorder = Recorder(patterns(record))
        with torch.inference_mode(), self.dispatch_hooks([prompt], settings, own=recorder, encodes=True):
            latent = self.encode(image[None]).double()
            denoise = self.guided_denoiser([prompt], settings)
            x = self.path.alpha(t) * latent + self.path.sigma(t) * initial_noise(settings.seed, LATENT_SHAPE)[None]
            denoise(x, t)
        return recorder.last

    def evaluate_step(self, run: Run, step: int, x: Tensor, **changes: Any) -> None:
        """Evaluate the denoiser at a step of a run on other latents, under the attached recorders and edits.

        Gradients flow from the recorded activations to `x`, through copies of the networks: the pipeline's own were
        loaded in inference mode, which lets none through. Only the branch with the prompt is evaluated.

        Args:
            x: latents (batch, 4, 16, 16), created outside of inference mode where they require a gradient.
            changes: settings that differ from the run's.
        """
        alone = {"guidance": 1.0 if run.settings.guidance else 0.0}  # at 0 the run has no branch with the prompt
        settings, prompts = replace(run.settings, **alone | changes), [run.settings.prompt] * len(x)
        with torch.inference_mode(False), torch.enable_grad(), self.dispatch_hooks(prompts, settings, first=step):
            copied = copy.copy(self)
            for name in ("text", "denoiser"):
                setattr(copied, name, copy.deepcopy(getattr(self, name)).requires_grad_(False))
            denoise = copied.guided_denoiser(prompts, settings)
            denoise.start_step(step)
            denoise(x, float(run.denoised.t[run.check_step(step)]))

    def points(self, steps: int = 20, optional: bool = True) -> PointTable:
        """Every point there is, with what a recording of `steps` guided steps would take. optional: with those of
        the classifier, which only runs with a target come by, and of the encoder, which only `inspect` does."""
        return self._points(steps, *SPECIAL if optional else (GUIDED,))

    def _points(self, steps: int, *special: str) -> PointTable:
        """The points of a run that comes by these parts of SPECIAL, beside what all come by."""
        others = {part: why for part, why in SPECIAL.items() if part not in special}
        found = {p.name: next((part for part in others if p.name.startswith(part)), None) for p in self._surveyed}
        return PointTable((p for p in self._surveyed if found[p.name] is None), steps,
                          {name: others[part] for name, part in found.items() if part is not None})

    @functools.cached_property
    def _surveyed(self) -> tuple:
        """The points, found by taking one step with somebody listening to everything."""
        survey = PointFinder()
        target = self.classifier.words[0] if self.has_classifier else None
        settings = Settings(self.vocabulary[0], steps=2, guidance=2.0, target=target,
                            classifier_scale=1.0 if target else 0.0)
        with torch.inference_mode(), dispatching_to(survey):
            self.encode(np.zeros((1, 128, 128, 3), np.uint8))
            step = next(self.sample_steps(self.guided_denoiser([settings.prompt], settings), settings, [0]))
            self._move_out()
            self.decode(step.next_x.numpy())
        return tuple(survey.points.values())

    def dispatch_hooks(self, prompts: list[str], settings: Settings, first: int = 0, own: Recorder | None = None,
              encodes: bool = False) -> AbstractContextManager[None]:
        """What is attached to this pipeline, and a recorder of the run's own, listening; nobody where there is nothing.

        Raises:
            MemoryRefusedError, UnknownPointError: a recording that cannot be.
        """
        attachments = (*attached_to(self), *([own] if own else ()))
        if not attachments:
            return dispatching_to(None)
        branches, blank = self._branches(prompts, settings), settings.negative or ""
        texts = {"uncond": {blank}, "cond": set(prompts)}
        tokens = {b: tuple(self.text.tokenizer.labels(*texts[b])) if len(texts[b]) == 1 else () for b in branches}
        passes = {GUIDED: len(branches) > 1, TAUGHT: bool(settings.target), ENCODED: encodes}
        points = self._points(settings.steps, *(part for part, comes_by in passes.items() if comes_by))
        return dispatching_to(dispatcher_for(attachments, RunPlan(points, settings.steps, len(prompts), tokens, first)))

    def _move_out(self) -> None:
        """The sampling is over: what comes is the decoder."""
        set_step(None, None)
        set_branches("")

    def read(self, settings: Settings) -> tuple[str, ...]:
        """The prompt's tokens. The negative prompt is read too, so that a word unknown in either is said at once.

        Raises:
            UnknownWordError, PromptTooLongError, UnknownTargetError
        """
        if settings.target is not None:
            self.classifier.check(settings.target)
        self.text.tokenizer.labels(settings.negative or "")
        return tuple(self.text.tokenizer.labels(settings.prompt))

    def _finish(self) -> None:
        """Wait for a GPU, so that a stage's time is its own."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def sample_steps(self, denoise: GuidedDenoiser, settings: Settings, seeds: list[int], start: Tensor | None = None,
             before: Sequence[Step] = ()) -> Iterator[Step]:
        """The steps of a batch of samplings, one for each seed. Latents (batch, 4, 16, 16) float64, on the CPU.

        start, before: the latents to go on from, and the steps that led there; without them, from noise.
        """
        first = len(before)
        times = make_timesteps(settings.spacing, settings.steps, self.path, settings.shift)[first:]
        x = torch.stack([initial_noise(seed, LATENT_SHAPE) for seed in seeds]) if start is None else start
        noise_sampler = make_noise_sampler(seeds, LATENT_SHAPE)
        for _ in before:
            noise_sampler()
        options = {"noise_sampler": noise_sampler, "eta": settings.eta,
                   "previous": (before[-1].t, before[-1].denoised) if before else None,
                   "shift_mean": functools.partial(self._shift_mean, settings) if settings.target else None}
        denoise.start_step(first)
        for step in run_sampler(settings.sampler, denoise, self.path, x, times, **options):
            denoise.start_step(first + step.index + 1)
            yield replace(step, index=first + step.index)

    def _shift_denoised(self, settings: Settings, x: Tensor, denoised: Tensor, t: float) -> Tensor:
        gradient = self.gradient(x, t, settings.target or "")
        return shift_denoised(self.path, denoised, gradient, settings.classifier_scale, t)

    def _shift_mean(self, settings: Settings, mean: Tensor, x: Tensor, t: float, std: float) -> Tensor:
        return shift_mean(mean, std, self.gradient(x, t, settings.target or ""), settings.classifier_scale)

    @functools.cached_property
    def classifier(self) -> Classifier:
        """The teacher of classifier guidance, opened when first asked for."""
        with torch.inference_mode(False):  # its gradient is asked for, also where it is first opened within a run
            return load_classifier().to(self.device)

    def gradient(self, x: Tensor, t: float, target: str) -> Tensor:
        """d log p(target | x) / dx at x, t, float64 on the CPU."""
        seen = x.to(self.device, torch.float32)
        return self.classifier.gradient(seen, self.path.alpha(t), self.path.sigma(t), target).cpu().double()

    def sample_images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None) -> np.ndarray:
        """A batch of finished pictures, (batch, 128, 128, 3) uint8, for measurements: one prompt and seed each."""
        if not prompts or len(prompts) != len(seeds):
            raise SettingError(f"{len(prompts)} prompts and {len(seeds)} seeds: give one seed to each of at least one")
        for prompt, seed in zip(prompts, seeds, strict=True):
            s = settings or Settings("", guidance=self.default_guidance)
            s = check_settings(replace(s, prompt=prompt, seed=seed))
            self.read(s)
        with torch.inference_mode(), self.dispatch_hooks(prompts, s):
            *_, last = self.sample_steps(self.guided_denoiser(prompts, s), s, seeds)
            self._move_out()
            return self.decode(last.next_x.numpy())

    def _branches(self, prompts: list[str], settings: Settings) -> tuple[str, ...]:
        """What the network must estimate: with guidance on, both branches, else the one that counts."""
        if settings.guidance not in (0, 1) and any(p != (settings.negative or "") for p in prompts):
            return "uncond", "cond"
        return ("uncond",) if settings.guidance == 0 else ("cond",)

    def guided_denoiser(self, prompts: list[str], settings: Settings) -> GuidedDenoiser:
        """denoise(x, t) for a batch of prompts (not the one in settings): what is read of them is computed once.

        With guidance on, both branches go through the network in one batch, [uncond, cond].
        """
        branches = self._branches(prompts, settings)
        texts = {"uncond": [settings.negative or ""] * len(prompts), "cond": prompts}
        set_branches(*branches)
        context = self.text.encode([text for branch in branches for text in texts[branch]])
        memory = self.denoiser.remember(context.vectors, context.keep)
        shifts_denoised = settings.target and "shift_mean" not in sampler_options(settings.sampler)
        return GuidedDenoiser(lambda x, t: self.estimate(x, t, memory), branches, settings,
                              functools.partial(self._shift_denoised, settings) if shifts_denoised else None)

    def estimate(self, x: Tensor, t: float, memory: list[Memory] | Prompt) -> Tensor:
        """The network's estimate of x0, float64 on the CPU: its prediction, converted at the edge."""
        noisy = x.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        with full_float32(self.device):
            prediction = self.denoiser(noisy, torch.full((len(x),), t, device=self.device), memory)
        return to_denoised(self.prediction, self.path, x.double(), prediction.cpu().double(), t)

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> Tensor:
        """Pictures (n, 128, 128, 3) uint8 to latents (n, 4, 16, 16), on the CPU."""
        pictures = to_tensor(images).to(self.device)
        return self.vae.encode(pictures.contiguous(memory_format=torch.channels_last)).cpu()

    @torch.inference_mode()
    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, 4, 16, 16) to pictures (n, 128, 128, 3) uint8."""
        pictures = []
        for z in torch.from_numpy(np.array(latents, np.float32)).split(DECODED_AT_ONCE):
            pictures.append(to_images(self.vae.decode(z.to(self.device).contiguous(memory_format=torch.channels_last))))
        return np.concatenate(pictures)
