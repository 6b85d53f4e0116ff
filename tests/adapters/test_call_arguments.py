"""Arguments of a call: what diffusers' own call takes, and errors that name what is wrong and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp
import torch

import explorable as ex
from explorable.analysis.attribution import attribution_table


def refused(pipe: Any, message: str, **arguments: Any) -> None:
    with pytest.raises(ex.SettingError, match=message):
        pipe(**{"prompt": tp.OTHER, "steps": 2, **arguments})


def test_an_invalid_argument_is_named_with_what_to_do(pipe):
    refused(pipe, r"record is 5: give the name of a point or a pattern", record=5)
    refused(pipe, r"record is \[5\]: give the name", record=[5])
    refused(pipe, r"progress is 5: give a function of the steps done and of all steps", progress=5)
    refused(pipe, r"foo is no argument of this pipeline; a \w+ takes prompt, negative, steps, .*height", foo=1)
    refused(pipe, r"guidanse is no argument of this pipeline: did you mean guidance\?", guidanse=1)
    for wrong in (5, "a", torch.tensor(1.0)):
        refused(pipe, r"prompt_embeds (is .*: give a tensor|cannot be given: its embeddings are lists)",
                prompt_embeds=wrong)
    refused(pipe, r"prompt contains '\\ud800', which is half of a character: leave it out", prompt="a \ud800 car")
    refused(pipe, r"prompt is None: give a text .* or prompt_embeds=", prompt=None)
    refused(pipe, r"latents cannot be set: the seed sets the initial noise", latents=torch.zeros(1))
    refused(pipe, r"guidance_scale is called guidance here", guidance_scale=2.0)


@pytest.mark.parametrize("name", ("clip_value", "normalize"))
def test_what_changes_brias_guided_prediction_is_refused(name):
    with ex.open(tp.shared("bria"), **tp.CALL_DEFAULTS["bria"]) as pipe:
        refused(pipe, f"{name} cannot be set: it changes the prediction", **{name: 1.0})


def test_a_negative_prompt_that_is_too_long_is_called_the_negative_prompt(pipe, family):
    if family == "klein":
        refused(pipe, "leave it out; a Flux2KleinPipeline always compares with the empty prompt", negative="night")
    elif pipe.uses_cfg and family != "sd3":
        refused(pipe, "the negative prompt has (2[567]|30) pieces.*: shorten the negative prompt",
                negative="night " * 12)


def test_true_cfg_scale_is_refused_with_its_reason():
    pipe = ex.open(tp.shared("flux"), **tp.CALL_DEFAULTS["flux"])
    refused(pipe, "true_cfg_scale cannot be set: it would add a second call of the network", true_cfg_scale=4.0)


def test_guidance_0_is_off_as_it_is_for_turbo_models(pipe, pipeline, family):
    run = pipe(tp.OTHER, steps=2, guidance=0, record="*.cross.weights")
    own = tp.untouched(pipeline, family, tp.OTHER, num_inference_steps=2, guidance_scale=0.0)
    assert np.array_equal(run.image, own)
    assert run.branches == 1 and np.array_equal(run.branch(1).image, run.image)
    if pipe.uses_cfg:
        assert np.array_equal(run.image, pipe(tp.OTHER, steps=2, guidance=1).image)
        refused(pipe, "guidance is 0.5: choose a number from 1 to 100, or 0, which is off like 1", guidance=0.5)


def embeddings(pipeline: Any, family: str, text: str) -> dict[str, torch.Tensor]:
    """Return a text's embeddings as arguments of the pipeline's call."""
    short = {"max_sequence_length": tp.MAX_TOKENS, **{
        name: value for name, value in tp.CALL_DEFAULTS[family].items() if name in ("system_prompt",
                                                                                    "complex_human_instruction")}}
    if family == "qwen":
        return {name: pipeline.encode_prompt(t, **short)[0] for name, t in (("prompt_embeds", text),
                                                                            ("negative_prompt_embeds", ""))}
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    if family == "sd":
        return dict(zip(names, pipeline.encode_prompt(text, "cpu", 1, True), strict=False))
    if family == "sdxl":
        return dict(zip(names, pipeline.encode_prompt(text), strict=True))
    if family == "sd3":
        return dict(zip(names, pipeline.encode_prompt(text, None, None, **short), strict=True))
    if family == "flux":
        return dict(zip(names[::2], pipeline.encode_prompt(text, None, **short), strict=False))
    if family in ("ovis", "bria"):
        return dict(zip(names[:2], pipeline.encode_prompt(text, **short), strict=False))
    if family in ("klein", "flux2"):
        return {"prompt_embeds": pipeline.encode_prompt(text, text_encoder_out_layers=(0, 1, 2), **short)[0]}
    if family == "chroma":
        embeds, _, mask, negative, _, negative_mask = pipeline.encode_prompt(text, **short)
        return {"prompt_embeds": embeds, "prompt_attention_mask": mask, "negative_prompt_embeds": negative,
                "negative_prompt_attention_mask": negative_mask}
    names = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")
    return dict(zip(names, pipeline.encode_prompt(text, **short), strict=True))


def test_embeddings_stand_for_the_prompt_and_keep_its_words(pipe, pipeline, family):
    if family == "zimage":
        refused(pipe, "prompt_embeds cannot be given: its embeddings are lists", prompt_embeds=torch.zeros(1, 2, 3))
        return
    given = embeddings(pipeline, family, tp.PROMPT)
    plain = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    named = pipe(tp.PROMPT, steps=2, record="*.cross.weights", **given)
    assert np.array_equal(named.image, plain.image) and named.tokens == plain.tokens
    name = next(iter(plain.recorded))
    np.testing.assert_array_equal(named[name].isel(branch=-1).sel(token="golden"),
                                  plain[name].isel(branch=-1).sel(token="golden"))
    bare = pipe(steps=2, record="*.cross.weights", **given)
    pieces = given["prompt_embeds"].shape[1] if family != "lumina" else 15  # the network leaves out the padding
    assert np.array_equal(bare.image, plain.image) and bare.tokens == tuple(f"<{k}>" for k in range(pieces))
    assert np.array_equal(bare.branch(1).image, bare.image)
    with pytest.raises(ex.SettingError, match="sampled from prompt_embeds"):
        bare.branch(1, prompt=tp.OTHER)
    assert pipe.sample_images([tp.OTHER, tp.OTHER], [0, 1]).shape[0] == 2
    two = {name: value.repeat_interleave(2, 0) for name, value in given.items()}
    refused(pipe, "prompt_embeds has 2 prompts: give the embeddings of one", **two)


@pytest.mark.parametrize("family", ("lumina", "qwen", "chroma", "ovis"))
def test_beside_embeddings_the_negative_text_has_its_own_length_and_words(pipe, pipeline, family):
    """The pipeline encodes it itself, in a call of its own."""
    given = {name: value[:, :12] for name, value in embeddings(pipeline, family, tp.PROMPT).items()
             if not name.startswith("negative")}
    for negative in ("", tp.OTHER):
        run = pipe(negative=negative, steps=2, guidance=4, record="*.cross.weights", **given)
        own = pipe(tp.PROMPT, negative=negative, steps=2, guidance=4, record="*.cross.weights")
        assert np.array_equal(run.image, pipe(negative=negative, steps=2, guidance=4, **given).image)
        name = next(iter(run.recorded))
        words, expected = ([token for token in found[name].token_uncond.values.tolist() if token != "<pad>"]
                           for found in (run, own))
        assert words == expected and run.tokens == tuple(f"<{k}>" for k in range(12))
        for word in expected:
            np.testing.assert_array_equal(run[name].sel(branch="uncond", step=0)[..., words.index(word)],
                                          own[name].sel(branch="uncond", step=0)[..., expected.index(word)])


def test_embeddings_of_a_negative_text_are_numbered_where_no_text_is_given():
    pipeline = tp.shared("qwen")
    given = pipeline.encode_prompt(tp.OTHER, max_sequence_length=tp.MAX_TOKENS)[0]
    with ex.open(pipeline, height=16, width=16, max_sequence_length=tp.MAX_TOKENS) as pipe:
        run = pipe(tp.PROMPT, steps=2, guidance=4, record="*.cross.weights", negative_prompt_embeds=given)
        named = next(iter(pipe(tp.PROMPT, negative=tp.OTHER, steps=2, guidance=4, record="*.cross.weights")
                          .recorded.values()))
    weights = next(iter(run.recorded.values()))
    pieces = [f"<{k}>" for k in range(given.shape[1])]
    assert weights.token_uncond.values.tolist()[:len(pieces)] == pieces
    np.testing.assert_array_equal(weights.sel(branch="cond", token="golden"), named.sel(branch="cond", token="golden"))


@pytest.mark.parametrize("family", ("sd", "sdxl", "sd3", "flux"))
def test_a_callback_changes_the_run_as_it_changes_the_pipelines_own(pipe, pipeline, family):
    seen = []

    def halve(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        seen.append((step, pipe(tp.OTHER, steps=1).steps >= 1))  # it may sample with the same pipeline
        return {"latents": values["latents"] * 0.5}

    plain = pipe(tp.PROMPT, steps=3)
    run = pipe(tp.PROMPT, steps=3, callback_on_step_end=halve, record="*.cross.weights")
    assert len(seen) >= 3 and all(done for _, done in seen)
    own = tp.untouched(pipeline, family, num_inference_steps=3, callback_on_step_end=halve)
    assert np.array_equal(run.image, own) and not np.array_equal(run.image, plain.image)
    assert np.array_equal(pipe.decode(run.latents.values[-1:])[0], run.image)
    for step in range(run.steps):
        assert np.array_equal(run.branch(step).image, run.image), step


def test_another_callback_needs_no_other_survey():
    pipe = ex.open(tp.fresh("sd"))
    kept = [lambda pipeline, step, timestep, values, k=k: values for k in range(3)]
    for callback in kept:
        pipe(tp.OTHER, steps=1, callback_on_step_end=callback, record="*.cross.weights")
    assert len(pipe._found_points[pipe.denoiser]) == 1


def test_a_callback_that_is_no_function_is_refused():
    refused(ex.open(tp.shared("sd")), "callback_on_step_end is 5: give a function", callback_on_step_end=5)


def test_attribution_of_an_opened_pipeline_needs_no_examiner(pipe, family):
    found = ex.attribute(pipe, tp.OTHER, kinds=("word",), steps=2)
    assert found.part.values.tolist() == ["word a", "word red", "word car"]
    assert found.region.values.tolist() == ["everywhere"] and "verdict" not in found
    np.testing.assert_allclose(found.by_region.sel(region="everywhere"), found.change.mean(("y", "x")), rtol=1e-5)
    assert list(attribution_table(found).columns) == ["kind", "change", "in everywhere", "attention agrees"]
    with pytest.raises(ValueError, match=r"the region 'left' has the shape \(4, 4\): give a mask of the image's"):
        ex.attribute(pipe, tp.OTHER, kinds=("word",), regions={"left": np.ones((4, 4), bool)}, steps=2)


@pytest.mark.parametrize("merge_subwords", (True, False))
@pytest.mark.parametrize("prompts", ((tp.OTHER, tp.PROMPT), (tp.PROMPT, tp.OTHER)))
def test_prompt_to_prompt_keeps_the_layout_of_a_prompt_of_another_length(pipeline, family, prompts, merge_subwords):
    with ex.open(pipeline, merge_subwords, False, **tp.CALL_DEFAULTS[family]) as pipe:
        source = pipe(prompts[0], steps=2, record="*.cross.weights")
        plain = pipe(prompts[1], steps=2, record="*.cross.weights")
        with ex.edit(pipe, {"*.cross.weights": ex.PromptToPrompt(source)}):
            run = pipe(prompts[1], steps=2, record="*.cross.weights")
    assert run.tokens == plain.tokens and not np.array_equal(run.latents, plain.latents)
    name = next(iter(run.recorded))
    same, theirs = (r[name].isel(branch=-1, token=r.tokens.index("a")) for r in (run, source))
    np.testing.assert_allclose(same, theirs, atol=1e-6)  # a word of both prompts
