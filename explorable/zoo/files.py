"""Weight files: NAME.safetensors holds the weights and the network's configuration, NAME.json is the model card.

The card records how the model was trained and what it measured, and the file's checksum: a file that does not match
is refused.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..files import write_files
from .packing import pack, unpack

FOLDER = Path(__file__).parent
REINSTALL = "install the package again"


class WeightError(ValueError):
    """An unknown model, or a weight file or card that is missing or damaged."""


def model_names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the shipped models."""
    return sorted(p.stem for p in folder.glob("*.json"))


def denoiser_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the shipped denoisers, each of which `load` opens as a pipeline."""
    return tuple(name for name in model_names(folder) if read_card(name, folder).get("role") == "denoiser")


def read_card(name: str, folder: Path = FOLDER) -> dict:
    """Return the card of a model: role, data, steps, time, measured quality and checksum.

    Raises:
        WeightError: an unknown name; a card that cannot be read or has no checksum.
    """
    names = model_names(folder)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise WeightError(f"no model is called {name!r}; {hint}choose one of: {', '.join(names)}")
    try:
        card = json.loads((folder / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # a folder; not JSON, or not even text
        raise WeightError(f"the card {name}.json cannot be read ({error}): {REINSTALL}") from error
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        raise WeightError(f"the card {name}.json is damaged (it has no checksum): {REINSTALL}")
    return card


def update_card(name: str, folder: Path = FOLDER, **entries: Any) -> None:
    """Add entries to a card, or replace them. After a failure the card is as it was."""
    write_files({folder / f"{name}.json": _card_text(read_card(name, folder) | entries)})


def write_weights(name: str, module: nn.Module, config: dict, card: dict, folder: Path = FOLDER,
                  int8: bool = False) -> None:
    """Write the weights of `module`, and their card with its checksum. After a failure the old ones are unchanged.

    int8: store matrices as int8 in place of float16 (`packing`).
    """
    state = module.state_dict()
    weights = save(pack(state, int8), metadata={"config": json.dumps(config)})
    size = {"parameters": sum(v.numel() for v in state.values()), "bytes": len(weights)}
    checksum = hashlib.sha256(weights).hexdigest()
    text = _card_text({"name": name, **card, **size, "config": config, "sha256": checksum})
    write_files({folder / f"{name}.safetensors": weights, folder / f"{name}.json": text})


def _card_text(card: dict) -> bytes:
    return (json.dumps(card, indent=2) + "\n").encode()


def read_weights(name: str, folder: Path = FOLDER) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration and float32 weights of a model, checked against its card.

    Raises:
        WeightError: an unknown name; a card or file that is missing, truncated or changed.
    """
    expected, path = read_card(name, folder)["sha256"], folder / f"{name}.safetensors"
    if not path.exists():
        raise WeightError(f"the weight file {path.name} is missing: {REINSTALL}")
    try:
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightError(f"the weight file {path.name} cannot be read ({error.strerror}): {REINSTALL}") from error
    if checksum != expected:
        raise WeightError(f"the weight file {path.name} is damaged (its checksum is not the one on its card): "
                          f"{REINSTALL}")
    try:
        with safe_open(path, "pt") as file:
            try:
                saved = json.loads((file.metadata() or {})["config"])
                config = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()}
            except (KeyError, ValueError, AttributeError) as error:
                raise WeightError(f"the weight file {path.name} has no configuration in it: {REINSTALL}") from error
            return config, unpack({k: file.get_tensor(k) for k in file.keys()})  # noqa: SIM118
    except SafetensorError as error:
        raise WeightError(f"the weight file {path.name} cannot be read ({error}): {REINSTALL}") from error


def fingerprint(name: str, part: str = "", folder: Path = FOLDER) -> str:
    """Return a short hash of a model's weights whose names begin with `part`; without it, of its configuration too.

    What depends on one part only, as latents depend on the autoencoder's encoder, stays valid while its hash does.
    """
    config, state = read_weights(name, folder)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode() if not part else b"")
    for key in sorted(k for k in state if k.startswith(part)):
        digest.update(key.encode() + state[key].numpy().tobytes())
    return digest.hexdigest()[:8]
