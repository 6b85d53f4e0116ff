"""The page of the cheat sheet: HTML for one sheet of A4, and a PDF of it where a Chromium can print."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from ...files import check_target, write_files
from ...pipeline import load
from .ideas import IDEAS, Idea
from .systems import COMPARISON, CONVENTIONS, CONVERSIONS, SYSTEMS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAX_PRINT_SECONDS = 60
CSS = """
@page { size: A4; margin: 8mm; }
* { box-sizing: border-box; }
body { font: 6.7pt/1.2 Arial, "Liberation Sans", system-ui, sans-serif; margin: 0 auto; max-width: 194mm; color: #222;
  background: white; }
h1 { font-size: 11pt; margin: 0 0 1mm; } h2 { font-size: 8pt; margin: 1.4mm 0 0.6mm; }
h3 { font-size: 7.6pt; margin: 0; }
p { margin: 0.2mm 0; } a { color: inherit; }
.ideas { display: grid; grid-template-columns: 1fr 1fr; gap: 1mm 4mm; }
.idea { break-inside: avoid; border-top: 0.3mm solid #0072b2; padding-top: 0.8mm; }
.idea img { float: right; height: 12mm; max-width: 44mm; object-fit: contain; margin-left: 2mm; }
.formula { font-family: "STIX Two Math", "DejaVu Serif", serif; font-size: 7.4pt; }
.measured::before { content: "measured: "; color: #0072b2; } .mistake::before { content: "mistake: "; color: #a33c00; }
.where { color: #595959; } .rules th { white-space: nowrap; padding-right: 2mm; }
.rules { display: grid; grid-template-columns: 1fr 1fr; gap: 4mm; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; }
td, th { border-top: 0.2mm solid #bbb; padding: 0.25mm 1mm 0.25mm 0; vertical-align: top; }
"""


def cheatsheet() -> str:
    """Return the cheat sheet as one HTML page: every figure is read, every image computed, when this is called.

    Raises:
        LookupError: a table that it quotes has changed.
    """
    pipe = load()
    ideas = "".join(_idea(idea, idea.thumbnail(pipe)) for idea in IDEAS)
    rules = "".join(f"<div><h2>{title}</h2><table>{''.join(f'<tr><th>{a}</th><td>{b}</td></tr>' for a, b in rows)}"
                    "</table></div>" for title, rows in (("Conversions", CONVERSIONS), ("Conventions", CONVENTIONS)))
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Diffusion on one page</title>'
            f"<style>{CSS}</style><body><h1>Text-to-image diffusion on one page</h1>"
            f'<div class="ideas">{ideas}</div><div class="rules">{rules}</div>'
            f"<h2>Everyday pictures, and where they break</h2>{_table(COMPARISON)}"
            f"<h2>The famous systems, as documented</h2>{_table(SYSTEMS)}</body></html>")


def write_cheatsheet(path: str | Path) -> Path:
    """Write the cheat sheet to a file that ends in .html or .pdf. Returns its path.

    Raises:
        ValueError: another ending; or a PDF where no Chromium or Chrome is found to print it.
        OSError: the file cannot be written.
    """
    path = Path(path)
    check_target(path)
    if path.suffix not in (".html", ".pdf"):
        raise ValueError(f"{path.name} ends in neither .html nor .pdf: choose one of these")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path.suffix == ".pdf" and browser is None:
        raise ValueError("no Chromium or Chrome was found to print a PDF: write an .html file, and print it from your "
                         "browser")
    page = cheatsheet().encode()
    write_files({path: _print(page, str(browser)) if path.suffix == ".pdf" else page})
    return path


def _idea(idea: Idea, image: np.ndarray) -> str:
    return (f'<div class="idea"><img alt="" src="{_data_uri(image)}"><h3>{escape(idea.name)}</h3>'
            f'<p>{escape(idea.sentence)}</p><p class="formula">{idea.formula}</p>'
            f'<p class="measured">{escape(idea.measured())}</p><p class="mistake">{escape(idea.mistake)} '
            f'<span class="where">({escape(idea.notebook)})</span></p></div>')


def _table(rows: Iterable[Mapping[str, str]]) -> str:
    rows = tuple(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row.values())}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _data_uri(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", quality=88)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _print(page: bytes, browser: str) -> bytes:
    """Return a page as PDF, printed by a browser without a window."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_bytes(page)
        subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                        f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", source.as_uri()],
                       check=True, capture_output=True, timeout=MAX_PRINT_SECONDS)
        return target.read_bytes()
