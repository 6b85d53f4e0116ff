"""The pieces that tokenizers make of prompts, and the words that these are merged into."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
from hypothesis import given, settings
from hypothesis import strategies as st

import explorable as ex
from explorable.adapters.tokens import END, PAD, START, TEMPLATE, Piece, _merge_subwords

WORDS = ("a", "golden", "dog", "on", "a", "road", ",", "at", "night")
STARTS = {"sd": (START,), "sdxl": (START,), "sd3": (START,), "flux": (), "pixart": (), "chroma": (), "bria": (),
          "zimage": (TEMPLATE,), "klein": (TEMPLATE,), "qwen": (TEMPLATE,), "lumina": (TEMPLATE,),
          "sana": (TEMPLATE,), "flux2": (TEMPLATE,), "ovis": (TEMPLATE,)}
# What ends the prompt is the template's, or nothing.
ENDS = dict.fromkeys(("zimage", "klein", "sana", "flux2", "ovis"), (PAD,)) | {"qwen": (), "lumina": ()}


def tokens_of(pipe, text: str = tp.PROMPT) -> tuple[str, ...]:
    return pipe._branch_tokens(text, pipe._settings(text)).names


def test_pieces_are_merge_subwords_to_words(pipe, family):
    run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    names = (*STARTS[family], *WORDS, *ENDS.get(family, (END, PAD)))
    assert run.tokens == names
    for array in run.recorded.values():
        assert tuple(array.token.values) == names
        np.testing.assert_allclose(array.sum("token") + 0.0, array.sum("token"))


def test_pieces_can_be_kept_separate(pipeline, family):
    with ex.open(pipeline, merge_subwords=False, **tp.CALL_DEFAULTS[family]) as pipe:
        clip = (START, "a", "gol", "·den", "dog", "on", "a", "road", ",", "at", "ni", "·ght", END)
        t5 = clip[1:]
        padded = {"clip": clip + (PAD,) * (tp.MAX_TOKENS - len(clip)), "t5": t5 + (PAD,) * (tp.MAX_TOKENS - len(t5))}
        rows = {"sd": ("clip",), "sdxl": ("clip",), "sd3": ("clip", "t5"), "flux": ("t5",), "pixart": ("t5",),
                "chroma": ("t5",), "bria": ("t5",), "zimage": ("chat",), "klein": ("chat",),
                **{name: (name,) for name in ("qwen", "lumina", "sana", "flux2", "ovis")}}
        padded["chat"] = (TEMPLATE, *t5[:-1], TEMPLATE, *[PAD] * ((32 if family == "zimage" else tp.MAX_TOKENS) - 13))
        padded["qwen"] = (*t5[:-1], *[TEMPLATE] * 5)  # the beginning of the template is dropped
        padded["lumina"] = (*[TEMPLATE] * 4, *t5[:-1])
        padded["flux2"] = (*[PAD] * 3, *[TEMPLATE] * 5, *t5[:-1], TEMPLATE)  # it pads on the left
        padded["ovis"] = (*t5[:-1], TEMPLATE, *[PAD] * (tp.MAX_TOKENS - 12))
        padded["sana"] = (TEMPLATE, *t5[:-1], *[PAD] * (tp.MAX_TOKENS - 12))
        assert tokens_of(pipe) == sum((padded[kind] for kind in rows[family]), ())


def test_a_words_weight_is_the_sum_over_its_pieces(pipeline, family):
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS[family]) as words, ex.open(
            pipeline, merge_subwords=False, half_precision=False, **tp.CALL_DEFAULTS[family]) as pieces:
        merged, separate = (p(tp.PROMPT, steps=2, record="*.cross.weights") for p in (words, pieces))
    for name, array in merged.recorded.items():
        weights = separate[name].isel(branch=-1)
        golden = weights.isel(token=np.isin(weights.token.values, ["gol", "·den"])).sum("token")
        np.testing.assert_allclose(array.isel(branch=-1).sel(token="golden"), golden, atol=1e-6)


def test_pieces_on_which_sdxls_tokenizers_disagree_have_both_names():
    pipeline = tp.fresh("sdxl")
    assert pipeline.tokenizer.pad_token != pipeline.tokenizer_2.pad_token
    assert tokens_of(ex.open(pipeline))[-2:] == (END, PAD)  # the second pads with the token of a word
    other = pipeline.tokenizer_2
    convert, other.decode = other.decode, lambda ids: convert(ids).replace("dog", "hound")
    assert "dog|hound" in tokens_of(ex.open(pipeline, merge_subwords=False))


def test_a_prompt_may_be_truncated_for_some_text_encoders_but_not_all():
    """SD3's CLIPs truncate a long prompt, while T5 reads all of it if max_sequence_length is high enough."""
    pipeline = tp.fresh("sd3")
    long = " ".join(["a golden dog"] * 6)
    with ex.open(pipeline, max_sequence_length=40) as pipe:
        axis = pipe._branch_tokens(long, pipe._settings(long))
        assert axis.names == (START, *["a", "golden", "dog"] * 6, END, PAD)
        by_piece = [w for k in range(6) for w in (3 * k + 1, 3 * k + 2, 3 * k + 2, 3 * k + 3)]
        assert axis.token_of_piece[:tp.MAX_TOKENS] == (0, *by_piece[:tp.MAX_TOKENS - 2], 19)
        run = pipe(long, steps=2, record="*.cross.weights")
        assert np.array_equal(run.image, tp.untouched(pipeline, "sd3", long, num_inference_steps=2,
                                                      max_sequence_length=40))
    with ex.open(pipeline, max_sequence_length=10) as pipe, pytest.raises(ex.SettingError, match="shorten the prompt"):
        pipe(long)


