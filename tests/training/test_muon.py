"""Muon: its steps are orthogonal, its matrices are the inner ones, and it goes downhill."""

import pytest
import torch
from torch import nn

from explorable.nn.unet import UNet
from explorable.training.muon import Muon, muon_parameters, orthogonalise


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (64, 96)])
def test_singular_values_approach_one_and_directions_stay(shape):
    g = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    o = orthogonalise(g)
    values = torch.linalg.svdvals(o)
    assert values.min() > 0.5 and values.max() < 1.3
    assert torch.equal((u.T @ o @ v.T).diagonal() > 0.5, torch.ones(min(shape), dtype=torch.bool))
    assert (o - u @ torch.diag((u.T @ o @ v.T).diagonal()) @ v).abs().max() < 1e-6


def test_the_scale_of_a_gradient_does_not_matter():
    g = torch.randn(50, 70, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonalise(g), orthogonalise(1000 * g), rtol=1e-3, atol=1e-4)


def test_it_takes_muon_parameters_and_leaves_thin_layers_and_tables():
    model = UNet()
    inner = {id(p) for p in muon_parameters(model)}
    assert id(model.middle.res.conv1.weight) in inner
    assert id(model.conv_out.weight) not in inner
    assert not any(id(p) in inner for p in model.parameters() if p.ndim == 1)
    assert not muon_parameters(nn.Embedding(100, 100))


def test_it_reduces_the_loss():
    torch.manual_seed(0)
    layer, wanted = nn.Linear(40, 40, bias=False), torch.randn(40, 40) / 6
    x = torch.randn(200, 40)
    optimizer = Muon([layer.weight], lr=0.02)

    def loss() -> torch.Tensor:
        return (layer(x) - x @ wanted.T).square().mean()

    first = loss().item()
    for _ in range(150):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < first / 50


def test_parameters_of_many_shapes_are_updated_as_if_alone():
    torch.manual_seed(0)
    shapes = [(40, 50), (64, 48), (40, 50), (40, 48, 3, 3), (64, 48)]
    parameters = [torch.randn(shape) for shape in shapes]
    parameters[3] = parameters[3].contiguous(memory_format=torch.channels_last)
    together, alone = ([nn.Parameter(p.clone()) for p in parameters] for _ in range(2))
    optimizers = [Muon(together, lr=0.02, weight_decay=0.1), *(Muon([p], lr=0.02, weight_decay=0.1) for p in alone)]
    for _ in range(3):
        for one, other in zip(together, alone, strict=True):
            one.grad = torch.randn(one.shape)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_parameters_without_a_gradient_stay():
    layer = nn.Linear(40, 40)
    before = layer.weight.clone()
    Muon([layer.weight], lr=0.02).step()
    assert torch.equal(layer.weight, before)
