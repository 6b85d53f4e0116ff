"""All methods record the same and leave nothing behind."""

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

SETTINGS = Settings(PROMPT, steps=3, guidance=3)
SHARED = Path(__file__).parent.parent / "shared"


def check_method(method) -> None:
    """The method records what a recorder records, and leaves the pipeline unchanged."""
    pipe = tiny()
    plain = pipe(PROMPT, steps=3, guidance=3, record=[module.PATTERN])
    recorded = method(pipe, SETTINGS)(0)
    assert {f"{name}.weights" for name in recorded} == set(plain.recorded)
    for name, steps in recorded.items():
        values = np.stack([step.numpy() for step in steps])
        assert np.array_equal(values.reshape(plain[f"{name}.weights"].shape), plain[f"{name}.weights"]), name
    layers = [m for m in pipe.denoiser.modules() if isinstance(m, CrossAttention)]
    assert layers and all(type(m) is CrossAttention and not m._forward_hooks for m in layers)
    assert same(plain, pipe(PROMPT, steps=3, guidance=3))


@pytest.mark.parametrize("method", [module.with_recorder, module.with_forward_hooks])
def test_every_method_records_bit_identical_weights(method):
    check_method(method)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nnsight") is None, reason="nnsight is not installed")
def test_nnsight_records_bit_identical_weights():
    """In a new process: importing nnsight adds a method `save` to every Python object."""
    program = (f"import sys; sys.path[:0] = [{str(SHARED)!r}, {str(Path(__file__).parent)!r}]\n"
               "import test_recording_overhead\nfrom explorable.measure.recording_overhead import with_nnsight\n"
               "test_recording_overhead.check_method(with_nnsight)\nprint('identical')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "identical", done.stderr


def test_forward_hooks_are_removed_after_a_run_that_failed(monkeypatch):
    copied = module.with_identity_modules(tiny())
    monkeypatch.setattr(module, "with_identity_modules", lambda pipe: copied)
    with pytest.raises(ValueError, match="steps"):
        module.with_forward_hooks(tiny(), Settings(PROMPT, steps=0))(0)
    layers = [m for m in copied.denoiser.modules() if isinstance(m, module.IdentityCrossAttention)]
    assert layers and not any(layer.recorded._forward_hooks for layer in layers)


def test_without_nnsight_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nnsight", None)
    monkeypatch.setattr(module, "load", lambda name: tiny())
    with pytest.raises(ModuleNotFoundError, match="pip install nnsight"):
        module.recording_overhead(quick=True, steps=1)


def test_costs_are_only_compared_with_significant_ones():
    notes = module.ratios({module.RECORDED: (2.0, 1.0, 3.0), "one": (8.0, 7.0, 9.0), "other": (1.0, -4.0, 6.0)})
    assert notes == ["recording costs 0.25 of what one costs",
                     "the cost of other is not significant in so many turns"]


def test_the_table_has_every_method(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny())
    monkeypatch.delitem(module.METHODS, "nnsight")
    table = module.recording_overhead(steps=1, repeats=1)
    assert [row["method"] for row in table.rows] == [module.UNRECORDED, *module.METHODS]
    assert [row["cost %"] is None for row in table.rows] == [True, False, False]


def test_calls_of_hook_points_are_counted():
    pipe = tiny()
    one, three = (module.count_calls(pipe, Settings(PROMPT, steps=n)) for n in (1, 3))
    assert one > len(pipe.points()) / 2 and (three - one) % 2 == 0 and three > 2 * one / 2
    assert 0 < module.seconds_per_call(1000) < 1e-4


def test_a_model_with_joint_attention_is_refused(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny("dit"))
    with pytest.raises(ValueError, match="joint attention"):
        module.recording_overhead("dit-flow")
