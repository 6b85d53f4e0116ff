"""The cost of opening is measured on the same pictures, and memory is counted as the library itself counts it."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp

import explorable as ex
from explorable.adapters.memory import PublishedModel, count_weights, memory_need
from explorable.adapters.published_models import PUBLISHED_MODELS
from explorable.adapters.tokens import END, PAD, START
from explorable.diffusion.settings import Settings
from explorable.measure import MEASURES
from explorable.measure.opening_overhead import OPENED, RECORDED, UNTOUCHED, opening_overhead, practice, ways


def test_all_ways_paint_the_same_picture():
    with practice((16, 32)) as pipeline, ex.open(pipeline) as pipe:
        made = ways(pipeline, pipe, Settings("a golden retriever", steps=2))
        pictures = [way(3) for way in made.values()]
        assert list(made) == [UNTOUCHED, OPENED, RECORDED]
        assert all(np.array_equal(picture, pictures[0]) for picture in pictures)
        assert pictures[0].shape == (64, 64, 3) and pictures[0].std() > 1
        assert pipe("a golden retriever", steps=1).tokens == (START, "a", "golden", "retriever", END, PAD)


def test_the_same_seed_makes_the_same_practice_pipeline():
    pictures = []
    for _ in range(2):
        with practice((16, 32)) as pipeline, ex.open(pipeline) as pipe:
            pictures.append(pipe("a red car", steps=2).image)
    assert np.array_equal(*pictures)


def test_the_table_says_what_opening_costs():
    table = opening_overhead(steps=2, repeats=2, quick=True)
    assert [row["way"] for row in table.rows] == [UNTOUCHED, OPENED, RECORDED]
    assert table.rows[0]["cost %"] is None and all(isinstance(row["cost %"], float) for row in table.rows[1:])
    assert table.notes[0].endswith("the same to the last bit")
    assert {"opening-overhead", "pipeline-memory"} <= set(MEASURES)


@pytest.mark.parametrize("family", ("sd", "flux"))
def test_what_is_counted_without_a_weight_is_what_a_real_run_keeps(family):
    """The counting goes another way than a run does: a bare network on no device, against a pipeline that draws."""
    pipeline = tp.shared(family)
    network = tp.network_of(pipeline)
    like = next(m for m in PUBLISHED_MODELS if m.text_first == (family == "flux"))

    def inputs(rows: int, side: int) -> dict:
        import torch

        if family == "sd":
            return {"sample": torch.empty(rows, 4, side, side), "timestep": torch.empty(rows),
                    "encoder_hidden_states": torch.empty(rows, tp.ROOM, tp.WIDTH)}
        places = (side // 2) ** 2
        return {"hidden_states": torch.empty(rows, places, 16), "timestep": torch.empty(rows),
                "encoder_hidden_states": torch.empty(rows, tp.ROOM, tp.WIDTH), "guidance": torch.empty(rows),
                "pooled_projections": torch.empty(rows, tp.WIDTH), "img_ids": torch.empty(places, 3),
                "txt_ids": torch.empty(tp.ROOM, 3)}

    config = {k: v for k, v in network.config.items() if not k.startswith("_")}
    steps = 3 if family == "flux" else 4  # PNDM looks once more
    model = PublishedModel("tiny", lambda: type(network)(**config), (), 64, steps, like.batch_size, tp.ROOM, inputs,
                           like.text_first)
    with ex.open(pipeline, **tp.ALWAYS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=3, record="*.cross.weights")
    need = memory_need(model, len(run.tokens))
    assert need.weights == count_weights(network)
    kept = {name: array.shape[2:] for name, array in run.recorded.items()}
    assert {point.name: point.shape for point in need.points} == kept and need.map_bytes() == run.recorded.nbytes


def test_the_published_sizes_are_those_that_their_papers_give():
    """860 M and 2.6 G weights in the U-Nets (Rombach et al. 2022; Podell et al. 2023), 12 G in FLUX.1."""
    weights = {model.name: memory_need(model).weights for model in PUBLISHED_MODELS
               if "XL" in model.name or "1.5" in model.name}
    assert round(weights["Stable Diffusion 1.5"] / 1e6) == 860
    assert round(weights["Stable Diffusion XL"] / 1e8) == 26
    assert round(weights["PixArt-alpha XL"] / 1e8) == 6
