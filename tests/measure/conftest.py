"""A tiny untrained pipeline and examiner: what a measure computes does not rest on training."""

from __future__ import annotations

import importlib

import pytest
import tiny_pipes

from explorable.analysis import verdict
from explorable.nn.classifier import Classifier
from explorable.nn.examiner import Examiner
from explorable.pipeline import Pipeline
from explorable.training.classifier import CONFIG


@pytest.fixture(scope="session")
def pipe() -> Pipeline:
    pipe = tiny_pipes.tiny()
    pipe.classifier = Classifier(CONFIG).eval()
    return pipe


@pytest.fixture(scope="session")
def examiner() -> Examiner:
    return tiny_pipes.tiny_examiner()


@pytest.fixture
def tiny(pipe, examiner, monkeypatch):
    """tiny("steps", "unet-flow", ...): let that measure find tiny models, by those names, where the zoo would be."""

    def open_in(module: str, *there: str) -> None:
        measure = importlib.import_module(f"explorable.measure.{module}")
        monkeypatch.setattr(measure, "load", lambda name, device=None: pipe)
        monkeypatch.setattr(verdict, "shipped_examiner", lambda: examiner)
        if there:
            denoisers = importlib.import_module("explorable.measure.denoisers")
            monkeypatch.setattr(denoisers, "model_names", lambda: sorted((*there, "vae")))
            monkeypatch.setattr(denoisers, "read_card", lambda name: {"role": "denoiser" if name in there else "other"}
                                | ({"default_guidance": 1.0} if name == "unet-reflow" else {}))

    return open_in
