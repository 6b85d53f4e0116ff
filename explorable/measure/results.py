"""Saved measurements: sweeps that take minutes, which explorables show beside what they compute live.

    python -m explorable measure classifier-guidance --save     # measures, and replaces the saved table
    saved_table("classifier-guidance", "unet-flow")             # reads it

results/NAME.json holds a table for each model that was measured, and the checksums of the weights that it was measured
with, so that a reader can tell whether they are still the shipped ones.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_files
from ..zoo import model_names, read_card
from .registry import function_of
from .table import Table

FOLDER = Path(__file__).parent / "results"
SHARED_MODELS = ("text", "vae", "classifier", "examiner")  # that measures use besides the denoiser


@dataclass(frozen=True)
class SavedTable:
    """A table that was measured before.

    Args:
        weights: the checksum of every model's weights at that time, by name.
        command: measures it again, and saves it.
    """

    table: Table
    weights: dict[str, str]
    command: str

    @property
    def is_current(self) -> bool:
        """Whether the shipped weights are those that were measured."""
        return all(name in model_names() and read_card(name)["sha256"] == sha for name, sha in self.weights.items())


def measured_model(name: str, model: str | None = None) -> str:
    """Return the model that a measure uses: the given one, or its default; "" where it has no choice."""
    default = inspect.signature(function_of(name)).parameters.get("model")
    return model or ("" if default is None else str(default.default))


def compared_models(name: str) -> tuple[str, ...]:
    """Return the models that a measure without a choice compares: `MODELS` beside its function."""
    return getattr(inspect.getmodule(function_of(name)), "MODELS", ())


def save_command(name: str, model: str = "") -> str:
    """Return the command that measures a model and saves the table."""
    is_default = model == measured_model(name)
    return f"python -m explorable measure {name}{'' if is_default else f' --model {model}'} --save"


def save_table(name: str, table: Table, model: str | None = None, folder: Path | None = None) -> Path:
    """Save the table of a full measurement beside those of other models. Returns the file's path."""
    path, model = (folder or FOLDER) / f"{name}.json", measured_model(name, model)
    used = [part for part in (model, *compared_models(name), *SHARED_MODELS) if part in model_names()]
    entry = {"command": save_command(name, model), "weights": {part: read_card(part)["sha256"] for part in used},
             "table": table.as_dict()}
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(_read(path) | {model: entry}, indent=1, ensure_ascii=False, sort_keys=True)
    write_files({path: (text + "\n").encode()})
    return path


def saved_table(name: str, model: str | None = None, folder: Path | None = None) -> SavedTable | None:
    """Return the saved table of a measure for a model (None: the measure's default), or None if none was saved."""
    entry = _read((folder or FOLDER) / f"{name}.json").get(measured_model(name, model))
    return None if entry is None else SavedTable(Table(**entry["table"]), entry["weights"], entry["command"])


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}
