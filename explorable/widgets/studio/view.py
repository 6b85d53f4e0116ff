"""What Studio shows of a result: the recording, the tokens, a diagram of the pipeline, the status line, data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import describe_step
from ...diffusion.settings import Settings
from ...run import Run
from ..core.layout import SPECIAL_TOKENS, format_duration, scrollable
from ..core.preview import PREVIEW_LABEL, stretch_layers
from ..stage.layers import Images, Layer
from .compute import RUN_SETTINGS, Request, Result


def recording_of(result: Result, frame_indices: np.ndarray | None = None, last_caption: str = "",
                 ) -> tuple[list[Layer], list[str]]:
    """Return layers and captions. frame_indices: of a preview, its frame for each frame of the full recording.

    last_caption: of the last frame, if that is no preview.
    """
    times = result.run.latents.t.values[result.steps]
    layers: list[Layer] = [Images("noisy", "Noisy latent", result.noisy, "decoded to an image"),
                           Images("denoised", "Predicted image", result.denoised, "the denoised estimate, decoded")]
    if result.start is not None:
        layers.append(Images("start", "Picture", result.start[None], "what the run starts from, before its noise",
                             frame_indices=[0] * len(result.steps)))
    captions = [describe_step(k, result.run.steps, t) for k, t in zip(result.steps, times, strict=True)]
    if frame_indices is None:
        return layers, captions
    previews = [f"{PREVIEW_LABEL}: {captions[k]}" for k in frame_indices]
    return stretch_layers(layers, frame_indices), [*previews[:-1], last_caption or previews[-1]]


def map_note(request: Request) -> str:
    """Say how what the map opens differs from the run that is shown; empty where it does not."""
    return "" if request.picture is None else (
        "What the map opens starts from noise alone, without the picture, and is shown at the same noise time.")


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
    seconds, decoding = format_duration(sum(run.seconds.values())), format_duration(result.decode_seconds)
    special = _describe_special_case(run.settings)
    start = "" if result.start is None else f"From step {result.first_step} of {result.request.settings.steps}:"
    work = f"{describe_work(run)}: {seconds}, and {decoding} to decode the recording."
    return " ".join(filter(None, (special, start, work)))


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


def diagram_of(result: Result, text_width: int | None) -> str:
    """Return the pipeline diagram of a run. text_width: channels of the text encoder's output, if known."""
    run = result.run
    words = sum(name != "<pad>" for name in run.tokens)
    height, width, channels = run.image.shape
    return pipeline_diagram(words, len(run.tokens), text_width, run.latents.shape[1:], (channels, height, width),
                            count_evaluations(run), run.seconds,
                            None if result.start is None else float(run.latents.t[0]))


