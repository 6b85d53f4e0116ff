"""The frame of explorables: folded groups, errors beside the control that caused them, labels on images of the past."""

from __future__ import annotations

import pytest
from tiny import CountingPipeline, controls_of, status

from explorable.widgets.core.computing import stale_text
from explorable.widgets.core.frame import PANEL_ROWS
from explorable.widgets.core.layout import descendants
from explorable.widgets.studio.widget import Studio


def groups_of(studio: Studio) -> dict:
    """The groups by their titles, and the button of each."""
    whole, = (box for box in studio.children if "ex-groups" in box._dom_classes)
    titles, *panels = whole.children
    return {button.description[2:]: (button, panel) for button, panel in zip(titles.children, panels, strict=True)}


def test_groups_are_folded_until_their_title_is_pressed(studio: Studio):
    for title, (button, panel) in groups_of(studio).items():
        assert panel.layout.display == "none" and button.description == f"▸ {title}" and "Show" in button.tooltip
        button.value = True
        assert panel.layout.display is None and button.description == f"▾ {title}" and "Hide" in button.tooltip
        button.value = False
        assert panel.layout.display == "none"


def test_the_status_line_is_between_the_main_controls_and_the_image(studio: Studio):
    order = [next(c for c in child._dom_classes if c.startswith("ex-")) for child in studio.children[1:]]
    assert order == ["ex-controls", "ex-status-area", "ex-body", "ex-groups"]
    assert studio.stage in studio.children[3].children


@pytest.mark.parametrize(("name", "value", "text"), [
    ("negative prompt", "a flying elephant", "flying"), ("steps", 0, "steps")])
def test_an_error_stands_beside_the_control_of_a_group_that_caused_it(studio: Studio, name, value, text):
    control = controls_of(studio)[name]
    if name == "steps":
        control.min = 0
    control.value = value
    studio.wait()
    _, panel = groups_of(studio)["more settings"]
    note = next(after for line, after in zip(panel.children, panel.children[1:], strict=False)
                if control in descendants(line))
    assert "ex-error" in note.value and text in note.value.lower() and text in status(studio).lower()
    count = len(panel.children)
    studio.negative, studio.seed = None, 5
    studio.wait()
    assert len(panel.children) == count - 1 and "ex-error" not in status(studio)


def test_an_error_of_a_main_control_is_said_once_in_the_status_line(studio: Studio):
    controls_of(studio)["prompt"].value = "a flying elephant"
    studio.wait()
    assert "flying" in status(studio)
    said = [w for w in descendants(studio) if 'class="ex-status ex-error"' in str(getattr(w, "value", ""))]
    assert said == [studio.status_area.status]


def test_images_of_the_settings_before_a_refusal_say_so(studio: Studio, pipe: CountingPipeline):
    prompt = studio.prompt
    studio.prompt = "a flying elephant"
    studio.wait()
    assert studio.stage.stale == f"This is still the last result, of “{prompt}”"
    studio.prompt = "a blue car"
    studio.wait()
    assert studio.stage.stale == ""


def test_a_result_without_a_prompt_is_labelled_too():
    assert stale_text(object()) == "This is still the last result"


def test_panels_in_rows_arrange_the_page(studio: Studio):
    def arrangement() -> list[str]:
        return [name for name in studio._dom_classes if name.startswith("ex-panel-rows")]

    for rows, expected in ((1, ["ex-panel-rows-1"]), (2, ["ex-panel-rows-2"]), (0, [])):
        studio.set_panel_rows(rows)
        assert arrangement() == expected
    with pytest.raises(ValueError, match="rows is 3: choose 0, 1, 2"):
        studio.set_panel_rows(3)
    style = studio.children[0].value
    assert all(f".{name} " in style for name in PANEL_ROWS.values()), "the style sheet knows them"
