"""Prompts as their tokenizers cut them, and the words that the pieces make up."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
from hypothesis import given, settings
from hypothesis import strategies as st

import explorable as ex
from explorable.adapters.tokens import END, PAD, START, Piece, _merge_subwords

WORDS = ("a", "golden", "dog", "on", "a", "road", ",", "at", "night")
STARTS = {"sd": (START,), "sdxl": (START,), "sd3": (START,), "flux": (), "pixart": ()}  # T5 has no start


def tokens_of(pipe, text: str = tp.PROMPT) -> tuple[str, ...]:
    return pipe._token_axis(text, pipe._settings(text)).names


def test_pieces_are_merge_subwords_to_words(pipe, family):
    run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    names = (*STARTS[family], *WORDS, END, PAD)
    assert run.tokens == names
    for array in run.recorded.values():
        assert tuple(array.token.values) == names
        np.testing.assert_allclose(array.sum("token") + 0.0, array.sum("token"))


def test_pieces_can_be_seen_by_themselves(pipeline, family):
    with ex.open(pipeline, merge_subwords=False, **tp.ALWAYS[family]) as pipe:
        clip = (START, "a", "gol", "·den", "dog", "on", "a", "road", ",", "at", "ni", "·ght", END)
        t5 = clip[1:]
        padded = {"clip": clip + (PAD,) * (tp.ROOM - len(clip)), "t5": t5 + (PAD,) * (tp.ROOM - len(t5))}
        rows = {"sd": ("clip",), "sdxl": ("clip",), "sd3": ("clip", "t5"), "flux": ("t5",), "pixart": ("t5",)}
        assert tokens_of(pipe) == sum((padded[kind] for kind in rows[family]), ())


def test_gathering_sums_what_the_pieces_got(pipeline, family):
    with ex.open(pipeline, half_precision=False, **tp.ALWAYS[family]) as words, ex.open(
            pipeline, merge_subwords=False, half_precision=False, **tp.ALWAYS[family]) as pieces:
        one, other = (p(tp.PROMPT, steps=2, record="*.cross.weights") for p in (words, pieces))
    for name, array in one.recorded.items():
        apart = other[name].isel(branch=-1)
        golden = apart.isel(token=np.isin(apart.token.values, ["gol", "·den"])).sum("token")
        np.testing.assert_allclose(array.isel(branch=-1).sel(token="golden"), golden, atol=1e-6)


def test_both_of_sdxls_tokenizers_are_read():
    pipeline = tp.fresh("sdxl")
    assert pipeline.tokenizer.pad_token != pipeline.tokenizer_2.pad_token
    assert tokens_of(ex.open(pipeline))[-2:] == (END, PAD)  # the second pads with a word's token, and still says pad
    other = pipeline.tokenizer_2
    convert, other.decode = other.decode, lambda ids: convert(ids).replace("dog", "hound")
    assert "dog|hound" in tokens_of(ex.open(pipeline, merge_subwords=False))


def test_a_prompt_that_only_one_reader_has_room_for_is_read_as_far_as_each_can():
    """SD3's CLIPs read no more than their room; T5 goes on, if it may."""
    pipeline = tp.fresh("sd3")
    long = " ".join(["a golden dog"] * 6)
    with ex.open(pipeline, max_sequence_length=40) as pipe:
        said = pipe._token_axis(long, pipe._settings(long))
        assert said.names == (START, *["a", "golden", "dog"] * 6, END, PAD)
        in_pieces = [w for k in range(6) for w in (3 * k + 1, 3 * k + 2, 3 * k + 2, 3 * k + 3)]
        assert said.token_of_piece[:tp.ROOM] == (0, *in_pieces[:tp.ROOM - 2], 19)
        run = pipe(long, steps=2, record="*.cross.weights")
        assert np.array_equal(run.image, tp.untouched(pipeline, "sd3", long, num_inference_steps=2,
                                                      max_sequence_length=40))
    with ex.open(pipeline, max_sequence_length=10) as pipe, pytest.raises(ex.SettingError, match="shorten the prompt"):
        pipe(long)


@pytest.mark.parametrize("family", ("sd", "sdxl", "flux", "pixart"))
def test_too_long_a_prompt_is_refused_before_anything_is_drawn(pipe, family):
    with pytest.raises(ex.SettingError, match=f"the text encoder reads {tp.ROOM} at most: shorten the prompt"):
        pipe("night " * 12)


def test_what_a_tokenizer_has_no_piece_for_is_shown_as_it_was_written():
    with ex.open(tp.shared("flux"), **tp.ALWAYS["flux"]) as pipe:
        assert tokens_of(pipe, "a Red café") == ("a", "Red", "café", END, PAD)
        run = pipe("a Red café", steps=2, record="*.cross.weights")
        assert float(run["blocks.0.cross.weights"].sel(token="café").max()) > 0


def test_an_empty_prompt_says_nothing(pipe, family):
    assert pipe("", steps=2, record="*.cross.weights").tokens == (*STARTS[family], END, PAD)


def test_a_negative_prompt_has_names_of_its_own(pipe, family):
    if family == "flux":
        return
    run = pipe(tp.PROMPT, negative=tp.OTHER, steps=2, record="*.cross.weights")
    array = next(iter(run.recorded.values()))
    theirs = array.token_uncond.values.tolist()
    said = (*STARTS[family], "a", "red", "car", END, PAD)
    assert theirs[:len(said)] == list(said) and set(theirs[len(said):]) <= {PAD}
    with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("car", branch="uncond")}):
        silent = pipe(tp.PROMPT, negative=tp.OTHER, steps=2, record="*.cross.weights")
    mute = next(iter(silent.recorded.values())).sel(branch="uncond")
    assert float(mute.isel(token=theirs.index("car")).max()) == 0


word = st.text("abc", min_size=1, max_size=6)


@settings(max_examples=60)
@given(st.lists(word, max_size=6), st.data())
def test_any_cut_of_the_same_words_gathers_to_them(words, data):
    def row(start: bool) -> tuple[Piece, ...]:
        pieces = [Piece(START)] if start else []
        for k, text in enumerate(words):
            at = data.draw(st.integers(1, len(text)))
            pieces += [Piece(part, k) for part in (text[:at], text[at:]) if part]
        return (*pieces, Piece(END), *[Piece(PAD)] * data.draw(st.integers(1, 3)))

    rows = [row(True), row(False)]
    said = _merge_subwords(rows)
    assert said.names == (START, *words, END, PAD)
    spelled: dict[int, list[str]] = {}
    for row_ in rows:
        for piece, token in zip(row_, said.token_of_piece[0 if row_ is rows[0] else len(rows[0]):], strict=False):
            spelled.setdefault(token, []).append(piece.text)
    for k, text in enumerate(words):
        assert "".join(spelled[k + 1]) == 2 * text
