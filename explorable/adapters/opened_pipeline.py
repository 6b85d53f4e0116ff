"""A diffusers pipeline with this package's interface: prompt to Run, points, recordings, edits, branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion.paths import Path
from ..diffusion.settings import SettingError, Settings, check_settings
from ..hooks import PointTable, Recording, edited_points
from ..pipeline.arguments import check_image, check_noise_time, check_pairs, check_progress, make_recorder
from ..run import Run, collect_run
from .attention import TokenLayout
from .blocked_images import check_not_blocked
from .caches import cache_states
from .call_parameters import call_default, call_parameters
from .hooked_pipeline import HookedPipeline
from .image_processing import decode_frames, decode_latents, encode_images, middle_frame
from .inputs import starting_image
from .points import OpenedPointTable, with_token_count
from .settings import OpenedSettings, change_opened_settings
from .steps import BranchStart, SingleEvaluation, StopSampling


class OpenedPipeline(HookedPipeline):
    """A diffusers pipeline, opened: called with a prompt it returns a Run. Made by `ex.open`.

    pipeline: the unchanged pipeline. It is modified during a call only, so it can be used as always in between.
    """

    has_examiner = has_limited_vocabulary = has_text_points = has_classifier = False  # see PipelineProtocol
    takes_exact_steps = supports_preview = has_own_guidance = False
    head_weights: Mapping[str, Sequence[float]] = {}
    text_width = None

    def __repr__(self) -> str:
        return f"OpenedPipeline({self.name!r}, family={self.family!r}, device={str(self.device)!r})"

    @property
    def name(self) -> str:
        """Where the pipeline was loaded from, or its class."""
        return str(self.pipeline.config.get("_name_or_path") or type(self.pipeline).__name__)

    @property
    def family(self) -> str:
        """The name of the family: "Stable Diffusion", "Flux", "Z-Image", …; adapters/README.md lists them."""
        return self._family.name

    @property
    def takes_image(self) -> bool:
        """Whether a run can start from an image: in the pipelines that diffusers calls image-to-image."""
        return {"image", "strength"} <= call_parameters(self.pipeline).keys()

    @property
    def samples_video(self) -> bool:
        """Whether a run is a video: its image is the middle frame, and `run.frames` are all."""
        return self._family.is_video

    @property
    def guidance_meaning(self) -> str:
        """A description of the guidance scale w in this pipeline."""
        return self._family.guidance_meaning(self.pipeline)

    @property
    def default_guidance(self) -> float:
        """The guidance scale that the pipeline uses where none is given."""
        return float(call_default(self.pipeline, self._family.guidance_argument)) + self._family.guidance_offset

    @property
    def samplers(self) -> tuple[str, ...]:
        """The valid values of `sampler`: the name of the scheduler."""
        return (type(self.pipeline.scheduler).__name__,)

    @property
    def path(self) -> Path:
        """The noise path on which the denoiser was trained."""
        return self.schedule.path

    @property
    def prediction(self) -> str:
        """What the denoiser predicts: "noise", "v", "x0" or "velocity"."""
        return self.schedule.prediction

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels of an image where the call sets no size."""
        return self._find_points(self._settings("")).image_size

    # ---- sampling ------------------------------------------------------------------------------------------------

    def __call__(self, prompt: str | None = None, negative: str | None = None, steps: int | None = None,
                 guidance: float | None = None, seed: int = 0, sampler: str | None = None,
                 record: str | Sequence[str] = (), progress: Callable[[int, int], None] | None = None,
                 **more: Any) -> Run:
        """Sample one image: the one that the pipeline itself samples with `torch.Generator().manual_seed(seed)`.

        Args:
            prompt: what to draw. negative: the negative prompt, where `uses_cfg` is true. With prompt_embeds=…, the
                network reads these, and a prompt of as many pieces only names their tokens.
            steps, guidance: None: the pipeline's own default.
            sampler: the scheduler's name, or None; `pipe.pipeline.scheduler = …` changes it.
            record: names or patterns of points to record: run["*.cross.weights"]. `points` lists them all.
            progress: called with (steps done, all steps) after each step; what it raises stops the run.
            more: other arguments of the pipeline's own call: height, width, image (also an array, or a latent
                (channel, y, x)) and strength where it starts from an image, guidance_rescale, clip_skip,
                ip_adapter_image, prompt_embeds, callback_on_step_end, …

        With a scheduler that evaluates the network twice a step, such as Heun's, each evaluation is a step of the run.

        Raises:
            SettingError, UnknownPointError, MemoryRefusedError: before the first step.
            BlockedImageError: after the last step, if the pipeline's own safety checker blocked the image.
        """
        settings = self._settings(prompt, negative, steps, guidance, seed, sampler, **more)
        return self._sample(settings, record, progress)

    def branch(self, run: Run, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Rewind to the start of `step` and sample only the rest again, with other settings: see `Run.branch`."""
        step, _ = run.check_step(step), self._resumable_steps(run)
        if step and cache_states(self.denoiser.modules()):
            raise SettingError(f"a branch at step {step} would begin without what the network's cache held there: "
                               f"disable it (pipeline.{self._family.denoiser}.disable_cache()) and sample the run "
                               "again, or branch at step 0")
        settings = change_opened_settings(self.pipeline, self._family, run.settings, changes)  # type: ignore[arg-type]
        return self._sample(settings, record, progress, (run, step))

    def _sample(self, settings: OpenedSettings, record: str | Sequence[str],
                progress: Callable[[int, int], None] | None, parent: tuple[Run, int] | None = None) -> Run:
        check_progress(progress)
        recorder = make_recorder(record) if record else None
        start = None
        if parent is not None and parent[1] > 0:
            reseeded = settings.seed != parent[0].settings.seed
            start = BranchStart(self._resumable_steps(parent[0]), parent[1],
                                torch.Generator().manual_seed(settings.seed) if reseeded else None)
        with self._dispatching([settings.prompt], settings, start.step if start else 0, recorder) as layout:
            call = self._make_call(layout, settings, progress=progress, start=start)
            sampled = np.asarray(call(**self._arguments(settings, settings.prompt, settings.negative,
                                                        torch.Generator().manual_seed(settings.seed)))[0])
        image = middle_frame(sampled) if self.samples_video else sampled
        check_not_blocked(call.blocked)
        begin, first_evaluation, last_step, end = call.timestamps
        seconds = {"text encoder": first_evaluation - begin, "denoiser": last_step - first_evaluation,
                   "decoder": end - last_step}
        steps: list[Any] = call.finished_steps()
        return collect_run(settings, self.name, layout.names, steps, image, seconds, len(steps),
                           len(self._branches(settings)), recorder.last if recorder else None, pipe=self,
                           edited_points=edited_points(self), branch_of=parent)

    def sample_images(self, prompts: list[str], seeds: list[int], settings: Settings | None = None,
                      progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Sample a batch of images in one call, each from its own prompt and seed: (batch, height, width, 3) uint8. Of
        videos, these are the middle frames.

        Raises:
            SettingError: before the first step. BlockedImageError: the pipeline's own safety checker blocked some.
        """
        check_progress(progress)
        check_pairs(prompts, seeds)
        s = settings if isinstance(settings, OpenedSettings) else self._settings(
            "", *((settings.negative, settings.steps, settings.guidance) if settings else ()))
        generators = [torch.Generator().manual_seed(check_settings(replace(Settings(p), seed=seed)).seed)
                      for p, seed in zip(prompts, seeds, strict=True)]
        negative = None if s.negative is None else [s.negative] * len(prompts)
        with self._dispatching(prompts, s) as layout:
            call = self._make_call(layout, s, progress=progress)
            images = call(**self._arguments(s, prompts, negative, generators))
        check_not_blocked(call.blocked)
        sampled = [np.asarray(image) for image in images]
        return np.stack([middle_frame(frames) for frames in sampled] if self.samples_video else sampled)

    # ---- single evaluations of the denoiser ----------------------------------------------------------------------

    def inspect(self, image: np.ndarray, prompt: str, t: float = 0.5, seed: int = 0,
                record: str | Sequence[str] = ("*.cross.weights",), **more: Any) -> Recording:
        """Add noise to an existing image up to noise time t, evaluate the denoiser once, and record it.

        Args:
            image: (height, width, 3) uint8, of a size that the pipeline can sample. t: above 0, at most 1; the nearest
                of the network's training times is used. record: names or patterns of points to record.

        Raises:
            SettingError: the image or t is invalid; and what `__call__` raises.
        """
        check_image(image)
        check_noise_time(t)
        more = {**starting_image(self.pipeline, image), **more}
        settings = self._settings(prompt, None, 2, 1.0 if self._family.uses_cfg(self.pipeline) else None, seed, **more)
        level, timestep = self.schedule.nearest_level(t)
        latent = self.encode(image[None]).double()
        noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(settings.seed), dtype=torch.float64)
        x = level.alpha_t * latent + level.sigma_t * noise
        recorder = make_recorder(record)
        with self._dispatching([prompt], settings, recorder=recorder) as layout:
            self._evaluate(layout, settings, SingleEvaluation(level, timestep, x))
        return recorder.last

    def evaluate_step(self, run: Run, step: int, x: Tensor, **changes: Any) -> None:
        """Evaluate the denoiser at a step of a run on other latents, under the attached recorders and edits.

        Only the branch with the prompt is evaluated.

        Args:
            x: latents (batch, channel, y, x), which may require a gradient.
            changes: settings that differ from the run's.

        Raises:
            SettingError: the run was loaded from a file.
        """
        resumed = self._resumable_steps(run)[run.check_step(step)]
        no_guidance = {"guidance": 1.0, "negative": None} if self._family.uses_cfg(self.pipeline) else {}
        settings = change_opened_settings(self.pipeline, self._family, run.settings,  # type: ignore[arg-type]
                                   {**no_guidance, **changes})
        with self._dispatching([settings.prompt] * len(x), settings, step) as layout:
            self._evaluate(layout, settings, SingleEvaluation(resumed.level, resumed.timestep, x, step))

    def _evaluate(self, layout: TokenLayout, settings: OpenedSettings, single: SingleEvaluation) -> None:
        """Call the pipeline, and stop after the first evaluation."""
        batch = len(single.x)
        generators = [torch.Generator().manual_seed(settings.seed) for _ in range(batch)]
        with suppress(StopSampling):
            self._make_call(layout, settings, single=single)(
                **self._arguments(settings, [settings.prompt] * batch, None, generators))

    # ---- points, images and latents ------------------------------------------------------------------------------

    def points(self, steps: int | None = None, prompt: str | None = None, optional: bool = True,
               **more: Any) -> PointTable:
        """Return all points of a run, with the sizes of their recordings over `steps` steps.

        Args:
            prompt: sets the length of token axes; None: the maximum.
            optional: has no effect, as every run passes all points.
        """
        settings = self._settings(prompt or "", None, steps, None, **more)
        with self.lock:
            found = self._find_points(settings)
            points = found.points
            if prompt is not None:
                texts = {"cond": prompt, "uncond": settings.negative or ""}
                tokens = max(len(self._branch_tokens(text, settings, b).names) for b, text in texts.items())
                points = with_token_count(points, tokens)
            return OpenedPointTable(points, self.schedule.evaluations(settings.steps), found.hidden, found.missing)

    def encode(self, images: np.ndarray) -> Tensor:
        """Encode images (n, height, width, 3) uint8 as latents (n, channel, y, x) float32, on the CPU; for videos,
        (n, channel, frame, y, x) of one frame."""
        with self.lock:
            return encode_images(self.pipeline, self._family, images)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode latents (n, channel, y, x) to images (n, height, width, 3) uint8; of videos, to middle frames."""
        with self.lock:
            return decode_latents(self.pipeline, self._family, latents)

    def decode_frames(self, latent: np.ndarray) -> np.ndarray:
        """Decode the latent of a video (channel, frame, y, x) to all its frames, (frame, height, width, 3) uint8."""
        with self.lock:
            return decode_frames(self.pipeline, self._family, latent[None])[0]


def open_pipeline(pipeline: Any, merge_subwords: bool = True, half_precision: bool = True,
                  **call_defaults: Any) -> OpenedPipeline:
    """Open a diffusers pipeline of one of the families that adapters/README.md lists: Stable Diffusion, Flux, …

        pipe = ex.open(DiffusionPipeline.from_pretrained("…"))
        run = pipe("a red sports car", record=["*.cross.weights"])
        ex.TokenAttention(pipe, prompt="a red sports car")

    The pipeline's own loop, scheduler, tokenizers and attention processors run, and hooks are in place during a call
    only, so its images stay bit-identical. `pipe.guidance_meaning` says what the guidance scale does, `pipe.points()`
    lists the points with the sizes of their recordings. `pipe.close()`, or a `with` block, ends it.

    Args:
        pipeline: a loaded diffusers pipeline, on its device.
        merge_subwords: one token for each word in attention maps, and one for all padding. False: one for each piece.
        half_precision: record attention weights in float16. False: in the precision in which they are computed.
        call_defaults: arguments of the pipeline's own call that apply to every run: height=512, width=768, …

    Raises:
        SettingError: the pipeline belongs to no known family; its network is compiled, offloaded, quantised, spread
            over devices or none of diffusers'; or its scheduler's noise levels cannot be read. Says what to do.
    """
    return OpenedPipeline(pipeline, merge_subwords, half_precision, **call_defaults)
