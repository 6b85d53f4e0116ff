"""More runs beside the one that is shown: the last ones, to return to, and the same prompt with four seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as ipw
import numpy as np
import torch

from ...hooks import edit
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ..core.computing import COMPUTE_LOCK
from ..core.status import error_text
from ..core.worker import Check, Superseded, Worker
from .picture_strip import PictureStrip, small_image

MAX_RUNS, SEEDS = 8, 4


class LastRuns:
    """The last runs, as a strip. restore(settings): called with the settings of the one that was clicked."""

    def __init__(self, restore: Callable[[dict[str, Any]], None]):
        self.strip = PictureStrip(title="Last runs: click one to return to it.")
        self._runs: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
        self._restore = restore
        self.strip.observe(lambda change: self._choose(change["new"]), names="chosen")

    def add(self, settings: dict[str, Any], image: np.ndarray) -> None:
        """Add a run, or mark it if it is among the last."""
        key = next((key for key, (known, _) in self._runs.items() if known == settings), None)
        if key is None:
            key = str(max(map(int, self._runs), default=0) + 1)
            text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items()
                             if value not in (None, {}, ""))
            self._runs[key] = settings, {"key": key, "text": text, "image": small_image(image)}
            while len(self._runs) > MAX_RUNS:
                self._runs.pop(next(iter(self._runs)))
        with self.strip.hold_sync():
            self.strip.items = [item for _, item in self._runs.values()]
            self.strip.present = key

    def _choose(self, key: str) -> None:
        if key:
            self.strip.chosen = ""
        if key in self._runs:
            self._restore(self._runs[key][0])


@dataclass(frozen=True)
class Batch:
    """What is sampled with several seeds. settings: the traits of the run, whose seed is the first of them; edits: its
    edits, by point; text: what it is, in words. sample(seeds, progress): returns the images."""

    pipe: PipelineProtocol
    edits: dict
    settings: dict[str, Any]
    text: str
    sample: Callable[[list[int], Progress], np.ndarray]


class FourSeeds:
    """The same request with four seeds, as a strip; computed when the button is pressed.

    request(): returns what is sampled. restore(settings): called with the settings of the one that was clicked. held: a
    context with further edits. report(text, kind): sets the status line.
    """

    def __init__(self, request: Callable[[], Batch], restore: Callable[[dict[str, Any]], None], held: Callable[[], Any],
                 report: Callable[..., None]):
        self.strip = PictureStrip()
        self.button = ipw.Button(description="four seeds", layout=ipw.Layout(width="100px"),
                                 tooltip="Sample the same with four seeds; click one to open it")
        self._worker = Worker("Studio-seeds")
        self._request, self._held, self._report = request, held, report
        self.button.on_click(lambda _: self.sample())
        self._restore = restore
        self._settings: dict[str, Any] = {}  # of the images in the strip
        self.strip.observe(lambda change: self._on_chosen(change["new"]), names="chosen")

    def _on_chosen(self, key: str) -> None:
        if key:
            self.strip.chosen = ""
        if key in [item["key"] for item in self.strip.items]:
            self._restore(self._settings | {"seed": int(key)})

    def sample(self) -> None:
        """Sample, on a thread of its own."""
        self._worker.submit(self._sample)

    def wait(self, timeout: float = 60) -> bool:
        """Return whether it rests within `timeout` seconds."""
        return self._worker.wait(timeout)

    def close(self) -> None:
        """Stop at the next step."""
        self._worker.close(0)

    def _sample(self, check: Check) -> None:
        batch = self._request()
        seeds = [batch.settings["seed"] + k for k in range(SEEDS)]
        try:
            with COMPUTE_LOCK, torch.inference_mode(), self._held(), edit(batch.pipe, batch.edits):
                images = batch.sample(seeds, lambda *_: check())
            check()  # it may have been closed meanwhile
        except Superseded:
            raise
        except Exception as error:
            self._report(error_text(error), "error")
            return
        self._settings = batch.settings
        with self.strip.hold_sync():
            self.strip.title = f"{batch.text} with seeds {seeds[0]} to {seeds[-1]}: click one to open it."
            self.strip.items = [{"key": str(seed), "text": f"seed {seed}", "image": small_image(image)}
                                for seed, image in zip(seeds, images, strict=True)]
            self.strip.present = str(seeds[0])
