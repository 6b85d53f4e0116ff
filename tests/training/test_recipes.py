"""What is written onto a card when a training ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_denoisers import NETWORKS
from torch import nn

from explorable.nn.vae import VAE, VAEConfig
from explorable.training import recipes as shipping
from explorable.training.denoiser import AlignedDenoiser
from explorable.training.loop import Training
from explorable.training.plan import Plan
from explorable.zoo import model_names, read_card


def shipped(name: str, monkeypatch, earlier: dict, model: nn.Module | None = None) -> dict:
    """The card that an untrained model (a tiny autoencoder) would get as `name`, where `earlier` is in its place."""
    told: list[dict] = []
    monkeypatch.setattr(shipping, "write_weights", lambda name, model, config, about, int8: told.append(about))
    monkeypatch.setattr(shipping, "read_card", lambda name: earlier)
    torch.manual_seed(0)
    model = model or VAE(VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8)))
    training = Training("tiny", model, Plan(5))
    shipping.write_to_zoo(name, training)
    return told[0]


EARLIER = {"data": "drawings", "steps": 5500, "minutes": 43.1, "curve": [{"step": 50.0, "loss": 2.0}], "sha256": "…"}


def test_continued_training_keeps_the_history_of_its_file(monkeypatch):
    about = shipped("decoder", monkeypatch, EARLIER)
    kept = {key: EARLIER[key] for key in ("data", "steps", "minutes", "curve")}
    assert about["previous_training"] == [kept] and about["steps"] == 0
    again = shipped("decoder", monkeypatch, EARLIER | {"previous_training": ["the first"]})
    assert again["previous_training"] == ["the first", kept]


def test_new_training_starts_without_history(monkeypatch):
    assert "previous_training" not in shipped("classifier", monkeypatch, EARLIER)


def test_a_card_lists_the_supervised_attention_layers(monkeypatch):
    for name in ("unet-flow", "unet-reflow", "dit-flow"):  # a reflow goes on from weights that were told
        net = NETWORKS[name.partition("-")[0]]()
        about = shipped(name, monkeypatch, EARLIER, AlignedDenoiser(net, 8))
        assert about["supervised_attention"] == sorted(net.supervised_attention) and len(net.supervised_attention) > 0
    assert "supervised_attention" not in shipped("classifier", monkeypatch, EARLIER)


@pytest.mark.parametrize("name", model_names())
def test_the_cards_of_shipped_models_list_them_too(name):
    """`attention` is the loss that tells it: a card that has it in its curve and says nothing hides what was taught."""
    about = read_card(name)
    assert not any("attention" in row for row in about["curve"]) or about.get("supervised_attention"), (
        "explorable.zoo.update_card(name, supervised_attention=sorted(net.supervised_attention))")


def test_only_the_main_process_writes_the_files(monkeypatch):
    helped = Training("text", nn.Linear(3, 1), Plan(steps=1))
    helped.is_main_process = False
    recipe = replace(shipping.RECIPES["text"], train=lambda steps, depends_on: helped, requires=())
    monkeypatch.setitem(shipping.RECIPES, "text", recipe)
    monkeypatch.setattr(shipping, "write_to_zoo", lambda name, training: pytest.fail("it wrote a file"))
    assert shipping.train_to_zoo("text") is None
