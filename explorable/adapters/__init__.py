"""Other people's pipelines, opened up: the same runs, points, recordings and edits over diffusers' models.

    from diffusers import DiffusionPipeline
    with ex.open(DiffusionPipeline.from_pretrained("…")) as pipe:
        run = pipe("a red sports car on a mountain road", record=["*.cross.weights"])
"""

from .opened_pipeline import OpenedPipeline, open_pipeline

open = open_pipeline  # as explorable calls it

__all__ = ["OpenedPipeline", "open", "open_pipeline"]
