"""What every explorable promises, tested on each with a tiny untrained model. A new one needs a row in CASES."""

from __future__ import annotations

import gc
import io
import re
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
import pandas as pd
import pytest
import tiny_pipelines as tp
import traitlets as tr
import xarray as xr
from ipywidgets.widgets.widget import _instances as MODELS
from PIL import Image
from tiny import CountingPipeline

import explorable as ex
from explorable.widgets.core.explorable import EMPTY_TEXT, Explorable
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.still import MAX_BYTES, WIDTH
from explorable.world import VOCABULARY

# For each: its settings here, and a trait with the values that a burst of events sets.
CASES: dict[str, tuple[dict[str, Any], str, list]] = {
    "NoiseTrajectory": ({"prompt": "a red car", "steps": 4}, "guidance", [k / 10 for k in range(100)]),
    "ClassifierGuidance": ({"prompt": "a red car", "steps": 4}, "classifier_scale", [k / 10 for k in range(100)]),
    "GuidanceScale": ({"prompt": "a red car", "steps": 4}, "guidance", [k / 10 for k in range(100)]),
    "LatentSpace": ({"prompt": "a red car", "steps": 4, "mode": "image"}, "guidance", [k / 10 for k in range(100)]),
    "UNetXRay": ({"prompt": "a red car", "steps": 4, "step": 2}, "guidance", [k / 10 for k in range(100)]),
    "TokenAttention": ({"prompt": "a red car", "steps": 3}, "guidance", [k / 10 for k in range(100)]),
    "WordSpace": ({"prompt": "a red car", "steps": 3}, "prompt", [f"a {w} car" for w in VOCABULARY[:100]]),
    "FlowPaths": ({"steps": 5}, "seed", list(range(1, 101))),
    "PatchTransformer": ({"prompt": "a red car", "steps": 4, "step": 2}, "guidance", [k / 10 for k in range(100)]),
    "Learning": ({"steps": 12, "batch": 16, "width": 8}, "seed", list(range(1, 101))),
    "Studio": ({"prompt": "a red car", "steps": 3}, "guidance", [k / 10 for k in range(100)]),
}
CONTROLS = (ipw.Text, ipw.Textarea, ipw.IntSlider, ipw.FloatSlider, ipw.IntRangeSlider, ipw.FloatRangeSlider,
            ipw.FloatLogSlider, ipw.SelectionSlider, ipw.Dropdown, ipw.Select, ipw.RadioButtons, ipw.Checkbox,
            ipw.Button, ipw.ToggleButton, ipw.ToggleButtons, ipw.BoundedIntText, ipw.IntText, ipw.FloatText)
LARGEST = 5_000_000  # bytes of a saved file
pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def test_every_registered_explorable_is_tested_here():
    assert set(CASES) == set(ex.EXPLORABLES)


@pytest.mark.parametrize("entry", ex.EXPLORABLES.values(), ids=str)
def test_the_registry_names_existing_classes_and_notebooks(entry):
    kind = getattr(ex, entry.name)
    assert kind.__name__ == entry.name and kind.__module__ == f"explorable.{entry.module}"
    notebook = Path(__file__).parents[2] / "notebooks" / entry.notebook
    assert f"ex.{entry.name}(" in notebook.read_text("utf-8")


@pytest.fixture(params=CASES)
def name(request) -> str:
    return request.param


def opened(name: str, pipe: CountingPipeline) -> Explorable:
    made = getattr(ex, name)(pipe, **CASES[name][0])
    made.wait(60)
    return made


@pytest.fixture
def made(name: str, pipe: CountingPipeline) -> Iterator[Explorable]:
    made = opened(name, pipe)
    yield made
    pipe.go_on.set()
    made.close()


def test_it_begins_with_the_guidance_its_model_is_meant_for_unless_it_is_told_another(name, pipe):
    pipe.default_guidance, settings = 1.0, CASES[name][0]
    if name == "Learning":  # which samples no image
        with pytest.raises(TypeError, match="has no setting 'guidance'"):
            ex.Learning(pipe, guidance=2.0)
        return
    own, told = getattr(ex, name)(pipe, **settings), getattr(ex, name)(pipe, **settings, guidance=2.0)
    try:
        assert own.guidance in (1.0, None) and told.guidance == 2.0  # None: of each model its own
    finally:
        for each in (own, told):
            each.close()


