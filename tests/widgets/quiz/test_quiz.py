"""Quiz: items that are unambiguous and right, one paper for a seed, no answer on the page before one is given."""

from __future__ import annotations

import json
import threading
from html import unescape

import ipywidgets as ipw
import pytest
import tiny_pipes

import explorable as ex
from explorable.widgets.core.layout import descendants
from explorable.widgets.predict.answers import make_kind
from explorable.widgets.quiz import item as quiz_item
from explorable.widgets.quiz.item import IDEAS, KINDS, Item, Opens, ask_choice, generate, kind
from explorable.widgets.quiz.paper import Paper, make_paper

ASKS = {"choices": None, "number": None, "order": None, "image": None, "unit": "", "within": None, "factor": None}
LIVE = {"which map belongs to the word", "predictions in order", "how the classifier sees noise", "which has w = 15",
        "noise in the latent or in the pixels", "the raised cell", "which lost the 8 × 8 skip", "the nearest word",
        "how many tokens"}
CHEAP = [key for key in KINDS if key[1] not in LIVE]


def check(item: Item, margin: float) -> None:
    """Assert that an item is valid: its answer can be given and is right, the midpoint of a slider is not."""
    asked = make_kind(**(ASKS | dict(item.asks)))  # choices differ, the range is one
    asked.check(item.answer)
    assert item.gap >= margin and item.question[-1] in "?."
    assert item.explanation and "nan" not in item.explanation
    if "image" not in item.asks:
        assert asked.is_right(item.answer, item.answer)
    if "number" in item.asks and "within" in item.asks:
        assert not asked.is_right(sum(item.asks["number"]) / 2, item.answer)
    assert item.opens.name in ex.EXPLORABLES
    compile(item.opens.code(), "code", "eval")


def test_there_are_three_kinds_or_more_for_each_idea():
    counts = {idea: sum(of == idea for of, _ in KINDS) for idea in IDEAS}
    assert min(counts.values()) >= 3 and sum(counts.values()) >= 30


@pytest.mark.parametrize("key", CHEAP, ids=lambda key: key[1])
def test_closed_forms_and_drawings_make_valid_items(key):
    for seed in range(20):
        check(generate(KINDS[key], str(seed)), KINDS[key].margin)


@pytest.mark.parametrize("key", [key for key in KINDS if key[1] in LIVE], ids=lambda key: key[1])
def test_live_items_are_valid_and_the_same_for_a_seed(key):
    one, other = generate(KINDS[key], "a"), generate(KINDS[key], "a")
    check(one, KINDS[key].margin)
    assert (one.question, one.material, one.explanation) == (other.question, other.material, other.explanation)


@pytest.mark.parametrize("key", KINDS, ids=lambda key: key[1])
def test_the_explorable_of_an_item_takes_its_settings(key):
    opens = generate(KINDS[key], "a").opens
    network = "dit" if opens.name == "PatchTransformer" else "unet"
    made = getattr(ex, opens.name)(tiny_pipes.tiny(network), **opens.settings)
    try:
        made.wait(60)
        assert made.error is None and made.result is not None
        for name, value in opens.settings.items():
            assert getattr(made, name) == value
    finally:
        made.close()


def numbers_in(text: str) -> list[float]:
    words = text.replace("?", " ").replace(",", " ").replace("(", " ").replace(")", " ").split()
    return [float(word.rstrip(".")) for word in words if word.rstrip(".").lstrip("-").replace(".", "", 1).isdigit()]


@pytest.mark.parametrize(("key", "formula"), [
    (("guidance scale", "u + w (c - u) by hand"), lambda u, c, w: u + w * (c - u)),
    (("noise trajectory", "mixing by hand"), lambda x0, noise, t: (1 - t) * x0 + t * noise),
    (("flow paths", "the velocity of a pair"), lambda x0, noise, t: noise - x0),
    (("U-Net and skips", "channels at a skip"), lambda a, b: a + b),
    (("learning", "an error of the noise, as an error of x0"), lambda e, t: e * t / (1 - t)),
])
def test_the_answer_follows_from_the_numbers_in_the_question(key, formula):
    for seed in range(20):
        item = generate(KINDS[key], str(seed))
        text = item.question.replace("w = ", " ").replace("t = ", " ").replace("x0", "x").replace("at t", "at")
        assert item.answer == pytest.approx(formula(*numbers_in(text)), abs=1e-9), item.question


def test_an_ambiguous_item_is_never_asked(monkeypatch):
    monkeypatch.setattr(quiz_item, "KINDS", {})
    gaps = iter([0.5, 0.9, 1.0, 2.0])

    @kind("learning", "a test", margin=1.0)
    def draw(rng):
        return ask_choice(rng, "Which?", "a", ["b"], "Because.", Opens("Learning"), gap=next(gaps))

    assert generate(quiz_item.KINDS["learning", "a test"], "x").gap == 1.0
    never = quiz_item.ItemKind("learning", "never", 1.0, lambda rng: ask_choice(
        rng, "Which?", "a", ["a"], "Because.", Opens("Learning")))
    with pytest.raises(RuntimeError, match="ambiguous"):
        generate(never, "x")


