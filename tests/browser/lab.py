"""Start JupyterLab on a free port, and open and run notebooks in it with Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

CHROME_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
NOT_FOUND = "Failed to load resource: the server responded with a status of 404"
# Missing addresses that JupyterLab itself requests, whatever the notebook does.
LAB_NOISE = re.compile(r"""https?://[^/]+/(
    favicon\.ico
  | (lab/)?api/workspaces/.*  # a workspace that was never saved
  | lsp/status.*  # no language server is installed
)""", re.VERBOSE)


@contextlib.contextmanager
def lab(root: Path, settings: dict[str, dict] | None = None) -> Iterator[str]:
    """Start a Lab server on the folder `root`, with its own settings and state, and yield its address.

    settings: Lab settings by file, as {"@jupyterlab/apputils-extension/themes": {"theme": ...}}.
    """
    state = root / ".lab-state"
    for name, values in {"@jupyterlab/apputils-extension/notification": NO_NEWS, **(settings or {})}.items():
        path = state / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTERLAB_SETTINGS_DIR": "settings",
               "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTER_RUNTIME_DIR": "runtime"}
    env = {**os.environ, "OMP_NUM_THREADS": "1", **{name: str(state / folder) for name, folder in folders.items()}}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
               "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
               f"--ServerApp.root_dir={root}", "--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (state / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        try:
            _await_server(f"http://127.0.0.1:{port}/api/status", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(server)


def _stop(server: subprocess.Popen) -> None:
    """Terminate a server and its children, and kill them if they do not end. They may have ended before."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
            return


def _await_server(address: str, server: subprocess.Popen, timeout: float = 90) -> None:
    end = time.monotonic() + timeout
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=2)
            return
        time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start within {timeout:g} s; its log is in .lab-state/server.log")


@contextlib.contextmanager
def browser(chromium: str, **context: object) -> Iterator[BrowserContext]:
    """Open a browser window of 1280 x 1000."""
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=chromium, headless=True, args=CHROME_ARGS)
        try:
            yield window.new_context(viewport={"width": 1280, "height": 1000}, **context)
        finally:
            window.close()


def stop_kernels(address: str) -> None:
    """Shut down every session of a Lab server."""
    with urllib.request.urlopen(f"{address}/api/sessions", timeout=30) as response:
        sessions = json.load(response)
    for session in sessions:
        request = urllib.request.Request(f"{address}/api/sessions/{session['id']}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()


def console_errors(page: Page) -> list[str]:
    """Collect errors on the page's console and uncaught errors from now on, without those of Lab itself."""
    found: list[str] = []

    def on_message(message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        is_noise = message.text.startswith(NOT_FOUND) and LAB_NOISE.fullmatch(url)
        if message.type == "error" and not is_noise:
            found.append(f"{message.text} ({url})")

    page.on("console", on_message)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def open_and_run(page: Page, address: str, notebook: str) -> None:
    """Open a notebook in Lab, wait for its kernel, and run all its cells."""
    page.goto(f"{address}/lab/tree/{notebook}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
    page.evaluate("""async () => {
      const app = window.jupyterapp;
      await app.restored;
      let panel;
      for (let i = 0; i < 400; i++) {
        panel = app.shell.currentWidget;
        if (panel?.sessionContext && panel.content?.widgets) break;
        await new Promise((done) => setTimeout(done, 50));
      }
      await panel.revealed;
      await panel.sessionContext.ready;
      await panel.sessionContext.session?.kernel?.info;
      await app.commands.execute("notebook:run-all-cells");
    }""")


def run_cell(page: Page, index: int) -> None:
    """Run one cell of the open notebook, and wait until it has ended."""
    page.evaluate("""async (k) => {
      const panel = window.jupyterapp.shell.currentWidget;
      await panel.sessionContext.ready;
      panel.content.activeCellIndex = k;
      await window.jupyterapp.commands.execute("notebook:run-cell");
    }""", index)
