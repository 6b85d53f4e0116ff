"""Free English beside a prompt: the caption is shown with its notes, and painted only when it is used."""

from __future__ import annotations

import ipywidgets as ipw
import pytest
import tiny_pipelines as tp
from tiny import CountingPipeline

import explorable as ex
from explorable.widgets.core.frame import FOLDED, UNFOLDED
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.rewriting import caption_html
from explorable.widgets.studio.widget import Studio


def controls(widget: ipw.Widget) -> dict[str, ipw.Widget]:
    """Return the controls of a widget by their descriptions, with the line for free English unfolded."""
    toggle = next(w for w in descendants(widget) if getattr(w, "description", "") == f"{FOLDED} rewrite")
    toggle.value = True
    return {w.description: w for w in descendants(widget) if getattr(w, "description", "")}


def shown(widget: ipw.Widget) -> str:
    return next(w.value for w in descendants(widget) if isinstance(w, ipw.HTML) and "aria-live" in w.value)


def test_the_line_is_folded_and_made_when_it_is_first_shown(studio):
    names = [getattr(w, "description", "") for w in descendants(studio)]
    assert f"{FOLDED} rewrite" in names and "free English" not in names
    assert "free English" in controls(studio)


def test_a_caption_is_shown_before_it_is_painted(studio):
    found, before = controls(studio), studio.prompt
    assert found["use the caption"].disabled
    found["free English"].value = "a scarlet Ferrari and an astronaut by the ocean"
    assert studio.prompt == found["prompt"].value == before
    assert "<b>a red sports car on a beach</b>" in shown(studio)
    for note in ("scarlet → red", "ocean → beach", "left out: astronaut"):
        assert note in shown(studio)
    found["use the caption"].click()
    studio.wait()
    assert studio.prompt == found["prompt"].value == studio.run.settings.prompt == "a red sports car on a beach"


def test_an_empty_line_has_no_caption(studio):
    found = controls(studio)
    found["free English"].value = "a dog"
    assert not found["use the caption"].disabled
    found["free English"].value = " , "
    assert found["use the caption"].disabled
    found["free English"].value = ""
    assert found["use the caption"].disabled


def test_text_is_never_html():
    assert "<script" not in caption_html(ex.rewrite("a dog <script>alert(1)</script> beside a cat"))


def test_a_pipeline_that_knows_all_words_has_no_rewriting():
    studio = Studio(tp.shared("sd"), prompt=tp.PROMPT)
    assert not [w for w in descendants(studio) if "rewrite" in getattr(w, "description", "")]
    studio.close()


@pytest.mark.parametrize("name", ["NoiseTrajectory", "UNetXRay", "TokenAttention", "GuidanceScale"])
def test_every_prompt_can_be_rewritten(name: str, pipe: CountingPipeline):
    made = getattr(ex, name)(pipe, steps=3)
    made.wait()
    found = controls(made)
    found["free English"].value = "four puppies in the garden"
    found["use the caption"].click()
    made.wait()
    assert made.prompt == "three puppies in a meadow" and made.error is None
    made.close()


@pytest.mark.parametrize(("name", "with_prompt", "without"), [("FlowPaths", "images", "points"),
                                                              ("ClassifierGuidance", "steps", "plane")])
def test_the_line_is_hidden_where_there_is_no_prompt(name: str, with_prompt: str, without: str, pipe: CountingPipeline):
    made = getattr(ex, name)(pipe, steps=3, mode=with_prompt)
    toggle = controls(made)[f"{UNFOLDED} rewrite"]
    row = next(w for w in descendants(made) if toggle in getattr(w, "children", ()))
    panels = [w for w in row.children if isinstance(w, ipw.VBox)]
    assert toggle.layout.display is None and [panel.layout.display for panel in panels] == ["none", None]
    made.mode = without
    assert toggle.layout.display == "none" and [panel.layout.display for panel in panels] == ["none", "none"]
    made.close()
