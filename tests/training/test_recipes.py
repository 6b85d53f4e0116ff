"""What is written onto a card when a training ends."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from tiny_denoisers import NETWORKS
from torch import nn

from explorable.nn.vae import VAE, VAEConfig
from explorable.training import loop
from explorable.training import recipes as shipping
from explorable.training.denoiser import AlignedDenoiser
from explorable.training.loop import Training, checkpoint_tag
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


@pytest.mark.parametrize("name", [name for name in model_names() if name in shipping.RECIPES])
def test_the_cards_of_shipped_models_list_them_too(name):
    assert bool(read_card(name).get("supervised_attention")) == shipping.RECIPES[name].supervised, (
        "explorable.zoo.update_card(name, supervised_attention=sorted(net.supervised_attention))")


def test_every_shipped_model_has_a_recipe_or_is_a_checkpoint_of_one():
    for name in model_names():
        training, _, step = name.rpartition("-")
        is_checkpoint = read_card(name)["role"] == "checkpoint"
        assert int(step) in shipping.RECIPES[training].checkpoints if is_checkpoint else name in shipping.RECIPES


def test_checkpoints_become_models_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "cache_folder", lambda: tmp_path)
    written: dict[str, tuple[nn.Module, dict]] = {}
    monkeypatch.setattr(shipping, "write_weights", lambda name, model, config, about, int8: written.update(
        {name: (copy.deepcopy(model), about)}))
    recipe = replace(shipping.RECIPES["unet-flow"], checkpoints=(2, 4))
    monkeypatch.setitem(shipping.RECIPES, "tiny", recipe)
    training = Training("tiny", AlignedDenoiser(NETWORKS["unet"](), 8), Plan(5))
    for training.step in (2, 3):
        nn.init.constant_(training.average.net.conv_in.bias, training.step)
        if training.step in recipe.checkpoints:
            training.save(checkpoint_tag(training.step))
    assert shipping.write_to_zoo("tiny", training) == "tiny"
    assert set(written) == {"tiny", "tiny-2"}, "it ended before step 4"
    assert [float(model.conv_in.bias[0]) for model, _ in written.values()] == [3, 2]
    assert written["tiny-2"][1]["role"] == "checkpoint" and written["tiny-2"][1]["steps"] == 2


def test_only_the_main_process_writes_the_files(monkeypatch):
    helped = Training("text", nn.Linear(3, 1), Plan(steps=1))
    helped.is_main_process = False
    recipe = replace(shipping.RECIPES["text"], train=lambda steps, depends_on: helped, requires=())
    monkeypatch.setitem(shipping.RECIPES, "text", recipe)
    monkeypatch.setattr(shipping, "write_to_zoo", lambda name, training: pytest.fail("it wrote a file"))
    assert shipping.train_to_zoo("text") is None
