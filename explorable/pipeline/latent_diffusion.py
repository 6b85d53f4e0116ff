"""The networks of a pipeline, and sampling latents with them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..diffusion.guidance import shift_denoised, shift_mean
from ..diffusion.guided_denoiser import GuidedDenoiser
from ..diffusion.paths import Path
from ..diffusion.predictions import check_prediction, to_denoised
from ..diffusion.samplers import Step, initial_noise, make_noise_sampler, run_sampler, sampler_options
from ..diffusion.settings import Settings
from ..diffusion.timesteps import make_timesteps
from ..nn.classifier import Classifier
from ..nn.dit import DiT, PromptCache
from ..nn.hook_points import set_branches
from ..nn.layers import KVCache
from ..nn.pixels import to_images, to_tensor
from ..nn.text import TextEncoder
from ..nn.unet import UNet
from ..nn.vae import VAE
from ..world.near_words import NEAR_WORDS
from ..zoo import model_names
from ..zoo.loading import load_classifier
from .device import full_float32

DECODE_BATCH_SIZE = 16  # images: decoding a long recording must not need a lot of memory
LATENT_SHAPE = (4, 16, 16)


class LatentDiffusion:
    """Text encoder, denoiser and autoencoder: encode prompts, sample latents, decode images.

    text, denoiser, vae: the networks. path, prediction: the noise path that the denoiser was trained on, and what it
    predicts.
    """

    def __init__(self, name: str, text: TextEncoder, denoiser: UNet | DiT, vae: VAE, path: Path, prediction: str,
                 device: torch.device):
        check_prediction(prediction, path)
        self.name, self.path, self.prediction, self.device = name, path, prediction, device
        self.text = text.eval().to(device)
        self.text.tokenizer.near_words = NEAR_WORDS
        self.denoiser = denoiser.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.vae = vae.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def text_width(self) -> int:
        """Channels of the text encoder's output."""
        return self.text.config.width

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All words that the text encoder knows."""
        return self.text.tokenizer.vocabulary

    # ---- sampling ------------------------------------------------------------------------------------------------

    def sample_steps(self, denoise: GuidedDenoiser, settings: Settings, seeds: list[int], start: Tensor | None = None,
                     before: Sequence[Step] = ()) -> Iterator[Step]:
        """Yield the steps of a batch, one latent a seed: (batch, 4, 16, 16) float64, on the CPU.

        start, before: the latents to start from, and the steps that led to them; without them, start from noise.
        """
        first = len(before)
        times = self._timesteps(settings)[first:]
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

    def _timesteps(self, settings: Settings) -> list[float]:
        """Return the times of the sampled steps and of their end: with a strength below 1, the last ones."""
        times = make_timesteps(settings.spacing, settings.steps, self.path, settings.shift)
        return times[-settings.sampled_steps - 1 :]

    def noised(self, image: np.ndarray, settings: Settings) -> Tensor:
        """Return where sampling from an image starts: its latent, with the noise of the first sampled time.

        image: (128, 128, 3) uint8, or a latent (4, 16, 16). Returns (1, 4, 16, 16) float64, on the CPU.
        """
        latent = (self.encode(image[None]) if image.dtype == np.uint8 else torch.from_numpy(image[None])).double()
        t = self._timesteps(settings)[0]
        return self.path.alpha(t) * latent + self.path.sigma(t) * initial_noise(settings.seed, latent.shape[1:])[None]

    def guided_denoiser(self, prompts: list[str], settings: Settings) -> GuidedDenoiser:
        """Return denoise(x, t) for a batch of prompts, which replace the one in settings and are encoded once.

        With guidance, both branches go through the network in one batch, [uncond, cond].
        """
        branches = self._branches(prompts, settings)
        texts = {"uncond": [settings.negative or ""] * len(prompts), "cond": prompts}
        set_branches(*branches)
        context = self.text.encode([text for branch in branches for text in texts[branch]])
        cache = self.denoiser.project_context(context.vectors, context.keep)
        shifts_denoised = settings.target and "shift_mean" not in sampler_options(settings.sampler)
        return GuidedDenoiser(lambda x, t: self._denoised(x, t, cache), branches, settings,
                              functools.partial(self._shift_denoised, settings) if shifts_denoised else None)

    def _denoised(self, x: Tensor, t: float, cache: list[KVCache] | PromptCache) -> Tensor:
        """Evaluate the network and convert its prediction to the estimate of x0, float64 on the CPU."""
        noisy = x.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        with full_float32(self.device):
            prediction = self.denoiser(noisy, torch.full((len(x),), t, dtype=noisy.dtype, device=self.device), cache)
        return to_denoised(self.prediction, self.path, x.double(), prediction.cpu().double(), t)

    def _branches(self, prompts: list[str], settings: Settings) -> tuple[str, ...]:
        """Return the branches that the network evaluates: both with guidance, else the one that is used."""
        if settings.guidance not in (0, 1) and any(p != (settings.negative or "") for p in prompts):
            return "uncond", "cond"
        return ("uncond",) if settings.guidance == 0 else ("cond",)

    # ---- classifier guidance -------------------------------------------------------------------------------------

    @property
    def has_classifier(self) -> bool:
        """Whether the classifier is among the shipped weights, so that `target` can be set."""
        return "classifier" in model_names()

    @functools.cached_property
    def classifier(self) -> Classifier:
        """The classifier of classifier guidance, loaded at the first use."""
        with torch.inference_mode(False):  # weights loaded in inference mode would have no gradient
            return load_classifier().to(self.device)

    def classifier_gradient(self, x: Tensor, t: float, target: str, noise_aware: bool = True) -> Tensor:
        """Return d log p(target | x) / dx at x, t, float64 on the CPU. noise_aware: see `Settings`."""
        alpha, sigma = self.path.alpha(t), self.path.sigma(t)
        noisy = x.to(self.device, torch.float32)
        return self.classifier.gradient(noisy, alpha, sigma, target, noise_aware).cpu().double()

    def _shift_denoised(self, settings: Settings, x: Tensor, denoised: Tensor, t: float) -> Tensor:
        if not _within(settings.classifier_interval, t):
            return denoised
        gradient = self.classifier_gradient(x, t, settings.target or "", settings.noise_aware)
        return shift_denoised(self.path, denoised, gradient, settings.classifier_scale, t)

    def _shift_mean(self, settings: Settings, mean: Tensor, x: Tensor, t: float, std: float) -> Tensor:
        if not _within(settings.classifier_interval, t):
            return mean
        gradient = self.classifier_gradient(x, t, settings.target or "", settings.noise_aware)
        return shift_mean(mean, std, gradient, settings.classifier_scale)

    # ---- images and latents --------------------------------------------------------------------------------------

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> Tensor:
        """Encode images (n, 128, 128, 3) uint8 as latents (n, 4, 16, 16), on the CPU."""
        pixels = to_tensor(images).to(self.device)
        return self.vae.encode(pixels.contiguous(memory_format=torch.channels_last)).cpu()

    @torch.inference_mode()
    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode latents (n, 4, 16, 16) to images (n, 128, 128, 3) uint8."""
        images = []
        for z in torch.from_numpy(np.array(latents, np.float32)).split(DECODE_BATCH_SIZE):
            images.append(to_images(self.vae.decode(z.to(self.device).contiguous(memory_format=torch.channels_last))))
        return np.concatenate(images)


def _within(interval: tuple[float, float], t: float) -> bool:
    return interval[0] <= t <= interval[1]
