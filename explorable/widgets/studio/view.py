"""What Studio shows of a result: the recording, the tokens, a diagram of the pipeline, the status line, data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import describe_step
from ...diffusion.settings import Settings
from ...run import Run
from ..core.layout import SPECIAL_TOKENS, format_duration
from ..core.notice import computing_frames
from ..core.preview import PREVIEW_LABEL, stretch_layers
from ..core.verdict import check_against_prompt, describe_verdict
from ..pipeline_map.diagram import pipeline_diagram
from ..stage.layers import Images, Layer, Panel
from .compute import RUN_SETTINGS, Request, Result


def recording_of(results: Sequence[Result], models: Sequence[str] = (), frame_indices: np.ndarray | None = None,
                 is_finished: bool = False) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: one panel, or with a model beside it two, which switch together.

    results: of the first model, and of the one beside it as soon as it is there. models: the titles of the panels, if
    there are two. frame_indices: of previews, their frame for each frame of the full recording. is_finished: whether
    the first one ends with its finished image.
    """
    first = results[0]
    times = first.run.latents.t.values[first.steps]
    layers = image_layers(first)
    if models:
        layers += image_layers(results[1] if len(results) > 1 else not_yet(first), "beside ")
    captions = [describe_step(k, first.run.steps, t) for k, t in zip(first.steps, times, strict=True)]
    if frame_indices is not None:
        previews = [f"{PREVIEW_LABEL}: {captions[k]}" for k in frame_indices]
        layers = stretch_layers(layers, frame_indices)
        captions = [*previews[:-1], finished_caption(len(frame_indices) - 1) if is_finished else previews[-1]]
    names = [layer.name for layer in layers]
    half = len(names) // 2
    panels = [Panel(name, tuple(shown), title, switchable=True) for name, shown, title in
              zip(("image", "beside"), (names[:half], names[half:]), models, strict=True)] if models else []
    return {"layers": layers, "captions": captions, "panels": panels, "columns": len(panels),
            "thumbnails": "denoised", "file_name": file_name_of(first.request)}


def image_layers(result: Result, prefix: str = "") -> list[Layer]:
    """Return the layers of one model. prefix: of their names."""
    layers: list[Layer] = [
        Images(f"{prefix}noisy", "Noisy latent", result.noisy, "decoded to an image"),
        Images(f"{prefix}denoised", "Predicted image", result.denoised, "the denoised estimate, decoded")]
    if result.start is not None:
        layers.append(Images(f"{prefix}start", "Picture", result.start[None], "what the run starts from, before its "
                             "noise", frame_indices=[0] * len(result.steps)))
    return layers


def not_yet(first: Result) -> Result:
    """Return what stands beside the first result until the other model has sampled anything."""
    grey = computing_frames(len(first.steps), first.run.image.shape[:2])
    return replace(first, noisy=grey, denoised=grey)


def panel_titles(request: Request) -> list[str]:
    """Return the titles of two panels; none for one."""
    edited = ", edited" if request.active_edits else ""
    other = ", without the edits" if request.active_edits else ""
    return [f"left: {request.model}{edited}", f"right: {request.beside}{other}"] if request.beside else []


def map_note(request: Request) -> str:
    """Say how what the map opens differs from the run that is shown; empty where it does not."""
    texts = []
    if request.beside:
        texts.append(f"The map and what it opens are of {request.model}, on the left.")
    if request.picture is not None:
        texts.append("What the map opens starts from noise alone, without the picture, and is shown at the same noise "
                     "time.")
    return " ".join(texts)


def finished_caption(steps: int) -> str:
    """Return the caption of the finished image."""
    return describe_step(steps, steps, 0.0)


def file_name_of(request: Request) -> str:
    """Return the name of a saved image: the prompt and the seed; from a picture, the strength too."""
    settings = request.settings
    slug = re.sub(r"[^a-z0-9]+", "-", settings.prompt.lower()).strip("-")[:60] or "no-prompt"
    strength = "" if request.picture is None else f"-strength-{settings.strength:g}"
    return f"{slug}-seed-{settings.seed}{strength}"


