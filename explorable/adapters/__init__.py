"""Open diffusers pipelines: the same runs, points, recordings and edits over their models.

    from diffusers import DiffusionPipeline
    with ex.open(DiffusionPipeline.from_pretrained("…")) as pipe:
        run = pipe("a red sports car on a mountain road", record=["*.cross.weights"])
"""

from .opened_pipeline import OpenedPipeline, open_pipeline

open = open_pipeline  # the name at the package's top level

__all__ = ["OpenedPipeline", "open", "open_pipeline"]
