"""The parts that every call of an opened pipeline uses: settings, token axis, points, and the dispatch of hooks."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple, Self

import torch
from torch import nn

from ..diffusion.settings import SettingError
from ..hooks import Point, Recorder, RunPlan, attached_to, dispatcher_for
from ..nn.hook_points import dispatching_to
from ..pipeline.encoded_text import EncodeTexts
from ..run import Run
from .attention import TokenLayout
from .caches import check_branches_computed
from .families import PAIR, find_family
from .inputs import check_inputs, image_argument, stand_ins
from .openable import check_openable
from .points import OpenedPointFinder, OpenedPointTable, with_token_count
from .sampling import PipelineCall
from .schedulers import NoiseSchedule
from .settings import CALLBACKS, EMBEDDING_ARGUMENTS, OpenedSettings, check_arguments, make_opened_settings, size_key
from .steps import SchedulerStep, StopSampling
from .text_layers import text_encoders_of
from .tokens import PAD, TokenAxis, numbered_axis, token_axis

_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()  # by denoiser


class FoundPoints(NamedTuple):
    """The points of a call, and the size of its image. hidden: unreachable points and why; missing: points this network
    lacks and why."""

    points: tuple[Point, ...]
    image_size: tuple[int, int]
    hidden: dict[str, str]
    missing: dict[str, str]


class HookedPipeline:
    """A diffusers pipeline whose calls pass hook points. `OpenedPipeline` adds the public methods.

    Several may be opened on one denoiser: a lock makes their calls wait for each other, for a scheduler serves one call
    at a time.
    """

    def __init__(self, pipeline: Any, merge_subwords: bool = True, half_precision: bool = True, **call_defaults: Any):
        self._family = find_family(pipeline)
        check_openable(pipeline, self._family)
        self.default_negative = call_defaults.pop("negative", None)
        self.pipeline, self.call_defaults = pipeline, call_defaults
        self.merge_subwords, self.half_precision = merge_subwords, half_precision
        self.closed = False
        self._found_points: weakref.WeakKeyDictionary[nn.Module, dict[Any, FoundPoints]] = weakref.WeakKeyDictionary()
        check_arguments(pipeline, self._family, call_defaults)
        NoiseSchedule(pipeline.scheduler)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: all but the points that were found, which are found again."""
        return {name: value for name, value in vars(self).items() if name != "_found_points"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _found_points=weakref.WeakKeyDictionary())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Sample no more. Existing runs can still be read and decoded."""
        self.closed = True
        self._found_points.clear()

    @property
    def denoiser(self) -> nn.Module:
        """The network that predicts noise, v or velocity."""
        return self._family.find_denoiser(self.pipeline)

    @property
    def lock(self) -> threading.RLock:
        """The lock of the present denoiser."""
        return _LOCKS.setdefault(self.denoiser, threading.RLock())

    @property
    def device(self) -> torch.device:
        return self.pipeline.device

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise levels of the present scheduler."""
        return NoiseSchedule(self.pipeline.scheduler)

    @property
    def uses_cfg(self) -> bool:
        """Whether guidance compares two branches (classifier-free guidance)."""
        is_compared = not self._family.needs_negative or self.default_negative is not None
        return is_compared and self._family.uses_cfg(self.pipeline)

    @property
    def text_encoders(self) -> dict[str, EncodeTexts]:
        """The text encoders whose context the denoiser receives, by attribute: see PipelineProtocol."""
        return text_encoders_of(self.pipeline, self._family, self.call_defaults, self.lock)

    def _settings(self, prompt: str | None, negative: str | None = None, steps: int | None = None,
                  guidance: float | None = None, *args: Any, **more: Any) -> OpenedSettings:
        is_guided = (guidance is None or guidance > 1) and more.get("negative_prompt_embeds") is None
        negative = self.default_negative if negative is None and is_guided else negative
        return make_opened_settings(self.pipeline, self._family, prompt, negative, steps, guidance, *args,
                                    **{**self.call_defaults, **more})

    def _branches(self, settings: OpenedSettings) -> tuple[str, ...]:
        """Return the branches of a run, in the order of the pipeline's batch or calls."""
        family = self._family
        is_compared = not family.needs_negative or settings.negative is not None or _has_negative(settings)
        return family.branch_order if settings.guidance > 1 and is_compared and family.uses_cfg(self.pipeline) else (
            "cond",)

    def _branch_tokens(self, text: str, settings: OpenedSettings, branch: str = "cond") -> TokenAxis:
        """Return the token axis of a branch. Embeddings have the words of the text that has as many pieces; without
        one, their positions are numbered. So has a negative text beside embeddings, where these set its length."""
        arguments = dict(settings.arguments)
        prefix = "" if branch == "cond" else "negative_"
        given: Any = arguments.get("prompt_embeds")
        own: Any = arguments.get(f"{prefix}prompt_embeds")
        is_encoded = own is None and (given is None or self._family.separate_calls)  # by the pipeline, from the text
        pieces = 0 if is_encoded else (given if own is None else own).shape[1]
        mask = arguments.get(f"{prefix}prompt_attention_mask")
        if self._family.is_trimmed and mask is not None:
            pieces = int(mask.sum())
        with self.lock, suppress(*([] if is_encoded else [SettingError])):
            # locked, for a tokenizer keeps its truncation and padding from one call to the next
            axis = token_axis(self.pipeline, self._family, text, arguments, self.merge_subwords, branch == "uncond")
            if is_encoded or ((text or own is None) and axis.pieces == pieces):
                return axis
        return numbered_axis(pieces)

    def _resumable_steps(self, run: Run) -> tuple[SchedulerStep, ...]:
        """Return the steps of a run with the scheduler's state at each.

        Raises:
            SettingError: the run was loaded from a file.
        """
        if not isinstance(run.settings, OpenedSettings) or not all(
                isinstance(step, SchedulerStep) for step in run.steps_taken):
            raise SettingError("this run was loaded from a file, which does not contain its scheduler's state: sample "
                               "it again with the same settings, and branch from that")
        return run.steps_taken  # type: ignore[return-value]

    # ---- a call --------------------------------------------------------------------------------------------------

    def _make_call(self, layout: TokenLayout, settings: OpenedSettings, **more: Any) -> PipelineCall:
        check_openable(self.pipeline, self._family)  # again, for the network may be another since this was opened
        return PipelineCall(self.pipeline, self._family, self.schedule, layout, self._branches(settings),
                            self.half_precision, **more)

    def _arguments(self, settings: OpenedSettings, prompt: Any, negative: Any, generator: Any) -> dict[str, Any]:
        """Return the arguments of the pipeline's own call. prompt, negative, generator: one each, or lists."""
        arguments = dict(settings.arguments)
        for name in {"image", "control_image"} & arguments.keys():
            arguments[name] = image_argument(arguments[name])
        if arguments.get("prompt_embeds") is not None:  # given instead of the prompt, once for each image of the batch
            batch = len(prompt) if isinstance(prompt, list) else 1
            arguments |= {name: value.repeat_interleave(batch, 0) for name, value in arguments.items()
                          if name.endswith(EMBEDDING_ARGUMENTS) and value is not None}
            prompt = None
        optional = {} if negative is None and arguments.get("negative_prompt_embeds") is None else {
            "negative_prompt": negative}  # None beside embeddings, for PixArt's own default is ""
        guidance = {self._family.guidance_argument: settings.guidance - self._family.guidance_offset}
        prompt = list(prompt) if isinstance(prompt, list) else prompt  # Z-Image writes its template into the list
        optional |= {"output_type": "pil"} if self._family.is_video else {}
        return {"prompt": prompt, "num_inference_steps": settings.steps, **guidance, "generator": generator,
                **optional, **arguments}

    @contextmanager
    def _dispatching(self, prompts: list[str], settings: OpenedSettings, first_step: int = 0,
                     recorder: Recorder | None = None) -> Iterator[TokenLayout]:
        """Within this `with`, lock the pipeline and dispatch hooks: what is attached to it, and the run's own recorder.

        Raises:
            SettingError: the pipeline was closed, or a prompt is too long. MemoryRefusedError, UnknownPointError.
        """
        if self.closed:
            raise SettingError("this pipeline was closed: open it again with ex.open(pipeline)")
        texts = {"uncond": [settings.negative or ""] * len(prompts), "cond": prompts}
        attachments = (*attached_to(self), *([recorder] if recorder else ()))
        with self.lock:
            check_inputs(self.pipeline, self.denoiser, dict(settings.arguments))
            axes = {b: [self._branch_tokens(text, settings, b) for text in texts[b]] for b in self._branches(settings)
                    if attachments or b == "cond" or settings.negative}  # without hooks, an empty one needs no check
            if not attachments:
                with dispatching_to(None):
                    yield TokenLayout(0, 0, names=axes["cond"][0].names)
                return
            layout = self._layout(axes)
            check_branches_computed(self.denoiser.modules(), self._branches(settings))
            names = {b: _common_names(axes[b], layout.tokens) for b in PAIR if b in axes}
            found = self._find_points(settings)
            table = OpenedPointTable(with_token_count(found.points, layout.tokens), settings.steps, found.hidden,
                                     found.missing)
            plan = RunPlan(table, self.schedule.evaluations(settings.steps), len(prompts), names, first_step,
                           found.image_size)
            with dispatching_to(dispatcher_for(attachments, plan)):
                yield layout

    def _layout(self, axes: Mapping[str, Sequence[TokenAxis]]) -> TokenLayout:
        """Return the layout of a batch with these token axes, by branch."""
        together = [axis for branch in axes.values() for axis in branch]
        tokens = max(len(axis.names) for axis in together)
        device = next(self.denoiser.parameters()).device

        def text(group: Sequence[TokenAxis]) -> tuple[int, Any, tuple[int, ...]]:
            pieces = max(axis.pieces for axis in group)
            assigned = [axis.assignment(tokens, pieces) for axis in group] if self.merge_subwords else []
            lengths = tuple(axis.pieces for axis in group) if self._family.is_trimmed else ()
            return pieces, torch.stack(assigned)[:, None].to(device) if assigned else None, lengths

        by_branch = {b: text(group) for b, group in axes.items()} if self._family.separate_calls else {}
        pieces, assignment, lengths = text(together)
        return TokenLayout(tokens, pieces, assignment, axes["cond"][0].names, lengths=lengths, by_branch=by_branch)

    def _find_points(self, settings: OpenedSettings) -> FoundPoints:
        """Find the points by one evaluation, in which no attention weights are computed; once for each network, size of
        image, number of branches and set of attention processors."""
        branches, denoiser = self._branches(settings), self.denoiser
        processors = {type(module.processor) for module in denoiser.modules() if hasattr(module, "processor")}
        sizes = tuple((name, size_key(value)) for name, value in settings.arguments if name not in CALLBACKS)
        texts = {"uncond": "", "cond": ""}
        if self._family.has_varying_length:
            texts = {"uncond": settings.negative or "", "cond": settings.prompt}
        with self.lock:
            axes = {b: [self._branch_tokens(texts[b], settings, b)] for b in branches}
            pieces = tuple(group[0].pieces for group in axes.values())
            key = (branches, type(self.pipeline.scheduler), frozenset(processors), sizes, pieces)
            found = self._found_points.setdefault(denoiser, {})
            if key not in found:
                finder, generator = OpenedPointFinder(), torch.Generator().manual_seed(0)
                call = self._make_call(self._layout(axes), settings)
                needs_text = len(branches) == 2 and self._family.needs_negative and not _has_negative(settings)
                negative = texts["uncond"] if needs_text else None
                arguments = self._arguments(replace(settings, negative=negative), texts["cond"], negative, generator)
                arguments |= stand_ins(self.pipeline, denoiser, arguments, len(branches))
                with dispatching_to(finder), suppress(StopSampling):
                    call(**arguments)
                found[key] = FoundPoints(tuple(finder.points.values()), call.image_size, finder.hidden,
                                         finder.missing)
            return found[key]


def _has_negative(settings: OpenedSettings) -> bool:
    """Return whether the embeddings of a negative prompt are given."""
    return dict(settings.arguments).get("negative_prompt_embeds") is not None


def _common_names(axes: Sequence[TokenAxis], tokens: int) -> tuple[str, ...]:
    """Return the tokens of a branch if all its prompts have the same, padded to the length of the longer branch."""
    names = axes[0].names
    return (*names, *[PAD] * (tokens - len(names))) if len({axis.names for axis in axes}) == 1 else ()
