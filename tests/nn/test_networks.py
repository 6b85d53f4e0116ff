"""The networks whole: shapes, and what must not make a difference."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layers import randn, shaken

from explorable.nn.text import (
    END,
    PAD,
    START,
    PromptTooLongError,
    TextConfig,
    TextEncoder,
    TextModel,
    Tokenizer,
    Tokens,
    UnknownWordError,
    similar_spellings,
)
from explorable.nn.unet import UNet, UNetConfig
from explorable.nn.vae import VAE, VAEConfig
from explorable.world import VOCABULARY, split_words, write_caption
from explorable.world.scene import sample_scene

TEXT = TextConfig(VOCABULARY, width=16, layers=2, heads=2, embed_dim=8, image_widths=(8, 8, 8))
UNET = UNetConfig(widths=(8, 16, 16), up=(1, 2), head_width=8, context_width=16, time_width=16)
CODER = VAEConfig(
    encoder_widths=(8, 8), decoder_widths=(8, 8), shift=(0.5, -1.0, 0.0, 2.0), scale=(0.5, 2.0, 1.0, 3.0)
)
PROMPTS = ["a cat", "three red balls on a beach at sunset", ""]

few = settings(max_examples=20)
prompts = st.lists(st.sampled_from(VOCABULARY), max_size=22).map(" ".join)


@pytest.fixture(scope="module")
def text() -> TextModel:
    return shaken(TextModel(TEXT))


@pytest.fixture(scope="module")
def unet() -> UNet:
    return shaken(UNet(UNET), spread=0.1)


@pytest.fixture(scope="module")
def vae() -> VAE:
    return shaken(VAE(CODER), spread=0.1)


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


# ------------------------------------------------------------ the tokenizer


@given(prompts)
def test_a_prompt_is_its_words_between_start_and_end(prompt):
    tokenizer = Tokenizer(VOCABULARY, 24)
    words = prompt.split()
    labels = tokenizer.token_names(prompt)
    assert labels == [START, *words, END] + [PAD] * (22 - len(words))
    ids, keep = tokenizer([prompt])
    assert [tokenizer.tokens[i] for i in ids[0]] == labels
    assert keep[0].tolist() == [name != PAD for name in labels]


@given(st.integers(0, 2**31))
def test_the_tokenizer_splits_words_as_the_grammar_does(seed):
    rng = random.Random(seed)
    caption = write_caption(sample_scene(rng), rng)
    assert Tokenizer(VOCABULARY, 24).words(caption) == split_words(caption)


@given(
    prompts,
    st.sampled_from((str.upper, str.title, "  {}  ".format, "{}.".format, "({})".format, '"{}"!'.format)),
)
def test_capitals_and_punctuation_make_no_difference(prompt, write):
    tokenizer = Tokenizer(VOCABULARY, 24)
    assert tokenizer.token_names(write(prompt)) == tokenizer.token_names(prompt)


@given(st.sampled_from([w for w in VOCABULARY if len(w) > 4]), st.data())
def test_an_unknown_word_is_named_with_the_nearest_known(word, data):
    at = data.draw(st.integers(0, len(word)))
    wrong = word[:at] + "x" + word[at:]
    with pytest.raises(UnknownWordError) as caught:
        Tokenizer(VOCABULARY, 24)([f"a {wrong} on a beach"])
    assert caught.value.words == (wrong,) and word in caught.value.near[wrong]
    assert repr(wrong) in str(caught.value) and all(near in str(caught.value) for near in caught.value.near[wrong])


def test_a_word_like_no_other_has_no_hint():
    with pytest.raises(UnknownWordError) as caught:
        Tokenizer(VOCABULARY, 24).token_names("qqqqqqqq")
    assert caught.value.near == {"qqqqqqqq": ()} and "nearest" not in str(caught.value)


def test_all_unknown_words_of_a_prompt_are_named_once_in_their_order():
    with pytest.raises(UnknownWordError) as caught:
        Tokenizer(VOCABULARY, 24).token_names("a zeppelin, a tre and a zeppelin")
    assert caught.value.words == ("zeppelin", "tre") and caught.value.near == {"zeppelin": (), "tre": ("tree",)}
    assert str(caught.value) == ("the words 'zeppelin' and 'tre' are not in the text encoder's vocabulary; "
                                 "the nearest known words: tree (for 'tre')")


@pytest.mark.parametrize(("word", "near"), [
    ("cra", "car"), ("catt", "cat"), ("hous", "house"), ("gren", "green"), ("mountian", "mountain"),
    ("dessert", "desert"), ("turqoise", "turquoise"), ("retreiver", "retriever"), ("majestik", "majestic"),
    ("ligth", None)])
def test_a_misspelling_has_its_word_as_the_first_hint(word, near):
    assert next(iter(similar_spellings(word, VOCABULARY)), None) == near


@pytest.mark.parametrize("word", ["elephant", "pig", "goat", "orange", "umbrella", "computer", "xx"])
def test_a_word_that_only_shares_letters_is_no_hint(word):
    """The letters of "left" are in "elephant", and "pig" is one letter from "big"."""
    assert similar_spellings(word, VOCABULARY) == []


@pytest.mark.parametrize("name", [PAD, START, END])
def test_the_names_of_special_tokens_are_no_words(name):
    with pytest.raises(UnknownWordError):
        Tokenizer(VOCABULARY, 24).token_names(f"a {name} cat")


def test_html_is_only_an_unknown_word():
    with pytest.raises(UnknownWordError) as caught:
        Tokenizer(VOCABULARY, 24).token_names("a <img src=x onerror=alert(1)> cat")
    assert caught.value.words == ("<img", "src=x", "onerror=alert", "1", ">")


@given(st.integers(0, 40))
def test_a_prompt_that_is_too_long_is_refused(words):
    tokenizer, prompt = Tokenizer(VOCABULARY, 24), " ".join(["cat"] * words)
    if words <= 22:
        assert tokenizer.token_names(prompt).count("cat") == words
    else:
        with pytest.raises(PromptTooLongError, match=f"{words} words.* 22 "):
            tokenizer.token_names(prompt)


def test_one_invalid_prompt_fails_the_batch():
    with pytest.raises(UnknownWordError, match="zeppelin"):
        Tokenizer(VOCABULARY, 24)(["a cat", "a zeppelin"])


@pytest.mark.parametrize(
    "error",
    [UnknownWordError({"hous": ["house"], "qqqqqqqq": []}), UnknownWordError({"qqqqqqqq": []}),
     PromptTooLongError(30, 22), PromptTooLongError(30, 22, "the negative prompt")],
    ids=repr,
)
def test_an_error_can_come_from_another_process(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error) and vars(back) == vars(error)


# --------------------------------------------------------- the text encoder


def test_a_context_has_a_vector_for_every_token(text):
    context = text.text_encoder.encode(PROMPTS)
    assert context.vectors.shape == (3, TEXT.length, TEXT.width)
    assert context.keep.sum(1).tolist() == [len(p.split()) + 2 for p in PROMPTS]


@few
@given(st.lists(prompts, min_size=1, max_size=4))
def test_a_prompt_is_encoded_the_same_alone_and_in_a_batch(text, several):
    together = text.text_encoder.encode(several).vectors
    alone = torch.cat([text.text_encoder.encode([p]).vectors for p in several])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_the_padding_token_has_no_effect(text):
    encoder = shaken(TextEncoder(TEXT))
    before = encoder.encode(PROMPTS)
    encoder.token_embed.weight[0] += 100  # the padding token's own vector
    after = encoder.encode(PROMPTS)
    assert torch.equal(before.vectors[before.keep], after.vectors[after.keep])
    assert not torch.equal(before.vectors, after.vectors)


def test_words_and_their_order_matter(text):
    """At the end token, which is the same word in the same place of all three."""
    a, b, c = text.text_encoder.encode(["red cat blue dog", "blue cat red dog", "red cat blue ball"]).vectors[:, 5]
    assert not torch.allclose(a, b, atol=1e-3) and not torch.allclose(a, c, atol=1e-3)


def test_texts_and_images_are_embedded_as_unit_vectors(text):
    tokens, latents = text.text_encoder.tokenizer(PROMPTS), randn(0, 5, 4, 16, 16)
    words, sentence = text.embed_text(text.text_encoder(tokens), tokens)
    regions, whole = text.image_encoder(latents)
    for vectors in (words, sentence, regions, whole):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:-1]))
    assert regions.shape == (5, 64, TEXT.embed_dim)
    for score in text.similarity(tokens, latents):
        assert score.shape == (3, 5) and (score.abs() <= 1 + 1e-5).all()


def test_the_sentence_embedding_is_that_of_the_end_token(text):
    tokens = text.text_encoder.tokenizer(PROMPTS)
    context = text.text_encoder(tokens)
    _, sentence = text.embed_text(context, tokens)
    ends = [text.text_encoder.tokenizer.token_names(p).index(END) for p in PROMPTS]
    at_end = torch.stack([context.vectors[row, end] for row, end in enumerate(ends)])
    torch.testing.assert_close(sentence, torch.nn.functional.normalize(text.sentence_proj(at_end), dim=-1))


def test_word_similarity_ignores_padding(text):
    """A longer row of the same words scores the same."""
    tokens, latents = text.text_encoder.tokenizer(PROMPTS), randn(0, 4, 4, 16, 16)
    words, _ = text.embed_text(text.text_encoder(tokens), tokens)
    regions, _ = text.image_encoder(latents)
    _, by_words = text.similarity(tokens, latents)
    for a in range(3):
        real = words[a, tokens.keep[a]]
        for b in range(4):
            torch.testing.assert_close(by_words[a, b], (real @ regions[b].T).amax(1).mean())


def test_tokens_may_be_on_another_device_than_the_model(text):
    """Tokens are made on the CPU. The meta device stands for any other: it refuses to mix as well."""
    model = TextModel(TEXT).to("meta")
    scores = model.similarity(text.text_encoder.tokenizer(PROMPTS), torch.zeros(5, 4, 16, 16, device="meta"))
    assert all(score.shape == (3, 5) and score.device.type == "meta" for score in scores)


def test_the_contrastive_loss_is_invariant_to_the_order_of_pairs(text):
    tokens, latents = text.text_encoder.tokenizer(PROMPTS), randn(1, 3, 4, 16, 16)
    order = torch.tensor([2, 0, 1])
    turned = text.loss(Tokens(tokens.ids[order], tokens.keep[order]), latents[order])
    torch.testing.assert_close(text.loss(tokens, latents)["loss"], turned["loss"])
    assert not torch.allclose(text.loss(tokens, latents[order])["loss"], turned["loss"])


# ----------------------------------------------------------------- the U-Net


def read(unet: UNet, text: TextModel, several: list[str]):
    context = text.text_encoder.encode(several)
    return unet.project_context(context.vectors, context.keep)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_field_has_the_shape_of_its_latent(unet, text, batch):
    field = unet(randn(0, batch, 4, 16, 16), torch.rand(batch), read(unet, text, PROMPTS[:batch]))
    assert field.shape == (batch, 4, 16, 16) and field.isfinite().all()


@few
@given(st.integers(0, 99), st.permutations(range(3)))
def test_a_row_does_not_depend_on_the_rest_of_the_batch(unet, text, seed, order):
    x, t = randn(seed, 3, 4, 16, 16), torch.tensor([0.1, 0.5, 1.0])
    together = unet(x, t, read(unet, text, PROMPTS))
    for row in range(3):
        alone = unet(x[row : row + 1], t[row : row + 1], read(unet, text, PROMPTS[row : row + 1]))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-5)
    turned = unet(x[order], t[order], read(unet, text, [PROMPTS[k] for k in order]))
    torch.testing.assert_close(turned, together[order], rtol=1e-5, atol=1e-5)


def test_a_cached_context_equals_a_fresh_one(unet, text):
    once = read(unet, text, PROMPTS)
    kept = [tensor.clone() for memory in once for tensor in memory]
    for t in (1.0, 0.6, 0.2):
        x, times = randn(int(10 * t), 3, 4, 16, 16), torch.full((3,), t)
        assert torch.equal(unet(x, times, once), unet(x, times, read(unet, text, PROMPTS)))
    assert all(torch.equal(a, b) for a, b in zip(kept, (tensor for m in once for tensor in m), strict=True))


def test_there_is_a_cache_for_every_block(unet, text):
    memory = read(unet, text, PROMPTS)
    assert len(memory) == len(unet.blocks()) == sum(UNET.down) + 1 + sum(UNET.up)
    assert {id(u) for u in unet.blocks()} == {id(m) for m in unet.modules() if type(m).__name__ == "UNetBlock"}


@few
@given(st.integers(0, 99), st.floats(-100, 100))
def test_padding_in_the_context_changes_nothing(unet, text, seed, anything):
    context = text.text_encoder.encode(PROMPTS)
    other = torch.where(
        context.keep[..., None], context.vectors, anything * randn(seed, *context.vectors.shape)
    )
    x, t = randn(seed, 3, 4, 16, 16), torch.full((3,), 0.4)
    assert torch.equal(
        unet(x, t, unet.project_context(context.vectors, context.keep)),
        unet(x, t, unet.project_context(other, context.keep)),
    )


def test_words_time_and_latent_all_matter(unet, text):
    x, t = randn(0, 1, 4, 16, 16), torch.tensor([0.5])
    base = unet(x, t, read(unet, text, ["a cat"]))
    for other in (
        unet(x, t, read(unet, text, ["a dog"])),
        unet(x, t / 2, read(unet, text, ["a cat"])),
        unet(x + 1, t, read(unet, text, ["a cat"])),
    ):
        assert (other - base).abs().max() > 1e-4


@pytest.mark.parametrize("level", [0, 1])
def test_a_skip_carries_the_output_of_the_down_path(unet, text, level):
    """Every unit on the way up is handed the last thing made on its level on the way down."""
    made, handed = [], []
    *_, last = unet.down[level]
    hooks = [last.register_forward_hook(lambda unit, given, out: made.append(out))]
    hooks += [
        up.register_forward_hook(lambda unit, given, out: handed.append(given[3])) for up in unet.up[level]
    ]
    unet(randn(0, 1, 4, 16, 16), torch.tensor([0.5]), read(unet, text, ["a cat"]))
    for hook in hooks:
        hook.remove()
    assert len(made) == 1 and len(handed) == UNET.up[level]
    assert all(skip is made[0] for skip in handed)


@pytest.mark.parametrize("level", [0, 1])
def test_a_skip_matters(unet, text, level):
    """With the weights that read it at zero, the field is another one."""
    memory, x, t = read(unet, text, ["a cat"]), randn(0, 1, 4, 16, 16), torch.tensor([0.5])
    base, skip_proj = unet(x, t, memory), unet.up[level][0].skip_proj
    width, kept = UNET.widths[level], skip_proj.weight.clone()
    skip_proj.weight[:, width:] = 0
    cut = unet(x, t, memory)
    skip_proj.weight.copy_(kept)
    assert not torch.allclose(cut, base) and torch.equal(unet(x, t, memory), base)


def test_channels_last_makes_no_difference(unet, text):
    memory, x, t = read(unet, text, PROMPTS), randn(0, 3, 4, 16, 16), torch.full((3,), 0.3)
    other = shaken(UNet(UNET), spread=0.1).to(memory_format=torch.channels_last)
    other.load_state_dict(unet.state_dict())
    torch.testing.assert_close(
        other(x.contiguous(memory_format=torch.channels_last), t, memory),
        unet(x, t, memory),
        rtol=1e-4,
        atol=1e-5,
    )


# ------------------------------------------------------------------- the VAE


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_images_become_latents_and_latents_images(vae, batch):
    z = vae.encode(randn(0, batch, 3, 128, 128))
    assert z.shape == (batch, 4, 16, 16)
    assert vae.decode(z).shape == (batch, 3, 128, 128)
    mean, log_variance = vae.distribution(randn(0, batch, 3, 128, 128))
    assert mean.shape == log_variance.shape == z.shape


def test_decoding_undoes_the_normalization(vae):
    """Latents leave the encoder shifted and scaled, channel by channel, and the decoder gets the raw ones."""
    picture = randn(0, 2, 3, 128, 128)
    raw = vae.distribution(picture)[0]
    shift, scale = (torch.tensor(s).view(1, 4, 1, 1) for s in (CODER.shift, CODER.scale))
    torch.testing.assert_close(vae.encode(picture) * scale + shift, raw)
    torch.testing.assert_close(vae.decode(vae.encode(picture)), vae.decoder(raw), rtol=1e-4, atol=1e-5)


def test_measured_statistics_normalize_the_latents(vae):
    pictures = randn(0, 4, 3, 128, 128)
    raw = vae.distribution(pictures)[0]
    statistics = {"shift": tuple(raw.mean((0, 2, 3)).tolist()), "scale": tuple(raw.std((0, 2, 3)).tolist())}
    new = VAE(VAEConfig(**{**CODER.__dict__, **statistics})).eval()
    new.load_state_dict(vae.state_dict())
    z = new.encode(pictures)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(4), rtol=1e-4, atol=0)
    torch.testing.assert_close(new.decode(z), vae.decode(vae.encode(pictures)), rtol=1e-4, atol=1e-4)


def test_statistics_are_configuration_and_not_weights(vae):
    assert not {"shift", "scale"} & vae.state_dict().keys()


def test_an_image_does_not_depend_on_the_rest_of_the_batch(vae):
    x = randn(0, 3, 3, 128, 128)
    torch.testing.assert_close(
        vae.encode(x), torch.cat([vae.encode(x[k : k + 1]) for k in range(3)]), rtol=1e-4, atol=1e-5
    )
    z = randn(1, 3, 4, 16, 16)
    torch.testing.assert_close(
        vae.decode(z), torch.cat([vae.decode(z[k : k + 1]) for k in range(3)]), rtol=1e-4, atol=1e-5
    )


def test_one_latent_position_is_eight_pixels_per_side():
    """Moving a picture by eight pixels moves its latent by one place (away from the edges)."""
    vae = shaken(VAE(replace(CODER, encoder_blocks=(1, 1))), spread=0.1)
    wide = randn(0, 1, 3, 128, 128 + 8)
    a, b = vae.encode(wide[..., :128]), vae.encode(wide[..., 8:])
    torch.testing.assert_close(a[..., 6:10, 7:11], b[..., 6:10, 6:10], rtol=1e-4, atol=1e-5)
