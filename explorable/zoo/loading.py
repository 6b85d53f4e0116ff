"""The shipped networks, opened: their weights checked, their sizes as their files have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from ..nn.classifier import Classifier, ClassifierConfig
from ..nn.dit import DiT, DiTConfig
from ..nn.examiner import Examiner, ExaminerConfig
from ..nn.text import TextConfig, TextModel
from ..nn.unet import UNet, UNetConfig
from ..nn.vae import VAE, VAEConfig
from .files import card, read

Network = TypeVar("Network", bound=nn.Module)


def load_text() -> TextModel:
    """The text encoder and the picture encoder that taught it."""
    return _open("text", lambda config: TextModel(TextConfig(**config)))


def load_denoiser(name: str) -> UNet | DiT:
    """The network of a shipped model."""
    if card(name).get("network") == "DiT":
        return _open(name, lambda config: DiT(DiTConfig(**config)))
    return _open(name, lambda config: UNet(UNetConfig(**config)))


def load_vae() -> VAE:
    """The autoencoder."""
    return _open("vae", lambda config: VAE(VAEConfig(**config)))


def load_classifier() -> Classifier:
    """The classifier: the teacher of classifier guidance."""
    return _open("classifier", lambda config: Classifier(ClassifierConfig(**config)))


def load_examiner() -> Examiner:
    """The examiner: for measuring, never for guiding."""
    return _open("examiner", lambda config: Examiner(ExaminerConfig(**config)))


def _open(name: str, build: Callable[[dict], Network]) -> Network:
    config, state = read(name)
    model = build(config)
    model.load_state_dict(state)
    return model.eval()
