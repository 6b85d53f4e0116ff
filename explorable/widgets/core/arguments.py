"""What an explorable is made from: its first argument, the values of its traits, and the edits that hold then."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from ...hooks import Edits, check_pipeline, edited_points
from ...hooks.attachments import all_attached, attached
from ...pipeline import PipelineProtocol
from ...run.known import used_known_run

MAX_REPR_LENGTH = 109


def split_arguments(pipe: Any, values: Mapping[str, Any]) -> tuple[PipelineProtocol | None, dict[str, Any]]:
    """Return the pipeline, None for the shipped one, and the settings of an explorable.

    pipe: a pipeline, a diffusers pipeline, which is opened, a prompt, or None.

    Raises:
        TypeError: none of these, or two prompts. SettingError: a diffusers pipeline that cannot be opened.
    """
    if isinstance(pipe, str):
        if "prompt" in values:
            raise TypeError(f"there are two prompts, {pipe!r} and {values['prompt']!r}: the first argument is a "
                            "pipeline, or the prompt if prompt= is left out")
        return None, {"prompt": pipe, **values}
    if pipe is None:
        return None, dict(values)
    is_diffusers = any(kind.__module__.startswith("diffusers.") for kind in type(pipe).__mro__)
    if is_diffusers and hasattr(pipe, "components"):
        from ...adapters import open_pipeline  # not at the top: without such a pipeline it is not needed

        return open_pipeline(pipe), dict(values)
    check_pipeline(pipe)
    return pipe, dict(values)


def call_text(name: str, values: Mapping[str, Any]) -> str:
    """Return the call of a class with these arguments, the first by position, on one line. Those of None are left out.

    A notebook's text output stays on one line, and the same from run to run.
    """
    texts = {key: f"{value:g}" if isinstance(value, float) else repr(value)
             for key, value in values.items() if value is not None}
    arguments = [text if k == 0 else f"{key}={text}" for k, (key, text) in enumerate(texts.items())]
    return textwrap.shorten(f"{name}({', '.join(arguments)})", MAX_REPR_LENGTH, placeholder=" …)")


class HeldEdits:
    """The edits of each `with ex.edit(...)` in which an explorable was made: they hold in all its computations. So does
    a known run (`run/known.py`).

    Recorders are left out: they record what is called in their own thread.
    """

    def __init__(self) -> None:
        self._known = used_known_run()
        self._entries = [(pipe, edits) for pipe, edits in all_attached() if isinstance(edits, Edits)]

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Attach the edits, on the thread that computes."""
        with ExitStack() as stack:
            for pipe, edits in self._entries:
                stack.enter_context(attached(pipe, edits))
            if self._known is not None:
                stack.enter_context(self._known.used())
            yield

    def annotate(self, text: str, separator: str, get_pipe: Callable[[], object]) -> str:
        """Return a text, followed by a sentence on the edits if there are any. get_pipe: returns the explorable's."""
        if not self._entries:
            return text
        with self.holding():
            points = edited_points(get_pipe())
        note = (f"Edited at {', '.join(points)} by the `with ex.edit(...)` in which this was made." if points else
                "The `with ex.edit(...)` in which this was made edits another pipeline, not this one.")
        return separator.join(filter(None, (text, note)))
