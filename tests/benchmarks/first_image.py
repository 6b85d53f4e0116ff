"""How long does the first cell of a notebook take to its first image, on a fresh kernel with one core?

    python tests/benchmarks/first_image.py [--repeats 3] [--only Studio FlowPaths] [--json]

Each time a new kernel runs `import explorable as ex; ex.NAME()` as JupyterLab would send it. Measured from sending the
cell until the kernel sends the first recording to the page, mostly a preview, and until it shows the result; what the
page needs to paint it (5 ms, see tests/browser/scrub.py) is not included, nor the start of the kernel, which JupyterLab
starts when the notebook is opened. The processor time says what an idle machine would take, on a busy one too.
"""

from __future__ import annotations

import os
import queue
import time
from typing import Any

import psutil
from bench import EXPLORABLES, parse_options, report, row
from jupyter_client.manager import start_new_kernel

FIRST_SECONDS = 3.0
MAX_SECONDS = 300
MOVING = "ex-moving"  # a class of the progress bar while something is computed
CODE = "import explorable as ex\n\n_shown = ex.{name}()\n_shown"


def first_image(name: str) -> tuple[float, float, float]:
    """Return the seconds until the first recording, and until the first result; and the kernel's processor time until
    the first recording."""
    manager, client = start_new_kernel(env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        content = {"code": CODE.format(name=name), "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": True}
        message = client.session.msg("execute_request", content)
        message["metadata"] = {"cellId": "first-cell"}  # JupyterLab sends it: the cell does not wait for the result
        began = time.perf_counter()
        client.shell_channel.send(message)
        kernel = psutil.Process(manager.provisioner.pid)
        before = processor_seconds(kernel)
        first, used, computing = 0.0, 0.0, False
        while True:
            state = next_update(client)
            now = time.perf_counter() - began
            if state.get("recording_id") and not first:
                first, used = now, processor_seconds(kernel) - before
            if MOVING in state.get("_dom_classes", ()):
                computing = True
            elif first and computing and "_dom_classes" in state:
                return first, now, used
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process, with all its threads."""
    times = process.cpu_times()
    return times.user + times.system


def next_update(client: Any) -> dict[str, Any]:
    """Return the next change of a widget's traits that the kernel sends. Raises what the cell raised."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        try:
            message = client.get_iopub_msg(timeout=MAX_SECONDS)
        except queue.Empty:
            break
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))
        if message["msg_type"] == "comm_msg" and message["content"]["data"].get("method") == "update":
            return message["content"]["data"]["state"]
    raise TimeoutError(f"no image after {MAX_SECONDS} s")


def main() -> None:
    options = parse_options(__doc__, 3, EXPLORABLES)
    rows = []
    for name in options.only:
        first, result, used = zip(*(first_image(name) for _ in range(options.repeats)), strict=True)
        rows.append(row(f"{name}: first image", first, "s", FIRST_SECONDS))
        rows.append(row(f"{name}: first image, processor time", used, "s"))
        rows.append(row(f"{name}: result", result, "s"))
    report("From running the first cell to the first image, on a fresh kernel", rows, options.json)


if __name__ == "__main__":
    main()
