"""Studio: a prompt becomes a picture. All of it together, and every part of it to be seen."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.settings import DEFAULT_GUIDANCE, Settings
from ...pipeline import Pipeline
from ...run import Run
from ..core.controls import guidance_control, prompt_control, seed_controls, steps_control, text_box
from ..core.explorable import Explorable, Progress, validate_setting
from ..core.layout import NARROW, format_duration, pipeline_map, row, token_chips
from ..core.preview import PREVIEW_LABEL, PREVIEW_STEPS, cancellable_only, nearest_frames, needs_preview, stretch_layers
from ..stage.stage import Images, Stage

EXAMPLES = (
    "a golden retriever", "a majestic lion at sunset", "a red sports car on a mountain road",
    "a cozy cabin in snowy mountains", "a magical forest at twilight", "two blue cats on a beach at night",
    "a red ball to the left of a green dog in a meadow", "a pink castle behind a black cat by a lake",
)
MOST_FRAMES = 101  # a recording of more steps shows so many of them, evenly spread
CHUNK = 4  # pictures decoded at a time: the quickest, and between two chunks a newer wish can come in


@dataclass(frozen=True, eq=False)
class Drawn:
    """A run and its recording: pictures[k] belong to the state after steps[k] steps, (frames, 128, 128, 3) uint8.

    seconds: how long the recording took to decode, apart from the run.
    """

    run: Run
    steps: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    seconds: float


class Studio(Explorable):
    """How do words become a picture?

        studio = Studio(prompt="a golden retriever", seed=3)
        studio.guidance = 7          # moves the slider, and draws
        studio.wait()
        studio.run.image             # the finished picture

    prompt, negative, seed, steps, guidance, sampler: as in calling a pipeline. Setting one draws anew.
    """

    question = "How do words become a picture?"
    busy_text = "Drawing …"
    inputs = ("prompt", "negative", "steps", "guidance", "seed", "sampler")

    prompt = tr.Unicode("a red sports car on a mountain road at sunset")
    negative = tr.Unicode(None, allow_none=True)
    seed = tr.Int(0)
    steps = tr.Int(20)
    guidance = tr.Float(DEFAULT_GUIDANCE)
    sampler = tr.Unicode("euler")

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        super().__init__(pipe, **values)
        self.stage = Stage(placeholder="The first picture is on its way …")
        self._chips, self._map = ipw.HTML(), ipw.HTML()
        about = ipw.HTML('<span class="ex-help">guidance 1: plain conditional; 0: the prompt is ignored</span>')
        self._status.layout.flex = "1 1 300px"
        self.set_layout(self._prompt_row(), self._examples(), self._setting_row(), self._chips,
                        row(self._status, about), self._bar, self.stage, self._map)
        self.set_status("Opening the model …", "busy")
        self.recompute()

    @tr.validate("seed", "steps", "guidance", "sampler")
    def _refuse(self, proposal: Any) -> Any:
        return validate_setting(proposal)

    # ---- from a wish to what is on the screen ----------------------------------------------------------------------

    def request(self) -> Settings:
        return Settings(**{name: getattr(self, name) for name in self.inputs})

    def compute(self, pipe: Pipeline, request: Settings, progress: Progress) -> Drawn:
        if self.ours and needs_preview(request.steps):
            few = self._drawn(pipe, replace(request, steps=PREVIEW_STEPS), cancellable_only(progress))
            self.show_preview(
                lambda: self._put(few, request, nearest_frames(shown_steps(request.steps), request.steps))
            )
        return self._drawn(pipe, request, progress)

    def _drawn(self, pipe: Pipeline, request: Settings, progress: Progress) -> Drawn:
        frames = min(request.steps + 1, MOST_FRAMES)
        of = request.steps + frames // 2  # a picture to decode costs about as much as half a step
        wish = {name: getattr(request, name) for name in self.inputs}
        run = pipe(**wish, progress=lambda done, _: progress(done, of))
        steps = shown_steps(run.steps)  # some samplers look more often than they are asked to

        def decode(latents: np.ndarray, done: float) -> np.ndarray:
            pictures = []
            for start in range(0, len(latents), CHUNK):
                pictures.append(pipe.decode(latents[start:start + CHUNK]))
                progress(int(request.steps + (done + start / 2 / len(latents)) * (of - request.steps)), of)
            return np.concatenate(pictures)

        started = time.perf_counter()
        noisy = decode(run.latents.values[steps[:-1]], 0)
        denoised = decode(run.denoised.values[steps[:-1]], 0.5)
        seconds = time.perf_counter() - started
        # Both end with the picture itself: decoded in a batch, it could differ in a last bit.
        end = run.image[None]
        return Drawn(run, steps, np.concatenate([noisy, end]), np.concatenate([denoised, end]), seconds)

    def show(self, drawn: Drawn) -> str:
        run = drawn.run
        self._put(drawn, run.settings)
        self._chips.value = token_chips(run.tokens)
        words = sum(name != "<pad>" for name in run.tokens)
        text, (high, wide, colours) = getattr(self.pipe, "text", None), run.image.shape
        self._map.value = pipeline_map(words, len(run.tokens), text and text.config.width, run.latents.shape[1:],
                                       (colours, high, wide), _work(run), run.seconds)
        return _remark(drawn)

    def _put(self, drawn: Drawn, request: Settings, frame_indices: np.ndarray | None = None) -> None:
        """Send a recording. picks: of a first look, which of its frames each frame of what is asked for shows."""
        times = drawn.run.latents.t.values[drawn.steps]
        layers = [Images("noisy", "What the model holds", drawn.noisy, "the noisy latent, decoded"),
                  Images("denoised", "What it believes", drawn.denoised, "the denoised estimate")]
        of = drawn.run.steps
        captions = [f"step {k} of {of}, t = {t:.2f}" for k, t in zip(drawn.steps, times, strict=True)]
        if frame_indices is not None:
            layers, captions = (
                stretch_layers(layers, frame_indices),
                [f"{PREVIEW_LABEL}: {captions[k]}" for k in frame_indices],
            )
        self.stage.show(
            layers,
            captions,
            thumbnails="denoised",
            file_name=f"{_slug(request.prompt)}-seed-{request.seed}",
            autoplay=not self.preview_label,
        )

    # ---- what it can be asked --------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run on the screen; the first one is waited for."""
        return self.wait_for_result().run

    @property
    def data(self) -> xr.Dataset:
        """The recording on the screen: what the model held and believed at the start of each step; the picture."""
        drawn, axes = self.wait_for_result(), ("step", "y", "x", "rgb")
        settings, steps = drawn.run.settings, drawn.steps[:-1]
        return xr.Dataset(
            {"noisy": (axes, drawn.noisy[:-1]), "previews": (axes, drawn.denoised[:-1]),
             "image": (axes[1:], drawn.noisy[-1])},
            coords={"step": steps, "t": ("step", drawn.run.latents.t.values[steps]), "rgb": list("rgb")},
            attrs={name: value for name in self.inputs if (value := getattr(settings, name)) is not None})

    def table(self) -> Any:
        """One row a step, as a pandas table: how far what was held and what was believed are from the picture.

        Distances are root mean squares over the pixels, where 0 is black and 1 is white.
        """
        data = self.data
        image = data.image.astype("float32") / 255

        def distance(pictures: xr.DataArray) -> xr.DataArray:
            return ((pictures.astype("float32") / 255 - image) ** 2).mean(["y", "x", "rgb"]) ** 0.5

        return xr.Dataset({"held, from the picture": distance(data.noisy),
                           "believed, from the picture": distance(data.previews)}).to_dataframe()

    def code(self) -> str:
        """The lines that draw the same picture without the Studio."""
        wish = "".join(f"{name}={value!r}, " for name in self.inputs[1:] if (value := getattr(self, name)) is not None)
        return (
            f"import explorable as ex\n\n{self.pipe_code}\nrun = pipe({self.prompt!r}, {wish.rstrip(', ')})\nrun.image"
        )

    # ---- the controls ----------------------------------------------------------------------------------------------

    def _prompt_row(self) -> ipw.Widget:
        negative = text_box("away from", "Negative prompt: guidance pushes away from it", "the empty prompt",
                            "1 1 170px")
        button = ipw.Button(description="Draw", button_style="primary", layout=ipw.Layout(width="80px"))
        button.on_click(lambda _: self._draw_or_replay())
        self.bind("negative", negative, lambda v: v or "", lambda v: v or None)
        return row(prompt_control(self), negative, button)

    def _examples(self) -> ipw.Widget:
        def button(text: str) -> ipw.Button:
            made = ipw.Button(description=text, tooltip=f"Draw: {text}")
            made.on_click(lambda _: setattr(self, "prompt", text))
            return made

        examples = row(*map(button, EXAMPLES))
        examples.add_class("ex-examples")
        return examples

    def _setting_row(self) -> ipw.Widget:
        sampler = ipw.Dropdown(
            description="sampler", options=list(self.samplers), style=NARROW, layout=ipw.Layout(width="130px"),
            tooltip="euler, ddim: one look a step. heun: two. dpmpp_2m: one, and remembers the last. ddpm: throws dice")
        self.bind("sampler", sampler)
        return row(*seed_controls(self), steps_control(self), guidance_control(self), sampler)

    def _draw_or_replay(self) -> None:
        if self.result is not None and self.error is None and self.result.run.settings == self.request():
            self.stage.play()
        else:
            self.recompute()


