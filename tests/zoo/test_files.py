"""Weight files: what was written is read, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

import explorable as ex
from explorable.nn.vae import VAE, VAEConfig
from explorable.zoo import WeightError, fingerprint, model_names, read_card, read_weights, update_card, write_weights

CONFIG = VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8))


@pytest.fixture
def vae() -> VAE:
    torch.manual_seed(0)
    return VAE(CONFIG)


@pytest.fixture
def shelf(tmp_path, vae):
    """A folder with one model in it."""
    write_weights("vae", vae, asdict(CONFIG), {"role": "decoder", "steps": 3}, tmp_path)
    return tmp_path


def test_weights_come_back_in_half_precision(shelf, vae):
    config, state = read_weights("vae", shelf)
    assert VAEConfig(**config) == CONFIG
    assert state.keys() == vae.state_dict().keys()
    for name, weight in vae.state_dict().items():
        assert state[name].dtype == torch.float32
        assert torch.equal(state[name], weight.half().float()), name


def test_writing_what_was_read_is_byte_identical(shelf, vae, tmp_path):
    config, state = read_weights("vae", shelf)
    vae.load_state_dict(state)
    again = tmp_path / "again"
    again.mkdir()
    write_weights("vae", vae, config, {"role": "decoder", "steps": 3}, again)
    for name in ("vae.safetensors", "vae.json"):
        assert (again / name).read_bytes() == (shelf / name).read_bytes()


def test_the_card_says_what_the_file_is(shelf, vae):
    about, file = read_card("vae", shelf), shelf / "vae.safetensors"
    parameters = sum(p.numel() for p in vae.state_dict().values())
    assert about["name"] == "vae" and about["role"] == "decoder" and about["steps"] == 3
    assert about["parameters"] == parameters
    assert about["bytes"] == file.stat().st_size
    assert about["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_weights_take_two_bytes_each(shelf):
    """And the header takes what safetensors says it takes: 8 bytes of length, then so many of JSON."""
    data = (shelf / "vae.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    assert len(data) - header == 2 * read_card("vae", shelf)["parameters"]
    tensors = {k: v for k, v in json.loads(data[8:header]).items() if k != "__metadata__"}
    assert {t["dtype"] for t in tensors.values()} == {"F16"}


def test_updating_a_card_leaves_the_rest_and_the_weights(shelf):
    before, (config, state) = read_card("vae", shelf), read_weights("vae", shelf)
    update_card("vae", shelf, psnr=31.5, steps=4)
    assert read_card("vae", shelf) == before | {"psnr": 31.5, "steps": 4}
    again, weights = read_weights("vae", shelf)
    assert again == config and all(torch.equal(weights[k], state[k]) for k in state)
    with pytest.raises(WeightError, match="no model is called 'vea'"):
        update_card("vea", shelf, psnr=0)


def test_names_are_those_of_the_cards(shelf, vae):
    write_weights("another", vae, asdict(CONFIG), {}, shelf)
    assert model_names(shelf) == ["another", "vae"]


def test_an_unknown_name_lists_the_known_ones(shelf):
    for ask in (read_card, read_weights):
        with pytest.raises(
            WeightError, match=r"no model is called 'vea'; did you mean 'vae'.*choose one of: vae"
        ):
            ask("vea", shelf)
    with pytest.raises(WeightError, match=r"no model is called '\.\./vae'"):
        read_weights("../vae", shelf)


def test_a_missing_file_is_named(shelf):
    (shelf / "vae.safetensors").unlink()
    with pytest.raises(WeightError, match=r"vae\.safetensors is missing: install"):
        read_weights("vae", shelf)


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.json"])
def test_a_folder_in_place_of_a_file_is_refused(shelf, name):
    (shelf / name).unlink()
    (shelf / name).mkdir()
    with pytest.raises(WeightError, match=f"{name} cannot be read.*install"):
        read_weights("vae", shelf)


@settings(max_examples=25)
@given(st.data())
def test_a_file_cut_short_is_refused(tmp_path_factory, data):
    folder, whole = stored(tmp_path_factory)
    (folder / "vae.safetensors").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(WeightError, match=r"vae\.safetensors is damaged.*checksum"):
        read_weights("vae", folder)


@settings(max_examples=25)
@given(st.data())
def test_a_file_with_one_bit_changed_is_refused(tmp_path_factory, data):
    folder, whole = stored(tmp_path_factory)
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    (folder / "vae.safetensors").write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
    with pytest.raises(WeightError, match=r"vae\.safetensors is damaged.*checksum"):
        read_weights("vae", folder)


def stored(tmp_path_factory) -> tuple:
    """A folder with one model in it, and the bytes of its file."""
    folder = tmp_path_factory.mktemp("zoo")
    write_weights("vae", VAE(CONFIG), asdict(CONFIG), {}, folder)
    return folder, (folder / "vae.safetensors").read_bytes()


def test_a_file_of_another_format_is_refused_despite_its_checksum(shelf):
    (shelf / "vae.safetensors").write_bytes(b"not weights at all")
    about = read_card("vae", shelf)
    about["sha256"] = hashlib.sha256(b"not weights at all").hexdigest()
    (shelf / "vae.json").write_text(json.dumps(about))
    with pytest.raises(WeightError, match=r"vae\.safetensors cannot be read"):
        read_weights("vae", shelf)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "vae"}', "\x00\x01"])
def test_a_damaged_card_is_refused(shelf, text):
    (shelf / "vae.json").write_text(text)
    for ask in (read_card, read_weights, update_card):
        with pytest.raises(WeightError, match=r"vae\.json (is damaged|cannot be read).*install"):
            ask("vae", shelf)
    assert (shelf / "vae.json").read_text() == text


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b'{"sha256": 3}', b"null"])
def test_an_invalid_card_is_refused(shelf, data):
    (shelf / "vae.json").write_bytes(data)
    with pytest.raises(WeightError, match=r"vae\.json"):
        read_card("vae", shelf)


@pytest.mark.parametrize("metadata", [None, {}, {"config": "{"}, {"config": "[]"}], ids=str)
def test_weights_without_a_configuration_are_refused(shelf, metadata):
    data = save({"weight": torch.zeros(1)}, metadata)
    (shelf / "vae.safetensors").write_bytes(data)
    update_card("vae", shelf, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(WeightError, match=r"vae\.safetensors has no configuration"):
        read_weights("vae", shelf)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_failed_write_leaves_the_old_file(shelf, vae, monkeypatch, fails_at):
    """A full disk at the weights, or at the card, or a fact that no card can hold: nothing is half written."""
    before, real, left = contents(shelf), Path.write_bytes, [fails_at]

    def disk(path, data):
        if not left[0]:
            real(path, data[: len(data) // 2])
            raise OSError("no space left on device")
        left[0] -= 1
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", disk)
    with pytest.raises((OSError, TypeError)):
        write_weights("vae", vae, asdict(CONFIG), {"role": "other"} if fails_at < 2 else {"role": object()}, shelf)
    assert contents(shelf) == before


def test_a_failed_update_leaves_the_card(shelf):
    before = contents(shelf)
    with pytest.raises(TypeError):
        update_card("vae", shelf, psnr=object())
    assert contents(shelf) == before


def test_no_temporary_file_is_left(shelf):
    update_card("vae", shelf, psnr=30)
    assert contents(shelf).keys() == {"vae.json", "vae.safetensors"}


def test_a_weight_error_is_public_and_a_value_error():
    assert ex.WeightError is WeightError and issubclass(WeightError, ValueError)


@pytest.mark.parametrize(
    "name", model_names() or [pytest.param("", marks=pytest.mark.skip(reason="no weights here"))]
)
def test_the_shipped_weights_are_what_their_cards_say(name):
    config, state = read_weights(name)
    about = read_card(name)
    assert about["config"] == json.loads(json.dumps(config))
    assert about["parameters"] == sum(v.numel() for v in state.values())
    assert all(weight.isfinite().all() for weight in state.values())
    assert sum(read_card(n)["bytes"] for n in model_names()) <= 60e6


def test_parts_have_their_own_fingerprints(shelf, vae):
    """A finer decoder leaves the encoder's mark as it was, and changes that of the whole."""
    part, whole = fingerprint("vae", "encoder", shelf), fingerprint("vae", folder=shelf)
    with torch.no_grad():
        vae.decoder[0].weight += 1
    write_weights("vae", vae, asdict(CONFIG), {}, shelf)
    assert fingerprint("vae", "encoder", shelf) == part
    assert fingerprint("vae", folder=shelf) != whole
    with torch.no_grad():
        vae.encoder[1].weight += 1
    write_weights("vae", vae, asdict(CONFIG), {}, shelf)
    assert fingerprint("vae", "encoder", shelf) != part