def test_it_asks_a_question_answers_it_and_gives_it_a_score(name, made):
    assert made.error is None and made.result is not None
    assert made.question.endswith("?") and made.question in made.children[0].value
    assert made.stage in list(descendants(made)) and made.stage.captions
    if name != "Studio":  # whose score is the exam
        assert "ex-description" in made.status_area.caption.value and "ex-score" in made.status_area.score.value


def test_what_is_on_the_screen_can_be_taken_away(made):
    assert isinstance(made.data, xr.Dataset) and len(made.data) and made.data.nbytes < 300e6
    table = made.table()
    assert isinstance(table, pd.DataFrame) and len(table)


def test_its_code_runs(made, pipe, monkeypatch):
    monkeypatch.setattr(ex, "load", lambda *args, **kwargs: pipe, raising=False)
    code = made.code()
    assert code.startswith("import explorable as ex")
    exec(compile(code, "code", "exec"), {"pipe": pipe})


def test_every_control_has_a_name(made):
    controls = [w for w in descendants(made) if isinstance(w, CONTROLS)]
    assert controls
    nameless = [w for w in controls if not (getattr(w, "description", "") or getattr(w, "tooltip", ""))]
    silent = [w for w in controls if not (getattr(w, "tooltip", None) or getattr(w, "tooltips", None)
                                          or getattr(w, "description_tooltip", None) or w.description)]
    assert nameless == [] and silent == []


def test_no_control_needs_an_icon_font(made):
    """The icons of ipywidgets are from Font Awesome, which Voilà and saved pages load from the network."""
    parts = [made, *descendants(made)]
    assert [part for part in parts if getattr(part, "icon", "")] == []
    texts = [getattr(part, "value", "") for part in parts] + [name for part in parts for name in part._dom_classes]
    assert [text for text in texts if isinstance(text, str) and re.search(r"\bfa-\w", text)] == []


