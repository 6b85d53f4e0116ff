"""Save an explorable as one HTML file: the stage's own script and recording, and a few lines in place of the kernel.

The file opens from disk without a network. Everything that was recorded can be scrubbed; what needs a kernel (a new
prompt, another seed) is left out. Images are stored as lossless WebP sheets of several frames, and unpacked before the
stage reads them. If that would exceed 5 MB they are stored as JPEG, and the page says so.
"""

from __future__ import annotations

import base64
import html
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..stage.painting import Snapshot
from ..stage.stage import BYTES_PREFIX, Stage, script

HERE = Path(__file__).parent
STATE = ("layers", "captions", "axes", "panels", "columns", "thumbnails", "frame", "selection", "layer", "opacity",
         "recording_id", "autoplay", "placeholder", "file_name", "region")

MAX_BYTES = 4_600_000  # of the packed layers, so that a whole file stays below 5 MB
SHEET_PIXELS = 8 * 128 * 128  # larger sheets compress no better
MAX_SHEET_HEIGHT = 16_000  # pixels; WebP allows 16,383
NO_CHART = "The chart is left out: the page had not drawn it again when this file was saved. The table has its values."
JPEG_QUALITIES = (95, 90, 80, 60)  # without chroma subsampling


def pack_layers(stage: Stage) -> tuple[dict[str, Any], int | None]:
    """Return the bytes of all layers as text, by trait, and the JPEG quality of the images (None: lossless).

    The largest image layers are compressed with loss first. The sheet with a layer's last frames stays lossless, since
    it contains the finished image.
    """
    layers = {BYTES_PREFIX + spec["name"]: (spec, data)
              for spec, data in zip(stage.layers, stage.buffers, strict=True)}
    packed: dict[str, Any] = {name: _pack(spec, data, None) for name, (spec, data) in layers.items()}
    images = sorted((n for n, layer in packed.items() if isinstance(layer, dict)), key=lambda n: -_size(packed[n]))
    for quality in JPEG_QUALITIES:
        for name in images:
            if sum(map(_size, packed.values())) <= MAX_BYTES:
                break
            packed[name] = min(packed[name], _pack(*layers[name], quality), key=_size)
    used = [q for q in JPEG_QUALITIES if any(f";{q}" in kind for n in images for kind, _ in packed[n]["sheets"])]
    return packed, min(used, default=None)


def _pack(spec: dict[str, Any], data: bytes, quality: int | None) -> Any:
    """Pack one layer: images as sheets, everything else deflated."""
    if spec["kind"] != "image" or not data:
        return base64.b64encode(zlib.compress(data, 9)).decode()
    frames = np.frombuffer(data, np.uint8).reshape(-1, *spec["shape"][-3:])
    return {"sheets": list(_sheets(frames, quality)), "size": len(data)}


def _sheets(frames: np.ndarray, quality: int | None) -> Iterator[tuple[str, str]]:
    """Yield sheets of frames (n, height, width, 3) below each other: the type of each and its bytes as text."""
    height, width = frames.shape[1:3]
    per_sheet = max(1, min(SHEET_PIXELS // (height * width), MAX_SHEET_HEIGHT // height))
    for start in range(0, len(frames), per_sheet):
        sheet, file = Image.fromarray(frames[start : start + per_sheet].reshape(-1, width, 3)), io.BytesIO()
        if quality is None or start + per_sheet >= len(frames):
            sheet.save(file, "WEBP", lossless=True, quality=50, method=4)
            kind = "image/webp"
        else:
            sheet.save(file, "JPEG", quality=quality, subsampling=0)
            kind = f"image/jpeg;{quality}"
        yield kind, base64.b64encode(file.getvalue()).decode()


def _size(layer: Any) -> int:
    """Return the length of a packed layer."""
    return len(layer) if isinstance(layer, str) else sum(len(text) for _, text in layer["sheets"])


def position_text(stage: Stage | Snapshot) -> str:
    """Return what the stage shows, in words: its frame and the choice along each axis."""
    choices = [f"{axis['title']} {axis['labels'][stage.selection[axis['name']]]}" for axis in stage.axes]
    return ", ".join([*stage.captions[stage.frame : stage.frame + 1], *choices])


def _chart_image(svg: str | None) -> str:
    if svg is None:
        return f'<p class="ex-help">{NO_CHART}</p>'
    return (f'<img class="ex-chart" alt="Chart; the table below has its values" src="data:image/svg+xml;base64,'
            f'{base64.b64encode(svg.encode()).decode()}">')


def _offline_interaction(panel: Mapping[str, Any], stage: Stage | Snapshot) -> str:
    """Return a panel's interaction without a kernel: none, but for what the page itself answers, which are clicks on
    points that stand for frames, and regions that are ranked."""
    if panel.get("ranks"):
        return str(panel["interaction"])
    followed = any(spec.get("target_frames") for spec in stage.layers if spec["name"] in panel["layers"])
    return "click" if panel["interaction"] == "click" and followed else ""


def offline_page(question: str, stage: Stage, css: str, text: str, table: str, code: str,
                 settings: Mapping[str, Any] | None = None, chart: str | None = "",
                 panels: Sequence[dict[str, Any]] | None = None, classes: Sequence[str] = ("ex-explorable",)) -> str:
    """Return the whole page. question and code are plain text; css, text and table are inserted as they are.

    settings: by name, shown below the question. chart: an SVG, shown below the text; None: it is left out, and the
    page says so. panels: instead of the stage's.
    classes: of the page's main part, which lay it out as the explorable is.
    """
    state: dict[str, Any] = {name: getattr(stage, name) for name in STATE}
    state["panels"] = [panel | {"interaction": _offline_interaction(panel, stage)} for panel in panels or stage.panels]
    state["packed"], quality = pack_layers(stage)
    note = "" if quality is None else (
        '<p class="ex-help">To keep this file small, images other than the last ones of each layer are stored as JPEG '
        f"of quality {quality}.</p>")
    shown = {name: value for name, value in (settings or {}).items() if value not in (None, {})}
    listed = f'<p class="ex-help">{html.escape(" · ".join(f"{name}: {value}" for name, value in shown.items()))}</p>'
    image = "" if chart == "" else _chart_image(chart)
    state_json = json.dumps(state).replace("<", "\\u003c")  # otherwise a caption could end the script
    page_css, kernel = ((HERE / name).read_text("utf-8") for name in ("offline.css", "offline.js"))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(question)}</title>
<style>{css}{stage._css}{page_css}</style>
<body>
<main class="{html.escape(" ".join(classes))}">
<h1 class="ex-question">{html.escape(question)}</h1>
{listed}
<div class="ex-body">
<div id="stage"></div>
<div class="ex-beside">
<div id="text">{text}</div>
<p class="ex-help" id="elsewhere" hidden>This sentence and this score are of: {html.escape(position_text(stage))}.</p>
{image}
</div>
</div>
{note}
<details><summary>The same as a table</summary>{table}</details>
<details><summary>The code that reproduces it</summary><pre>{html.escape(code)}</pre></details>
</main>
<script type="application/json" id="state">{state_json}</script>
<script type="module">
{script()}
{kernel}
</script>
</body>
</html>
"""
