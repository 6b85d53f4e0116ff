"""Weight files: NAME.safetensors holds weights of one or two bytes and their configuration, NAME.json is the card.

The card says how the file was made and what it measured, and holds its checksum: a file that does not
match is refused.
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

from .packing import packed, unpacked

FOLDER = Path(__file__).parent


class WeightError(ValueError):
    """A model that is not there, or a weight file that is not what its card says."""


def names(folder: Path = FOLDER) -> list[str]:
    """The models that are shipped."""
    return sorted(p.stem for p in folder.glob("*.json"))


def card(name: str, folder: Path = FOLDER) -> dict:
    """The card of a model: what it is, its data, steps, time, measured quality and checksum.

    Raises:
        WeightError: unknown name; a card that cannot be read or has no checksum.
    """
    if name not in names(folder):
        near = difflib.get_close_matches(name, names(folder), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise WeightError(f"no model is called {name!r}; {hint}there are: {', '.join(names(folder))}")
    try:
        about = json.loads((folder / f"{name}.json").read_text("utf-8"))
    except ValueError as error:  # no JSON, or not even text
        raise WeightError(f"the card {name}.json cannot be read ({error}): install the package again") from error
    if not isinstance(about, dict) or not isinstance(about.get("sha256"), str):
        raise WeightError(f"the card {name}.json is damaged (it holds no checksum): install the package again")
    return about


def write(name: str, module: nn.Module, config: dict, about: dict, folder: Path = FOLDER, byte: bool = False) -> None:
    """Write the weights of `module`, and their card with its checksum.

    In half precision; byte: matrices with one byte a weight (`packing`).
    """
    state = module.state_dict()
    weights = save(packed(state, byte), metadata={"config": json.dumps(config)})
    size = {"parameters": sum(v.numel() for v in state.values()), "bytes": len(weights)}
    checksum = hashlib.sha256(weights).hexdigest()
    text = _card_text({"name": name, **about, **size, "config": config, "sha256": checksum})
    _put({folder / f"{name}.safetensors": weights, folder / f"{name}.json": text})


def annotate(name: str, folder: Path = FOLDER, **facts) -> None:
    """Put measured facts onto a card."""
    _put({folder / f"{name}.json": _card_text(card(name, folder) | facts)})


def _card_text(about: dict) -> bytes:
    return (json.dumps(about, indent=2) + "\n").encode()


def _put(files: dict[Path, bytes]) -> None:
    """Write each file beside its place, and only when all are whole put them there, in order.

    Whoever reads sees an old file or a new one, never half of one; what cannot be written changes nothing.
    """
    parts = {path: path.with_name(f"{path.name}.part") for path in files}
    try:
        for path, part in parts.items():
            part.write_bytes(files[path])
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def read(name: str, folder: Path = FOLDER) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and float32 weights of a model, checked against its card.

    Raises:
        WeightError: unknown name; card or file missing, cut short or changed.
    """
    expected, path = card(name, folder)["sha256"], folder / f"{name}.safetensors"
    if not path.exists():
        raise WeightError(f"the weight file {path.name} is missing: install the package again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise WeightError(f"the weight file {path.name} is damaged (its checksum is not the one on its card): "
                          "install the package again")
    try:
        with safe_open(path, "pt") as file:
            try:
                saved = json.loads((file.metadata() or {})["config"])
                config = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()}
            except (KeyError, ValueError, AttributeError) as error:
                raise WeightError(f"the weight file {path.name} has no configuration in it: "
                                  "install the package again") from error
            return config, unpacked({k: file.get_tensor(k) for k in file.keys()})  # noqa: SIM118
    except SafetensorError as error:
        raise WeightError(f"the weight file {path.name} cannot be read ({error}): install the package again") from error


def fingerprint(name: str, part: str = "", folder: Path = FOLDER) -> str:
    """A short mark of a model's configuration and of its weights whose names begin with `part`.

    What rests on a part alone, as latents rest on the encoder of an autoencoder, stays good while that stays.
    """
    config, state = read(name, folder)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode() if not part else b"")
    for key in sorted(k for k in state if k.startswith(part)):
        digest.update(key.encode() + state[key].numpy().tobytes())
    return digest.hexdigest()[:8]
