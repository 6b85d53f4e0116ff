"""The stage: a recording is sent to the page once and scrubbed there, without a byte to the kernel.

    stage = Stage()
    stage.show([Layer("held", "what the model holds", noisy), Layer("believed", "what it believes", previews)],
               captions=[f"step {k} of 20" for k in range(21)], strip="believed")

The page's half is stage.js. It is a plain ES module and knows nothing of diffusion: layers of frames in,
a picture with its own slider, play button, thumbnails and labels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as tr

HERE = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Layer:
    """One way to see the recording.

    name: short, for code. label, note: what the switch in the page says, in one line each.
    frames: (frames, height, width, 3) uint8.
    """

    name: str
    label: str
    frames: np.ndarray
    note: str = ""

    def spec(self) -> dict[str, Any]:
        """What the page has to know to read the bytes. `kind` picks the painter in stage.js."""
        return {"name": self.name, "label": self.label, "note": self.note, "kind": "picture",
                "shape": list(self.frames.shape), "dtype": str(self.frames.dtype)}


class Stage(anywidget.AnyWidget):
    """A recording that plays, and is scrubbed with mouse, keyboard or from Python.

    layers, buffers: what `show` was given: for each layer its description, and its bytes.
    captions: one text a frame. strip: the name of the layer whose frames are the thumbnails.
    frame: the frame on the screen. Setting it moves the picture; the page reports it when scrubbing rests.
    layer: the name of the layer on the screen.
    arrival: counts recordings; the page plays each new one once.
    """

    # Strings, not paths: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = (HERE / "stage.js").read_text("utf-8")
    _css = (HERE / "stage.css").read_text("utf-8")

    layers = tr.List(tr.Dict()).tag(sync=True)
    buffers = tr.List(tr.Bytes()).tag(sync=True)
    captions = tr.List(tr.Unicode()).tag(sync=True)
    strip = tr.Unicode("").tag(sync=True)
    frame = tr.Int(0).tag(sync=True)
    layer = tr.Unicode("").tag(sync=True)
    arrival = tr.Int(0).tag(sync=True)
    waiting = tr.Unicode("Nothing to show yet.").tag(sync=True)  # said while there is no recording
    file_name = tr.Unicode("picture").tag(sync=True)  # of a saved PNG, without its ending

    def __repr__(self) -> str:
        return f"Stage({', '.join(spec['name'] for spec in self.layers)}; {len(self.captions)} frames)"

    def show(self, layers: Sequence[Layer], captions: Sequence[str], strip: str = "", file_name: str = "picture",
             ) -> None:
        """Send a recording, in one message. It plays once and rests on its last frame.

        Raises:
            ValueError: a layer that is not (frames, height, width, 3) uint8, or has not one frame a caption.
        """
        for layer in layers:
            shape = layer.frames.shape
            if layer.frames.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or shape[0] != len(captions):
                raise ValueError(f"layer {layer.name!r} is {shape} {layer.frames.dtype}: "
                                 f"it must be ({len(captions)}, height, width, 3) uint8")
        names = [layer.name for layer in layers]
        with self.hold_sync():
            self.layers = [layer.spec() for layer in layers]
            self.buffers = [np.ascontiguousarray(layer.frames).tobytes() for layer in layers]
            self.captions = list(captions)
            self.strip = strip
            self.file_name = file_name
            self.layer = self.layer if self.layer in names else names[0]
            self.frame = len(captions) - 1
            self.arrival += 1

    def play(self) -> None:
        """Play the recording once more, from its first frame."""
        self.send({"do": "play"})
