"""Training: resumable to the bit, safe against a kill, and the data is what its number says."""

import pytest
import torch
from torch import nn

from explorable.training import data, loop
from explorable.world import held_out


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "cache", lambda: tmp_path)
    return tmp_path


def regression(model: nn.Module, step: int) -> dict[str, torch.Tensor]:
    x = torch.randn(16, 3)
    return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(3, 1)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_it_learns():
    plan = loop.Plan(steps=400, lr=0.05, warmup=10, average=0.9, weight_decay=0.0)
    model = loop.fit("line", network(), regression, plan)
    assert torch.allclose(weights(model), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=0.02)


def test_a_killed_training_goes_on_as_if_nothing_had_happened(own_cache):
    plan = loop.Plan(steps=90, lr=0.05, warmup=10, save_every=0.0)
    whole = weights(loop.fit("whole", network(), regression, plan))

    def killed(model, step):
        if step == 47:
            raise KeyboardInterrupt
        return regression(model, step)

    with pytest.raises(KeyboardInterrupt):
        loop.fit("cut", network(), killed, plan)
    assert torch.equal(weights(loop.fit("cut", network(), regression, plan)), whole)


def test_more_steps_go_on_from_before_the_rate_fell(own_cache):
    short, long = (loop.Plan(steps=n, lr=0.05, warmup=10, save_every=0.0) for n in (60, 120))
    loop.fit("more", network(), regression, short)
    resumed = weights(loop.fit("more", network(), regression, long))
    assert torch.equal(resumed, weights(loop.fit("once", network(), regression, long)))


def test_a_kill_while_writing_leaves_the_last_good_state(own_cache, monkeypatch):
    plan = loop.Plan(steps=40, lr=0.05, warmup=10, save_every=0.0)
    whole = weights(loop.fit("whole", network(), regression, plan))
    save = torch.save
    calls = []

    def half_written(state, path):
        calls.append(path)
        if len(calls) == 20:
            path.write_bytes(b"half a file")
            raise KeyboardInterrupt
        save(state, path)

    monkeypatch.setattr(torch, "save", half_written)
    with pytest.raises(KeyboardInterrupt):
        loop.fit("cut", network(), regression, plan)
    monkeypatch.setattr(torch, "save", save)
    assert torch.equal(weights(loop.fit("cut", network(), regression, plan)), whole)


def test_a_loss_that_is_no_number_stops_with_words():
    def diverges(model, step):
        return {"loss": model.weight.sum() * float("nan")}

    with pytest.raises(FloatingPointError, match="loss is no number"):
        loop.fit("nan", network(), diverges, loop.Plan(steps=60))


def test_the_rate_rises_stays_and_falls_to_nothing():
    plan = loop.Plan(steps=1000, lr=2.0, warmup=100, fall=0.25)
    rates = [plan.rate(s) for s in range(1000)]
    assert rates[0] < rates[50] < rates[99] <= 2.0
    assert set(rates[100:750]) == {2.0}
    assert rates[750] > rates[900] > rates[999] > 0


def test_training_scenes_hold_no_held_out_pair_and_twins_differ_in_what_can_be_said():
    for k in range(300):
        a, b = data.scene(2 * k), data.scene(2 * k + 1)
        assert not held_out(a) and not held_out(b)
        assert (a.groups, a.relation, a.place, a.time, a.mood) != (b.groups, b.relation, b.place, b.time, b.mood) \
            or a.seed != b.seed
        assert data.scene(2 * k) == a


def test_splits_share_no_scene():
    assert not {data.scene(i) for i in range(200)} & {data.scene(i, "test") for i in range(200)}
