"""Caches in the user's network: a survey or a call that ends early leaves them, and all other state, as it was."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from diffusers.models.attention_processor import AttnProcessor2_0

import explorable as ex

STEPS = 6
FIRST_BLOCK = diffusers.FirstBlockCacheConfig(threshold=0.8)


def timestep_of(pipeline: Any) -> Any:
    return lambda: getattr(pipeline, "_current_timestep", None) or 500


def cached_flux(config: Any) -> Any:
    pipeline = tp.fresh("flux")
    if isinstance(config, type):
        config = config(spatial_attention_block_skip_range=2, spatial_attention_timestep_skip_range=(-1, 1001),
                        current_timestep_callback=timestep_of(pipeline))
    pipeline.transformer.enable_cache(config)
    return pipeline


def cached_unet(config: Any, apply: Any) -> Any:
    pipeline = tp.fresh("sd")
    apply(pipeline.unet, config)
    return pipeline


CACHES = {
    "FirstBlock": lambda: cached_flux(FIRST_BLOCK),
    "Mag": lambda: cached_flux(diffusers.MagCacheConfig(
        threshold=0.5, max_skip_steps=3, retention_ratio=0.1, num_inference_steps=STEPS,
        mag_ratios=torch.ones(STEPS))),
    "PyramidAttentionBroadcast": lambda: cached_flux(diffusers.PyramidAttentionBroadcastConfig),
    "TaylorSeer": lambda: cached_flux(diffusers.TaylorSeerCacheConfig(
        cache_interval=3, disable_cache_before_step=1, max_order=1, taylor_factors_dtype=torch.float32)),
}


@pytest.fixture(params=CACHES)
def cached(request: pytest.FixtureRequest) -> Any:
    """A pipeline with a cache in its network."""
    return CACHES[request.param]()


def image_of(pipeline: Any) -> np.ndarray:
    return tp.untouched(pipeline, "flux", num_inference_steps=STEPS)


def break_off(pipe: Any) -> None:
    def stop(done: int, of: int) -> None:
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pipe(tp.PROMPT, steps=STEPS, progress=stop)


def inspect(pipe: Any) -> None:
    pipe.inspect(np.zeros((16, 16, 3), np.uint8), tp.PROMPT)


def sample_within_progress(pipe: Any) -> None:
    run = pipe(tp.PROMPT, steps=STEPS, progress=lambda *_: pipe(tp.OTHER, steps=2))
    assert np.array_equal(run.image, pipe(tp.PROMPT, steps=STEPS).image)


@pytest.mark.parametrize("use", [lambda pipe: pipe.points(), break_off, inspect, sample_within_progress],
                         ids=["points", "ended early", "inspect", "nested"])
def test_the_users_next_image_is_the_one_it_would_have_been(cached, use):
    image = image_of(cached)
    with ex.open(cached, **tp.CALL_DEFAULTS["flux"]) as pipe:
        use(pipe)
        assert np.array_equal(image_of(cached), image)
        assert np.array_equal(pipe(tp.PROMPT, steps=STEPS).image, image)  # the cache works in an opened pipeline too


def test_a_call_does_not_begin_from_what_a_call_that_ended_early_has_left(cached):
    image = image_of(cached)

    def stop(pipeline: Any, step: int, timestep: Any, values: dict) -> dict:
        if step == 2:
            raise InterruptedError
        return values

    with pytest.raises(InterruptedError):  # the user's own
        tp.untouched(cached, "flux", num_inference_steps=STEPS, callback_on_step_end=stop)
    with ex.open(cached, **tp.CALL_DEFAULTS["flux"]) as pipe:
        assert len(pipe.points()) > 8
        assert np.array_equal(pipe(tp.PROMPT, steps=STEPS).image, image)


def test_what_a_cache_skips_is_said():
    pipeline = CACHES["FirstBlock"]()
    image = image_of(pipeline)
    with ex.open(pipeline, **tp.CALL_DEFAULTS["flux"]) as pipe:
        with pytest.warns(UserWarning, match=r"did not compute blocks\.1\.cross\.weights and 2 other points at 5 of 6 "
                                             r"steps, because its cache \(FirstBlockCacheConfig\).*disable_cache"):
            run = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
        assert np.array_equal(run.image, image)
        assert run["blocks.0.cross.weights"].sizes["step"] == 6 and run["blocks.1.cross.weights"].sizes["step"] == 1
        with pytest.warns(UserWarning, match=r"did not compute single\.0\.img\.out at 5"), \
                ex.edit(pipe, {"single.0.img.out": ex.Scale(1.0)}):  # a skipped block's output is not its own
            pipe(tp.PROMPT, steps=STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            pipe(tp.PROMPT, steps=STEPS, record="blocks.0.cross.weights")  # the first block is always computed
            pipeline.transformer.disable_cache()
            assert not np.isnan(pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")["*.cross.weights"]).any()


def test_the_warning_of_what_a_cache_skips_names_the_users_line():
    with ex.open(CACHES["FirstBlock"](), **tp.CALL_DEFAULTS["flux"]) as pipe:
        for use in (lambda: pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights"),
                    lambda: pipe(tp.PROMPT, steps=STEPS).branch(0, record="*.cross.weights")):
            with pytest.warns(UserWarning, match="did not compute") as caught:
                use()
            assert [w.filename for w in caught if "did not compute" in str(w.message)] == [__file__]


def test_skipped_attention_is_not_taken_for_a_processor_that_hides_its_weights():
    with ex.open(CACHES["PyramidAttentionBroadcast"](), **tp.CALL_DEFAULTS["flux"]) as pipe, \
            pytest.warns(UserWarning, match=r"PyramidAttentionBroadcastConfig"):
        assert pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")["blocks.0.cross.weights"].sizes["step"] == 3


def test_a_branch_that_would_need_the_cache_of_its_parent_is_refused(cached):
    with ex.open(cached, **tp.CALL_DEFAULTS["flux"]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS)
        with pytest.raises(ex.SettingError, match=r"branch at step 3 .*pipeline\.transformer\.disable_cache\(\)"):
            run.branch(3)
        assert np.array_equal(run.branch(0).image, run.image)
        cached.transformer.disable_cache()
        run = pipe(tp.PROMPT, steps=STEPS)
        assert np.array_equal(run.branch(3).image, run.image)


def test_a_cache_that_leaves_out_a_branch_cannot_be_recorded():
    pipeline = tp.fresh("sd3")
    diffusers.apply_faster_cache(pipeline.transformer, diffusers.FasterCacheConfig(
        spatial_attention_block_skip_range=2, spatial_attention_timestep_skip_range=(-1, 1001), tensor_format="BCHW",
        unconditional_batch_skip_range=2, unconditional_batch_timestep_skip_range=(-1, 1001),
        current_timestep_callback=lambda: 500, attention_weight_callback=lambda _: 0.5,
        _unconditional_conditional_input_kwargs_identifiers=[
            "hidden_states", "encoder_hidden_states", "timestep", "pooled_projections"]))
    with ex.open(pipeline, **tp.CALL_DEFAULTS["sd3"]) as pipe:
        image = pipe(tp.PROMPT, steps=STEPS).image
        assert np.array_equal(image, tp.untouched(pipeline, "sd3", num_inference_steps=STEPS))
        with pytest.raises(ex.SettingError, match="FasterCache leaves out the unconditional branch"):
            pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
        with pytest.raises(ex.SettingError, match="or choose guidance=1"), ex.edit(pipe, {"prediction": ex.Scale(0.0)}):
            pipe(tp.PROMPT, steps=STEPS)


# ---- other state -----------------------------------------------------------------------------------------------------


class CountingProcessor(AttnProcessor2_0):
    """A processor that keeps something from one call to the next, as those of attention-control methods do."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.stored = 0, [0]

    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.calls += 1
        self.stored.append(self.calls)
        return super().__call__(*args, **kwargs)


