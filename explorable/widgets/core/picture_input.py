"""A button that takes a picture file of the user's. Unlike ipywidgets' FileUpload it takes files of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as tr

from ...pipeline.pictures import PictureError

FILES = ".png,.jpg,.jpeg,.webp,.gif,.bmp,.tif,.tiff"


class PictureInput(anywidget.AnyWidget):
    """A button that opens the page's file dialog.

    take: called with the name and the bytes of a chosen file. refuse: with the error, where the page could not read it.
    """

    # A string, not a path: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = (Path(__file__).parent / "picture_input.js").read_text("utf-8")

    description = tr.Unicode("your picture").tag(sync=True)
    tooltip = tr.Unicode("A picture file: PNG, JPEG, WebP, GIF, BMP or TIFF").tag(sync=True)
    accept = tr.Unicode(FILES).tag(sync=True)

    def __init__(self, take: Callable[[str, bytes], None], refuse: Callable[[PictureError], None], **values: Any):
        super().__init__(**values)
        self._take, self._refuse = take, refuse
        self.on_msg(self._on_message)

    def _on_message(self, widget: Any, message: Any, buffers: Any) -> None:
        name = message.get("name") if isinstance(message, dict) else None
        if not isinstance(name, str):
            return
        if buffers:
            self._take(name, bytes(buffers[0]))
            return
        self._refuse(PictureError(f"the file {name} is damaged, no picture, or too large for this browser: choose a "
                                  "PNG, JPEG, WebP, GIF or BMP file, or save it smaller"))

    def __repr__(self) -> str:
        return f"PictureInput({self.description!r})"