# ---- text -----------------------------------------------------------------------------------------------------------


def describe_run(result: Result) -> str:
    """Return the status line: what is special about the settings, the work and the time it took."""
    run = result.run
    special = _describe_special_case(run.settings)
    start = "" if result.start is None else f"From step {result.first_step} of {result.request.settings.steps}:"
    decoding = format_duration(sum(each.decode_seconds for each in with_beside(result)))
    work = f"{describe_work(run)}: {describe_seconds(run)}, and {decoding} to decode the recording."
    if result.beside is not None:
        work = f"Two models, the same start and settings; {decoding} to decode both recordings."
    return " ".join(filter(None, (special, start, work)))


def verdict_rows(result: Result) -> list[tuple[str, str, str]]:
    """Return the rows of the score: name, value and note. With two models, each also has its work and time."""
    rows = []
    for each, side in zip(with_beside(result), ("left", "right"), strict=False):
        verdict, sees = each.verdict, "the examiner sees"
        if verdict is None:
            continue
        check = check_against_prompt(verdict, each.run.settings.prompt)
        if result.beside is None:
            rows.append((sees.capitalize(), describe_verdict(verdict), check))
            continue
        note = "; ".join(filter(None, (check, f"{count_evaluations(each.run)} in {describe_seconds(each.run)}")))
        rows.append((f"{side}, {each.request.model}: {sees}", describe_verdict(verdict), note))
    return rows


def with_beside(result: Result) -> list[Result]:
    """Return a result, and that of the model beside it if there is one."""
    return [result] if result.beside is None else [result, result.beside]


def describe_seconds(run: Run) -> str:
    """Return how long a run took: "0.56 s"."""
    return format_duration(sum(run.seconds.values()))


def describe_start(result: Result) -> str:
    """Say where a run starts: at which step, and with how much noise."""
    steps, picture = result.request.settings.steps, result.request.picture
    if picture is None:
        return f"The run starts from noise alone, at step 0 of {steps}."
    count, t = result.run.steps, float(result.run.latents.t[0])
    return (f"The run starts from “{picture.name}” with the noise of t = {t:.2f}, at step {result.first_step} of "
            f"{steps}: {count} {'step is' if count == 1 else 'steps are'} sampled.")


def describe_work(run: Run) -> str:
    """Return the number of evaluations of the network: "40 evaluations of the network, 20 with the prompt and 20
    without"."""
    work = f"{count_evaluations(run)} of the network"
    if run.branches == 1:
        return work
    without = "with the negative prompt" if (run.settings.negative or "").strip() else "without"
    return f"{work}, {run.evaluations} with the prompt and {run.evaluations} {without}"


def count_evaluations(run: Run) -> str:
    """Return the number of evaluations of the network in words: "40 evaluations". With the prompt and without it are
    two, which are computed together."""
    count = run.evaluations * run.branches
    return f"{count} evaluation{'s' if count > 1 else ''}"


def _describe_special_case(s: Settings) -> str:
    """Describe the effect of unusual settings; empty for usual ones."""
    prompt, negative = s.prompt.strip(), (s.negative or "").strip()
    if s.guidance == 0 and negative:
        return "Guidance 0 ignores the prompt: this image follows the negative prompt."
    if s.guidance == 0:
        return "Guidance 0 ignores the prompt: this image is unconditional."
    if not prompt and (s.guidance == 1 or not negative):
        return "The prompt is empty: this image is unconditional."
    if s.guidance == 1:
        return "Guidance 1 uses the conditional prediction as it is."
    if prompt == negative:
        return "Prompt and negative prompt are the same: guidance has no effect."
    if not prompt and s.guidance > 1:
        return "The prompt is empty: guidance only avoids what the negative prompt says."
    if not prompt:
        return "The prompt is empty: this image partly follows the negative prompt."
    return ""


# ---- HTML -----------------------------------------------------------------------------------------------------------


def help_line(text: str) -> str:
    """Return a sentence as HTML; empty for none."""
    return f'<div class="ex-help">{escape(text)}</div>' if text else ""


