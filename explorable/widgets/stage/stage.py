"""The stage: a recording is sent to the page once and scrubbed there, without a byte to the kernel.

    stage = Stage()
    stage.show([Layer("held", "what the model holds", noisy), Layer("believed", "what it believes", previews)],
               captions=[f"step {k} of 20" for k in range(21)], strip="believed")

What can be shown is in layers.py. The page's half is layers.js, how each kind of layer is read and painted; panel.js,
one picture and the hand on it; and stage.js, the controls around them: plain ES modules that know nothing of diffusion.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as tr

from .layers import Arrows, Axis, Layer, Map, Panel, Points, Recording

__all__ = ["Arrows", "Axis", "Layer", "Map", "Panel", "Points", "Recording", "Stage", "script"]
HERE = Path(__file__).parent
BYTES = "bytes "  # before a layer's name: the trait that holds its bytes; stage.js reads it


def script() -> str:
    """The page's half as one ES module: each file of it after those that it imports from."""
    parts = [(HERE / name).read_text("utf-8") for name in ("layers.js", "panel.js", "stage.js")]
    lines = [line for part in parts for line in part.splitlines() if not line.startswith("import ")]
    return "\n".join(line.removeprefix("export ") if not line.startswith("export default") else line for line in lines)


class Stage(anywidget.AnyWidget):
    """A recording that plays, and is scrubbed with mouse, keyboard or from Python.

    layers: descriptions of what `show` was given. The bytes of each are a trait of their own, "bytes NAME", so that a
        layer whose bytes are still the same is not sent again.
    captions: one text a frame. axes, panels: descriptions. strip: the layer whose frames are the thumbnails.
    frame: the frame on the screen. Setting it moves the picture; the page reports it when scrubbing rests.
    at: the position along each further axis, {name: number}; as with frame.
    layer: the name of the layer on the screen, in a panel where one is chosen.
    pointer: what the reader's hand did last in a panel that reports: {"panel", "kind", "x", "y", …}, in parts of the
        panel's width and height from its left upper corner. kind: "click"; "drag" with "done"; "brush" with "x0", "y0",
        "done"; "draw" with "points", [[x, y], …].
    arrival: counts recordings; the page plays each new one once, if it `plays`.
    """

    # Strings, not paths: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = script()
    _css = (HERE / "stage.css").read_text("utf-8")

    layers = tr.List(tr.Dict()).tag(sync=True)
    captions = tr.List(tr.Unicode()).tag(sync=True)
    axes = tr.List(tr.Dict()).tag(sync=True)
    panels = tr.List(tr.Dict()).tag(sync=True)
    columns = tr.Int(0).tag(sync=True)
    strip = tr.Unicode("").tag(sync=True)
    frame = tr.Int(0).tag(sync=True)
    layer = tr.Unicode("").tag(sync=True)
    at = tr.Dict().tag(sync=True)
    pointer = tr.Dict().tag(sync=True)
    opacity = tr.Float(0.6).tag(sync=True)  # of maps over pictures
    arrival = tr.Int(0).tag(sync=True)
    plays = tr.Bool(True).tag(sync=True)
    dark = tr.Bool(False).tag(sync=True)  # the page tells
    waiting = tr.Unicode("Nothing to show yet.").tag(sync=True)  # said while there is no recording
    file_name = tr.Unicode("picture").tag(sync=True)  # of a saved PNG, without its ending

    def __init__(self, **values: Any):
        self._showing = threading.RLock()  # hold_sync holds nobody off: two recordings must not mix
        super().__init__(**values)

    def __repr__(self) -> str:
        return f"Stage({', '.join(spec['name'] for spec in self.layers)}; {len(self.captions)} frames)"

    def show(self, layers: Sequence[Layer], captions: Sequence[str], strip: str = "", file_name: str = "picture", *,
             axes: Sequence[Axis] = (), panels: Sequence[Panel] = (), columns: int = 0, plays: bool = True) -> None:
        """Send a recording, in one message. It plays once and rests on its last frame.

        axes: further axes, each a row of choices. panels: what is shown where; without any, one panel in which one of
        the layers is chosen. plays: False leaves the reader where they are, as is right for a recording that takes
        the place of another while something is dragged.

        Raises:
            ValueError: a layer that does not fit the axes, or a panel of layers that there are not.
        """
        names = tuple(layer.name for layer in layers)
        shown = tuple(panels) or (Panel("picture", names, choose=True),)
        made = Recording(tuple(layers), tuple(captions), tuple(axes), shown, strip, columns, file_name)
        last = len(made.captions) - 1
        with self._showing, self.hold_sync():
            self.layers = [layer.spec() for layer in made.layers]
            self._keep_bytes({layer.name: layer.data() for layer in made.layers})
            self.captions = list(made.captions)
            self.axes = [axis.spec() for axis in made.axes]
            self.panels = [panel.spec() for panel in made.panels]
            self.columns, self.strip, self.file_name, self.plays = columns, strip, file_name, plays
            self.layer = self.layer if self.layer in names else names[0]
            self.at = {a.name: min(self.at.get(a.name, 0), len(a.labels) - 1) for a in made.axes}
            self.frame = last if plays or not self.arrival else min(self.frame, last)
            self.arrival += 1

    @property
    def buffers(self) -> list[bytes]:
        """The bytes of each layer, in the order of `layers`."""
        return [getattr(self, BYTES + spec["name"]) for spec in self.layers]

    def _keep_bytes(self, wanted: dict[str, bytes]) -> None:
        """Set the bytes of each layer, and drop those of layers that are gone. Equal bytes are no change of a trait."""
        new = [BYTES + name for name in wanted if not self.has_trait(BYTES + name)]
        if new:  # not by ipywidgets' own add_traits, which sends a message for each
            tr.HasTraits.add_traits(self, **{name: tr.Bytes().tag(sync=True) for name in new})
            self.keys.extend(new)
        for name in self.keys:
            if name.startswith(BYTES):
                setattr(self, name, wanted.get(name.removeprefix(BYTES), b""))

    def clear_hand(self) -> None:
        """Take away what the hand has left on the panels: a brushed region, strokes."""
        self.send({"do": "clear"})

    def play(self) -> None:
        """Play the recording once more, from its first frame."""
        self.send({"do": "play"})