def pipeline_diagram(words: int, tokens: int, text_width: int | None, latent: Sequence[int], image: Sequence[int],
                     work: str, seconds: dict[str, float], start_t: float | None = None) -> str:
    """Return an SVG of the pipeline with the shapes along it and the time that each part took.

    words: tokens of the prompt without padding. tokens, text_width: shape of the context. latent, image: shapes,
    (channels, height, width). work: what the denoiser did. start_t: of a run from a picture, the noise time at which it
    starts.
    """
    latent_shape, image_shape = (" × ".join(map(str, shape)) for shape in (latent, image))
    scale = f"{image[-1] / latent[-1]:g} × larger a side"
    context = f"{tokens} × {text_width} context" if text_width else f"{tokens} tokens"
    total = sum(seconds.values()) or 1.0

    def box(x: float, y: float, w: float, h: float, colour: str, lines: Sequence[str], time: float | None = None,
            ) -> str:
        top = y + h / 2 + 5 - 9 * (len(lines) - 1) - (0 if time is None else 3)  # room for the bar
        texts = "".join(f'<text x="{x + w / 2:g}" y="{top + 18 * i:g}"{" class=ex-name" if i == 0 else ""}>'
                        f"{escape(line)}</text>" for i, line in enumerate(lines))
        bar = "" if time is None else (f'<rect class="ex-share" x="{x + 4:g}" y="{y + h - 7:g}" rx="1.5" height="3" '
                                       f'width="{max(2.0, (w - 8) * time / total):.1f}"/>')
        return f'<g class="ex-c-{colour}"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>{bar}{texts}</g>'

    def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
        return (f'<path d="M{x} {y}H{(x + to_x) / 2}V{to_y}H{to_x - 6}"/>'
                f'<path class="ex-head" d="M{to_x} {to_y}l-8 -4.5v9z"/>')

    text, denoiser, decoder = (seconds[name] for name in ("text encoder", "denoiser", "decoder"))
    encoder = seconds.get("encoder")  # an opened pipeline does not measure it by itself
    encoding = f"{latent_shape} latent" if encoder is None else format_duration(encoder)
    drawing = "".join([
        box(1, 2, 130, 46, "word", ["words", f"{words} of {tokens} tokens"]),
        box(175, 2, 150, 70, "word", ["text encoder", context, format_duration(text)], text),
        box(1, 82, 130, 46, "noise", ["noise", f"{latent_shape} latent"]) if start_t is None else
        box(1, 58, 130, 70, "noise", ["picture + noise", f"encoded, t = {start_t:.2f}", encoding], encoder),
        box(371, 20, 198, 92, "guidance", ["denoiser", work, f"{latent_shape} latent", format_duration(denoiser)],
            denoiser),
        box(605, 31, 120, 70, "image", ["decoder", scale, format_duration(decoder)], decoder),
        box(775, 43, 122, 46, "image", ["image", image_shape]),
        arrow(131, 25, 175, 25), arrow(325, 35, 371, 52), arrow(131, 105, 371, 84),
        arrow(569, 66, 605, 66), arrow(725, 66, 775, 66),
    ])
    source = "noise" if start_t is None else f"a picture with the noise of t = {start_t:.2f}"
    label = (f"The text encoder ({format_duration(text)}) turns the words into a context. The denoiser ({work}, "
             f"{format_duration(denoiser)}) turns {source} into a latent. The decoder ({format_duration(decoder)}) "
             "turns the latent into the image.")
    return scrollable(f'<div class="ex-map"><svg viewBox="0 0 899 130" role="img" aria-label="{escape(label)}">'
                      f"{drawing}</svg></div>", "From words to an image")


# ---- data -----------------------------------------------------------------------------------------------------------


def to_dataset(result: Result) -> xr.Dataset:
    """Return the recording as labelled arrays: noisy and denoised (step, y, x, rgb) and the image (y, x, rgb); of a run
    from a picture also that picture, initial_image (y, x, rgb), and the strength."""
    axes, steps, settings = ("step", "y", "x", "rgb"), result.steps[:-1], result.run.settings
    start = {} if result.start is None else {"initial_image": (axes[1:], result.start)}
    strength = {} if result.start is None else {"strength": result.request.settings.strength}
    return xr.Dataset(
        {"noisy": (axes, result.noisy[:-1]), "denoised": (axes, result.denoised[:-1]),
         "image": (axes[1:], result.run.image), **start},
        coords={"step": steps, "t": ("step", result.run.latents.t.values[steps]), "rgb": list("rgb")},
        attrs={name: value for name in RUN_SETTINGS if (value := getattr(settings, name)) is not None} | strength)


def step_table(data: xr.Dataset) -> Any:
    """Return a pandas table, one row per step: the distances from the finished image.

    Distances are root mean squares over the pixels, where 0 is black and 1 is white.
    """
    image = data.image.astype("float32") / 255

    def distance(images: xr.DataArray) -> xr.DataArray:
        return ((images.astype("float32") / 255 - image) ** 2).mean(["y", "x", "rgb"]) ** 0.5

    return xr.Dataset({"noisy, from the image": distance(data.noisy),
                       "denoised, from the image": distance(data.denoised)}).to_dataframe()
