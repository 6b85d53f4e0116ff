"""From a prompt to a picture: text encoder, denoiser, sampler, guidance and decoder, joined.

    pipe = ex.load("unet-flow")
    run = pipe("a red car on a mountain road", steps=20, guidance=4, seed=0)
    run.image
"""

from __future__ import annotations

import functools
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .diffusion.guidance import classifier_free, mean_shift, noise_shift, rescaled
from .diffusion.paths import PATHS, Path
from .diffusion.predictions import check_prediction, to_denoised
from .diffusion.samplers import SAMPLERS, Denoise, Step, dice, start_noise
from .diffusion.times import spaced
from .nn.blocks import Memory
from .nn.classifier import Classifier, ClassifierConfig
from .nn.dit import DiT, DiTConfig, Prompt
from .nn.examiner import Examiner, ExaminerConfig
from .nn.text import TextConfig, TextEncoder, TextModel
from .nn.unet import UNet, UNetConfig
from .nn.vae import VAE, VAEConfig
from .run import Run
from .settings import GUIDANCE, SettingError, Settings, check
from .zoo import WeightError, card, read

DECODED_AT_ONCE = 16  # pictures: a long recording must not need a lot of memory
LATENT = (4, 16, 16)
Network = TypeVar("Network", bound=torch.nn.Module)


def choose_device(device: str | None = None) -> torch.device:
    """The device asked for, or the best there is. Raises SettingError where it is not there."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = textwrap.shorten(str(error).splitlines()[0], 120, placeholder=" …")
        raise SettingError(f"device {device!r} cannot be used here ({reason}); device='cpu' always can") from error
    return chosen


class Denoiser:
    """denoise(x, t) -> the guided estimate of x0, for prompts read once; counts how often the network was called.

    branches: 2 where two estimates are compared (both go through the network in one batch), else 1.
    """

    def __init__(self, pipe: Pipeline, memory: list[Memory] | Prompt, branches: int, settings: Settings):
        self.pipe, self.memory, self.branches, self.settings = pipe, memory, branches, settings
        self.evaluations = 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        denoised, s = self.painted(x, t), self.settings
        if s.target is None or s.sampler == "ddpm":  # ddpm is pushed at the mean of its step
            return denoised
        return noise_shift(self.pipe.path, denoised, self.pipe.gradient(x, t, s.target), s.pull, t)

    def painted(self, x: Tensor, t: float) -> Tensor:
        """The painter's own estimate, guided by words alone."""
        self.evaluations += 1
        estimate = self.pipe.estimate(torch.cat([x] * self.branches), t, self.memory)
        if self.branches == 1:
            return estimate
        uncond, cond = estimate.chunk(2)
        low, high = self.settings.interval
        if not low <= t <= high:
            return cond
        guided = classifier_free(uncond, cond, self.settings.guidance)
        return rescaled(guided, cond, self.settings.rescale) if self.settings.rescale else guided


