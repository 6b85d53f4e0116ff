"""The shipped networks, loaded: weights verified, sizes from their files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from ..nn.classifier import Classifier, ClassifierConfig
from ..nn.dit import DiT, DiTConfig
from ..nn.examiner import Examiner, ExaminerConfig
from ..nn.text import TextConfig, TextModel
from ..nn.text_t5 import T5Config, TextT5Model
from ..nn.unet import UNet, UNetConfig
from ..nn.vae import VAE, VAEConfig
from .files import read_card, read_weights

Network = TypeVar("Network", bound=nn.Module)


def load_text() -> TextModel:
    """Load the text encoder and the image encoder that it was trained with."""
    return _load("text", lambda config: TextModel(TextConfig(**config)))


def load_text_t5() -> TextT5Model:
    """Load the text encoder that was trained to fill gaps, and its decoder."""
    return _load("text-t5", lambda config: TextT5Model(T5Config(**config)))


def load_denoiser(name: str) -> UNet | DiT:
    """Load a denoiser."""
    if read_card(name).get("network") == "DiT":
        return _load(name, lambda config: DiT(DiTConfig(**config)))
    return _load(name, lambda config: UNet(UNetConfig(**config)))


def load_vae() -> VAE:
    """Load the autoencoder."""
    return _load("vae", lambda config: VAE(VAEConfig(**config)))


def load_classifier() -> Classifier:
    """Load the classifier of noisy latents, for classifier guidance."""
    return _load("classifier", lambda config: Classifier(ClassifierConfig(**config)))


def load_examiner() -> Examiner:
    """Load the examiner, which scores finished images and never guides."""
    return _load("examiner", lambda config: Examiner(ExaminerConfig(**config)))


def _load(name: str, build: Callable[[dict], Network]) -> Network:
    config, state = read_weights(name)
    with torch.device("cpu"):  # whatever torch's default device and dtype are
        model = build(config).float()
    model.load_state_dict(state)
    return model.eval()
