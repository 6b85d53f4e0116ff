"""The two ways of recording see the same, and the hook points leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_pipes import PROMPT, same, tiny

from explorable.measure import hooking as module
from explorable.nn.blocks import CrossAttention
from explorable.settings import Settings


def test_hook_points_keep_what_a_recording_keeps_and_are_gone_after():
    pipe, kept = tiny(), {}
    plain = pipe(PROMPT, steps=3, guidance=3, record=[module.PATTERN])
    with module.hook_points(pipe.denoiser, kept):
        hooked = pipe(PROMPT, steps=3, guidance=3)
    assert same(plain, hooked)
    for name in plain.recorded:
        for step in range(3):
            theirs = kept[name.removesuffix(".weights"), step].numpy()
            assert np.array_equal(theirs.reshape(plain[name].shape[1:]), plain[name].isel(step=step))
    assert not any("forward" in vars(m) for m in pipe.denoiser.modules() if isinstance(m, CrossAttention))
    assert not pipe.denoiser._forward_pre_hooks


def test_looks_are_counted():
    pipe = tiny()
    one, three = (module.looks(pipe, Settings(PROMPT, steps=n)) for n in (1, 3))
    assert one > len(pipe.points()) / 2 and (three - one) % 2 == 0 and three > 2 * one / 2
    assert 0 < module.look_seconds(1000) < 1e-4


def test_a_model_without_such_modules_is_refused(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny("dit"))
    with pytest.raises(ValueError, match="joint attention"):
        module.hooking("dit-flow")
