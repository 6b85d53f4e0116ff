"""Somebody else's pipeline with this package's face: prompt to Run, points, recordings, edits, branches."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.paths import Path
from ..diffusion.settings import SettingError, Settings, check_settings
from ..hooks import Point, PointTable, Recorder, Recording, RunPlan, attached_to, dispatcher_for
from ..nn.hook_points import dispatching_to
from ..pipeline.pipeline import patterns
from ..run import Run, collect
from .attention import MetaPointFinder, Seen, Words
from .families import check_openable, default_of, family_of
from .image_processing import decoded, encoded
from .inspection import inspected, looked_again
from .sampling import Enough, Sampling, Start, Watched
from .schedulers import Noise
from .settings import OpenedSettings, asked, own_arguments, rearranged, sized, with_tokens
from .tokens import PAD, Said, said

_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()


class OpenedPipeline:
    """A diffusers pipeline, opened: called with a prompt it gives a Run. Made by `ex.open`.

    pipeline: the untouched pipeline. family, guidance_meaning: what it is, and what w means to it, in words.
    Nothing is installed in it outside of a call, so several may be open on one network, and it may be used as ever.
    """

    has_examiner = has_text_points = has_classifier = takes_exact_steps = supports_preview = False  # PipelineProtocol
    head_weights: Mapping[str, Sequence[float]] = {}
    text_width = None

    def __init__(self, pipeline: Any, merge_subwords: bool = True, half_precision: bool = True, **always: Any):
        self._family = family_of(pipeline)
        check_openable(pipeline, self._family)
        self.pipeline, self.merge_subwords, self.half_precision, self.always = (
            pipeline, merge_subwords, half_precision, always)
        self.closed = False
        self._surveys: dict[Any, tuple[tuple[Point, ...], tuple[int, int], dict[str, str]]] = {}
        own_arguments(pipeline, always)
        Noise(pipeline.scheduler)
        self.lock = _LOCKS.setdefault(self.network, threading.RLock())  # its scheduler serves one call at a time

    def __repr__(self) -> str:
        return f"OpenedPipeline({self.name!r}, family={self.family!r}, device={str(self.device)!r})"

    def __enter__(self) -> OpenedPipeline:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Draw no more through this. Runs that are there can still be looked at and decoded."""
        self.closed = True
        self._surveys.clear()

    @property
    def name(self) -> str:
        """Where the pipeline was loaded from, or its class."""
        return str(self.pipeline.config.get("_name_or_path") or type(self.pipeline).__name__)

    @property
    def family(self) -> str:
        """"Stable Diffusion", "Stable Diffusion XL", "Stable Diffusion 3", "Flux" or "PixArt"."""
        return self._family.name

    @property
    def guidance_meaning(self) -> str:
        """What the number w means to this pipeline, in words."""
        return self._family.guidance(self.network)

    @property
    def uses_cfg(self) -> bool:
        """Does guidance compare two branches?"""
        return self._family.compares(self.network)

    @property
    def network(self) -> nn.Module:
        """The denoiser."""
        return getattr(self.pipeline, self._family.network)

    @property
    def device(self) -> torch.device:
        return self.pipeline.device

    @property
    def path(self) -> Path:
        """The noise path on which the network was trained."""
        return Noise(self.pipeline.scheduler).path

    @property
    def prediction(self) -> str:
        """What the network predicts: "noise", "v", "x0" or "velocity"."""
        return Noise(self.pipeline.scheduler).prediction

    # ---- what is asked for ---------------------------------------------------------------------------------------

    def __call__(self, prompt: str, negative: str | None = None, steps: int | None = None,
                 guidance: float | None = None, seed: int = 0, sampler: str | None = None,
                 record: str | Sequence[str] = (), progress: Callable[[int, int], None] | None = None,
                 **more: Any) -> Run:
        """Sample one picture: the pipeline's own, as it paints it with `torch.Generator().manual_seed(seed)`.

        Args:
            prompt: what to draw. negative: what to compare with, where the pipeline compares (see `guidance`).
            steps, guidance: None: what the pipeline takes where nothing is said.
            sampler: the scheduler's name, or None; `pipe.pipeline.scheduler = …` changes it.
            record: names or patterns of points to keep: run["*.cross.weights"]. `points` lists them all.
            progress: called with (steps done, steps in all) after each step; what it raises stops the run.
            more: other arguments of the pipeline's own call: height, width, image and strength where it starts from a
                picture, guidance_rescale, clip_skip, ip_adapter_image, …

        A scheduler that looks twice in a step, as Heun's, makes two steps of each: every look is a step of the run.

        Raises:
            SettingError, UnknownPointError, MemoryRefusedError: before a step is taken.
        """
        settings = self._asked(prompt, negative, steps, guidance, seed, sampler, **more)
        return self._sample(settings, record, progress)

    def _asked(self, *args: Any, **more: Any) -> OpenedSettings:
        return asked(self.pipeline, self._family, *args, **{**self.always, **more})

    def branch(self, run: Run, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Draw the tail of a run anew from the start of `step` on: see `Run.branch`. The head is not computed again."""
        step, _ = run.check_step(step), self._walked(run)
        settings = rearranged(self.pipeline, self._family, run.settings, changes)  # type: ignore[arg-type]
        return self._sample(settings, record, progress, (run, step))

    # ---- sampling ------------------------------------------------------------------------------------------------

    def _sample(self, settings: OpenedSettings, record: str | Sequence[str],
                progress: Callable[[int, int], None] | None, parent: tuple[Run, int] | None = None) -> Run:
        own = Recorder(patterns(record)) if record else None
        start = None
        dice = torch.Generator().manual_seed(settings.seed)
        if parent is not None and parent[1] > 0:
            reseeded = settings.seed != parent[0].settings.seed
            start = Start(self._walked(parent[0]), parent[1], dice if reseeded else None)
        with self._ready([settings.prompt], settings, start.step if start else 0, own) as words:
            sampling = self._watched(words, settings, progress=progress, start=start)
            picture = sampling(**self._call(settings, settings.prompt, settings.negative,
                                            torch.Generator().manual_seed(settings.seed)))[0]
        begun, look, last, done = sampling.marks
        seconds = {"text encoder": look - begun, "denoiser": last - look, "decoder": done - last}
        steps_taken: list[Any] = sampling.steps()
        return collect(self, settings, words.names, steps_taken, np.asarray(picture), seconds,
                       (len(steps_taken), len(self._branches(settings))), own.last if own else None, parent)

    def sample_images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None) -> np.ndarray:
        """A batch of finished pictures, (batch, high, wide, 3) uint8: one prompt and seed each, in one call."""
        if not prompts or len(prompts) != len(seeds):
            raise SettingError(f"{len(prompts)} prompts and {len(seeds)} seeds: give one seed to each of at least one")
        s = settings if isinstance(settings, OpenedSettings) else self._asked(
            "", *((settings.negative, settings.steps, settings.guidance) if settings else ()))
        dice = [torch.Generator().manual_seed(check_settings(replace(Settings(p), seed=seed)).seed)
                for p, seed in zip(prompts, seeds, strict=True)]
        negative = None if s.negative is None else [s.negative] * len(prompts)
        with self._ready(prompts, s) as words:
            return np.stack([np.asarray(p) for p in self._watched(words, s)(**self._call(s, prompts, negative, dice))])

    def inspect(self, image: np.ndarray, prompt: str, t: float = 0.5, seed: int = 0,
                record: str | Sequence[str] = ("*.cross.weights",), **more: Any) -> Recording:
        """What the denoiser sees in a picture that is there already: it is noised to t, and looked at once.

        Args:
            image: (high, wide, 3) uint8, of a size that the pipeline paints. t: above 0, at most 1; the nearest of the
                noise times that the network was trained on is taken. record: names or patterns of points to keep.

        Raises:
            SettingError: no such picture, or t out of range; and the rest as in drawing.
        """
        return inspected(self, image, prompt, t, seed, record, more)

    def evaluate_step(self, run: Run, step: int, x: Tensor, **changes: Any) -> None:
        """Look at a step of a run once more, at other latents (rows, channel, y, x), which may want a gradient; what is
        attached to this pipeline listens. Only the branch that reads the prompt looks. changes: of the run's settings.

        Raises:
            SettingError: the run was opened from a file.
        """
        looked_again(self, run, step, x, changes)

    def _walked(self, run: Run) -> tuple[Watched, ...]:
        """The steps of a run, with the state of the scheduler at each.

        Raises:
            SettingError: it was opened from a file.
        """
        if not isinstance(run.settings, OpenedSettings) or not all(isinstance(s, Watched) for s in run.steps_taken):
            raise SettingError("this run was opened from a file, which does not hold its scheduler's state: draw it "
                               "anew with the same settings, and go on from that")
        return run.steps_taken  # type: ignore[return-value]

    def _watched(self, words: Words, settings: OpenedSettings, **more: Any) -> Sampling:
        return Sampling(self.pipeline, self._family, Noise(self.pipeline.scheduler), words, self._branches(settings),
                        self.half_precision, **more)

    def _call(self, s: OpenedSettings, prompt: Any, negative: Any, dice: Any) -> dict[str, Any]:
        """The arguments of the pipeline's own call."""
        own = {"negative_prompt": negative} if negative is not None else {}
        return {"prompt": prompt, "num_inference_steps": s.steps, "guidance_scale": s.guidance, "generator": dice,
                **own, **dict(s.more)}

    def _branches(self, settings: Settings) -> tuple[str, ...]:
        compared = settings.guidance > 1 and self.uses_cfg
        return ("uncond", "cond") if compared else ("cond",)

    def _said(self, text: str, settings: OpenedSettings) -> Said:
        with self.lock:  # a tokenizer keeps how long it may cut and pads from one call to the next
            return said(self.pipeline, self._family, text, dict(settings.more), self.merge_subwords)

    @property
    def default_guidance(self) -> float:
        """The guidance scale that the pipeline uses where none is given."""
        return float(default_of(self.pipeline, "guidance_scale"))

    @property
    def samplers(self) -> tuple[str, ...]:
        """What `sampler` may be: the scheduler's own name."""
        return (type(self.pipeline.scheduler).__name__,)

    @property
    def image_size(self) -> tuple[int, int]:
        """High and wide: the pixels of a picture where nothing is said of its size."""
        return self._surveyed(self._asked("", None, None, None))[1]

    # ---- points --------------------------------------------------------------------------------------------------

    @contextmanager
    def _ready(self, prompts: list[str], settings: OpenedSettings, first: int = 0,
               own: Recorder | None = None) -> Iterator[Words]:
        """Within this the pipeline is ours alone, and what is attached to it, and a recorder of the run's own, listen.

        Raises:
            SettingError: closed, or too long a prompt. MemoryRefusedError, UnknownPointError: as they are.
        """
        if self.closed:
            raise SettingError("this pipeline was closed: open it again with ex.open(pipeline)")
        branches, blank = self._branches(settings), settings.negative or ""
        texts = {"uncond": [blank] * len(prompts), "cond": prompts}
        spoken = {b: [self._said(text, settings) for text in texts[b]] for b in branches}
        rows = [row for b in branches for row in spoken[b]]
        tokens = max(len(row.names) for row in rows)
        words = Words(tokens, rows[0].pieces, torch.stack([row.matrix(tokens) for row in rows])[:, None].to(
            self.device) if self.merge_subwords else None, spoken["cond"][0].names)
        attachments = (*attached_to(self), *([own] if own else ()))
        with self.lock:
            if not attachments:
                with dispatching_to(None):
                    yield words
                return
            names = {b: self._padded(said_[0].names, tokens) if len({s.names for s in said_}) == 1 else ()
                     for b, said_ in spoken.items()}
            points, sides, hidden = self._surveyed(settings)
            plan = RunPlan(Seen(with_tokens(points, tokens), settings.steps, hidden),
                        Noise(self.pipeline.scheduler).count(settings.steps), len(prompts), names, first, sides)
            with dispatching_to(dispatcher_for(attachments, plan)):
                yield words

    @staticmethod
    def _padded(names: tuple[str, ...], tokens: int) -> tuple[str, ...]:
        """The names of a branch that says less than the other: what is left over is padding, which nothing reads."""
        return (*names, *[PAD] * (tokens - len(names)))

    def points(self, steps: int | None = None, prompt: str | None = None, optional: bool = True,
               **more: Any) -> PointTable:
        """Every point that a run comes by, with what a recording of `steps` steps would take; a token axis is as long
        as `prompt` makes it, or (None) as long as it can be. optional: without effect, as every run comes by all."""
        settings = self._asked(prompt or "", None, steps, None, **more)
        points, _, hidden = self._surveyed(settings)
        if prompt is not None:
            points = with_tokens(points, max(len(self._said(text, settings).names) for text in (prompt, "")))
        return Seen(points, Noise(self.pipeline.scheduler).count(settings.steps), hidden)

    def _surveyed(self, settings: OpenedSettings) -> tuple[tuple[Point, ...], tuple[int, int], dict[str, str]]:
        """The points, the picture's sides, and the points that cannot be seen; found by one look with somebody
        listening to everything, once for each size of picture and number of branches. No weights are formed for it."""
        branches = self._branches(settings)
        hands = {type(module.processor) for module in self.network.modules() if hasattr(module, "processor")}
        sizes = tuple((name, sized(value)) for name, value in settings.more)
        key = (branches, type(self.pipeline.scheduler), frozenset(hands), sizes)
        if key not in self._surveys:
            pieces = self._said("", settings).pieces
            survey, dice = MetaPointFinder(), torch.Generator().manual_seed(0)
            words = Words(pieces, pieces, torch.eye(pieces) if self.merge_subwords else None)
            sampling = self._watched(words, settings)
            with self.lock, dispatching_to(survey), suppress(Enough):
                sampling(**self._call(replace(settings, negative=None), "", None, dice))
            self._surveys[key] = tuple(survey.points.values()), sampling.picture, survey.unseen
        return self._surveys[key]

    # ---- pictures and latents ------------------------------------------------------------------------------------

    def encode(self, images: np.ndarray) -> Tensor:
        """Pictures (n, high, wide, 3) uint8 to latents (n, channels, y, x) float32, on the CPU."""
        with self.lock:
            return encoded(self.pipeline, images)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, channels, y, x) to pictures (n, high, wide, 3) uint8."""
        with self.lock:
            return decoded(self.pipeline, latents)


def open_pipeline(pipeline: Any, merge_subwords: bool = True, half_precision: bool = True,
                  **always: Any) -> OpenedPipeline:
    """Open a diffusers pipeline: Stable Diffusion 1.x, 2.x and XL, Stable Diffusion 3, Flux, PixArt.

        pipe = ex.open(DiffusionPipeline.from_pretrained("…"))
        run = pipe("a red sports car", record=["*.cross.weights"])
        ex.TokenAttention(pipe, prompt="a red sports car")

    Its own loop, scheduler, tokenizers and attention processors run, and are listened to while a call lasts: nothing is
    installed in it, and its pictures are its own. pipe.guidance_meaning says what w means to it, pipe.points what
    recordings take; `pipe.close()`, or a `with`, ends it.

    Args:
        pipeline: of diffusers, loaded, on its device.
        merge_subwords: the pieces that a word was cut into are one token of the maps, and all padding is one; False:
            each piece is a token.
        half_precision: weights that are only looked at are kept in half precision; False: as they were computed.
        always: arguments of the pipeline's own call that shall hold for each: height=512, width=768, …

    Raises:
        SettingError: a pipeline of no family known here, or a compiled, offloaded or quantised one, or a scheduler
            whose steps cannot be read; says what to do.
    """
    return OpenedPipeline(pipeline, merge_subwords, half_precision, **always)
