"""From a prompt to a picture: text encoder, denoiser, sampler, guidance and decoder, joined.

    pipe = ex.load("unet-flow")
    run = pipe("a red car on a mountain road", steps=20, guidance=4, seed=0)
    run.image
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .diffusion.guidance import classifier_free
from .diffusion.paths import Path, Straight, denoised_from_velocity
from .diffusion.samplers import SAMPLERS, Denoise, Step, start_noise, uniform_times
from .nn.blocks import Memory
from .nn.text import TextConfig, TextEncoder, TextModel
from .nn.unet import UNet, UNetConfig
from .nn.vae import VAE, VAEConfig
from .run import Run, Settings
from .zoo import WeightError, card, read

MAX_STEPS = 1000
GUIDANCE = 4.0  # where the exam of the shipped model is best
LATENT = (4, 16, 16)


class SettingError(ValueError):
    """A setting that makes no sense: named, with its range."""


def check(settings: Settings) -> Settings:
    """The same settings, or a SettingError that says which one is wrong and what it may be."""
    s = settings
    if not isinstance(s.steps, (int, np.integer)) or not 1 <= s.steps <= MAX_STEPS:
        raise SettingError(f"steps is {s.steps!r}: choose a whole number from 1 to {MAX_STEPS}")
    if not isinstance(s.guidance, (int, float)) or not math.isfinite(s.guidance) or not 0 <= s.guidance <= 100:
        raise SettingError(f"guidance is {s.guidance!r}: choose a number from 0 (the prompt is ignored) to 100")
    if not isinstance(s.seed, (int, np.integer)) or not 0 <= s.seed < 2**63:
        raise SettingError(f"seed is {s.seed!r}: choose a whole number from 0 to {2**63 - 1}")
    if s.sampler not in SAMPLERS:
        raise SettingError(f"sampler is {s.sampler!r}: choose one of {', '.join(SAMPLERS)}")
    return s


def choose_device(device: str | None = None) -> torch.device:
    """The device asked for, or the best there is. Raises SettingError where it is not there."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"device {device!r} cannot be used here ({reason}); device='cpu' always can") from error
    return chosen


