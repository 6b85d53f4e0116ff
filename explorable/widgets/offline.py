"""An explorable as one file: the stage's own script with its recording, and a few lines in place of the kernel.

It opens from disk with no network. What needs a kernel (a new prompt, another seed) is left out; everything that was
recorded can be scrubbed.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from pathlib import Path
from typing import Any

from .stage import BYTES, Stage, script

HERE = Path(__file__).parent
STATE = ("layers", "captions", "axes", "panels", "columns", "strip", "frame", "at", "layer", "opacity", "arrival",
         "plays", "waiting", "file_name")

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
await Promise.all(Object.entries(state.packed).map(async ([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  state[name] = new DataView(await new Response(stream).arrayBuffer());
}));
render({ el: document.getElementById("stage"), model: {
  get: (name) => state[name], set: (name, value) => { state[name] = value; }, on() {}, off() {}, save_changes() {},
} });
"""


def page(question: str, stage: Stage, lines: str, table: str, code: str) -> str:
    """The whole page. question and code are text; lines and table are HTML, already safe."""
    state: dict[str, Any] = {name: getattr(stage, name) for name in STATE}
    state["packed"] = {BYTES + spec["name"]: base64.b64encode(zlib.compress(buffer, 9)).decode()
                       for spec, buffer in zip(stage.layers, stage.buffers, strict=True)}
    said = json.dumps(state).replace("<", "\\u003c")  # or a caption could end the script
    css = "".join((HERE / name).read_text("utf-8") for name in ("base.css", "stage.css"))
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
