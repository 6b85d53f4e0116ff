"""What NoiseTrajectory shows of a result: stage layers, panels, captions, sentences, tables and code."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import SETTLED_SHARE, describe_step, rms_distance, settled_step, signal_to_noise
from ...diffusion.paths import Path
from ..core.layout import format_duration
from ..core.preview import PREVIEW_LABEL, nearest_frames, stretch_layers
from ..stage.layers import Images, Layer, Panel, Points
from .compute import Request, Result, frame_steps

# Above this t an image is mostly noise. It is sent with fewer levels, which look the same and compress well.
LEVEL_STEP, MIN_ROUNDED_T = 8, 0.25
GREY = 127  # shown where a branch has not left its parent yet
NOISE_CONTRAST, PIXELS_PER_POSITION = 48, 4  # grey levels per unit of noise; pixels per position of the latent
COLOURS = ("other", "plain", "noise", "image")  # branch, forward process, noisy, denoised; later ones cover earlier

# ---- the stage ------------------------------------------------------------------------------------------------------


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
            empty = np.full(frames.shape[1:], GREY, np.uint8)
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
                       trail=True, highlighted=tuple(range(len(self.groups))), size=9)]


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
                      _extent_around(every, 2.0 if result.branch is None else 1.0))


def _extent_around(points: np.ndarray, ratio: float) -> tuple[float, float, float, float]:
    """Return an extent around points, `ratio` times as wide as high, so that both axes have the same scale."""
    low, high = points.min(0), points.max(0)
    (x, y), (width, height) = (low + high) / 2, np.maximum(high - low, 1e-6) * 1.12
    half = max(width / ratio, height) / 2
    return float(x - ratio * half), float(x + ratio * half), float(y - half), float(y + half)


def stage_panels(result: Result, has_branch: bool) -> list[Panel]:
    """Return three images with the plane beside them, and the branch's three images below."""
    share = result.plane.share
    both = " of both runs" if result.branch is not None else ""
    title = f"PCA of latents and estimates{both}: {share[0]:.0%} + {share[1]:.0%} of variance"
    panels = [Panel("noisy", ("noisy",), "noisy latent x_t, decoded", grid_area=(1, 1, 1, 1)),
              Panel("denoised", ("denoised",), "predicted image", grid_area=(2, 1, 1, 1)),
              Panel("noise", ("noise",), "predicted noise, 3 channels", grid_area=(3, 1, 1, 1)),
              Panel("plane", ("positions", "paths"), title, grid_area=(4, 1, 2, 1 + has_branch), interaction="click")]
    if has_branch:
        titles = {"noisy": "branch: noisy latent", "denoised": "branch: predicted image",
                  "noise": "branch: predicted noise"}
        panels += [Panel(f"branch {name}", (f"branch {name}",), text, grid_area=(k, 2, 1, 1))
                   for k, (name, text) in enumerate(titles.items(), 1)]
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


def preview_content(preview: Result, steps: int, path: Path) -> StageContent:
    """Return a preview of few steps, stretched over the frames of a run of `steps` steps."""
    content, shown, m = stage_content(preview, path), frame_steps(steps), len(preview.forward.times)
    forward = nearest_frames(shown[:-1], steps, m - 1)
    frame_indices = np.concatenate([forward, m + nearest_frames(shown, steps)])
    return StageContent(stretch_layers(content.layers, frame_indices),
                        [f"{PREVIEW_LABEL}: {content.captions[k]}" for k in frame_indices], content.panels)


def branch_preview_content(result: Result, preview: Result, path: Path) -> StageContent:
    """Return the present run with the branch of a preview, which is not in the plane yet."""
    run, steps = replace(result, branch=None), result.request.settings.steps
    branch = [layer for layer in preview_content(preview, steps, path).layers if layer.name.startswith("branch ")]
    return StageContent([*image_layers(run), *branch, *plane_paths(run).layers()],
                        [f"{caption}; of the branch, {PREVIEW_LABEL}" for caption in frame_captions(run, path)],
                        stage_panels(run, True))


# ---- words ----------------------------------------------------------------------------------------------------------


def frame_captions(result: Result, path: Path) -> list[str]:
    """Return the caption of each frame."""
    steps, times = result.parent.steps, result.parent.run.latents.t.values

    def noise_level(t: float) -> str:
        ratio = signal_to_noise(path, float(t))
        return "no noise" if math.isinf(ratio) else f"signal to noise {ratio:.3g}" if ratio else "noise alone"

    return [*(f"forward, t = {t:.2f}, {noise_level(t)}" for t in result.forward.times),
            *(f"{describe_step(k, steps[-1], times[k])}, {noise_level(times[k])}" for k in steps)]