class Pipeline:
    """Prompt to Run. The networks are public: `text`, `denoiser`, `vae`; so are the `path` and the `prediction`."""

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
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that the text encoder knows."""
        return self.text.tokenizer.vocabulary

    def __call__(self, prompt: str, negative: str | None = None, steps: int = 20, guidance: float = GUIDANCE,
                 seed: int = 0, sampler: str = "euler", progress: Callable[[int, int], None] | None = None,
                 **more: Any) -> Run:
        """Sample one picture.

        Args:
            prompt: what to draw; "" draws without a wish (unconditional).
            negative: what to compare with, in place of the empty prompt.
            guidance: w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt.
            progress: called with (steps done, steps in all) after each step; what it raises stops the run.
            more: the other fields of `Settings`: interval, rescale, spacing, shift, eta, target, pull.

        Raises:
            SettingError, UnknownWordError, PromptTooLongError, UnknownTargetError: before anything is computed.
        """
        settings = check(Settings(prompt, negative, steps, guidance, seed, sampler, **more))
        tokens = self.read(settings)
        seconds: dict[str, float] = {}
        with torch.inference_mode():
            started = time.perf_counter()
            denoise = self.denoiser_for([prompt], settings)
            self._finish()
            seconds["text encoder"] = time.perf_counter() - started
            started = time.perf_counter()
            records = []
            for record in self.walk(denoise, settings, [settings.seed]):
                records.append(record)
                if progress:
                    progress(len(records), settings.steps)
            seconds["denoiser"] = time.perf_counter() - started
        run = _collect(self, settings, tokens, denoise, records, seconds)
        started = time.perf_counter()
        _ = run.image
        seconds["decoder"] = time.perf_counter() - started
        return run

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

    def walk(self, denoise: Denoise, settings: Settings, seeds: list[int]) -> Iterator[Step]:
        """The steps of a batch of samplings, one for each seed. Latents (batch, 4, 16, 16) float64, on the CPU."""
        noise = torch.stack([start_noise(seed, LATENT) for seed in seeds])
        times = spaced(settings.spacing, settings.steps, self.path, settings.shift)
        more: dict[str, Any] = {"eta": settings.eta} if settings.sampler == "ddim" else {}
        if settings.sampler == "ddpm" and settings.target:
            more["push"] = functools.partial(self._push, settings)
        return SAMPLERS[settings.sampler](denoise, self.path, noise, times, dice(seeds, LATENT), **more)

    def _push(self, settings: Settings, mean: Tensor, x: Tensor, t: float, spread: float) -> Tensor:
        return mean_shift(mean, spread, self.gradient(x, t, settings.target or ""), settings.pull)

    @functools.cached_property
    def classifier(self) -> Classifier:
        """The teacher of classifier guidance, opened when first asked for."""
        return load_classifier().to(self.device)

    def gradient(self, x: Tensor, t: float, target: str) -> Tensor:
        """d log p(target | x) / dx at x, t, float64 on the CPU."""
        seen = x.to(self.device, torch.float32)
        return self.classifier.gradient(seen, self.path.alpha(t), self.path.sigma(t), target).cpu().double()

    def images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None) -> np.ndarray:
        """A batch of finished pictures, (batch, 128, 128, 3) uint8, for measurements: one prompt and seed each."""
        if not prompts or len(prompts) != len(seeds):
            raise SettingError(f"{len(prompts)} prompts and {len(seeds)} seeds: give one seed to each of at least one")
        for prompt, seed in zip(prompts, seeds, strict=True):
            s = check(replace(settings or Settings(""), prompt=prompt, seed=seed))
            self.read(s)
        with torch.inference_mode():
            denoise = self.denoiser_for(prompts, s)
            *_, last = self.walk(denoise, s, seeds)
        return self.decode(last.next_x.numpy())

    def denoiser_for(self, prompts: list[str], settings: Settings) -> Denoiser:
        """denoise(x, t) for a batch of prompts (not the one in settings): what is read of them is computed once.

        With guidance on, both branches go through the network in one batch, [uncond, cond].
        """
        blank, guidance = settings.negative or "", settings.guidance
        both = guidance not in (0, 1) and any(p != blank for p in prompts)
        texts = [*([blank] * len(prompts)), *prompts] if both else [blank] * len(prompts) if guidance == 0 else prompts
        context = self.text.encode(list(texts))
        return Denoiser(self, self.denoiser.remember(context.vectors, context.keep), 2 if both else 1, settings)

    def estimate(self, x: Tensor, t: float, memory: list[Memory] | Prompt) -> Tensor:
        """The network's estimate of x0, float64 on the CPU: its prediction, converted at the edge."""
        noisy = x.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        prediction = self.denoiser(noisy, torch.full((len(x),), t, device=self.device), memory)
        return to_denoised(self.prediction, self.path, x.double(), prediction.cpu().double(), t)

    @torch.inference_mode()
    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, 4, 16, 16) to pictures (n, 128, 128, 3) uint8."""
        pictures = []
        for z in torch.from_numpy(np.array(latents, np.float32)).split(DECODED_AT_ONCE):
            picture = self.vae.decode(z.to(self.device).contiguous(memory_format=torch.channels_last))
            pictures.append(((picture.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(pictures)


def _collect(pipe: Pipeline, settings: Settings, tokens: tuple[str, ...], denoise: Denoiser, records: list[Step],
             seconds: dict[str, float]) -> Run:
    """Put the steps of one sampling into labelled arrays."""

    def label(tensors: list[Tensor], t: list[float]) -> xr.DataArray:
        return xr.DataArray(torch.cat(tensors).float().numpy(), dims=("step", "channel", "y", "x"),
                            coords={"step": range(len(t)), "t": ("step", t)})

    latents = label([*(r.x for r in records), records[-1].next_x], [*(r.t for r in records), records[-1].next_t])
    denoised = label([r.denoised for r in records], [r.t for r in records])
    return Run(settings, pipe.name, tokens, latents, denoised, seconds, denoise.evaluations, denoise.branches,
               pipe.decode)


def load(name: str = "unet-flow", device: str | None = None) -> Pipeline:
    """Open a shipped model as a pipeline: its weights are checked, and put on the best device there is.

    Raises:
        WeightError: an unknown name, or a weight file that is not what its card says.
        SettingError: a device that is not there.
    """
    about, chosen = card(name), choose_device(device)
    if about.get("role") != "denoiser":
        raise WeightError(f"{name!r} is the {about.get('role', 'unnamed part')} of a pipeline and draws nothing by "
                          "itself; load('unet-flow') draws, and has it inside")
    if about.get("path") not in PATHS:
        raise WeightError(f"the card {name}.json names no path that is known here: install the package again")
    return Pipeline(name, load_text().text, load_denoiser(name), load_vae(), PATHS[about["path"]],
                    about.get("prediction", ""), chosen)


def load_text() -> TextModel:
    """The text encoder and the picture encoder that taught it."""
    return _open("text", lambda config: TextModel(TextConfig(**config)))


def load_denoiser(name: str) -> UNet | DiT:
    """The network of a shipped model."""
    if card(name).get("network") == "DiT":
        return _open(name, lambda config: DiT(DiTConfig(**config)))
    return _open(name, lambda config: UNet(UNetConfig(**config)))


def load_vae() -> VAE:
    """The autoencoder."""
    return _open("vae", lambda config: VAE(VAEConfig(**config)))


def load_classifier() -> Classifier:
    """The classifier: the teacher of classifier guidance."""
    return _open("classifier", lambda config: Classifier(ClassifierConfig(**config)))


def load_examiner() -> Examiner:
    """The examiner: for measuring, never for guiding."""
    return _open("examiner", lambda config: Examiner(ExaminerConfig(**config)))


def _open(name: str, build: Callable[[dict], Network]) -> Network:
    config, state = read(name)
    model = build(config)
    model.load_state_dict(state)
    return model.eval()
