"""The stage: a recording is sent to the page once and scrubbed there, without sending a byte to the kernel.

    stage = Stage()
    stage.show([Images("noisy", "Noisy latent", noisy), Images("denoised", "Predicted image", previews)],
               captions=[f"step {k} of 20" for k in range(21)], thumbnails="denoised")

layers.py and axes.py define what can be shown. The part in the page is plain ES modules that know nothing of diffusion:
stage.js joins the others, layers.js paints each kind of layer, panel.js is a canvas and what the user does on it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as tr

from ..core.palette import css_variables
from ..core.plain_traits import PlainTraits
from .axes import Axis, Fader
from .bundle import bundle
from .diagram import Diagram, Element
from .layers import Arrows, Heatmap, Images, Layer, Panel, Points, Recording
from .page_values import check_page_values

__all__ = ["Arrows", "Axis", "Diagram", "Element", "Fader", "Heatmap", "Images", "Layer", "Panel", "Points",
           "Recording", "Stage", "script"]
HERE = Path(__file__).parent
BYTES_PREFIX = "bytes "  # trait "bytes NAME" holds the bytes of layer NAME; stage.js reads it


@functools.cache
def script() -> str:
    """Return the page's half as one ES module, whose default export has `render`."""
    return bundle(HERE / "stage.js")


class Stage(PlainTraits, anywidget.AnyWidget):
    """A recording that plays, and that can be scrubbed with mouse, keyboard or from Python.

    layers: the descriptions of what `show` was given. The bytes of each layer are a trait of their own, "bytes NAME",
        so that a layer whose bytes did not change is not sent again.
    captions: one text per frame. axes, panels: descriptions. thumbnails: the layer of which thumbnails are shown.
    frame: the frame on the screen, clamped to those there are. Setting it moves the slider; the page reports it when
        scrubbing rests.
    selection: the position along each further axis, {name: index}; synchronized as `frame` is.
    layer: the name of the layer on the screen, in a switchable panel.
    pointer: the last gesture in a panel with an `interaction`: {"panel", "kind", "x", "y", …}, as fractions of the
        panel's width and height from its upper left corner. kind: "click"; "drag" with "done"; "draw" with "points",
        [[x, y], …].
    region: the region that is brushed in a panel with interaction "brush": [left, top, right, bottom], fractions as
        above; [] for none. Synchronized as `frame` is. The page ranks the choices in it without Python.
    faders: the values of the faders of axes, by key.
    recording_id: increases with each recording. The page plays a new one once if `autoplay` is set.
    """

    # Strings, not paths: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = script()
    _css = css_variables(".ex-stage") + (HERE / "stage.css").read_text("utf-8")

    layers = tr.List(tr.Dict()).tag(sync=True)
    captions = tr.List(tr.Unicode()).tag(sync=True)
    axes = tr.List(tr.Dict()).tag(sync=True)
    panels = tr.List(tr.Dict()).tag(sync=True)
    columns = tr.Int(0).tag(sync=True)
    thumbnails = tr.Unicode("").tag(sync=True)
    frame = tr.Int(0).tag(sync=True)
    layer = tr.Unicode("").tag(sync=True)
    selection = tr.Dict().tag(sync=True)
    pointer = tr.Dict().tag(sync=True)
    region = tr.List(tr.Float()).tag(sync=True)
    faders = tr.Dict().tag(sync=True)
    opacity = tr.Float(0.6).tag(sync=True)  # of heatmaps over images
    recording_id = tr.Int(0).tag(sync=True)
    autoplay = tr.Bool(True).tag(sync=True)
    dark = tr.Bool(False).tag(sync=True)  # set by the page
    placeholder = tr.Unicode("Nothing to show yet.").tag(sync=True)  # shown while there is no recording
    stale = tr.Unicode("").tag(sync=True)  # a label over dimmed images: they are not of the present settings
    file_name = tr.Unicode("image").tag(sync=True)  # of a saved PNG, without its extension

    def __init__(self, **values: Any):
        self.showing = threading.RLock()  # hold_sync does not exclude other threads: two recordings must not mix
        super().__init__(**values)

    @tr.validate("frame")
    def _validate_frame(self, proposal: Any) -> int:
        return min(max(proposal["value"], 0), max(len(self.captions) - 1, 0))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over values from the page, checked in one place: page_values.py."""
        super().set_state(check_page_values(self, sync_data))

    def __repr__(self) -> str:
        return f"Stage({', '.join(spec['name'] for spec in self.layers)}; {len(self.captions)} frames)"

    def show(self, layers: Sequence[Layer], captions: Sequence[str], thumbnails: str = "", file_name: str = "image", *,
             axes: Sequence[Axis] = (), panels: Sequence[Panel] = (), columns: int = 0, autoplay: bool = True,
             frame: int | None = None) -> None:
        """Send a recording, in one message. It plays once and stops at its last frame.

        axes: further axes, each a row of choices. panels: which layers are shown where; by default one panel in which
        one of the layers is chosen. autoplay: False keeps the present frame, for a recording that replaces another
        one while a control is dragged; frame: then shows this frame instead.

        Raises:
            ValueError: a layer does not match the axes, or a panel names an unknown layer.
        """
        names = tuple(layer.name for layer in layers)
        panels = tuple(panels) or (Panel("image", names, switchable=True),)
        recording = Recording(tuple(layers), tuple(captions), tuple(axes), panels, thumbnails, columns, file_name)
        last = len(recording.captions) - 1
        with self.showing, self.hold_sync():
            self.layers = [layer.spec() for layer in recording.layers]
            self._set_bytes({layer.name: layer.data() for layer in recording.layers})
            self.captions = list(recording.captions)
            self.axes = [axis.spec() for axis in recording.axes]
            self.panels = [panel.spec() for panel in recording.panels]
            self.columns, self.thumbnails, self.file_name, self.autoplay = columns, thumbnails, file_name, autoplay
            self.layer = self.layer if self.layer in names else names[0]
            self.selection = {a.name: min(self.selection.get(a.name, 0), len(a.labels) - 1) for a in recording.axes}
            stays = frame is None and not autoplay and self.recording_id
            self.frame = self.frame if stays else last if autoplay or frame is None else frame
            self.recording_id += 1

    @property
    def buffers(self) -> list[bytes]:
        """The bytes of each layer, in the order of `layers`."""
        return [getattr(self, BYTES_PREFIX + spec["name"]) for spec in self.layers]

    def _set_bytes(self, data: dict[str, bytes]) -> None:
        """Set the bytes of each layer and drop those of removed layers. Equal bytes do not count as a change."""
        new = [BYTES_PREFIX + name for name in data if not self.has_trait(BYTES_PREFIX + name)]
        if new:  # not with ipywidgets' own add_traits, which sends a message for each
            tr.HasTraits.add_traits(self, **{name: tr.Bytes().tag(sync=True) for name in new})
            self.keys.extend(new)
        for name in self.keys:
            if name.startswith(BYTES_PREFIX):
                setattr(self, name, data.get(name.removeprefix(BYTES_PREFIX), b""))

    def forget(self) -> None:
        """Drop the recording's bytes. Only for a closed stage, which sends nothing."""
        with self.showing:
            self._set_bytes({})

    def clear_marks(self) -> None:
        """Remove the strokes that the pointer has drawn on the panels."""
        self.send({"do": "clear"})

    def play(self) -> None:
        """Play the recording once more, from its first frame."""
        self.send({"do": "play"})