def describe_frame(result: Result, frame: int, path: Path) -> str:
    """Return one or two sentences on a frame."""
    step = result.step_at(frame)
    if step is None:
        t = float(result.forward.times[frame])
        image = "drawing" if result.forward.is_drawing else "generated image"
        return (f"Forward process: x_t = {path.alpha(t):.2f} × {image} + {path.sigma(t):.2f} × noise. "
                "It needs no network.")
    if step == int(result.parent.steps[-1]):
        return "The noise has become an image." + (f" The branch ends {_end_distance(result):.2f} from it."
                                                   if result.branch else "")
    from_end = result.distances.sel(run="parent", step=step)
    text = (f"At step {step}, the noisy latent is {float(from_end.latent):.2f} from the final latent, and the "
            f"predicted image is {float(from_end.estimate):.2f} from it.")
    if result.branch is None:
        return text
    branched_at = result.branch.run.branched_at or 0
    if step < branched_at:
        return f"{text} The branch leaves at step {branched_at}."
    distance = rms_distance(result.parent.run.denoised.values[step], result.branch.run.denoised.values[step])
    return f"{text} The branch's prediction is {float(distance):.2f} from the run's."


def score(result: Result) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    from_end = result.distances.sel(run="parent").estimate.values
    step = settled_step(from_end)
    note = f"at first it is {from_end[0]:.2f} away, in root mean square over the latent"
    if result.branch is not None:
        note += (f"; the branch from step {result.branch.run.branched_at} ends {_end_distance(result):.2f} from the "
                 "run's end")
    t = float(result.parent.run.latents.t[step])
    return (f"The predicted image stays within {SETTLED_SHARE:.0%} of its first distance from the end",
            f"from step {step} of {len(from_end) - 1} on, t = {t:.2f}", note)


def status_text(result: Result) -> str:
    """Return the status line: any difference from the request, and the time taken."""
    run, texts = result.parent.run, []
    if result.request.forward_image == "drawing" and not result.forward.is_drawing:
        texts.append("The picture world has no drawing of this prompt and shape, so the generated image is noised.")
    texts.append(f"{run.steps} steps in {format_duration(sum(run.seconds.values()))}")
    if result.branch is not None:
        branch = result.branch.run
        texts[-1] += (f", the branch's {branch.steps - (branch.branched_at or 0)} in "
                      f"{format_duration(sum(branch.seconds.values()))}")
    return " ".join(texts) + "."


def _end_distance(result: Result) -> float:
    """Return the distance between the final latents of the branch and of the run."""
    parent, branch = (trajectory.run.latents.values[-1] for trajectory in result.trajectories.values())
    return float(rms_distance(parent, branch))


# ---- arrays, tables and code ----------------------------------------------------------------------------------------


def dataset(result: Result) -> xr.Dataset:
    """Return the images of the run, and latents, positions in the plane and distances of both runs."""
    parent, plane, runs = result.parent, result.plane, result.trajectories
    from_end = result.distances.sel(step=parent.steps)
    latents, denoised_latents = (np.stack([getattr(t, name) for t in runs.values()])
                                 for name in ("latents", "denoised_latents"))
    lead, latent, image = ("run", "step"), ("channel", "latent_y", "latent_x"), ("y", "x", "rgb")
    return xr.Dataset(
        {"noisy": (("step", *image), parent.noisy), "denoised": (("step", *image), parent.denoised),
         "noise": (("step", *latent), parent.noise), "latents": ((*lead, *latent), latents),
         "denoised_latents": ((*lead, *latent), denoised_latents),
         "latents_in_plane": ((*lead, "component"), plane.project(latents)),
         "denoised_in_plane": ((*lead, "component"), plane.project(denoised_latents)),
         "variance": ("component", list(plane.share)), "latent_distance": from_end.latent,
         "denoised_distance": from_end.estimate, "forward": (("forward_t", *image), result.forward.images)},
        coords={"run": list(runs), "step": parent.steps, "t": from_end.t, "forward_t": result.forward.times,
                "rgb": list("rgb")},
        attrs={"prompt": result.request.settings.prompt,
               "forward_image": "drawing" if result.forward.is_drawing else "generated"})


def table(result: Result, path: Path) -> Any:
    """Return a pandas row per step: t, signal to noise, and both distances from the end."""
    from_end = result.distances
    columns = {"signal to noise": ("step", [signal_to_noise(path, float(t)) for t in from_end.t])}
    for name in from_end.run.values:
        columns |= {f"{name}: noisy latent, from its end": from_end.latent.sel(run=name, drop=True),
                    f"{name}: predicted image, from its end": from_end.estimate.sel(run=name, drop=True)}
    return xr.Dataset(columns, coords={"t": from_end.t}).to_dataframe()


def code(request: Request, pipe_code: str) -> str:
    """Return code that reproduces the run and its branch."""
    s = request.settings
    lines = ["import explorable as ex", "from explorable.analysis.trajectory import distances_to_end", "", pipe_code,
             f"run = pipe({s.prompt!r}, steps={s.steps}, guidance={s.guidance:g}, seed={s.seed}, "
             f"sampler={s.sampler!r})", "distances_to_end(run)"]
    if request.branch is not None:
        changes = ", ".join(f"{name}={value!r}" for name, value in request.branch.changes)
        lines += [f"branch = run.branch({request.branch.step}, {changes})", "distances_to_end(branch)"]
    return "\n".join(lines)
