"""What a pipeline puts around a prompt before its text encoder, a language model, reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .call_parameters import call_default

MARK = "\ue000"  # of private use, so that no template contains it


@dataclass(frozen=True)
class FilledTemplate:
    """A prompt within its template. dropped: the range of pieces that the denoiser does not get."""

    before: str
    text: str
    after: str
    dropped: range = range(0)

    def __str__(self) -> str:
        return self.before + self.text + self.after


FillTemplate = Callable[[Any, str, Mapping[str, Any]], FilledTemplate]  # of a pipeline, a prompt, the call's arguments


def chat_template(prefix: str = "", dropped: str = "", **options: Any) -> FillTemplate:
    """Return the tokenizer's own chat template, filled as a user's message.

    prefix, dropped: the pipeline's attributes with what begins that message, and with the number of pieces at the start
    that the denoiser does not get. options: of apply_chat_template.
    """

    def fill(pipeline: Any, text: str, arguments: Mapping[str, Any]) -> FilledTemplate:
        def render(content: str) -> str:
            message = {"role": "user", "content": (getattr(pipeline, prefix) if prefix else "") + content}
            rendered: str = pipeline.tokenizer.apply_chat_template([message], tokenize=False,
                                                                   add_generation_prompt=True, **options)
            return rendered

        return replace(_split(render, text), dropped=range(getattr(pipeline, dropped) if dropped else 0))

    return fill


def conversation(system: str) -> FillTemplate:
    """Return the processor's own chat template, filled as a user's message after one of the system. system: the
    pipeline's attribute with that message."""

    def fill(pipeline: Any, text: str, arguments: Mapping[str, Any]) -> FilledTemplate:
        def render(content: str) -> str:
            messages = [{"role": role, "content": [{"type": "text", "text": part}]}
                        for role, part in (("system", getattr(pipeline, system)), ("user", content))]
            rendered: str = pipeline.tokenizer.apply_chat_template([messages], tokenize=False)[0]
            return rendered

        return _split(render, text.replace("[IMG]", ""))  # as the pipeline does: it would stand for an image

    return fill


def _split(render: Callable[[str], str], text: str) -> FilledTemplate:
    """Return a rendered template in its parts."""
    before, _, after = render(MARK).partition(MARK)
    whole = render(text)  # some templates strip what they are filled with
    return FilledTemplate(before, whole[len(before):len(whole) - len(after)], after)


def formatted_template(text: str, dropped: str) -> FillTemplate:
    """Return a template that a pipeline stores itself. text: its attribute with the template, in which {} is the
    prompt's place; dropped: with the number of pieces at the start that the denoiser does not get."""

    def fill(pipeline: Any, prompt: str, arguments: Mapping[str, Any]) -> FilledTemplate:
        before, _, after = getattr(pipeline, text).partition("{}")
        return FilledTemplate(before, prompt, after, range(getattr(pipeline, dropped)))

    return fill


def system_prompt(separator: str) -> FillTemplate:
    """Return the template that puts the pipeline's system prompt, or the call's, and a separator before a prompt."""

    def fill(pipeline: Any, text: str, arguments: Mapping[str, Any]) -> FilledTemplate:
        return FilledTemplate((arguments.get("system_prompt") or pipeline.system_prompt) + separator, text, "")

    return fill


def instruction(argument: str) -> FillTemplate:
    """Return the template that puts an instruction before a prompt, of which the denoiser gets the first piece and the
    last. argument: of the call, its lines; there is none where it is empty."""

    def fill(pipeline: Any, text: str, arguments: Mapping[str, Any]) -> FilledTemplate:
        before = "\n".join(arguments.get(argument, call_default(pipeline, argument)) or ())
        pieces = len(pipeline.tokenizer.encode(before)) if before else 0
        return FilledTemplate(before, text, "", range(1, pieces - 1))

    return fill


def unfilled(pipeline: Any, text: str, arguments: Mapping[str, Any]) -> FilledTemplate:
    """A template of nothing but the prompt."""
    return FilledTemplate("", text, "")
