"""The classifier: chances that are chances, a gradient that is one, and targets refused by name."""

from __future__ import annotations

import math

import pytest
import torch

from explorable.nn.classifier import Classifier, ClassifierConfig, UnknownTargetError, noise_level
from explorable.training.classifier import classifier_loss, targets
from explorable.world import COLOURS, KINDS, PLACES, TIMES, Group, Scene

CONFIG = ClassifierConfig(KINDS, tuple(COLOURS), PLACES, TIMES, widths=(8, 16), time_width=16)


@pytest.fixture(scope="module")
def model() -> Classifier:
    torch.manual_seed(0)
    made = Classifier(CONFIG)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.1 * torch.randn_like(p)
    return made.eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(1))


def chance(model, x, target, at=0.3):
    return model.log_prob(model(x, torch.full((len(x),), at)), target).exp()


def test_places_and_times_are_exclusive_and_things_are_not(model, x):
    for names in (PLACES, TIMES):
        torch.testing.assert_close(sum(chance(model, x, n) for n in names), torch.ones(3))
    for name in (*KINDS, *COLOURS):
        assert ((chance(model, x, name) > 0) & (chance(model, x, name) < 1)).all()
    assert not torch.allclose(sum(chance(model, x, n) for n in KINDS), torch.ones(3), atol=0.05)


@pytest.mark.parametrize("target", ["lion", "red", "beach", "sunset"])
@pytest.mark.parametrize("inference", [False, True])
def test_the_gradient_is_the_slope(model, x, target, inference):
    """Against a small step in a random direction, at alpha and sigma that do not preserve variance."""
    alpha, sigma, h = 0.6, 0.4, 1e-2
    with torch.inference_mode(inference):
        g = model.gradient(x, alpha, sigma, target)
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    way /= way.norm()

    def read(at: torch.Tensor) -> torch.Tensor:
        return chance(model, at / math.hypot(alpha, sigma), target, noise_level(alpha, sigma)).log()

    with torch.no_grad():
        slope = (read(x + h * way) - read(x - h * way)) / (2 * h)
    torch.testing.assert_close((g * way).sum((1, 2, 3)), slope, rtol=2e-2, atol=2e-3)
    assert g.abs().max() > 0 and all(p.grad is None for p in model.parameters())


def test_the_noise_level_is_the_same_on_every_path():
    assert (noise_level(1, 0), noise_level(0, 1)) == (0, 1)
    assert noise_level(0.5, 0.5) == noise_level(0.7, 0.7) == pytest.approx(0.5)


def test_an_unknown_target_is_named(model, x):
    with pytest.raises(UnknownTargetError, match=r"no label 'zeppelin'; choose one of: .*lion"):
        model.gradient(x, 0.5, 0.5, "zeppelin")


def test_labels_match_the_scene():
    s = Scene((Group("cat", "red"), Group("dog", "blue")), place=PLACES[2], time=TIMES[1])
    kinds, colours, place, time = targets([s]).values()
    assert {k for k, yes in zip(KINDS, kinds[0], strict=True) if yes} == {"cat", "dog"}
    assert {c for c, yes in zip(COLOURS, colours[0], strict=True) if yes} == {"red", "blue"}
    assert (place.item(), time.item()) == (2, 1)


def test_it_fits_its_labels():
    torch.manual_seed(0)
    model, x0 = Classifier(CONFIG), torch.randn(2, 4, 16, 16)
    scenes = [Scene((Group("cat", "red"),), place=PLACES[0], time=TIMES[0]),
              Scene((Group("bus", "blue"),), place=PLACES[1], time=TIMES[2])]
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    said = []
    for _ in range(25):
        many = x0.repeat(8, 1, 1, 1)
        loss = classifier_loss(model, many, torch.randn_like(many), torch.rand(16), **targets(scenes * 8))["loss"]
        said.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert said[-1] < said[0] / 2