def test_a_burst_ends_on_the_last_value_and_computes_few(name, made, monkeypatch):
    _, trait, values = CASES[name]
    done, compute = [], made.compute

    def counted(*args):
        answer = compute(*args)
        done.append(answer)
        return answer

    monkeypatch.setattr(made, "compute", counted)
    for value in values:
        setattr(made, trait, value)
    made.wait(60)
    assert getattr(made, trait) == values[-1] and made.error is None
    assert made.result is done[-1] and len(done) <= max(5, len(values) // 10)


def test_a_setting_that_it_has_not_is_refused_by_name(name, pipe):
    with pytest.raises(TypeError, match=r"has no setting 'colourr'"):
        getattr(ex, name)(pipe, colourr=3)


def test_an_error_in_words_keeps_what_was_shown(name, made, monkeypatch):
    before, (_, trait, values) = made.result, CASES[name]

    def broken(*args):
        raise ValueError("there is no <such> thing")

    monkeypatch.setattr(made, "compute", broken)
    setattr(made, trait, values[len(values) // 2])
    made.wait()
    assert made.result is before and "There is no &lt;such&gt; thing." in made.status_area.status.value


def test_a_stage_that_stays_empty_promises_nothing(name, pipe, monkeypatch):
    def broken(*args):
        raise ValueError("there is no such thing")

    monkeypatch.setattr(getattr(ex, name), "compute", broken)
    made = opened(name, pipe)
    assert made.stage.placeholder == EMPTY_TEXT and "no such thing" in made.status_area.status.value
    made.close()


def test_its_text_stands_still(made):
    assert len(repr(made)) < 110 and "0x" not in repr(made)


def test_the_saved_file_is_whole_and_small(made, tmp_path):
    path = made.save_html(tmp_path / "saved.html")
    text = path.read_text("utf-8")
    assert path.stat().st_size < LARGEST
    assert made.question in text and "ex-table" in text and "DecompressionStream" in text
    assert "https://" not in text.replace("https://www.w3.org", "") and "src=" not in text


def test_its_still_image_is_small_and_of_its_settings(name, made):
    _, trait, values = CASES[name]
    before = made.still()
    image = Image.open(io.BytesIO(before))
    assert image.format == "PNG" and image.width == WIDTH and len(before) <= MAX_BYTES
    assert made.still() == before
    setattr(made, trait, values[7])
    made.wait(60)
    assert made.still() != before


def test_a_file_is_of_what_it_is_set_to_or_there_is_none(name, made, monkeypatch, tmp_path):
    _, trait, values = CASES[name]
    setattr(made, trait, values[7])  # and saved at once, while it is being computed
    made.save_html(tmp_path / "saved.html")
    assert made.result is not None and not made.busy

    def broken(*args):
        raise ValueError("no")

    monkeypatch.setattr(made, "compute", broken)
    setattr(made, trait, values[8])
    with pytest.raises(ValueError, match="no"):
        made.save_html(tmp_path / "other.html")
    assert not (tmp_path / "other.html").exists()


def test_closing_leaves_nothing(name, pipe):
    opened(name, pipe).close()  # what is made once a kernel is made
    gc.collect()
    before = set(MODELS)
    made = opened(name, pipe)
    for button in [w for w in descendants(made) if isinstance(w, ipw.ToggleButton)]:
        button.value = True  # unfolds the words of a prompt
    gone = weakref.ref(made)
    made.close()
    del made
    button = None
    gc.collect()
    assert set(MODELS) <= before
    assert not [t for t in threading.enumerate() if t.name.startswith("explorable-")]
    assert gone() is None


def test_a_refused_value_leaves_the_old_one(name, made):
    for trait in made.inputs:
        old = getattr(made, trait)
        with pytest.raises((tr.TraitError, ValueError)), warnings.catch_warnings():
            setattr(made, trait, object())
        assert getattr(made, trait) == old


def test_a_text_alone_is_the_prompt(name):
    made = getattr(ex, name)("a blue boat")
    made.close()
    assert made.prompt == "a blue boat"
    if name == "FlowPaths":
        assert made.mode == "images" and ex.FlowPaths("spiral").distribution == "spiral"
        with pytest.raises(TypeError, match="two prompts"):
            ex.FlowPaths("a red car", prompt="a dog")


def test_a_diffusers_pipeline_is_opened(name):
    made = getattr(ex, name)(tp.shared("sd"), **({"mode": "images"} if name == "FlowPaths" else {}), prompt=tp.PROMPT)
    made.close()
    assert made.pipe.pipeline is tp.shared("sd")


@pytest.mark.parametrize("wrong", [5, ["a red car"], CountingPipeline])
def test_what_is_neither_is_refused_in_words(name, wrong):
    with pytest.raises(TypeError, match="is no pipeline of explorable: open a diffusers pipeline"):
        getattr(ex, name)(wrong)


def test_its_numbers_may_be_of_numpy(name, pipe):
    numbers = {"steps": np.int64(3), "seed": np.uint8(7), "guidance": np.float32(2.5), "step": np.int32(1),
               "branch_step": np.int16(1), "branch_seed": np.int64(2), "scale": np.float32(0.5), "count": np.int64(64),
               "mask_in_text_encoder": np.bool_(False), "start": (np.float32(0.5), np.float64(1)),
               "position": ("middle", np.int64(1), np.int64(1)), "faders": {"up.0.skip": np.float32(0.5)},
               "step_ranges": {"up.0.skip": (np.int64(0), np.int64(2))}}
    kind = getattr(ex, name)
    made = kind(pipe, **CASES[name][0] | {trait: numbers[trait] for trait in numbers if trait in kind.inputs})
    made.wait(60)
    try:
        assert made.error is None and made.seed == 7 and type(made.seed) is int
        assert not re.search(r"np\.(u?int|float|bool)", made.code() + repr(made))
    finally:
        made.close()


def test_nothing_that_the_page_sends_breaks_it(name, made):
    for state in ({"frame": -5}, {"frame": 10**9}, {"frame": "a"}, {"selection": {"word": "car"}}, {"selection": []},
                  {"selection": {axis["name"]: -7 for axis in made.stage.axes}}, {"layer": "zzz"}, {"layer": None},
                  {"opacity": "thick"}, {"dark": 3},
                  *({"pointer": {"panel": panel["name"], "kind": kind, **more}} for panel in made.stage.panels
                    for kind in ("click", "drag", "brush", "draw")
                    for more in ({}, {"x": "a", "y": None}, {"x": 1e9, "y": -1, "x0": 1, "y0": 2, "points": [[]]}))):
        made.stage.set_state(state)
    made.wait(60)
    made.stage.frame = -5
    trait, values = CASES[name][1:]
    setattr(made, trait, values[9])
    made.wait(60)
    assert made.error is None and len(made.table()) and made.stage.frame in range(len(made.stage.captions))
