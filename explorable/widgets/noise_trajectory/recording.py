"""What NoiseTrajectory puts on the stage: layers, panels and captions of a result, of a preview, or while it waits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...analysis.trajectory import describe_step, signal_to_noise
from ...diffusion.paths import Path
from ..core.notice import COMPUTING, GREY, notice
from ..core.preview import PREVIEW_LABEL, nearest_frames, stretch_layers
from ..stage.layers import Images, Layer, Panel, Points
from .compute import Result, frame_steps

# Above this t an image is mostly noise. It is sent with fewer levels, which look the same and compress well.
LEVEL_STEP, MIN_ROUNDED_T = 8, 0.25
NOISE_CONTRAST, PIXELS_PER_POSITION = 48, 4  # grey levels per unit of noise; pixels per position of the latent
SHOWN_RATIOS = 0.001, 1000.0  # of signal to noise, in captions
COLOURS = ("other", "plain", "noise", "image")  # branch, forward process, noisy, denoised; later ones cover earlier
MEANINGS = ("branch", "adding noise", "noisy latent", "predicted image")  # of COLOURS, in the plane's legend


def image_layers(result: Result) -> list[Layer]:
    """Return noisy latents, predicted images and predicted noise as images, of a branch too."""
    m, parent, images = len(result.forward.times), result.parent, result.forward.images
    start, times = parent.run.latents.values[0], parent.run.latents.t.values[parent.steps]
    noisy = np.concatenate([_round_noisy(images, result.forward.times), _round_noisy(parent.noisy, times)])
    layers: list[Layer] = [
        Images("noisy", "noisy latent", noisy, "x_t, decoded"),
        _still_then_moving(result.forward.image, m, parent.denoised, "denoised", "predicted image",
                           "the denoised estimate, decoded; in the forward process, the image that is noised"),
        _still_then_moving(_noise_images(start[None])[0], m, _noise_images(parent.noise), "noise", "predicted noise",
                           "(x_t - alpha x0) / sigma: latent channels 1 to 3 as red, green and blue")]
    if result.branch is not None:
        b = result.branch
        for name, frames in {"noisy": _round_noisy(b.noisy, times[b.first :]), "denoised": b.denoised,
                             "noise": _noise_images(b.noise)}.items():
            empty = notice(f"the branch\nleaves at\nstep {b.run.branched_at}", frames.shape[1:3])
            layers.append(_still_then_moving(empty, m + b.first, frames, f"branch {name}", f"branch: {name}"))
    return layers


def _still_then_moving(still: np.ndarray, count: int, frames: np.ndarray, name: str, label: str, note: str = "",
                       ) -> Layer:
    """Return a layer that shows one image for `count` frames and then one per frame."""
    frame_indices = [0] * count + [1 + k for k in range(len(frames))]
    return Images(name, label, np.concatenate([still[None], frames]), note, frame_indices=frame_indices)


def _round_noisy(images: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Round the levels of images (frames, 128, 128, 3) uint8 that are mostly noise."""
    rounded = (images.astype(np.uint16) + LEVEL_STEP // 2) // LEVEL_STEP * LEVEL_STEP
    is_rounded = (times > MIN_ROUNDED_T)[:, None, None, None]
    return np.where(is_rounded, np.minimum(rounded, 255).astype(np.uint8), images)


def _noise_images(noise: np.ndarray) -> np.ndarray:
    """Return the first three channels of noise (frames, 4, 16, 16) as RGB, (frames, 64, 64, 3) uint8; grey is 0."""
    rgb = np.clip(GREY + NOISE_CONTRAST * noise[:, :3], 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return rgb.repeat(PIXELS_PER_POSITION, 1).repeat(PIXELS_PER_POSITION, 2)


@dataclass(frozen=True, eq=False)
class PlanePaths:
    """Trajectories in the plane of principal components.

    Args:
        moving: positions at each frame, (frames, paths, 2), of colours COLOURS[groups].
        positions: of every shown step, (n, 2), of colours COLOURS[position_groups].
        frames: the frame that each position belongs to, (n,).
    """

    moving: np.ndarray
    groups: list[int]
    positions: np.ndarray
    position_groups: list[int]
    frames: np.ndarray
    extent: tuple[float, float, float, float]

    def layers(self) -> list[Layer]:
        """Return a small point for every step, and the paths up to the present frame on top."""
        return [Points("positions", "every step", self.positions, axes=(), extent=self.extent,
                       groups=self.position_groups, colours=COLOURS, size=6, target_frames=self.frames.tolist()),
                Points("paths", "this step", self.moving, extent=self.extent, groups=self.groups, colours=COLOURS,
                       trail=True, highlighted=tuple(range(len(self.groups))), size=9, legend=tuple(
                           text if k in self.groups else "" for k, text in enumerate(MEANINGS)))]


def plane_paths(result: Result) -> PlanePaths:
    """Project a result to its plane."""
    m, count = len(result.forward.times), len(result.parent.steps)
    forward = result.plane.project(result.forward.latents)
    start = result.plane.project(result.parent.run.latents.values[:1])
    moving, groups = [np.concatenate([forward, np.repeat(start, count, 0)])], [1]
    positions, position_groups, frames = [forward], [1] * m, [np.arange(m)]
    for name, trajectory in result.trajectories.items():
        for colour_name, latents in (("noise", trajectory.latents), ("image", trajectory.denoised_latents)):
            projected = result.plane.project(latents)
            group = 0 if name == "branch" else COLOURS.index(colour_name)
            moving.append(np.concatenate([np.repeat(projected[:1], m, 0), projected]))  # waits at its start
            groups.append(group)
            positions.append(projected[trajectory.first :])
            position_groups += [group] * (count - trajectory.first)
            frames.append(m + np.arange(trajectory.first, count))
    every = np.concatenate(positions)
    return PlanePaths(np.stack(moving, 1), groups, every, position_groups, np.concatenate(frames),
                      _square_around(every))


def _square_around(points: np.ndarray) -> tuple[float, float, float, float]:
    """Return a square extent around points, with a margin."""
    (x, y), half = (points.min(0) + points.max(0)) / 2, max(*np.ptp(points, 0), 1e-6) * 0.56
    return float(x - half), float(x + half), float(y - half), float(y + half)


def stage_panels(result: Result, has_branch: bool) -> list[Panel]:
    """Return three images and the plane, four in a line, and the branch's three images below."""
    titles = {"noisy": "noisy latent", "denoised": "predicted image", "noise": "predicted noise"}
    panels = [Panel(name, (name,), text, grid_area=(k, 1, 1, 1), compact=True)
              for k, (name, text) in enumerate(titles.items(), 1)]
    panels.append(Panel("plane", ("positions", "paths"), f"PCA: {sum(result.plane.share):.0%} of variance",
                        grid_area=(4, 1, 1, 1), interaction="click", compact=True))
    if has_branch:
        short = {"noisy": "branch: noisy", "denoised": "branch: image", "noise": "branch: noise"}
        panels += [Panel(f"branch {name}", (f"branch {name}",), text, grid_area=(k, 2, 1, 1), compact=True)
                   for k, (name, text) in enumerate(short.items(), 1)]
    return panels


@dataclass(frozen=True, eq=False)
class StageContent:
    """What the stage shows: layers, a caption for each frame, and panels."""

    layers: list[Layer]
    captions: list[str]
    panels: list[Panel]


def stage_content(result: Result, path: Path) -> StageContent:
    """Return the stage's layers, captions and panels for a result."""
    return StageContent([*image_layers(result), *plane_paths(result).layers()], frame_captions(result, path),
                        stage_panels(result, result.branch is not None))


def preview_content(preview: Result, steps: int, path: Path, is_finished: bool = False) -> StageContent:
    """Return a preview of few steps, stretched over the frames of a run of `steps` steps.

    is_finished: whether its last image is the finished one, see `compute.with_image`.
    """
    content, shown, m = stage_content(preview, path), frame_steps(steps), len(preview.forward.times)
    forward = nearest_frames(shown[:-1], steps, m - 1)
    frame_indices = np.concatenate([forward, m + nearest_frames(shown, steps)])
    captions = [f"{PREVIEW_LABEL}: {content.captions[k]}" for k in frame_indices]
    if is_finished:
        captions[-1] = f"{describe_step(steps, steps, 0.0)}, no noise"
    return StageContent(stretch_layers(content.layers, frame_indices), captions, content.panels)


def branch_preview_content(result: Result, preview: Result, path: Path) -> StageContent:
    """Return the present run with the branch of a preview, which is not in the plane yet."""
    layers = preview_content(preview, result.request.settings.steps, path).layers
    return _beside_run(result, [layer for layer in layers if layer.name.startswith("branch ")],
                       f"; of the branch, {PREVIEW_LABEL}", path)


def pending_branch_content(result: Result, path: Path) -> StageContent:
    """Return the present run with empty panels for a branch of which there is no preview."""
    empty = notice(COMPUTING, result.parent.run.image.shape[:2])
    return _beside_run(result, [Images(f"branch {name}", f"branch: {name}", empty, axes=())
                                for name in ("noisy", "denoised", "noise")], "", path)


def _beside_run(result: Result, branch: list[Layer], note: str, path: Path) -> StageContent:
    run = replace(result, branch=None)
    return StageContent([*image_layers(run), *branch, *plane_paths(run).layers()],
                        [caption + note for caption in frame_captions(run, path)], stage_panels(run, True))


def frame_captions(result: Result, path: Path) -> list[str]:
    """Return the caption of each frame."""
    steps, times = result.parent.steps, result.parent.run.latents.t.values

    def noise_level(t: float) -> str:
        ratio = signal_to_noise(path, float(t))
        if ratio in (0, math.inf):
            return "no noise" if ratio else "noise alone"
        low, high = SHOWN_RATIOS
        return "signal to noise " + (f"below {low:g}" if ratio < low else f"over {high:,g}" if ratio > high else
                                     f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}")

    return [*(f"forward, t = {t:.2f}, {noise_level(t)}" for t in result.forward.times),
            *(f"{describe_step(k, steps[-1], times[k])}, {noise_level(times[k])}" for k in steps)]
