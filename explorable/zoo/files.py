"""Weight files: NAME.safetensors holds half-precision weights and their configuration, NAME.json is the card.

The card says how the file was made and what it measured, and holds its checksum: a file that does not
match is refused.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent


class WeightError(ValueError):
    """A model that is not there, or a weight file that is not what its card says."""


def names(folder: Path = FOLDER) -> list[str]:
    """The models that are shipped."""
    return sorted(p.stem for p in folder.glob("*.json"))


def card(name: str, folder: Path = FOLDER) -> dict:
    """The card of a model: what it is, its data, steps, time, measured quality and checksum."""
    if name not in names(folder):
        near = difflib.get_close_matches(name, names(folder), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise WeightError(f"no model is called {name!r}; {hint}there are: {', '.join(names(folder))}")
    return json.loads((folder / f"{name}.json").read_text())


def write(name: str, module: nn.Module, config: dict, about: dict, folder: Path = FOLDER) -> None:
    """Write the weights of `module` in half precision, and their card with its checksum."""
    state = {k: v.detach().half().contiguous() for k, v in module.state_dict().items()}
    path = folder / f"{name}.safetensors"
    save_file(state, path, metadata={"config": json.dumps(config)})
    size = {"parameters": sum(v.numel() for v in state.values()), "bytes": path.stat().st_size}
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    text = json.dumps({"name": name, **about, **size, "config": config, "sha256": checksum}, indent=2)
    (folder / f"{name}.json").write_text(text + "\n")


def annotate(name: str, folder: Path = FOLDER, **facts) -> None:
    """Put measured facts onto a card."""
    about = card(name, folder) | facts
    (folder / f"{name}.json").write_text(json.dumps(about, indent=2) + "\n")


def read(name: str, folder: Path = FOLDER) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and float32 weights of a model, checked against its card.

    Raises:
        WeightError: unknown name; file missing, cut short or changed.
    """
    expected, path = card(name, folder)["sha256"], folder / f"{name}.safetensors"
    if not path.exists():
        raise WeightError(f"the weight file {path.name} is missing: install the package again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise WeightError(f"the weight file {path.name} is damaged (its checksum is not the one on its card): "
                          "install the package again")
    try:
        with safe_open(path, "pt") as file:
            saved = json.loads(file.metadata()["config"])
            config = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()}
            return config, {k: file.get_tensor(k).to(torch.float32) for k in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightError(f"the weight file {path.name} cannot be read ({error}): install the package again") from error
