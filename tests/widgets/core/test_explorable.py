"""What every explorable has from its base class, tested with the Studio: controls, latest request, errors, closing."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import CountingPipeline, controls_of, status

from explorable.widgets.core import computing as base
from explorable.widgets.studio.widget import Studio


def test_setting_a_trait_is_moving_the_control(studio: Studio):
    controls = controls_of(studio)
    studio.guidance = 7
    assert controls["guidance"].value == 7
    controls["steps"].value = 5
    assert studio.steps == 5
    studio.steps = 60
    assert controls["steps"].value == 60  # beyond the slider's end: it grew
    controls["prompt"].value = "a blue boat"
    controls["negative prompt"].value = "a red car"
    studio.wait()
    s = studio.run.settings
    assert (s.prompt, s.negative, s.steps, s.guidance) == ("a blue boat", "a red car", 60, 7)
    controls["examples"].value = "a golden retriever"
    studio.wait()
    assert studio.run.settings.prompt == controls["prompt"].value == "a golden retriever"


def test_the_readers_hand_counts_while_code_moves_another_control(studio: Studio):
    controls = controls_of(studio)
    controls["steps"].observe(lambda change: setattr(controls["guidance"], "value", 9), names="value")
    studio.steps = 5
    assert (studio.steps, studio.guidance) == (5, 9)


def test_a_value_that_its_control_cannot_hold_stays(studio: Studio):
    studio.seed = 2**60
    assert studio.seed == 2**60 and controls_of(studio)["seed"].value == 2**53 - 1


def test_a_refused_control_moves_back(studio: Studio):
    steps = controls_of(studio)["steps"]
    steps.max = 5000
    steps.value = 2000
    assert studio.steps == steps.value == 3 and "1 to 1000" in status(studio)


def test_the_wish_in_work_is_not_begun_anew(studio: Studio, pipe: CountingPipeline):
    pipe.requests.clear()
    pipe.reached.clear()
    pipe.go_on.clear()
    studio.prompt = "a blue boat"  # what leaving the text field does
    assert pipe.reached.wait(20)
    controls_of(studio)["Draw"].click()
    pipe.go_on.set()
    studio.wait()
    assert [prompt for prompt, _ in pipe.requests] == ["a blue boat"]
    studio.recompute()
    studio.wait()
    assert len(pipe.requests) == 2, "once it is done, it can be asked for again"


def test_a_long_computation_says_that_it_is_on(studio: Studio, pipe: CountingPipeline, monkeypatch: pytest.MonkeyPatch):
    said = []
    studio.status_area.status.observe(lambda change: said.append(change["new"]), names="value")
    monkeypatch.setattr(base, "BUSY_TEXT_DELAY", 100)
    studio.seed = 1
    studio.wait()
    assert not [text for text in said if "ex-busy" in text], "quick work makes the line flicker"
    monkeypatch.setattr(base, "BUSY_TEXT_DELAY", 0)
    studio.seed = 2
    studio.wait()
    assert ["Sampling …" in text and "ex-busy" in text for text in said[-2:]] == [True, False]
    with base.COMPUTE_LOCK:
        studio.seed = 3
        end = time.monotonic() + 20
        while "Waiting" not in status(studio) and time.monotonic() < end:
            time.sleep(0.01)
        assert "Waiting for another computation" in status(studio)


def test_a_burst_ends_on_its_last_value(studio: Studio, pipe: CountingPipeline):
    pipe.finished.clear()
    for k in range(50):
        studio.guidance = 1 + k / 10
    studio.wait()
    assert studio.run.settings.guidance == pytest.approx(5.9)
    assert len(pipe.finished) <= 5, "values that were overtaken were computed to their end"


def test_a_running_computation_stops_when_overtaken(studio: Studio, pipe: CountingPipeline):
    pipe.finished.clear()
    pipe.reached.clear()
    pipe.go_on.clear()
    studio.prompt = "a blue boat"
    assert pipe.reached.wait(20)  # it is in its first step
    studio.prompt = "a green tree"
    pipe.go_on.set()
    studio.wait()
    assert [s.prompt for s in pipe.finished] == ["a green tree"]


def test_a_surprise_is_said_too(studio: Studio, pipe: CountingPipeline, monkeypatch: pytest.MonkeyPatch):
    before = studio.run
    monkeypatch.setattr(pipe, "decode", lambda latents: 1 / 0)
    studio.seed = 1
    studio.wait()
    assert "ZeroDivisionError" in status(studio) and studio.run is before
    monkeypatch.undo()
    studio.seed = 2
    studio.wait()
    assert studio.run.settings.seed == 2


def test_a_misspelt_setting_is_refused(pipe: CountingPipeline):
    models = set(MODELS)
    with pytest.raises(TypeError, match=r"Studio has no setting 'promt': did you mean 'prompt'\?"):
        Studio(pipe, promt="a cat")
    with pytest.raises(TypeError, match="'zzz': its settings are prompt, negative, "):
        Studio(pipe, zzz=1)
    assert set(MODELS) == models


def test_closing_leaves_no_thread_and_no_observer(pipe: CountingPipeline):
    def threads() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name.startswith("explorable")]

    pipe.go_on.clear()
    studio = Studio(pipe, prompt="a red car", steps=3)
    assert pipe.reached.wait(20) and threads()
    closing = threading.Thread(target=studio.close)
    closing.start()
    pipe.go_on.set()
    closing.join(20)
    assert not closing.is_alive() and not threads() and not pipe.finished
    studio.prompt = "a blue boat"
    assert not threads() and studio.comm is None and studio.stage.comm is None


def test_closing_leaves_no_widget_model(pipe: CountingPipeline):
    models = set(MODELS)
    studio = Studio(pipe, prompt="a red car", steps=2)
    studio.wait()
    assert set(MODELS) > models
    studio.close()
    assert set(MODELS) == models


def test_closing_says_what_it_could_not_stop(pipe: CountingPipeline):
    pipe.go_on.clear()
    studio = Studio(pipe, prompt="a red car", steps=2)
    assert pipe.reached.wait(20)
    with pytest.warns(RuntimeWarning, match="has not stopped after 0.05 s"):
        studio.close(0.05)
    assert studio.comm is None
    pipe.go_on.set()
    studio.wait()
    assert not pipe.finished


def test_idle_it_has_no_thread(studio: Studio):
    assert not [t for t in threading.enumerate() if t.name.startswith("explorable")]


@pytest.mark.parametrize("settings", [{"steps": 0}, {"stepz": 3}])
def test_a_refused_constructor_leaves_no_widget_and_no_warning(settings, recwarn):
    before = set(MODELS)
    with pytest.raises((ValueError, TypeError)):
        Studio(**settings)
    gc.collect()  # the exception held the half-made widget
    assert not [str(w.message) for w in recwarn] and set(MODELS) <= before


def test_an_observer_of_busy_may_wait_when_it_is_over(studio: Studio):
    seen = []

    def on_busy(change):
        if not change["new"]:
            studio.wait(5)
            seen.append(studio.run.settings.seed)

    studio.observe(on_busy, names="busy")
    started = time.monotonic()
    studio.seed = 4
    studio.wait(20)
    assert seen == [4] and time.monotonic() - started < 5


def test_an_observer_that_waits_for_its_own_computation_is_told(studio: Studio, caplog):
    studio.observe(lambda change: change["new"] and studio.wait(5), names="busy")
    started = time.monotonic()
    studio.seed = 4
    studio.wait(20)
    assert studio.run.settings.seed == 4 and time.monotonic() - started < 5
    assert "cannot wait for itself" in caplog.text


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(1)])
@pytest.mark.parametrize("when", [True, False])
def test_an_observer_that_raises_leaves_nothing_busy(studio: Studio, caplog, error, when):
    def on_busy(change):
        if change["new"] is when:
            raise error

    studio.observe(on_busy, names="busy")
    studio.seed = 4
    studio.wait(20)
    studio.seed = 5
    studio.wait(20)
    assert not studio.busy and studio.error is None and studio.run.settings.seed == 5
    assert "ex-moving" not in studio.status_area.bar._dom_classes and "Studio" in caplog.text


def test_an_observer_of_the_stage_that_raises_leaves_nothing_busy(studio: Studio, caplog):
    studio.stage.observe(lambda change: 1 / 0, names="recording_id")
    studio.seed = 4
    studio.wait(20)
    assert not studio.busy and studio.run.settings.seed == 4
