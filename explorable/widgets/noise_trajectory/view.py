"""What NoiseTrajectory says of a result: sentences, the score, arrays, a table and code."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import SETTLED_SHARE, rms_distance, settled_step, signal_to_noise
from ...diffusion.paths import Path
from ..core.layout import format_duration
from .compute import Request, Result

# ---- words ----------------------------------------------------------------------------------------------------------


def describe_frame(result: Result, frame: int, path: Path) -> str:
    """Return one or two sentences on a frame."""
    step = result.step_at(frame)
    if step is None:
        t = float(result.forward.times[frame])
        image = "drawing" if result.forward.is_drawing else "generated image"
        return (f"Forward process: x_t = {path.alpha(t):.2f} × {image} + {path.sigma(t):.2f} × noise, both shown "
                "beside it. It needs no network.")
    if step == int(result.parent.steps[-1]):
        return "The noise has become an image." + (f" The branch ends {_end_distance(result):.2f} from it."
                                                   if result.branch else "")
    from_end = result.distances.sel(run="parent", step=step)
    text = (f"Step {step}: the noisy latent is {float(from_end.latent):.2f} from the final latent, the predicted "
            f"image {float(from_end.estimate):.2f}.")
    if result.branch is None:
        return text
    branched_at = result.branch.run.branched_at or 0
    if step < branched_at:
        return f"{text} The branch leaves at step {branched_at}."
    distance = rms_distance(result.parent.run.denoised.values[step], result.branch.run.denoised.values[step])
    return f"{text} The branch's predicted image is {float(distance):.2f} from the run's."


def score(result: Result) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    from_end = result.distances.sel(run="parent").estimate.values
    step = settled_step(from_end)
    branch = result.branch
    note = (f"and then stays within {SETTLED_SHARE:.0%} of its first distance from the end, {from_end[0]:.2f} (RMS)"
            if branch is None else
            f"the branch from step {branch.run.branched_at} ends {_end_distance(result):.2f} (RMS) from the run")
    t = float(result.parent.run.latents.t[step])
    value = f"at step {step} of {len(from_end) - 1}, t = {t:.2f}{',' if branch is None else ';'}"
    return "The predicted image settles", value, note


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
