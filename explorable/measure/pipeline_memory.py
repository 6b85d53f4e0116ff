"""How much memory does each family of diffusers pipelines need, for its weights and its attention maps?"""

from __future__ import annotations

from typing import Any

from .machine import require_diffusers
from .table import Table


def pipeline_memory() -> Table:
    """Count the memory that each family needs, for its weights and the maps of a prompt of twelve tokens.

    The networks are built without their weights.
    """
    require_diffusers()
    from ..adapters.memory import memory_need
    from ..adapters.published_models import PUBLISHED_MODELS

    rows: list[dict[str, Any]] = []
    for model in PUBLISHED_MODELS:
        need = memory_need(model)
        rows.append({"model": model.name, "image": f"{model.image_side} × {model.image_side}", "steps": model.steps,
                     "denoiser, M weights": round(need.weights / 1e6),
                     "denoiser, GB": round(need.denoiser_bytes / 1e9, 1),
                     "with encoders, GB": round(need.all_bytes / 1e9, 1), "layers": len(need.points),
                     "all maps, GB": round(need.map_bytes() / 1e9, 2),
                     "means over steps and heads, MB": round(need.map_bytes(("step", "head")) / 1e6, 1)})
    return Table("Memory to open a pipeline: its weights, and the attention maps of a prompt", rows, [
        "counted on networks built from their public configurations, without weights; half precision",
        "maps: of 12 tokens (the pieces of a word together, all padding as one), every layer, head, step and branch",
        "a run needs memory for its activations in addition"])
