"""A journey on the stage: its pictures, its plane with every step as a point, and the panels they are shown in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...pipeline import Pipeline
from ..core.preview import PREVIEW_LABEL, nearest_frames, stretch_layers
from ..stage.stage import Images, Layer, Panel, Points
from .compute import Journey, captions, shown_steps

ROUGH, DROWNED = 8, 0.25  # above this t, static goes to the page in so many levels: it cannot be told, and packs well
BLANK = 127  # grey, where a branch has not left yet
SPREAD, PIXELS = 48, 4  # brightness a unit of noise; pixels a side of a place of the latent
COLOURS = ("other", "plain", "noise", "image")  # branch, dissolving, x_t, estimate: the later is painted over


def pictures(journey: Journey) -> list[Layer]:
    """What is held, what is believed, and the noise between them, as pictures; of a branch too. Of frames that look
    alike one goes to the page."""
    m, p = len(journey.times), journey.parent
    start, back = p.run.latents.values[0], p.run.latents.t.values[p.steps]
    noisy = np.concatenate([_rough(journey.away, journey.times), _rough(p.noisy, back)])
    made = [Images("noisy", "x_t", noisy, "the noisy latent, decoded"),
            _after(journey.source, m, p.denoised, "denoised", "estimate",
                   "the denoised estimate, decoded; while a picture dissolves, that picture"),
            _after(_noise_picture(start[None])[0], m, _noise_picture(p.noise), "noise", "noise",
                   "(x_t - alpha x0) / sigma: latent channels 1 to 3 as red, green and blue")]
    if journey.branch is not None:
        b = journey.branch
        shown = {"noisy": _rough(b.noisy, back[b.first :]), "denoised": b.denoised, "noise": _noise_picture(b.noise)}
        for name, frames in shown.items():
            empty = np.full(frames.shape[1:], BLANK, np.uint8)
            made.append(_after(empty, m + b.first, frames, f"branch {name}", f"branch: {name}"))
    return made


def _after(still: np.ndarray, times: int, frames: np.ndarray, name: str, label: str, note: str = "") -> Layer:
    """A layer of one picture that stands still for so many frames, and then moves."""
    frame_indices = [0] * times + [1 + k for k in range(len(frames))]
    return Images(name, label, np.concatenate([still[None], frames]), note, frame_indices=frame_indices)


def _rough(noisy: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Pictures (frames, 128, 128, 3) uint8, those that are mostly static in steps of ROUGH."""
    steps = (noisy.astype(np.uint16) + ROUGH // 2) // ROUGH * ROUGH
    return np.where((times > DROWNED)[:, None, None, None], np.minimum(steps, 255).astype(np.uint8), noisy)


def _noise_picture(noise: np.ndarray) -> np.ndarray:
    """The first three channels of (frames, 4, 16, 16) as colours, (frames, 64, 64, 3) uint8: grey is 0."""
    colours = np.clip(BLANK + SPREAD * noise[:, :3], 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return colours.repeat(PIXELS, 1).repeat(PIXELS, 2)


@dataclass(frozen=True, eq=False)
class Ways:
    """The plane as points: `moving` (frames, points, 2), `places` (n, 2), and the frame that each place belongs to."""

    moving: np.ndarray
    groups: list[int]
    places: np.ndarray
    place_groups: list[int]
    frames: np.ndarray
    extent: tuple[float, float, float, float]

    def layers(self) -> list[Layer]:
        """Every place that is passed, small; and over them where things are at a frame, with the ways there."""
        return [Points("places", "every step", self.places, axes=(), extent=self.extent, groups=self.place_groups,
                       colours=COLOURS, size=6, target_frames=self.frames.tolist()),
                Points("ways", "where it is", self.moving, extent=self.extent, groups=self.groups, colours=COLOURS,
                       trail=True, highlighted=tuple(range(len(self.groups))), size=9)]


def ways(journey: Journey) -> Ways:
    """The ways of the journey in its plane."""
    m, count = len(journey.times), len(journey.parent.steps)
    gone = journey.plane.project(journey.gone)
    start = journey.plane.project(journey.parent.run.latents.values[:1])
    moving, groups = [np.concatenate([gone, np.repeat(start, count, 0)])], [1]
    places, place_groups, frames = [gone], [1] * m, [np.arange(m)]
    for name, strand in journey.strands.items():
        for colour_name, latents in (("noise", strand.latents), ("image", strand.estimates)):
            flat = journey.plane.project(latents)
            group = 0 if name == "branch" else COLOURS.index(colour_name)
            moving.append(np.concatenate([np.repeat(flat[:1], m, 0), flat]))  # it waits where it will begin
            groups.append(group)
            places.append(flat[strand.first :])
            place_groups += [group] * (count - strand.first)
            frames.append(m + np.arange(strand.first, count))
    every = np.concatenate(places)
    return Ways(np.stack(moving, 1), groups, every, place_groups, np.concatenate(frames),
                _around(every, 2.0 if journey.branch is None else 1.0))


def _around(points: np.ndarray, ratio: float) -> tuple[float, float, float, float]:
    """A frame around points, `ratio` times as wide as high, so that both directions have one scale."""
    low, high = points.min(0), points.max(0)
    (x, y), (wide, tall) = (low + high) / 2, np.maximum(high - low, 1e-6) * 1.12
    half = max(wide / ratio, tall) / 2
    return float(x - ratio * half), float(x + ratio * half), float(y - half), float(y + half)


def panels(journey: Journey, branched: bool) -> list[Panel]:
    """Three pictures and the plane beside them; a branch's three below."""
    share = journey.plane.share
    both = " of both runs" if journey.branch is not None else ""
    title = f"PCA of latents and estimates{both}: {share[0]:.0%} + {share[1]:.0%} of variance"
    made = [Panel("noisy", ("noisy",), "x_t: the latent, decoded", grid_area=(1, 1, 1, 1)),
            Panel("denoised", ("denoised",), "denoised estimate", grid_area=(2, 1, 1, 1)),
            Panel("noise", ("noise",), "its noise: 3 channels as RGB", grid_area=(3, 1, 1, 1)),
            Panel("ways", ("places", "ways"), title, grid_area=(4, 1, 2, 1 + branched), interaction="click")]
    if branched:
        titles = {"noisy": "branch: x_t", "denoised": "branch: estimate", "noise": "branch: noise"}
        made += [Panel(f"branch {name}", (f"branch {name}",), text, grid_area=(k, 2, 1, 1))
                 for k, (name, text) in enumerate(titles.items(), 1)]
    return made


@dataclass(frozen=True, eq=False)
class Shown:
    """What is sent to the page: layers, a caption for each frame, and panels."""

    layers: list[Layer]
    captions: list[str]
    panels: list[Panel]


def on_stage(journey: Journey, pipe: Pipeline) -> Shown:
    """A journey as it is sent to the page."""
    return Shown([*pictures(journey), *ways(journey).layers()], captions(journey, pipe),
                 panels(journey, journey.branch is not None))


def first_look(few: Journey, steps: int, pipe: Pipeline) -> Shown:
    """A journey of few steps, where one of `steps` is going to be."""
    made, shown = on_stage(few, pipe), shown_steps(steps)
    away = nearest_frames(shown[:-1], steps, len(few.times) - 1)
    frame_indices = np.concatenate([away, len(few.times) + nearest_frames(shown, steps)])
    return Shown(
        stretch_layers(made.layers, frame_indices),
        [f"{PREVIEW_LABEL}: {made.captions[k]}" for k in frame_indices],
        made.panels,
    )


def first_branch(whole: Journey, few: Journey, pipe: Pipeline) -> Shown:
    """The run that is there, and beside it a branch of a run of few steps. In the plane it is still missing."""
    run, steps = replace(whole, branch=None), whole.wish.settings.steps
    branch = [layer for layer in first_look(few, steps, pipe).layers if layer.name.startswith("branch ")]
    return Shown([*pictures(run), *branch, *ways(run).layers()],
                 [f"{caption}; of the branch, {PREVIEW_LABEL}" for caption in captions(run, pipe)], panels(run, True))
