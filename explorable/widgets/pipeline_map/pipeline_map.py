"""The map as a widget: nodes and arrows in SVG, which are chosen by mouse and keyboard, and chips that are removed."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tr

from ..core.plain_traits import PlainTraits

HERE = Path(__file__).parent


class PipelineMap(PlainTraits, anywidget.AnyWidget):
    """The map of the pipeline.

    nodes: {"name", "title", "detail", "shows", "box", "colour", "is_used", "closed"}: what stands on the map; closed:
    why it cannot be opened. arrows: {"corners", "label", "at"}: label is shown at a point. opened: the node that is
    open, or "". chips: {"key", "text", "note"}: what was changed. removed: the key of the chip that was removed last
    on the page. Nothing here knows what a node stands for.
    """

    # A string, not a path: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = (HERE / "pipeline_map.js").read_text("utf-8")

    nodes = tr.List(tr.Dict()).tag(sync=True)
    arrows = tr.List(tr.Dict()).tag(sync=True)
    opened = tr.Unicode("").tag(sync=True)
    chips = tr.List(tr.Dict()).tag(sync=True)
    removed = tr.Unicode("").tag(sync=True)

    def __repr__(self) -> str:
        return f"PipelineMap({len(self.nodes)} nodes, {len(self.chips)} chips)"