def count_and_draw(module: torch.nn.Module, _: Any) -> None:
    """Change a module's attribute and torch's global generator."""
    module.count = getattr(module, "count", 0) + int(torch.rand(1) < 2)


@pytest.mark.parametrize("use", [lambda pipe: pipe.points(), break_off, inspect], ids=["points", "broken", "inspect"])
def test_a_call_that_ends_early_leaves_all_state_as_it_was(use):
    pipeline = tp.fresh("sd")
    processor = CountingProcessor()
    stored = processor.stored
    pipeline.unet.set_attn_processor(processor)
    pipeline.unet.register_forward_pre_hook(count_and_draw)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with ex.open(pipeline) as pipe:
        use(pipe)
    assert torch.equal(torch.rand(2), expected)
    assert processor.calls == 0 and processor.stored is stored and stored == [0]
    assert not hasattr(pipeline.unet, "count")
    tp.untouched(pipeline, "sd", num_inference_steps=2)
    assert pipeline.unet.count == 3 and processor.calls > 0


def test_a_call_that_ends_early_on_a_thread_does_not_rewind_the_generator_of_all():
    with ex.open(tp.fresh("sd")) as pipe, ThreadPoolExecutor(1) as pool:
        pipe.points()
        torch.manual_seed(3)
        drawn = []

        def draw_and_stop(done: int, steps: int) -> None:
            drawn.append(torch.rand(2))
            raise RuntimeError("superseded")

        with pytest.raises(RuntimeError, match="superseded"):
            pool.submit(pipe, tp.PROMPT, steps=2, progress=draw_and_stop).result()
        assert not torch.equal(torch.rand(2), drawn[0])


@pytest.mark.filterwarnings("ignore:FluxTransformer2DModel did not compute")
def test_token_attention_says_that_a_cache_skips_layers():
    pipe = ex.open(CACHES["FirstBlock"](), **tp.CALL_DEFAULTS["flux"])
    w = ex.TokenAttention(pipe, prompt=tp.PROMPT, steps=4)
    try:
        w.wait()
        assert "was computed at 1 of 4 steps" in w.status_area.status.value and "disable" in w.status_area.status.value
    finally:
        w.close()
