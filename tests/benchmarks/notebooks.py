"""What does a notebook cost a kernel? Resident memory after each of its cells, the largest, and processor time.

    python tests/benchmarks/notebooks.py [NOTEBOOK...]     (all of them, if none is named)

Each notebook runs in a kernel of its own, one after another, and is not written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
MAX_SECONDS = 600  # for a cell


def cost(path: Path) -> tuple[float, float]:
    """Run a notebook. Returns the largest resident memory after a cell, in megabytes, and seconds of processor time."""
    notebook = nbformat.read(path, 4)
    client, largest = NotebookClient(notebook, timeout=MAX_SECONDS, kernel_name="python3"), 0
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.process.pid)
        for k, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, k)
                largest = max(largest, kernel.memory_info().rss)
        times = kernel.cpu_times()
    return largest / 1e6, times.user + times.system


def main(names: Sequence[str]) -> None:
    """Print a row for each notebook."""
    print("| notebook | kernel, MB | processor, s |\n|---|---|---|")
    for path in [Path(name) for name in names] or sorted(FOLDER.glob("*.ipynb")):
        megabytes, seconds = cost(path)
        print(f"| {path.stem} | {megabytes:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