def shown_steps(steps: int) -> np.ndarray:
    """Which steps of a run have a frame: all, or of a long run so many, evenly spread."""
    return np.linspace(0, steps, min(steps + 1, MOST_FRAMES)).round().astype(int)


def _work(run: Run) -> str:
    """How often the denoiser looked at the latent, and how many estimates it made at each look."""
    looks, passes = run.evaluations, run.branches
    return f"{looks} look{'s' * (looks > 1)} × {passes} pass{'es' * (passes > 1)}"


def _remark(drawn: Drawn) -> str:
    """What the status line says of a picture: what was special about the wish, and how it came about."""
    took = (f"{format_duration(sum(drawn.run.seconds.values()))}, and {format_duration(drawn.seconds)} to decode the "
            "recording")
    return f"{_special(drawn.run.settings)} {_work(drawn.run)}: {took}.".strip()


def _special(s: Settings) -> str:
    """What a wish that is not an ordinary one comes to; nothing is said of others."""
    prompt, negative = s.prompt.strip(), (s.negative or "").strip()
    if s.guidance == 0 and negative:
        return "Guidance 0 ignores the prompt: this is a picture of the negative prompt."
    if s.guidance == 0:
        return "Guidance 0 ignores the prompt: this picture is unconditional."
    if not prompt and (s.guidance == 1 or not negative):
        return "An empty prompt asks for nothing: this picture is unconditional."
    if s.guidance == 1:
        return "Guidance 1 follows the prompt as it is, with no push away from anything."
    if prompt == negative:
        return "The negative prompt is the prompt: guidance has nothing to tell apart."
    if not prompt and s.guidance > 1:
        return "An empty prompt asks for nothing: this picture is only pushed away from the negative prompt."
    if not prompt:
        return "An empty prompt asks for nothing: this picture is partly of the negative prompt."
    return ""


def _slug(prompt: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:60] or "no-prompt"
