"""The kernel's half of the Studio and its stage, on a tiny untrained model."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import Straight
from explorable.nn.text import TextConfig, TextEncoder, UnknownWordError
from explorable.nn.unet import UNet, UNetConfig
from explorable.nn.vae import VAE, VAEConfig
from explorable.pipeline import Pipeline, SettingError
from explorable.widgets.base import Overtaken, Worker
from explorable.widgets.parts import pipeline_map, word_chips
from explorable.widgets.stage import Layer, Stage
from explorable.widgets.studio import Studio
from explorable.world.words import VOCABULARY

NASTY = "<img src=x onerror=alert(1)>"


class CountingPipeline(Pipeline):
    """A pipeline that remembers what it was asked for, what it finished, and can be held up at a step."""

    def __call__(self, prompt, *args, progress=None, **settings):
        self.asked.append((prompt, settings))

        def held_up(done, of):
            self.reached.set()
            assert self.go_on.wait(20)
            if progress:
                progress(done, of)

        run = super().__call__(prompt, *args, progress=held_up, **settings)
        self.finished.append(run.settings)
        return run


@pytest.fixture
def pipe() -> CountingPipeline:
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(VOCABULARY, width=32, layers=1, heads=2))
    unet = UNet(UNetConfig(widths=(32, 32, 32), head_width=16, context_width=32, time_width=32))
    vae = VAE(VAEConfig(encoder_widths=(8, 16), decoder_widths=(16, 16)))
    pipe = CountingPipeline("tiny", text, unet, vae, Straight(), torch.device("cpu"))
    pipe.asked, pipe.finished = [], []
    pipe.reached, pipe.go_on = threading.Event(), threading.Event()
    pipe.go_on.set()
    return pipe


@pytest.fixture
def studio(pipe: CountingPipeline):
    studio = Studio(pipe, prompt="a red car", steps=3)
    studio.wait()
    yield studio
    pipe.go_on.set()
    studio.close()


def status(studio: Studio) -> str:
    return studio._status.value


def test_it_draws_what_the_pipeline_draws(studio: Studio, pipe: CountingPipeline):
    run = pipe("a red car", steps=3, guidance=studio.guidance, seed=0)
    assert np.array_equal(studio.run.image, run.image)
    assert np.array_equal(studio.data.image, run.image)
    assert np.array_equal(studio.data.previews, run.previews)
    assert np.array_equal(studio.data.noisy, run.noisy[:-1])
    assert "3 steps × 2 passes" in status(studio)
    assert not studio.busy and studio.error is None


def test_the_recording_is_on_the_stage(studio: Studio):
    stage, data = studio.stage, studio.data
    sent = zip(stage.buffers, stage.layers, strict=True)
    held, believed = (np.frombuffer(data, np.uint8).reshape(spec["shape"]) for data, spec in sent)
    assert np.array_equal(held[:-1], data.noisy) and np.array_equal(believed[:-1], data.previews)
    assert np.array_equal(held[-1], data.image) and np.array_equal(believed[-1], data.image)
    assert stage.captions == [f"step {k} of 3, t = {t}" for k, t in enumerate(("1.00", "0.67", "0.33", "0.00"))]
    assert (stage.frame, stage.arrival) == (3, 1)


def test_setting_a_trait_is_moving_the_control(studio: Studio):
    controls = {w.description: w for row in studio.children if hasattr(row, "children") for w in row.children
                if hasattr(w, "description")}
    studio.guidance = 7
    assert controls["guidance"].value == 7
    controls["steps"].value = 5
    assert studio.steps == 5
    studio.steps = 60
    assert controls["steps"].value == 60  # beyond the slider's end: it grew
    controls["prompt"].value = "a blue boat"
    controls["away from"].value = "a red car"
    studio.wait()
    s = studio.run.settings
    assert (s.prompt, s.negative, s.steps, s.guidance) == ("a blue boat", "a red car", 60, 7)
    controls["a golden retriever"].click()
    studio.wait()
    assert studio.run.settings.prompt == controls["prompt"].value == "a golden retriever"


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


def test_an_unknown_word_is_said_and_the_picture_stays(studio: Studio):
    before, arrival = studio.run, studio.stage.arrival
    studio.prompt = "a red cra"
    studio.wait()
    assert "&#x27;cra&#x27;" in status(studio) and "car" in status(studio) and 'role="alert"' in status(studio)
    assert isinstance(studio.error, UnknownWordError)
    assert studio.run is before and studio.stage.arrival == arrival
    studio.prompt = "a red boat"
    studio.wait()
    assert studio.error is None and "ex-error" not in status(studio)


def test_a_prompt_is_text_and_never_html(studio: Studio):
    studio.prompt = NASTY
    studio.wait()
    assert "<img" not in status(studio) and "&lt;img" in status(studio)
    assert "<img" not in word_chips(["<start>", NASTY, "<end>"])
    assert "<img" not in pipeline_map(3, 24, 160, NASTY, {"text encoder": 0.1, "denoiser": 1, "decoder": 0.1})


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("steps", 10_000), ("guidance", float("nan")), ("guidance", -1.0), ("seed", -1),
     ("sampler", "magic")],
)
def test_a_bad_setting_is_refused_and_changes_nothing(studio: Studio, pipe: CountingPipeline, name: str, value: object):
    before, asked = getattr(studio, name), len(pipe.asked)
    with pytest.raises(SettingError, match=name):
        setattr(studio, name, value)
    studio.wait()
    assert getattr(studio, name) == before and len(pipe.asked) == asked
    with pytest.raises(SettingError, match=name):
        Studio(pipe, **{name: value})


def test_an_empty_prompt_is_said_to_be_unconditional(studio: Studio):
    studio.prompt = ""
    studio.wait()
    assert "unconditional" in status(studio) and "1 pass" in status(studio)
    assert studio.run.tokens[:2] == ("<start>", "<end>")


def test_the_words_are_chips_with_the_padding_folded(studio: Studio):
    chips = studio._chips.value
    assert all(f">{name}<" in chips for name in ("&lt;start&gt;", "red", "car", "&lt;end&gt;", "19 × &lt;pad&gt;"))
    assert "pad" not in word_chips(["<start>", *["a"] * 22, "<end>"])


def test_the_code_reproduces_the_picture(studio: Studio, pipe: CountingPipeline):
    studio.negative = "a boat"
    studio.wait()
    lines = studio.code().splitlines()
    names = {"pipe": pipe}
    exec("\n".join(line for line in lines if not line.startswith("import")), names)
    assert np.array_equal(names["run"].image, studio.run.image)


def test_the_table_has_a_row_a_step(studio: Studio):
    table = studio.table()
    assert list(table.index) == [0, 1, 2]
    assert table["t"].tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    assert table["believed, from the picture"].iloc[-1] < 1 / 255  # Euler's last step lands on the last estimate


def test_a_long_recording_is_thinned(pipe: CountingPipeline):
    studio = Studio(pipe, prompt="a red car", steps=230, guidance=1)
    studio.wait()
    assert len(studio.stage.captions) == 101
    assert studio.stage.captions[0] == "step 0 of 230, t = 1.00"
    assert studio.stage.captions[-1] == "step 230 of 230, t = 0.00"
    studio.close()


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


def test_idle_it_has_no_thread(studio: Studio):
    assert not [t for t in threading.enumerate() if t.name.startswith("explorable")]


def test_its_repr_is_one_short_line(studio: Studio):
    studio.prompt = "a red ball to the left of a green dog in a meadow at sunset by a lake " * 3
    assert len(repr(studio)) < 110 and repr(studio) == repr(studio) and "\n" not in repr(studio)
    assert repr(studio).startswith("Studio('a red ball")
    assert repr(studio.stage) == "Stage(held, believed; 4 frames)"


def test_the_worker_reports_when_time_is_up():
    worker, hold = Worker("test"), threading.Event()
    worker.ask(lambda check: hold.wait(20))
    assert not worker.wait(0.05)
    hold.set()
    assert worker.wait(20)


def test_the_worker_goes_on_after_a_mistake():
    worker, done = Worker("test"), []
    worker.ask(lambda check: 1 / 0)
    worker.wait(20)
    worker.ask(lambda check: done.append(1))
    assert worker.wait(20) and done == [1]


def test_an_overtaken_job_is_told():
    worker, started, go_on, told = Worker("test"), threading.Event(), threading.Event(), []

    def first(check):
        started.set()
        go_on.wait(20)
        try:
            check()
        except Overtaken:
            told.append(True)
            raise

    worker.ask(first)
    started.wait(20)
    worker.ask(lambda check: check())
    go_on.set()
    assert worker.wait(20) and told == [True]


def test_a_stage_refuses_what_it_cannot_draw():
    good = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="'a'"):
        Stage().show([Layer("a", "A", good.astype(float))], ["0", "1"])
    with pytest.raises(ValueError, match="'a'"):
        Stage().show([Layer("a", "A", good)], ["0", "1", "2"])