def test_a_seed_gives_the_same_paper_and_another_seed_another():
    one, other = make_paper(3), make_paper(3)
    assert one.kinds == other.kinds and {k.idea for k in one.kinds} == set(IDEAS)
    assert len({make_paper(seed).kinds for seed in range(20)}) == 20
    paper = make_paper(3, ["learning"], 5)
    assert len({k.name for k in paper.kinds}) == 5 and {k.idea for k in paper.kinds} == {"learning"}
    again = make_paper(3, ["learning"], 5)
    assert [paper.item(k).question for k in range(5)] == [again.item(k).question for k in range(5)]


@pytest.mark.parametrize(("settings", "message"), [
    ({"ideas": ["flow"]}, "no idea 'flow': choose among noise trajectory, "), ({"ideas": []}, "ideas is empty"),
    ({"ideas": "learning"}, "give a list"), ({"seed": -1}, "seed is -1"), ({"count": 0}, "count is 0"),
])
def test_a_paper_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ex.Quiz(**settings)


@pytest.fixture
def quiz():
    made = ex.Quiz(seed=5, ideas=["learning"], count=2)
    made.wait()
    yield made
    made.close()


def state_of(widget: ipw.Widget) -> str:
    return unescape(" ".join(str(part.get_state()) for part in [widget, *descendants(widget)]))


def test_nothing_of_the_answer_is_on_the_page_before_one_is_given(quiz):
    item = quiz.question.item
    assert item.question in state_of(quiz)
    assert item.explanation not in state_of(quiz) and "Because" not in state_of(quiz)
    assert item.opens.code() not in state_of(quiz) and not len(quiz.answered)
    assert set(quiz.keys) == set(ipw.VBox().keys) and "item" not in quiz.question.keys
    quiz.answer(item.answer)
    assert item.explanation in state_of(quiz)
    assert item.opens.code() in state_of(quiz).replace("\\'", "'")


def test_a_paper_is_answered_one_by_one_and_its_results_can_be_taken_away(quiz, tmp_path):
    with pytest.raises(ValueError, match="answer this question first"):
        quiz.next()
    assert quiz._next_button.disabled and "Question 1 of 2" in quiz._title.value
    assert quiz.answer(quiz.question.item.answer, "certain") is True
    assert not quiz._next_button.disabled
    quiz._next_button.click()
    quiz.wait()
    asked = quiz.question.item
    wrong = asked.asks["number"][0] if "number" in asked.asks else next(
        c for c in asked.asks["choices"] if c != asked.answer)
    assert quiz.answer(wrong, "a guess") is False
    quiz.next()
    assert quiz.results() == {"learning": (1, 2)} and quiz.question is None
    assert "1 of 2 right" in quiz._title.value and "10-learning.ipynb" in state_of(quiz)
    assert list(quiz.table().is_right) == [True, False] and list(quiz.data.confidence.values) == ["certain", "a guess"]
    saved = json.loads(quiz.save(tmp_path / "anna.json").read_text())
    assert saved["seed"] == 5 and [a["is_right"] for a in saved["answers"]] == [True, False]
    assert not len(ex.predictions())
    with pytest.raises(ValueError, match="finished"):
        quiz.next()


def test_every_control_has_a_name_and_closing_leaves_nothing():
    before, threads = set(ipw.widgets.widget._instances), threading.active_count()
    quiz = ex.Quiz(seed=5, ideas=["learning"], count=2)
    quiz.wait()
    buttons = [w for w in descendants(quiz) if isinstance(w, (ipw.Button, ipw.RadioButtons, ipw.FloatSlider))]
    assert buttons and all(getattr(w, "tooltip", "") or getattr(w, "description", "") or w.options for w in buttons)
    quiz.answer(quiz.question.item.answer)
    quiz.close()
    assert set(ipw.widgets.widget._instances) == before and threading.active_count() == threads
    assert repr(quiz) == "Quiz(seed=5, 2 questions)"


def test_a_question_that_could_not_be_made_can_be_made_again(monkeypatch):
    make, failures = Paper.item, [RuntimeError("no memory")]
    monkeypatch.setattr(Paper, "item", lambda paper, k: (_ for _ in ()).throw(failures.pop()) if failures
                        else make(paper, k))
    quiz = ex.Quiz(seed=5, ideas=["learning"], count=2)
    with pytest.raises(RuntimeError, match="no memory"):
        quiz.wait()
    assert "no memory" in state_of(quiz) and quiz._next_button.description == "Try again"
    assert not quiz._next_button.disabled
    quiz._next_button.click()
    quiz.wait()
    assert quiz.number == 1 and quiz._next_button.description == "Next question" and quiz._next_button.disabled
    assert quiz.answer(quiz.question.item.answer)
    quiz.close()


def test_an_answer_counts_once(quiz):
    for _ in range(2):
        quiz.question._note("4", "a guess", "4", True)
    assert len(quiz.answered) == 1 and quiz.results() == {"learning": (1, 1)}


def test_a_quiz_that_is_closed_while_a_question_is_made_leaves_nothing(monkeypatch):
    before, reached, go_on, make = set(ipw.widgets.widget._instances), threading.Event(), threading.Event(), Paper.item

    def slow(paper, k):
        item = make(paper, k)
        reached.set()
        assert go_on.wait(20)
        return item

    monkeypatch.setattr(Paper, "item", slow)
    quiz = ex.Quiz(seed=5, ideas=["learning"], count=2)
    assert reached.wait(20)
    quiz.close()
    go_on.set()
    assert quiz._worker.close(20)
    assert set(ipw.widgets.widget._instances) == before and quiz.error is None
