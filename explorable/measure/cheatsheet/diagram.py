"""Diagrams of the famous systems as HTML, made from the table of what is documented about them."""

from __future__ import annotations

from html import escape

from .systems import SYSTEMS

BOXES = ("text", "denoiser", "predicts", "latent", "its mirror here")
HEADINGS = {"text": "text encoder", "latent": "latent, decoded to an image", "its mirror here": "mirror here"}
PARTS = {"DALL-E 3 (2023)": "of its prompt rewriting alone: ex.rewrite"}  # of the systems without a trained mirror
_BOX = ("border:1px solid #8888;border-radius:6px;padding:4px 8px;flex:1 1 120px;min-width:0;"
        "overflow-wrap:anywhere;line-height:1.3;text-align:left")


def system_diagrams() -> str:
    """Return one line of boxes for each system: from its text encoder to its latent, and its mirror here."""
    return "".join(_diagram(row) for row in SYSTEMS)


def _diagram(row: dict[str, str]) -> str:
    row = row | {"its mirror here": PARTS.get(row["system"], row["its mirror here"].replace("–", "none yet"))}
    *boxes, mirror = (f'<div style="{_BOX}"><small>{HEADINGS.get(name, name)}</small><br>{escape(row[name])}</div>'
                      for name in BOXES)
    arrow = '<span aria-hidden="true" style="align-self:center">&rarr;</span>'
    return (f'<div style="margin:8px 0"><b>{escape(row["system"])}</b> &nbsp; <small>usual steps, guidance: '
            f'{escape(row["usual steps, guidance"])}</small>'
            f'<div style="display:flex;gap:6px">{arrow.join(boxes)}{mirror}</div></div>')
