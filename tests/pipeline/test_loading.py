"""Opening a shipped model: its files are verified, and a device that works is chosen."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import pytest
import torch
from tiny_pipes import CODER, PROMPT, TEXT, UNET, same

import explorable as ex
from explorable import zoo
from explorable.diffusion.settings import DEFAULT_GUIDANCE, SettingError
from explorable.pipeline import choose_device
from explorable.pipeline import loading as module
from explorable.pipeline.device import full_float32
from explorable.world import VOCABULARY
from explorable.zoo import WeightError
from explorable.zoo import loading as networks_module


@pytest.fixture
def shelf(tmp_path, networks, monkeypatch):
    """The tiny networks as weight files in a folder that replaces the shipped one."""
    roles = {"text": (TEXT, "text encoder"), "unet-flow": (UNET, "denoiser"), "vae": (CODER, "decoder")}
    for name, (config, role) in roles.items():
        about = {"role": role, "path": "straight", "prediction": "velocity"}
        zoo.write_weights(name, networks[name], asdict(config), about, tmp_path)
    monkeypatch.setattr(module, "read_card", partial(zoo.read_card, folder=tmp_path))
    monkeypatch.setattr(networks_module, "read_card", partial(zoo.read_card, folder=tmp_path))
    monkeypatch.setattr(networks_module, "read_weights", partial(zoo.read_weights, folder=tmp_path))
    return tmp_path


def test_a_pipeline_loaded_from_files_samples_the_same_image(shelf, run):
    loaded = ex.load(device="cpu")
    assert isinstance(loaded, ex.Pipeline) and loaded.name == "unet-flow" and loaded.vocabulary == VOCABULARY
    assert same(run, loaded(PROMPT, steps=5, guidance=3, seed=1))
    assert "cpu" in repr(loaded)


def test_the_default_guidance_is_read_from_the_card(shelf):
    assert ex.load(device="cpu").default_guidance == DEFAULT_GUIDANCE
    zoo.update_card("unet-flow", shelf, default_guidance=1)
    assert ex.load(device="cpu")(PROMPT, steps=1).settings.guidance == 1


def test_the_error_about_an_unknown_model_names_the_nearest(shelf):
    with pytest.raises(ex.WeightError, match="no model is called 'unet-flaw'; did you mean 'unet-flow'"):
        ex.load("unet-flaw")


@pytest.mark.parametrize("name", ["vae", "text"])
def test_a_network_other_than_a_denoiser_is_no_pipeline(shelf, name):
    with pytest.raises(WeightError, match=f"'{name}' is not a denoiser but the .* of a pipeline"):
        ex.load(name, "cpu")


@pytest.mark.parametrize("name", ["text", "unet-flow", "vae"])
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:20], lambda b: b"", lambda b: b[:-1] + b"\xff" * 2]
)
def test_damaged_weights_are_refused_with_the_name_of_the_file(shelf, name, damage):
    file = shelf / f"{name}.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(WeightError, match=rf"{name}\.safetensors is damaged"):
        ex.load(device="cpu")


@pytest.mark.parametrize("name", ["text", "unet-flow", "vae"])
def test_missing_weights_are_named(shelf, name):
    (shelf / f"{name}.safetensors").unlink()
    with pytest.raises(WeightError, match=rf"{name}\.safetensors is missing"):
        ex.load(device="cpu")


ABSENT = [f"cuda:{torch.cuda.device_count() + 7}", "nonsense", ""]


@pytest.mark.parametrize("device", ABSENT)
def test_an_unavailable_device_is_named(shelf, device):
    with pytest.raises(ex.SettingError, match=rf"device '{device}' is not available here"):
        ex.load(device=device)
    with pytest.raises(SettingError, match="device='cpu' always is"):
        choose_device(device)


def test_the_meta_device_is_refused():
    with pytest.raises(SettingError, match="device 'meta'"):
        choose_device("meta")


def test_the_error_about_a_device_is_short():
    absent = "mps" if not torch.backends.mps.is_available() else "xpu"
    with pytest.raises(SettingError) as caught:
        choose_device(absent)
    assert len(str(caught.value)) < 300


def test_the_chosen_device_works():
    chosen = choose_device()
    assert float(torch.ones(2, device=chosen).sum()) == 2
    assert choose_device("cpu") == torch.device("cpu")


def test_weights_and_configurations_survive_the_files_unchanged(shelf, networks):
    """The tiny networks' weights are representable in half precision, so they come back exactly."""
    assert networks_module.load_vae().config == CODER and networks_module.load_text().config == TEXT
    assert networks_module.load_denoiser("unet-flow").config == UNET
    for name, loaded in (
        ("vae", networks_module.load_vae()),
        ("text", networks_module.load_text()),
        ("unet-flow", networks_module.load_denoiser("unet-flow")),
    ):
        assert not loaded.training
        for key, weight in networks[name].state_dict().items():
            assert torch.equal(loaded.state_dict()[key], weight), key


def test_convolutions_use_full_float32_only_within_the_with_block():
    before = torch.backends.cudnn.allow_tf32
    with full_float32(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
    with pytest.raises(KeyboardInterrupt), full_float32(torch.device("cuda")):
        raise KeyboardInterrupt
    assert torch.backends.cudnn.allow_tf32 == before
    with full_float32(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 == before