@pytest.mark.parametrize("family", ("sd", "sdxl", "flux", "pixart", "chroma"))
def test_a_prompt_that_is_too_long_is_refused_before_sampling(pipe, family):
    with pytest.raises(ex.SettingError, match=f"the text encoder reads {tp.MAX_TOKENS} at most: shorten the prompt"):
        pipe("night " * 12)


def test_unknown_pieces_are_named_by_their_text():
    with ex.open(tp.shared("flux"), **tp.CALL_DEFAULTS["flux"]) as pipe:
        assert tokens_of(pipe, "a Red café") == ("a", "Red", "café", END, PAD)
        run = pipe("a Red café", steps=2, record="*.cross.weights")
        assert float(run["blocks.0.cross.weights"].sel(token="café").max()) > 0


@pytest.mark.parametrize(("text", "words"), (
    ("a <cat-toy> on a road", ("a", "<cat-toy>", "on", "a", "road")),  # as the last token of textual inversion
    ("a red<cat-toy>car", ("a", "red", "<cat-toy>", "car")), ("<cat-toy>, red", ("<cat-toy>", ",", "red")),
    ("sks dog on sks", ("sks", "dog", "on", "sks")),
    ("A Red café", ("A", "Red", "café")), ("a 猫, 🐱🐱", ("a", "猫", ",", "🐱", "🐱")),  # characters of several bytes
))
def test_words_are_those_of_the_users_text_whatever_pieces_and_added_tokens_stand_for_them(text, words):
    pipeline = tp.fresh("sd")
    pipeline.tokenizer.add_tokens(["<cat-toy>", "<cat-toy>_1", "sks"])  # one embedding of two vectors, one of one
    pipeline.text_encoder.resize_token_embeddings(len(pipeline.tokenizer))
    with ex.open(pipeline) as pipe:
        assert tokens_of(pipe, text) == (START, *words, END, PAD)
        run = pipe(text, steps=2, record="*.cross.weights")
        assert float(run["down.0.0.cross.weights"].sel(token=words[0]).max()) > 0
        with ex.edit(pipe, {"*.cross.weights": ex.MaskToken(words[-1])}):
            masked = pipe(text, steps=2, record="*.cross.weights")
        assert float(masked["down.0.0.cross.weights"].sel(branch="cond", token=words[-1]).max()) == 0
        found = ex.attribute(pipe, text, kinds=("word",), steps=2)
        assert found.part.values.tolist() == [f"word {word}" for word in dict.fromkeys(words)]


def test_an_empty_prompt_has_no_words(pipe, family):
    assert pipe("", steps=2, record="*.cross.weights").tokens == (*STARTS[family], *ENDS.get(family, (END, PAD)))


def test_the_uncond_branch_has_the_negative_prompts_tokens(pipe, family):
    if family in ("flux", "klein", "flux2"):
        return
    run = pipe(tp.PROMPT, negative=tp.OTHER, steps=2, record="*.cross.weights")
    array = next(iter(run.recorded.values()))
    negative = array.token_uncond.values.tolist()
    expected = (*STARTS[family], "a", "red", "car", *ENDS.get(family, (END, PAD)))
    assert negative[:len(expected)] == list(expected) and set(negative[len(expected):]) <= {PAD}
    with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("car", branch="uncond")}):
        masked = pipe(tp.PROMPT, negative=tp.OTHER, steps=2, record="*.cross.weights")
    weights = next(iter(masked.recorded.values())).sel(branch="uncond")
    assert float(weights.isel(token=negative.index("car")).max()) == 0


word = st.text("abc", min_size=1, max_size=6)


@settings(max_examples=60)
@given(st.lists(word, max_size=6), st.data())
def test_any_split_of_the_same_words_merges_into_them(words, data):
    def row(start: bool) -> tuple[Piece, ...]:
        pieces = [Piece(START)] if start else []
        for k, text in enumerate(words):
            split = data.draw(st.integers(1, len(text)))
            pieces += [Piece(part, k) for part in (text[:split], text[split:]) if part]
        return (*pieces, Piece(END), *[Piece(PAD)] * data.draw(st.integers(1, 3)))

    rows = [row(True), row(False)]
    axis = _merge_subwords(rows)
    assert axis.names == (START, *words, END, PAD)
    spelled: dict[int, list[str]] = {}
    for row_ in rows:
        for piece, token in zip(row_, axis.token_of_piece[0 if row_ is rows[0] else len(rows[0]):], strict=False):
            spelled.setdefault(token, []).append(piece.text)
    for k, text in enumerate(words):
        assert "".join(spelled[k + 1]) == 2 * text
