"""What is written onto a card when a training ends."""

from __future__ import annotations

import torch

from explorable.nn.vae import VAE, VAEConfig
from explorable.training import ship as shipping
from explorable.training.loop import Plan, Training


def shipped(name: str, monkeypatch, earlier: dict) -> dict:
    """The card that an untrained tiny autoencoder would get as `name`, where `earlier` is in its place already."""
    told: list[dict] = []
    monkeypatch.setattr(shipping, "write", lambda name, model, config, about, byte: told.append(about))
    monkeypatch.setattr(shipping, "card", lambda name: earlier)
    torch.manual_seed(0)
    training = Training("tiny", VAE(VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8))), Plan(5))
    shipping.ship(name, training)
    return told[0]


EARLIER = {"data": "drawings", "steps": 5500, "minutes": 43.1, "curve": [{"step": 50.0, "loss": 2.0}], "sha256": "…"}


def test_what_goes_on_from_a_file_keeps_what_made_it(monkeypatch):
    about = shipped("decoder", monkeypatch, EARLIER)
    kept = {key: EARLIER[key] for key in ("data", "steps", "minutes", "curve")}
    assert about["before"] == [kept] and about["steps"] == 0
    again = shipped("decoder", monkeypatch, EARLIER | {"before": ["the first"]})
    assert again["before"] == ["the first", kept]


def test_what_begins_anew_does_not(monkeypatch):
    assert "before" not in shipped("classifier", monkeypatch, EARLIER)
