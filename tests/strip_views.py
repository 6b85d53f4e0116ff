"""Remove the widget views from saved notebooks: python tests/strip_views.py NOTEBOOK…

A view refers to a model in a kernel that is gone. In a trusted notebook JupyterLab would say "model not found" in its
place; without it the text and the still image of the output are shown. pre-commit and `make notebooks` run this.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"


def strip(notebook: nbformat.NotebookNode) -> bool:
    """Remove the widget views from a notebook, and its saved widget state. Returns whether there were any."""
    found = notebook.metadata.pop("widgets", None) is not None
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        found = output.get("data", {}).pop(VIEW, None) is not None or found
    return found


def main(names: list[str]) -> int:
    """Strip notebooks in place. Returns 1 if any was changed, as pre-commit expects it."""
    changed = False
    for path in map(Path, names):
        notebook = nbformat.read(path, nbformat.NO_CONVERT)
        if strip(notebook):
            nbformat.write(notebook, path)
            changed = True
            print(f"removed the widget views from {path}")
    return int(changed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