class Pipeline:
    """Prompt to Run. The networks are public: `text`, `denoiser`, `vae`; so is the `path`."""

    def __init__(self, name: str, text: TextEncoder, denoiser: UNet, vae: VAE, path: Path, device: torch.device):
        self.name, self.path, self.device = name, path, device
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
                 seed: int = 0, sampler: str = "euler", progress: Callable[[int, int], None] | None = None) -> Run:
        """Sample one picture.

        Args:
            prompt: what to draw; "" draws without a wish (unconditional).
            negative: what to compare with, in place of the empty prompt.
            guidance: w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt.
            progress: called with (steps done, steps in all) before each step; what it raises stops the run.

        Raises:
            SettingError, UnknownWordError, PromptTooLongError: before anything is computed.
        """
        settings = check(Settings(prompt, negative, steps, guidance, seed, sampler))
        seconds: dict[str, float] = {}
        with torch.inference_mode():
            started = time.perf_counter()
            denoise = self.denoiser_for([prompt], guidance, negative)
            seconds["text encoder"] = time.perf_counter() - started
            started = time.perf_counter()
            records = []
            for record in self.walk(denoise, settings, [seed]):
                records.append(record)
                if progress:
                    progress(len(records), steps)
            seconds["denoiser"] = time.perf_counter() - started
        run = _collect(self, settings, records, seconds)
        started = time.perf_counter()
        _ = run.image
        seconds["decoder"] = time.perf_counter() - started
        return run

    def walk(self, denoise: Denoise, settings: Settings, seeds: list[int]) -> Iterator[Step]:
        """The steps of a batch of samplings, one for each seed. Latents (batch, 4, 16, 16) float64, on the CPU."""
        noise = torch.stack([start_noise(seed, LATENT) for seed in seeds])
        return SAMPLERS[settings.sampler](denoise, self.path, noise, uniform_times(settings.steps))

    def images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None) -> np.ndarray:
        """A batch of finished pictures, (batch, 128, 128, 3) uint8, for measurements: one prompt and seed each."""
        s = check(replace(settings or Settings("", guidance=GUIDANCE), prompt=prompts[0]))
        with torch.inference_mode():
            denoise = self.denoiser_for(prompts, s.guidance, s.negative)
            *_, last = self.walk(denoise, s, seeds)
        return self.decode(last.next_x.numpy())

    def denoiser_for(self, prompts: list[str], guidance: float, negative: str | None = None) -> Denoise:
        """denoise(x, t) for a batch of prompts: what is read of them is computed here, once.

        With guidance on, both branches go through the network in one batch, [uncond, cond].
        """
        blank = negative or ""
        both = guidance not in (0, 1) and any(p != blank for p in prompts)
        texts = [*([blank] * len(prompts)), *prompts] if both else [blank] * len(prompts) if guidance == 0 else prompts
        context = self.text.encode(list(texts))
        memory = self.denoiser.remember(context.vectors, context.keep)

        def denoise(x: Tensor, t: float) -> Tensor:
            estimate = self.estimate(torch.cat([x, x]) if both else x, t, memory)
            if not both:
                return estimate
            uncond, cond = estimate.chunk(2)
            return classifier_free(uncond, cond, guidance)

        return denoise

    def estimate(self, x: Tensor, t: float, memory: list[Memory]) -> Tensor:
        """The network's estimate of x0, float64 on the CPU: its velocity, converted at the edge."""
        noisy = x.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        velocity = self.denoiser(noisy, torch.full((len(x),), t, device=self.device), memory)
        return denoised_from_velocity(self.path, x.double(), velocity.double().cpu() if self.device.type != "mps"
                                      else velocity.cpu().double(), t)

    @torch.inference_mode()
    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, 4, 16, 16) to pictures (n, 128, 128, 3) uint8."""
        z = torch.from_numpy(np.ascontiguousarray(latents)).to(self.device, torch.float32)
        pictures = self.vae.decode(z.contiguous(memory_format=torch.channels_last))
        return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def _collect(pipe: Pipeline, settings: Settings, records: list[Step], seconds: dict[str, float]) -> Run:
    """Put the steps of one sampling into labelled arrays."""

    def label(tensors: list[Tensor], t: list[float]) -> xr.DataArray:
        return xr.DataArray(torch.cat(tensors).float().numpy(), dims=("step", "channel", "y", "x"),
                            coords={"step": range(len(t)), "t": ("step", t)})

    latents = label([*(r.x for r in records), records[-1].next_x], [*(r.t for r in records), records[-1].next_t])
    denoised = label([r.denoised for r in records], [r.t for r in records])
    tokens = tuple(pipe.text.tokenizer.labels(settings.prompt))
    return Run(settings, pipe.name, tokens, latents, denoised, seconds, pipe.decode)


def load(name: str = "unet-flow", device: str | None = None) -> Pipeline:
    """Open a shipped model as a pipeline: its weights are checked, and put on the best device there is.

    Raises:
        WeightError: an unknown name, or a weight file that is not what its card says.
        SettingError: a device that is not there.
    """
    about, chosen = card(name), choose_device(device)
    if about.get("role") != "denoiser":
        raise WeightError(f"{name!r} is the {about['role']} of a pipeline and draws nothing by itself; "
                          "load('unet-flow') draws, and has it inside")
    return Pipeline(name, load_text().text, load_denoiser(name), load_vae(), Straight(), chosen)


def load_text() -> TextModel:
    """The text encoder and the picture encoder that taught it."""
    config, state = read("text")
    model = TextModel(TextConfig(**config))
    model.load_state_dict(state)
    return model.eval()


def load_denoiser(name: str) -> UNet:
    """The network of a shipped model."""
    config, state = read(name)
    model = UNet(UNetConfig(**config))
    model.load_state_dict(state)
    return model.eval()


def load_vae() -> VAE:
    """The autoencoder."""
    config, state = read("vae")
    model = VAE(VAEConfig(**config))
    model.load_state_dict(state)
    return model.eval()
