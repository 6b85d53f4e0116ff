"""All ways of recording keep the same, leave nothing behind, and are compared turn by turn."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_pipes import PROMPT, same, tiny

from explorable.diffusion.settings import Settings
from explorable.measure import recording_overhead as module
from explorable.nn.layers import CrossAttention

ASKED = Settings(PROMPT, steps=3, guidance=3)
SHARED = Path(__file__).parent.parent / "shared"


def check_kept(way) -> None:
    """A way of keeping gives what a recording gives, and leaves the pipeline as it was."""
    pipe = tiny()
    plain = pipe(PROMPT, steps=3, guidance=3, record=[module.PATTERN])
    kept = way(pipe, ASKED)(0)
    assert {f"{name}.weights" for name in kept} == set(plain.recorded)
    for name, steps in kept.items():
        theirs = np.stack([step.numpy() for step in steps])
        assert np.array_equal(theirs.reshape(plain[f"{name}.weights"].shape), plain[f"{name}.weights"]), name
    layers = [m for m in pipe.denoiser.modules() if isinstance(m, CrossAttention)]
    assert layers and all(type(m) is CrossAttention and not m._forward_hooks for m in layers)
    assert same(plain, pipe(PROMPT, steps=3, guidance=3))


@pytest.mark.parametrize("way", [module.by_recording, module.by_hook_points])
def test_every_way_keeps_the_same_to_the_last_bit(way):
    check_kept(way)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nnsight") is None, reason="nnsight is not installed")
def test_nnsight_keeps_the_same_to_the_last_bit():
    """In a process of its own: importing nnsight gives every Python object a method `save`."""
    program = (f"import sys; sys.path[:0] = [{str(SHARED)!r}, {str(Path(__file__).parent)!r}]\n"
               "import test_recording_overhead\nfrom explorable.measure.recording_overhead import by_nnsight\n"
               "test_recording_overhead.check_kept(by_nnsight)\nprint('kept')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "kept", done.stderr


def test_hook_points_are_gone_after_a_run_that_failed(monkeypatch):
    twin = module.hooked(tiny())
    monkeypatch.setattr(module, "hooked", lambda pipe: twin)
    with pytest.raises(ValueError, match="steps"):
        module.by_hook_points(tiny(), Settings(PROMPT, steps=0))(0)
    hooks = [m.identity for m in twin.denoiser.modules() if isinstance(m, module.Hooked)]
    assert hooks and not any(hook._forward_hooks for hook in hooks)


def test_without_nnsight_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nnsight", None)
    monkeypatch.setattr(module, "load", lambda name: tiny())
    with pytest.raises(ModuleNotFoundError, match="pip install nnsight"):
        module.recording_overhead(quick=True, steps=1)


def test_costs_are_compared_turn_by_turn():
    """A machine that grows ten times slower on the way changes no cost."""
    unheard = [1.0, 2.0, 5.0, 10.0]
    middle, low, high = module.costs([1.1 * s for s in unheard], unheard)
    assert middle == 10 and low == pytest.approx(10) and high == pytest.approx(10)


def test_a_cost_that_may_be_none_is_no_measure():
    said = module.ratios({module.RECORDED: (2.0, 1.0, 3.0), "one": (8.0, 7.0, 9.0), "other": (1.0, -4.0, 6.0)})
    assert said == ["a recording costs 0.25 of what one does",
                    "what other costs is not told from nothing in so many turns"]


def test_the_table_names_every_way(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny())
    monkeypatch.delitem(module.KEEPING, "nnsight")
    table = module.recording_overhead(steps=1, repeats=1)
    assert [row["way"] for row in table.rows] == [module.UNHEARD, *module.KEEPING]
    assert [row["cost %"] is None for row in table.rows] == [True, False, False]


def test_looks_are_counted():
    pipe = tiny()
    one, three = (module.looks(pipe, Settings(PROMPT, steps=n)) for n in (1, 3))
    assert one > len(pipe.points()) / 2 and (three - one) % 2 == 0 and three > 2 * one / 2
    assert 0 < module.look_seconds(1000) < 1e-4


def test_a_model_without_such_modules_is_refused(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny("dit"))
    with pytest.raises(ValueError, match="joint attention"):
        module.recording_overhead("dit-flow")
