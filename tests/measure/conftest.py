"""A tiny untrained pipeline and examiner: what a measure computes does not rest on training."""

from __future__ import annotations

import importlib

import pytest
import torch

from explorable.diffusion.paths import Straight
from explorable.measure import verdict
from explorable.nn.classifier import Classifier
from explorable.nn.examiner import Examiner, ExaminerConfig
from explorable.nn.text import TextConfig, TextEncoder
from explorable.nn.unet import UNet, UNetConfig
from explorable.nn.vae import VAE, VAEConfig
from explorable.pipeline import Pipeline
from explorable.training.classifier import CONFIG
from explorable.world import COLOURS, KINDS, MOODS, PLACES, RELATIONS, SIDES, TIMES, VOCABULARY


@pytest.fixture(scope="session")
def pipe() -> Pipeline:
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(VOCABULARY, width=16, layers=1, heads=2))
    unet = UNet(UNetConfig(widths=(8, 16, 16), up=(1, 1), head_width=8, context_width=16, time_width=16))
    torch.nn.init.normal_(unet.outlet.weight, std=0.1)  # it starts at zero
    pipe = Pipeline("tiny", text, unet, VAE(VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8))), Straight(),
                    "velocity", torch.device("cpu"))
    pipe.classifier = Classifier(CONFIG).eval()
    return pipe


@pytest.fixture(scope="session")
def examiner() -> Examiner:
    torch.manual_seed(0)
    return Examiner(ExaminerConfig(KINDS, tuple(COLOURS), SIDES, RELATIONS, PLACES, TIMES, ("plain", *MOODS),
                                   widths=(8, 16))).eval()


@pytest.fixture
def tiny(pipe, examiner, monkeypatch):
    """tiny("steps", "unet-flow", ...): let that measure find tiny models, by those names, where the zoo would be."""

    def open_in(module: str, *there: str) -> None:
        measure = importlib.import_module(f"explorable.measure.{module}")
        monkeypatch.setattr(measure, "load", lambda name, device=None: pipe)
        monkeypatch.setattr(verdict, "shipped_examiner", lambda: examiner)
        if there:
            denoisers = importlib.import_module("explorable.measure.denoisers")
            monkeypatch.setattr(denoisers, "names", lambda: sorted((*there, "vae")))
            monkeypatch.setattr(denoisers, "card", lambda name: {"role": "denoiser" if name in there else "other"})

    return open_in
