"""Training in two processes is training in one: the same loss curve at the same batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "train_tiny.py"


def curves(folder: Path, processes: int) -> dict[str, list[dict[str, float]]]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", str(processes),
              "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
              "--main_process_port", str(port), str(SCRIPT), str(folder)]
    plain = [sys.executable, str(SCRIPT), str(folder)]
    done = subprocess.run(launch if processes > 1 else plain, capture_output=True, text=True, timeout=300,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("tiny", "towers")}


def test_two_processes_have_the_loss_curve_of_one(tmp_path):
    one, two = curves(tmp_path / "one", 1), curves(tmp_path / "two", 2)
    for name in one:
        assert len(one[name]) == len(two[name]) == 6
        for a, b in zip(one[name], two[name], strict=True):
            assert b == pytest.approx(a, rel=2e-3), name
    assert one["towers"][0]["loss"] > one["towers"][-1]["loss"], "something is learned"


def test_a_batch_that_cannot_be_divided_is_refused():
    from types import SimpleNamespace

    import torch

    from explorable.training.loop import _shard

    with pytest.raises(ValueError, match="7 rows of a batch cannot be shared evenly by 2"):
        _shard({"x": torch.zeros(7, 2)}, SimpleNamespace(num_processes=2, process_index=0, device="cpu"))
