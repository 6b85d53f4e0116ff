"""Edits: what they change and what they leave, when they act, and what is left of them afterwards: nothing."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from tiny_pipes import OTHER, PROMPT, same

import explorable as ex
from explorable.hooks import attached_to
from explorable.hooks.attention_edits import align_tokens, region_shares
from explorable.nn.hook_points import ACTIVE

WORDS = "*.cross.weights"


def drawn(pipe, edits=None, prompt=PROMPT, **more):
    with ex.edit(pipe, edits or {}):
        return pipe(prompt, **({"steps": 3, "guidance": 3} | more))


# ------------------------------------------------------------- what an edit changes


def test_an_edit_without_effect_leaves_the_image_bit_identical(unet):
    nothing = {"*.out": lambda x, context: x, "sampler.*": lambda x, context: x, "up.*.skip": ex.Scale(1.0)}
    assert same(drawn(unet), drawn(unet, {**nothing, WORDS: ex.Scale(1.0)}))


def test_edited_attention_uses_explicit_weights_which_round_differently(dit):
    plain, edited = drawn(dit), drawn(dit, {"*.weights": ex.Scale(1.0)})
    assert np.allclose(plain.latents, edited.latents, atol=1e-3)


def test_every_point_of_the_denoiser_changes_the_image(pipe):
    def ripple(x, context):
        return x + 0.3 * torch.cos(torch.arange(x.numel())).view(x.shape).to(x)

    plain = drawn(pipe)
    deaf = ("blocks.1.txt.out", "blocks.1.txt.attn.added", "blocks.1.txt.mlp.added")  # nobody reads them more
    for point in (p for p in pipe.points(optional=False) if p.name not in deaf):
        edited = drawn(pipe, {point.name: ripple})
        where = "image" if point.name.startswith("vae.") else "latents"
        assert not np.array_equal(getattr(plain, where), getattr(edited, where)), point.name


def test_scaling_a_skip_to_zero_equals_a_function_that_does(unet):
    off = drawn(unet, {"up.0.skip": ex.Scale(0.0)})
    assert same(off, drawn(unet, {"up.0.skip": lambda x, context: 0 * x}))
    assert same(off, drawn(unet, {"up.0.skip": ex.Ablate()}))
    assert same(off, drawn(unet, {"up.0.skip": ex.Replace(0.0)}))
    assert not same(off, drawn(unet))


def test_several_edits_of_a_point_act_in_order(unet):
    assert same(drawn(unet, {"up.0.skip": [ex.Scale(4.0), ex.Scale(0.5)]}),
                drawn(unet, {"up.0.skip": ex.Scale(2.0)}))
    with ex.edit(unet, {"up.0.skip": ex.Scale(4.0)}), ex.edit(unet, {"up.*.skip": ex.Scale(0.5)}):
        both = unet(PROMPT, steps=3, guidance=3)
    assert same(both, drawn(unet, {"up.0.skip": ex.Scale(2.0), "up.1.skip": ex.Scale(0.5)}))


def test_an_edit_may_modify_its_input_in_place(unet):
    def wipe(x, context):
        x[:, :4] = 0
        return x

    def without(x, context):
        return torch.cat([torch.zeros_like(x[:, :4]), x[:, 4:]], dim=1)

    assert same(drawn(unet, {"up.0.skip": wipe}), drawn(unet, {"up.0.skip": without}))


def test_recordings_are_taken_after_edits_or_before_them_on_request(unet):
    with (ex.record(unet, "up.0.skip", before_edits=True) as before, ex.record(unet, "up.0.skip") as after,
          ex.edit(unet, {"up.0.skip": ex.Scale(2.0)})):
        unet(PROMPT, steps=2)
    assert np.array_equal(2 * before["up.0.skip"], after["up.0.skip"])


def test_an_edit_receives_its_context(unet):
    told = []
    drawn(unet, dict.fromkeys(("up.0.skip", "text.context"), lambda x, context: told.append(context) or x))
    assert [(a.name, a.step, a.branch) for a in told[:4]] == [
        ("text.context", None, "uncond"), ("text.context", None, "cond"),
        ("up.0.skip", 0, "uncond"), ("up.0.skip", 0, "cond")]
    assert told[3].t == 1.0 and told[3].axes == ("channel", "y", "x")
    assert told[3].tokens[1:4] == ("a", "red", "car") and told[2].tokens[:2] == ("<start>", "<end>")


def test_an_edit_acts_only_on_its_steps_and_branch(unet):
    plain, late = drawn(unet), drawn(unet, {"up.0.skip": ex.Scale(0.0, steps=(2, 3))})
    assert np.array_equal(plain.latents[:3], late.latents[:3]) and not np.array_equal(plain.latents[3], late.latents[3])
    one = drawn(unet, {"up.0.skip": ex.Scale(0.0, branch="cond")}, record=["prediction"])
    whole = unet(PROMPT, steps=3, guidance=3, record=["prediction"])
    first = one["prediction"].isel(step=0) != whole["prediction"].isel(step=0)
    assert not first.sel(branch="uncond").any() and first.sel(branch="cond").any()


def test_patching_all_estimates_of_another_run_gives_its_image(pipe):
    other = pipe(OTHER, steps=3, guidance=3, seed=4, record=["sampler.denoised"])
    patched = drawn(pipe, {"sampler.denoised": ex.PatchFrom(other)}, seed=4)
    assert np.array_equal(patched.image, other.image)


def test_ablating_what_a_block_adds_removes_the_block(pipe):
    names = [p.name.removesuffix("added") for p in pipe.points(optional=False) if p.name.endswith(".added")]
    assert len(names) > 8
    run = drawn(pipe, {"*.added": ex.Ablate()}, record=["*.out"])
    if pipe.name == "tiny-dit":
        outs = [run[f"blocks.{k}.img.out"] for k in (0, 1)]
        assert np.array_equal(*outs), "every block hands on what it was given"
    else:
        assert np.array_equal(run["middle.res.out"].values.reshape(3, 2, 16, -1).swapaxes(2, 3),
                              run["middle.mlp.out"].values.reshape(3, 2, -1, 16))


def test_a_head_can_be_ablated(unet):
    run = drawn(unet, {"middle.cross.weights": ex.Ablate(heads=(1,))}, record=["middle.cross.weights"])
    by_head = run["middle.cross.weights"].sum("token")
    assert not by_head.isel(head=1).any() and np.allclose(by_head.isel(head=0), 1, atol=1e-5)


# ------------------------------------------------------------- words


def test_reweighting_by_one_does_nothing_and_by_zero_removes_the_word(unet):
    assert same(drawn(unet), drawn(unet, {WORDS: ex.Reweight("red", 1.0)}))
    loud = drawn(unet, {WORDS: ex.Reweight("red", 2.0)}, record=[WORDS])[WORDS].isel(step=0)
    plain = drawn(unet, record=[WORDS])[WORDS].isel(step=0)
    first = "down.0.0.cross.weights"  # later layers see the change
    assert np.allclose(loud.sel(layer=first, token="red", branch="cond").dropna("head"),
                       2 * plain.sel(layer=first, token="red", branch="cond").dropna("head"))
    assert loud.sel(layer=first, branch="uncond").equals(plain.sel(layer=first, branch="uncond"))


def test_the_weight_of_a_masked_word_goes_to_the_others(pipe):
    name = next(p.name for p in ex.points(pipe) if p.name.endswith("cross.weights"))
    quiet = drawn(pipe, {WORDS: ex.MaskToken("red")}, record=[WORDS])[name].isel(step=0).sel(branch="cond")
    plain = drawn(pipe, record=[WORDS])[name].isel(step=0).sel(branch="cond")
    assert not quiet.sel(token="red").any()
    assert np.allclose(quiet.sum("token"), plain.sum("token"), atol=1e-5)


def test_a_word_masked_everywhere_has_no_effect(pipe):
    def without(word: str):
        quiet = {"text.words": ex.MaskToken(word), WORDS: ex.MaskToken(word)}
        with ex.edit(pipe, quiet):
            return pipe(f"a {word} car", steps=3, seed=1)

    assert same(without("red"), without("blue"))
    with ex.edit(pipe, {WORDS: ex.MaskToken("red")}):
        unread = pipe("a red car", steps=3, seed=1)
    assert not same(unread, without("red"))  # its neighbours had heard it


def test_the_text_encoder_has_no_regions(unet):
    with pytest.raises(ex.EditError, match="comes before the image"):
        drawn(unet, {"text.words": ex.MaskToken("red", region=np.ones((128, 128), bool))})


def test_an_edit_acts_only_in_its_region(unet):
    nowhere, everywhere = np.zeros((128, 128), bool), np.ones((128, 128), bool)
    assert same(drawn(unet), drawn(unet, {WORDS: ex.Reweight("red", 3.0, region=nowhere)}))
    loud = drawn(unet, {WORDS: ex.Reweight("red", 3.0)})
    assert same(loud, drawn(unet, {WORDS: ex.Reweight("red", 3.0, region=everywhere)}))
    left = everywhere.copy()
    left[:, 64:] = False
    name = "down.0.0.cross.weights"
    half = drawn(unet, {WORDS: ex.Reweight("red", 3.0, region=left)}, record=[name])[name]
    half = half.isel(step=0).sel(branch="cond")
    plain = drawn(unet, record=[name])[name].isel(step=0).sel(branch="cond")
    assert np.array_equal(half.isel(x=slice(8, 16)), plain.isel(x=slice(8, 16)))
    assert np.allclose(half.sel(token="red").isel(x=slice(8)), 3 * plain.sel(token="red").isel(x=slice(8)))


def test_prompt_to_prompt_with_the_same_prompt_does_nothing(unet):
    own = drawn(unet, record=[WORDS])
    assert same(own, drawn(unet, {WORDS: ex.PromptToPrompt(own)}))


def test_prompt_to_prompt_gives_the_new_word_the_map_of_the_old_one(unet):
    own = drawn(unet, record=[WORDS])
    swapped = drawn(unet, {WORDS: ex.PromptToPrompt(own, steps=(0, 2))}, record=[WORDS],
                    prompt=PROMPT.replace("red", "blue"))
    name = "up.0.0.cross.weights"
    assert np.array_equal(swapped[name].sel(token="blue").isel(step=slice(2)),
                          own[name].sel(token="red").isel(step=slice(2)))
    assert not np.array_equal(swapped[name].sel(token="blue").isel(step=2), own[name].sel(token="red").isel(step=2))


def test_words_are_aligned_as_in_the_prompt_to_prompt_paper():
    red, blue = ("<start>", "a", "red", "car", "<end>"), ("<start>", "a", "blue", "car", "<end>")
    longer = ("<start>", "a", "small", "red", "car", "<end>")
    assert align_tokens(red, red) == {i: i for i in range(5)} == align_tokens(blue, red)
    assert align_tokens(longer, red) == {0: 0, 1: 1, 3: 2, 4: 3, 5: 4}, "a new word has nothing to follow"


# ------------------------------------------------------------- what goes wrong, and what is left behind


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda x, context: x[:, :1], r"up\.0\.skip at step 0 returned the shape \(1, 1, 16, 16\); it must be \(1, 8"),
        (lambda x, context: x.double(), r"dtype torch\.float64; it must be torch\.float32"),
        (lambda x, context: x / 0, r"at step 0 returned \d+ values that are NaN or infinite"),
        (lambda x, context: None, "returned NoneType: return the tensor"),
        (lambda x, context: x.to("meta"), "device meta; it must be cpu"),
        (ex.Replace(np.zeros((3, 3))), r"\(3, 3\) does not broadcast to up\.0\.skip"),
        (ex.Ablate(heads=(0,)), "has no heads"),
        (ex.Reweight("red"), r"use it on \"\*\.cross\.weights\""),
    ],
)
def test_an_edit_that_returns_an_invalid_value_is_named(unet, edit, says):
    with pytest.raises(ex.EditError, match=says):
        drawn(unet, {"up.0.skip": edit})


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (ex.Reweight("blue"), "does not contain 'blue'; its words are a, red, car"),
        (ex.Ablate(heads=(7,)), "it has heads 0 to"),
        (ex.Reweight("red", region=np.zeros(5)), "give a mask"),
    ],
)
def test_an_invalid_edit_of_words_is_refused(unet, edit, says):
    with pytest.raises(ex.EditError, match=says):
        drawn(unet, {WORDS: edit})


def test_patching_from_a_point_that_was_not_recorded_is_refused(unet):
    short = unet(PROMPT, steps=2, guidance=3, record=["up.0.skip"])
    with pytest.raises(LookupError, match=r"up\.0\.skip at step 1.*as many steps"):
        drawn(unet, {"up.0.skip": ex.PatchFrom(short)})
    long = unet(PROMPT, steps=8, guidance=3, record=["up.0.skip"])
    with pytest.raises(LookupError, match=r"recorded at t = 0\.875, and this is t = 0\.667"):
        drawn(unet, {"up.0.skip": ex.PatchFrom(long)})
    heun = unet(PROMPT, steps=3, guidance=3, sampler="heun", record=["up.0.skip"])
    with pytest.raises(LookupError, match="second evaluation"):
        drawn(unet, {"up.0.skip": ex.PatchFrom(heun)}, sampler="heun")


def test_a_recorded_value_can_be_patched_back_also_from_a_file(pipe, tmp_path):
    embedded = "conv_in" if pipe.name == "tiny-unet" else "img_in"
    own = drawn(pipe, record=[embedded, WORDS])
    own.save(tmp_path / "run.nc")
    for source in (own, ex.Run.open(tmp_path / "run.nc")):
        assert np.array_equal(own.image, drawn(pipe, {embedded: ex.PatchFrom(source)}).image)
        assert np.allclose(own.latents, drawn(pipe, {WORDS: ex.PromptToPrompt(source)}).latents, atol=1e-3)
    first = own[embedded].isel(step=0).sel(branch="cond")
    assert drawn(pipe, {embedded: ex.Replace(first, steps=(0, 1), branch="cond")}).image.shape == (128, 128, 3)


@pytest.mark.parametrize("when", [{"steps": slice(-1, None)}, {"steps": 1}, {"branch": "conditional"}], ids=str)
def test_invalid_steps_or_branches_are_refused_at_once(when):
    with pytest.raises(ValueError, match=r"(steps|branch) is"):
        ex.Scale(0.0, **when)


def test_an_edit_for_a_branch_is_refused_where_there_are_none(unet):
    with pytest.raises(ex.EditError, match=r"sampler\.denoised has no branches"):
        drawn(unet, {"sampler.denoised": ex.Scale(0.5, branch="cond")})


def test_words_cannot_be_edited_in_a_batch_of_different_prompts(unet):
    with pytest.raises(ex.EditError, match="one image at a time"), ex.edit(unet, {WORDS: ex.MaskToken("red")}):
        unet.sample_images([PROMPT, PROMPT + " at night"], [1, 2])


class Oops(Exception):
    pass


def raising(error):
    def edit(x, context):
        raise error

    return edit


@pytest.mark.parametrize("error", [Oops(), KeyboardInterrupt()], ids=["exception", "interrupt"])
@pytest.mark.parametrize("where", ["edit", "model", "progress", "block"])
def test_only_what_was_added_is_removed(unet, monkeypatch, error, where):
    plain = unet(PROMPT, steps=2)
    heard = []
    own = unet.denoiser.conv_out.register_forward_hook(lambda *args: heard.append(1))
    edits = {"up.0.skip": raising(error) if where == "edit" else ex.Scale(0.0)}
    with monkeypatch.context() as patch, pytest.raises(type(error)):
        if where == "model":
            patch.setattr(unet.denoiser.middle, "forward", lambda *args: raising(error)(*args[:2]))
        with ex.edit(unet, edits), ex.record(unet, "*"):
            unet(PROMPT, steps=2, progress=raising(error) if where == "progress" else None)
            raise error
    assert ACTIVE.dispatcher is None and attached_to(unet) == ()
    heard.clear()
    assert same(plain, unet(PROMPT, steps=2)) and len(heard) == 2
    own.remove()


def test_an_unknown_point_is_refused_and_the_nearest_named(unet):
    with pytest.raises(ex.UnknownPointError, match=r"'middle\.rse\.out'; the nearest are middle\.res\.out"):
        drawn(unet, {"middle.rse.out": ex.Ablate()})


def test_edits_do_not_act_in_other_threads(unet):
    plain, other = unet(PROMPT, steps=2), []
    with ex.edit(unet, {"up.0.skip": ex.Scale(0.0)}):
        thread = threading.Thread(target=lambda: other.append(unet(PROMPT, steps=2)))
        thread.start()
        thread.join()
        assert not same(plain, unet(PROMPT, steps=2))
    assert same(plain, other[0])


def test_a_region_of_a_wide_image_covers_the_right_positions():
    mask = np.zeros((96, 160), bool)
    mask[:32, 96:] = True
    shares = region_shares(mask, 15).view(3, 5)
    assert shares.tolist() == [[0, 0, 0, 1, 1], [0] * 5, [0] * 5]


def test_an_edit_may_call_its_own_pipeline_which_then_samples_unedited(unet):
    plain, inner_runs = drawn(unet, prompt=OTHER), []

    def sample_within(x, context):
        if context.step == 1 and context.branch == "cond":
            inner_runs.append(unet(OTHER, steps=3, guidance=3, record="up.0.skip"))
        return 0.5 * x

    with ex.record(unet, "up.0.skip") as recorder:
        edited = drawn(unet, {"up.0.skip": sample_within})
    assert same(edited, drawn(unet, {"up.0.skip": ex.Scale(0.5)}))
    (inner,) = inner_runs
    assert same(inner, plain) and inner.edited_points == () and inner["up.0.skip"].sizes["step"] == 3
    assert len(recorder.recordings) == 1  # the outer run's


def test_two_pipelines_whose_edits_call_each_other_do_not_recurse(unet, dit):
    calls = []

    def call(pipe, name):
        def edit(x, context):
            if context.step == 0 and context.branch == "cond":
                calls.append(name)
                pipe(PROMPT, steps=2, guidance=3)
            return x
        return {"prediction": edit}

    with ex.edit(dit, call(unet, "dit's edit")):
        drawn(unet, call(dit, "unet's edit"))
    assert calls == ["unet's edit", "dit's edit"]


@pytest.mark.parametrize("use", [
    lambda pipe: ex.points(pipe), lambda pipe: ex.edit(pipe, {}).__enter__(),
    lambda pipe: ex.record(pipe, "*").__enter__(), lambda pipe: ex.attribute(pipe, PROMPT),
], ids=["points", "edit", "record", "attribute"])
@pytest.mark.parametrize("pipe", [torch.nn.Linear(1, 1), "unet-flow", torch.nn.Linear], ids=["object", "name", "class"])
def test_what_is_no_pipeline_is_refused_with_how_to_get_one(use, pipe):
    with pytest.raises(TypeError, match=r"is no pipeline of explorable: .*ex\.open\(pipeline\), .*ex\.load\(name\)"):
        use(pipe)


def test_edits_with_arrays_are_equal_where_the_arrays_are(unet):
    with ex.record(unet, "up.0.skip") as one, ex.record(unet, "up.0.skip") as other:
        drawn(unet)
    zeros, ones, mask = np.zeros((2, 2)), np.ones((2, 2)), torch.eye(2)
    same_pairs = [(ex.Replace(zeros), ex.Replace(zeros.copy())), (ex.Replace(0.0), ex.Replace(0)),
                  (ex.Reweight("red", 3, region=mask), ex.Reweight("red", 3.0, region=mask.clone())),
                  (ex.PatchFrom(one.last), ex.PatchFrom(one.last)), (ex.MaskToken("red"), ex.MaskToken("red"))]
    different = [(ex.Replace(zeros), ex.Replace(ones)), (ex.Replace(zeros), ex.Replace(np.zeros(2))),
                 (ex.Replace(zeros), ex.Replace(torch.zeros(2, 2))), (ex.Replace(zeros), ex.Replace(0.0)),
                 (ex.PatchFrom(one.last), ex.PatchFrom(other.last)), (ex.Reweight("red", 0.0), ex.MaskToken("red")),
                 (ex.Replace(zeros), ex.Replace(zeros, steps=(0, 1)))]
    assert all(a == b and hash(a) == hash(b) for a, b in same_pairs)
    assert not any(a == b for a, b in different)
