"""What the classifier says of the noisy latents of a run: its probabilities and its gradient at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from ..diffusion.paths import Path
from ..diffusion.samplers import posterior
from ..diffusion.settings import Settings
from ..nn.classifier import Classifier, noise_level
from ..pipeline import Pipeline
from ..run import Run


def label_group(classifier: Classifier, target: str) -> tuple[str, ...]:
    """Return the labels of the target's kind: all things, colours, places or times.

    Raises:
        UnknownTargetError: not a label.
    """
    classifier.check_target(target)
    c = classifier.config
    return next(labels for labels in (c.kinds, c.colours, c.places, c.times) if target in labels)


def classifier_readings(pipe: Pipeline, run: Run, target: str, noise_aware: bool = True) -> xr.Dataset:
    """Return what the classifier says of each latent x_t of a run, the finished one included, and what that does.

    The classifier is evaluated again, on all latents in one batch and without edits.

    Args:
        noise_aware: whether it is told the noise level, see `Settings`.

    Returns:
        probability: (step, label), of each label of the target's kind. gradient: d log p(target | x_t) / dx_t,
        (step, channel, y, x) float32. gradient_rms, shift_rms (step): root mean squares of the gradient, and of the
        shift that it caused in the run, see `applied_shift`; 0 where it did not act. The steps are those of
        `run.latents`, with their t.

    Raises:
        UnknownTargetError: not a label.
    """
    classifier, path = pipe.classifier, pipe.path
    labels = label_group(classifier, target)
    times = [float(t) for t in run.latents.t.values]
    ends = [(path.alpha(t), path.sigma(t)) for t in times]
    with torch.inference_mode(False), torch.enable_grad():
        x, lengths, levels = (torch.tensor(values, dtype=torch.float32, device=pipe.device) for values in (
            run.latents.values, [math.hypot(*end) for end in ends],
            [noise_level(*end) if noise_aware else 0.0 for end in ends]))
        logits = classifier(x.requires_grad_() / lengths[:, None, None, None], levels)
        log_probs = torch.stack([classifier.log_prob(logits, label) for label in labels], dim=1)
        [gradient] = torch.autograd.grad(log_probs[:, labels.index(target)].sum(), x)
    rms = np.sqrt(gradient.double().square().mean((1, 2, 3)).cpu().numpy())
    coords = {"step": run.latents.step, "t": run.latents.t, "label": list(labels)}
    return xr.Dataset({
        "probability": (("step", "label"), log_probs.detach().exp().cpu().numpy()),
        "gradient": (("step", "channel", "y", "x"), gradient.cpu().numpy()), "gradient_rms": ("step", rms),
        "shift_rms": ("step", rms * applied_shift(path, run.settings, times))}, coords=coords)


def applied_shift(path: Path, settings: Settings, times: Sequence[float]) -> np.ndarray:
    """Return by how much the gradient is multiplied at each noise time of a run: (len(times),), 0 at the last.

    With ddpm the shift s std^2 g of the next latent's mean, with other samplers s sigma^2 / alpha g of the denoised
    estimate (`diffusion.guidance`). 0 outside of `classifier_interval`, and for a run without a target.
    """
    low, high = settings.classifier_interval
    found = np.zeros(len(times))
    for k, t in enumerate(times[:-1]):
        if settings.target is None or not low <= t <= high:
            continue
        if settings.sampler == "ddpm":
            found[k] = settings.classifier_scale * posterior(path, t, times[k + 1])[2] ** 2
        elif path.alpha(t):
            found[k] = settings.classifier_scale * path.sigma(t) ** 2 / path.alpha(t)
    return found


@torch.inference_mode()
def classifier_confidence(pipe: Pipeline, images: np.ndarray, target: str) -> np.ndarray:
    """Return the classifier's p(target) of finished images (n, 128, 128, 3) uint8, encoded again, at t = 0: (n,).

    It is thereby given the same pixels as the examiner.

    Raises:
        UnknownTargetError: not a label.
    """
    pipe.classifier.check_target(target)
    latents = pipe.encode(images).to(pipe.device)
    logits = pipe.classifier(latents, torch.zeros(len(latents), device=pipe.device))
    return pipe.classifier.log_prob(logits, target).exp().double().cpu().numpy()
