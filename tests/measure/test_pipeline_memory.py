"""Memory is counted as a run of the pipeline records it."""

from __future__ import annotations

import pytest
import tiny_pipelines as tp

import explorable as ex
from explorable.adapters.memory import PublishedModel, count_weights, memory_need
from explorable.adapters.published_models import PUBLISHED_MODELS
from explorable.measure.pipeline_memory import pipeline_memory


@pytest.mark.parametrize("family", ("sd", "flux"))
def test_what_is_counted_without_weights_is_what_a_run_records(family):
    """Counting uses only the network, on the meta device; it agrees with the recording of a whole pipeline."""
    pipeline = tp.shared(family)
    network = tp.network_of(pipeline)
    like = next(m for m in PUBLISHED_MODELS if m.text_first == (family == "flux"))

    def inputs(rows: int, side: int) -> dict:
        import torch

        if family == "sd":
            return {"sample": torch.empty(rows, 4, side, side), "timestep": torch.empty(rows),
                    "encoder_hidden_states": torch.empty(rows, tp.MAX_TOKENS, tp.WIDTH)}
        positions = (side // 2) ** 2
        return {"hidden_states": torch.empty(rows, positions, 16), "timestep": torch.empty(rows),
                "encoder_hidden_states": torch.empty(rows, tp.MAX_TOKENS, tp.WIDTH), "guidance": torch.empty(rows),
                "pooled_projections": torch.empty(rows, tp.WIDTH), "img_ids": torch.empty(positions, 3),
                "txt_ids": torch.empty(tp.MAX_TOKENS, 3)}

    config = {k: v for k, v in network.config.items() if not k.startswith("_")}
    steps = 3 if family == "flux" else 4  # PNDM evaluates the network once more
    model = PublishedModel("tiny", lambda: type(network)(**config), (), 64, steps, like.batch_size, tp.MAX_TOKENS,
                           inputs, like.text_first)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=3, record="*.cross.weights")
    need = memory_need(model, len(run.tokens))
    assert need.weights == count_weights(network)
    recorded = {name: array.shape[2:] for name, array in run.recorded.items()}
    assert {point.name: point.shape for point in need.points} == recorded and need.map_bytes() == run.recorded.nbytes


def test_the_table_has_every_family_and_agrees_with_their_papers():
    """860 M and 2.6 G weights in the U-Nets (Rombach et al. 2022; Podell et al. 2023), 0.6 G in PixArt-alpha."""
    millions = {row["model"]: row["denoiser, M weights"] for row in pipeline_memory().rows}
    assert list(millions) == [model.name for model in PUBLISHED_MODELS]
    assert millions["Stable Diffusion 1.5"] == 860
    assert round(millions["Stable Diffusion XL"] / 100) == 26
    assert round(millions["PixArt-alpha XL"] / 100) == 6