def token_chips(tokens: Sequence[str]) -> str:
    """Return the tokens of a prompt as HTML, special ones dashed, the padding at the end as one chip."""
    padding = next((i for i, name in enumerate(reversed(tokens)) if name != "<pad>"), len(tokens))
    chips = [_chip(name, SPECIAL_TOKENS.get(name, f"token {i}"), name in SPECIAL_TOKENS)
             for i, name in enumerate(tokens[: len(tokens) - padding])]
    if padding:
        chips.append(_chip(f"{padding} × <pad>", SPECIAL_TOKENS["<pad>"], True))
    return f'<div class="ex-words"><span>{len(tokens)} tokens</span>{"".join(chips)}</div>'


def _chip(text: str, tip: str, is_special: bool) -> str:
    kind = "ex-word ex-special" if is_special else "ex-word"
    return f'<span class="{kind}" title="{escape(tip)}">{escape(text)}</span>'


def diagrams_of(result: Result, text_width: int | None) -> str:
    """Return the pipeline diagram of each run. text_width: channels of the text encoder's output, if known."""
    drawn = [(each.request.model, diagram_of(each, text_width)) for each in with_beside(result)]
    return drawn[0][1] if len(drawn) == 1 else "".join(help_line(model) + diagram for model, diagram in drawn)


def diagram_of(result: Result, text_width: int | None) -> str:
    """Return the pipeline diagram of a run. text_width: channels of the text encoder's output, if known."""
    run = result.run
    words = sum(name != "<pad>" for name in run.tokens)
    height, width, channels = run.image.shape
    return pipeline_diagram(words, len(run.tokens), text_width, run.latents.shape[1:], (channels, height, width),
                            count_evaluations(run), run.seconds,
                            None if result.start is None else float(run.latents.t[0]))


# ---- data -----------------------------------------------------------------------------------------------------------


def to_dataset(result: Result) -> xr.Dataset:
    """Return the recording as labelled arrays: noisy and denoised (step, y, x, rgb) and the image (y, x, rgb).

    Of a run from a picture also that picture, initial_image (y, x, rgb), and the strength; with a model beside it, its
    name and the same three arrays of it, beside_noisy, beside_denoised and beside_image.
    """
    axes, steps, settings = ("step", "y", "x", "rgb"), result.steps[:-1], result.run.settings
    arrays: dict[str, Any] = {}
    for each, prefix in zip(with_beside(result), ("", "beside_"), strict=False):
        arrays |= {f"{prefix}noisy": (axes, each.noisy[:-1]), f"{prefix}denoised": (axes, each.denoised[:-1]),
                   f"{prefix}image": (axes[1:], each.run.image)}
    about = {name: value for name in RUN_SETTINGS if (value := getattr(settings, name)) is not None}
    if result.start is not None:
        arrays["initial_image"], about["strength"] = (axes[1:], result.start), result.request.settings.strength
    if result.beside is not None:
        about |= {"model": result.request.model, "beside": result.request.beside}
    return xr.Dataset(arrays, attrs=about, coords={
        "step": steps, "t": ("step", result.run.latents.t.values[steps]), "rgb": list("rgb")})


def step_table(data: xr.Dataset) -> Any:
    """Return a pandas table, one row per step: the distances from the finished image; with a model beside it, also its
    distances from its own, and that between the predicted images of both.

    Distances are root mean squares over the pixels, where 0 is black and 1 is white.
    """

    def distance(first: str, second: str) -> xr.DataArray:
        one, other = (data[name].astype("float32") / 255 for name in (first, second))
        return ((one - other) ** 2).mean(["y", "x", "rgb"]) ** 0.5

    columns = {"noisy, from the image": distance("noisy", "image"),
               "denoised, from the image": distance("denoised", "image")}
    if "beside" in data.attrs:
        columns |= {"beside: noisy, from its image": distance("beside_noisy", "beside_image"),
                    "beside: denoised, from its image": distance("beside_denoised", "beside_image"),
                    "denoised, of both": distance("denoised", "beside_denoised")}
    return xr.Dataset(columns).to_dataframe()
