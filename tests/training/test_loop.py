"""Training: resumable to the bit, safe against a kill, and the data is what its number says."""

import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from explorable.training import data, loop
from explorable.world import held_out


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "cache_folder", lambda: tmp_path)
    return tmp_path


def points(step: int) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(16, 3)}


def regression(model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    x = batch["x"]
    return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(3, 1)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_it_learns():
    plan = loop.Plan(steps=400, lr=0.05, warmup=10, ema_decay=0.9, weight_decay=0.0)
    model = loop.fit("line", network(), points, regression, plan).average
    assert torch.allclose(weights(model), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=0.02)


def test_a_killed_training_resumes_identically(own_cache):
    plan = loop.Plan(steps=90, lr=0.05, warmup=10, save_every=0.0)
    whole = weights(loop.fit("whole", network(), points, regression, plan).average)

    def killed(step):
        if step == 47:
            raise KeyboardInterrupt
        return points(step)

    with pytest.raises(KeyboardInterrupt):
        loop.fit("cut", network(), killed, regression, plan)
    assert torch.equal(weights(loop.fit("cut", network(), points, regression, plan).average), whole)


def test_more_steps_resume_before_the_learning_rate_decay(own_cache):
    short, long = (loop.Plan(steps=n, lr=0.05, warmup=10, save_every=0.0) for n in (60, 120))
    loop.fit("more", network(), points, regression, short)
    resumed = loop.fit("more", network(), points, regression, long)
    once = loop.fit("once", network(), points, regression, long)
    assert torch.equal(weights(resumed.average), weights(once.average))
    assert resumed.curve == once.curve


def test_a_kill_while_saving_leaves_the_last_state(own_cache, monkeypatch):
    plan = loop.Plan(steps=40, lr=0.05, warmup=10, save_every=0.0)
    whole = weights(loop.fit("whole", network(), points, regression, plan).average)
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
        loop.fit("cut", network(), points, regression, plan)
    monkeypatch.setattr(torch, "save", save)
    assert torch.equal(weights(loop.fit("cut", network(), points, regression, plan).average), whole)


def test_a_loss_that_is_not_finite_raises_an_error():
    def spoilt(step):
        return {"x": points(step)["x"] * float("nan" if step == 30 else "1")}

    with pytest.raises(FloatingPointError, match="not finite at step 30"):
        loop.fit("nan", network(), spoilt, regression, loop.Plan(steps=60, save_every=0.0))
    assert all(torch.isfinite(w).all() for w in loop.read_state("nan", "state")["model"].values())


def test_a_shorter_plan_refuses_the_state_of_a_longer_one():
    loop.fit("long", network(), points, regression, loop.Plan(steps=100, lr=0.05, warmup=10))
    with pytest.raises(ValueError, match="already trained further than 20 steps"):
        loop.fit("long", network(), points, regression, loop.Plan(steps=20, lr=0.05, warmup=10))


def test_a_state_with_other_dependencies_is_refused():
    plan = loop.Plan(steps=20, lr=0.05, warmup=10)
    loop.fit("of", network(), points, regression, plan, depends_on="vae 1234")
    with pytest.raises(ValueError, match="of another training"):
        loop.fit("of", network(), points, regression, plan, depends_on="vae 5678")


def test_ctrl_c_stops_after_the_step_and_saves():
    def presses(step):
        if step == 30:
            signal.raise_signal(signal.SIGINT)
        return points(step)

    plan = loop.Plan(steps=60, lr=0.05, warmup=10)
    assert loop.fit("stopped", network(), presses, regression, plan).step == 31
    resumed = loop.fit("stopped", network(), points, regression, plan)
    assert resumed.step == 60
    whole = loop.fit("whole", network(), points, regression, plan)
    assert torch.equal(weights(resumed.average), weights(whole.average))


def test_prefetched_batches_are_the_same_in_order():
    plan = loop.Plan(steps=12)
    here, ahead = (list(loop._batches(points, plan, 3, torch.device(kind))) for kind in ("cpu", "cuda"))
    assert len(here) == 9
    for one, other in zip(here, ahead, strict=True):
        assert torch.equal(one["x"], other["x"])
    torch.manual_seed(plan.step_seed(3))
    assert torch.equal(here[0]["x"], points(3)["x"])


def test_the_learning_rate_warms_up_stays_and_decays_to_zero():
    plan = loop.Plan(steps=1000, warmup=100, decay=0.25)
    rates = [plan.lr_scale(s) for s in range(1000)]
    assert rates[0] < rates[50] < rates[99] <= 1.0
    assert set(rates[100:750]) == {1.0}
    assert rates[750] > rates[900] > rates[999] > 0


def test_a_second_round_restarts_at_half_the_rates_after_a_finished_first(own_cache):
    first, both = (loop.Plan(steps=n, lr=0.05, warmup=10, decay=0.5, restart=60) for n in (60, 100))
    rates = [both.lr_scale(s) for s in range(100)]
    assert rates[:60] == [first.lr_scale(s) for s in range(60)]
    assert rates[59] < 0.05 and max(rates[60:]) == rates[75] == 0.5 and 0 < rates[99] < 0.05
    loop.fit("rounds", network(), points, regression, first)
    resumed = loop.fit("rounds", network(), points, regression, both)
    once = loop.fit("once", network(), points, regression, both)
    assert torch.equal(weights(resumed.average), weights(once.average))


def test_training_scenes_have_no_held_out_pair_and_counterparts_differ_in_captions():
    apart = 0
    for k in range(300):
        a, b = data.scene(2 * k), data.scene(2 * k + 1)
        assert not held_out(a) and not held_out(b)
        assert data.scene(2 * k) == a
        apart += replace(a, seed=0) != replace(b, seed=0)
    assert apart > 0.9 * 300  # a few twins are told apart by nothing that can be said


def test_splits_share_no_scene():
    assert not {data.scene(i) for i in range(200)} & {data.scene(i, "test") for i in range(200)}


def test_a_file_is_created_once(own_cache):
    asked = []

    def write(part):
        asked.append(part)
        part.write_text("made")

    for _ in range(2):
        assert data.create_once(own_cache / "file", write).read_text() == "made"
    assert len(asked) == 1
