"""A run that is there already: a call that would sample it again returns it, and its latents are not decoded again.

    known = KnownRun()
    known.keep(run, latents, images)
    with known.used():
        pipe(run.settings.prompt, …) is run        # the same settings, under the same edits
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..hooks import Edits, attached_to
from ..hooks.edits import Edit
from .run import Run

ActingEdits = tuple[tuple[str, Edit], ...]  # points or patterns with an edit each, in order


class KnownRun:
    """A run, and the images of its latents; none at first."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self._images: dict[bytes, np.ndarray] = {}

    def keep(self, run: Run, latents: np.ndarray, images: np.ndarray) -> None:
        """Keep a run in place of the one before. images: those of `latents` (n, channel, y, x), decoded."""
        self.run, self._images = run, {z.tobytes(): image for z, image in zip(latents, images, strict=True)}

    def image(self, pipe: Any, latent: np.ndarray) -> np.ndarray | None:
        """Return the image of a latent, if it is one of this run of this pipeline."""
        return self._images.get(latent.tobytes()) if self.run is not None and self.run._pipe is pipe else None

    def forget(self) -> None:
        """Keep nothing."""
        self.run, self._images = None, {}

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within this, in this thread, the run is not sampled again."""
        token = _USED.set(self)
        try:
            yield
        finally:
            _USED.reset(token)


_USED: ContextVar[KnownRun | None] = ContextVar("known_run", default=None)


def used_known_run() -> KnownRun | None:
    """Return what is used now, or None."""
    return _USED.get()


def acting_edits(pipe: Any) -> ActingEdits | None:
    """Return the edits that are attached to a pipeline now; None if something else is, such as a recorder."""
    attachments = attached_to(pipe)
    if not all(isinstance(attachment, Edits) for attachment in attachments):
        return None
    return tuple((point, edit) for attachment in attachments if isinstance(attachment, Edits)
                 for point, group in attachment.edits.items() for edit in group)


def find_known_run(pipe: Any, settings: Any, record: str | Sequence[str] = ()) -> Run | None:
    """Return the known run, if these settings under the edits attached now would give it again.

    record: the points to record, which the run must have recorded under their own names.
    """
    known = _USED.get()
    run = None if known is None else known.run
    points = [record] if isinstance(record, str) else record
    if run is None or run._pipe is not pipe or run.settings != settings or not set(points) <= set(run.recorded):
        return None
    return run if run.repeated_edits is not None and run.repeated_edits == acting_edits(pipe) else None
