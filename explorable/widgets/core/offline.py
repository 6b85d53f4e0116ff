"""An explorable as one file: the stage's own script with its recording, and a few lines in place of the kernel.

It opens from disk with no network. What needs a kernel (a new prompt, another seed) is left out; everything that was
recorded can be scrubbed. Pictures are kept as WebP without loss, several frames to a sheet, and unpacked before the
stage sees them; where that would be more than a file of 5 MB, as JPEG, and the page says so.
"""

from __future__ import annotations

import base64
import html
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..stage.stage import BYTES_PREFIX, Stage, script

HERE = Path(__file__).parent
STATE = (
    "layers",
    "captions",
    "axes",
    "panels",
    "columns",
    "thumbnails",
    "frame",
    "selection",
    "layer",
    "opacity",
    "recording_id",
    "autoplay",
    "placeholder",
    "file_name",
)

# What JupyterLab's theme says on its own pages.
DARK = """
body { margin: 0 auto; padding: 20px; max-width: 1360px; font: 14px/1.45 system-ui, sans-serif; color: #212121; }
body[data-jp-theme-light="false"] { background: #161616; color: #e6e6e6; --jp-ui-font-color1: #e6e6e6;
  --jp-ui-font-color2: #b0b0b0; --jp-border-color2: #484848; --jp-layout-color1: #161616; --jp-layout-color2: #262626;
  --jp-brand-color1: #64b5f6; }
pre { overflow-x: auto; padding: 10px; border: 1px solid var(--ex-line); border-radius: 4px; }
details { margin-top: 12px; }
"""

# get, set, on, off and save_changes are all that the stage asks of its model. Nobody listens to what it saves.
KERNEL = """
document.body.dataset.jpThemeLight = String(!matchMedia("(prefers-color-scheme: dark)").matches);
const state = JSON.parse(document.getElementById("state").textContent);
const plain = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
async function inflated(text) {
  const stream = new Blob([plain(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
async function unpacked({ sheets, size }) { // pictures below each other, without the fourth byte that a canvas has
  const found = new Uint8Array(size);
  let to = 0;
  for (const [type, text] of sheets) {
    const blob = new Blob([plain(text)], { type: type.split(";")[0] });
    const sheet = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    const canvas = Object.assign(document.createElement("canvas"), { width: sheet.width, height: sheet.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(sheet, 0, 0);
    const { data } = context.getImageData(0, 0, sheet.width, sheet.height);
    for (let from = 0; from < data.length; from += 4) {
      for (let colour = 0; colour < 3; colour += 1, to += 1) found[to] = data[from + colour];
    }
  }
  return found.buffer;
}
await Promise.all(Object.entries(state.packed).map(async ([name, kept]) => {
  state[name] = new DataView(await (kept.sheets ? unpacked(kept) : inflated(kept)));
}));
render({ el: document.getElementById("stage"), model: {
  get: (name) => state[name], set: (name, value) => { state[name] = value; }, on() {}, off() {}, save_changes() {},
} });
"""


MOST = 4_600_000  # bytes of packed layers: what is more is kept with loss, so that a whole file stays below 5 MB
SHEET = 8 * 128 * 128  # pixels: more on a sheet pack no better
TALLEST = 16_000  # pixels: as high as WebP allows a sheet to be
QUALITIES = (95, 90, 80, 60)  # of JPEG, in whose colours no detail is left out


def pack_layers(stage: Stage) -> tuple[dict[str, Any], int | None]:
    """The bytes of all layers as text, and the quality of the pictures: None is without loss.

    The largest layers of pictures lose something first, and the sheet of a layer's last frames nothing at all: there
    the finished picture is.
    """
    layers = {BYTES_PREFIX + spec["name"]: (spec, data) for spec, data in zip(stage.layers, stage.buffers, strict=True)}
    found: dict[str, Any] = {name: _kept(spec, data, None) for name, (spec, data) in layers.items()}
    pictures = sorted((n for n, kept in found.items() if isinstance(kept, dict)), key=lambda n: -_size(found[n]))
    for quality in QUALITIES:
        for name in pictures:
            if sum(map(_size, found.values())) <= MOST:
                break
            found[name] = min(found[name], _kept(*layers[name], quality), key=_size)
    lossy = [q for q in QUALITIES if any(f";{q}" in kind for n in pictures for kind, _ in found[n]["sheets"])]
    return found, min(lossy, default=None)


def _kept(spec: dict[str, Any], data: bytes, quality: int | None) -> Any:
    """One layer: pictures as sheets, anything else deflated."""
    if spec["kind"] != "image" or not data:
        return base64.b64encode(zlib.compress(data, 9)).decode()
    frames = np.frombuffer(data, np.uint8).reshape(-1, *spec["shape"][-3:])
    return {"sheets": list(_sheets(frames, quality)), "size": len(data)}


def _sheets(frames: np.ndarray, quality: int | None) -> Iterator[tuple[str, str]]:
    """Frames (n, height, width, 3), some below each other on each picture: its type, and the picture as text."""
    high, wide = frames.shape[1:3]
    each = max(1, min(SHEET // (high * wide), TALLEST // high))
    for start in range(0, len(frames), each):
        made, file = Image.fromarray(frames[start : start + each].reshape(-1, wide, 3)), io.BytesIO()
        if quality is None or start + each >= len(frames):
            made.save(file, "WEBP", lossless=True, quality=50, method=4)
            kind = "image/webp"
        else:
            made.save(file, "JPEG", quality=quality, subsampling=0)
            kind = f"image/jpeg;{quality}"
        yield kind, base64.b64encode(file.getvalue()).decode()


def _size(kept: Any) -> int:
    """Letters of a layer."""
    return len(kept) if isinstance(kept, str) else sum(len(text) for _, text in kept["sheets"])


def page(question: str, stage: Stage, lines: str, table: str, code: str) -> str:
    """The whole page. question and code are text; lines and table are HTML, already safe."""
    state: dict[str, Any] = {name: getattr(stage, name) for name in STATE}
    state["packed"], quality = pack_layers(stage)
    loss = "" if quality is None else (f'<p class="ex-help">To keep this file small, pictures but the last of each row '
                                       f"are kept as JPEG, of quality {quality}.</p>")
    said = json.dumps(state).replace("<", "\\u003c")  # or a caption could end the script
    css = "".join((HERE / name).read_text("utf-8") for name in ("explorable.css", "../stage/stage.css"))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(question)}</title>
<style>{css}{DARK}</style>
<body>
<main class="ex-explorable">
<h1 class="ex-question">{html.escape(question)}</h1>
<div id="stage"></div>
{lines}
{loss}
<details><summary>The same as a table</summary>{table}</details>
<details><summary>The lines of code that reproduce it</summary><pre>{html.escape(code)}</pre></details>
</main>
<script type="application/json" id="state">{said}</script>
<script type="module">
{script()}
{KERNEL}
</script>
</body>
</html>
"""
