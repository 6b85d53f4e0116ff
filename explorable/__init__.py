"""Text-to-image diffusion, opened up: see, change and measure every part of a small real model.

    import explorable as ex
    pipe = ex.load("unet-flow")
    pipe("a red car on a mountain road").image

Importing the package is cheap: torch, plotly and the widgets are imported when they are first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .widgets.registry import EXPLORABLES

if TYPE_CHECKING:
    from .analysis.attribution import attribute
    from .diffusion.settings import SettingError, Settings
    from .hooks import (
        Ablate,
        EditError,
        LocalAttention,
        MaskToken,
        MemoryRefusedError,
        PatchFrom,
        PointTable,
        PromptToPrompt,
        Recorder,
        Replace,
        Reweight,
        Scale,
        ShufflePositions,
        UnknownPointError,
        edit,
        record,
    )
    from .nn.classifier import UnknownTargetError
    from .nn.text import PromptTooLongError, UnknownWordError
    from .pipeline import Pipeline, load
    from .pipeline.pictures import PictureError, read_picture
    from .run import Run, RunFileError
    from .widgets.classifier_guidance.widget import ClassifierGuidance
    from .widgets.flow_paths.widget import FlowPaths
    from .widgets.guidance_scale.widget import GuidanceScale
    from .widgets.latent_space.widget import LatentSpace
    from .widgets.learning.widget import Learning
    from .widgets.noise_trajectory.widget import NoiseTrajectory
    from .widgets.patch_transformer.widget import PatchTransformer
    from .widgets.predict.prediction import Predict, Reveal
    from .widgets.predict.score import predictions
    from .widgets.quiz.quiz import Quiz
    from .widgets.studio.widget import Studio
    from .widgets.token_attention.widget import TokenAttention
    from .widgets.unet_xray.widget import UNetXRay
    from .widgets.word_space.widget import WordSpace
    from .world.rewriting import Rewritten, rewrite
    from .zoo import WeightError

__version__ = "0.1.0"

# How long torch's idle threads spin before they sleep. On a busy machine spinning makes sampling ten times slower; on
# an idle one, sleeping at once makes it half as slow again. So they spin briefly (GNU OpenMP can be told how long) and
# then sleep. This is read once, when torch is first imported, and leaves a policy that is already set as it is.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

_MODULES = {
    **dict.fromkeys(("Pipeline", "load"), "pipeline"),
    **dict.fromkeys(("PictureError", "read_picture"), "pipeline.pictures"),
    **dict.fromkeys(("SettingError", "Settings"), "diffusion.settings"),
    **dict.fromkeys(("Ablate", "EditError", "Reweight", "MemoryRefusedError", "PointTable", "PromptToPrompt", "Replace",
                     "Scale", "MaskToken", "PatchFrom", "Recorder", "UnknownPointError", "edit", "record",
                     "LocalAttention", "ShufflePositions"), "hooks"),
    **dict.fromkeys(("PromptTooLongError", "UnknownWordError"), "nn.text"),
    **dict.fromkeys(("Run", "RunFileError"), "run"), "UnknownTargetError": "nn.classifier",
    **dict.fromkeys(("Predict", "Reveal"), "widgets.predict.prediction"), "predictions": "widgets.predict.score",
    "Quiz": "widgets.quiz.quiz",
    **dict.fromkeys(("Rewritten", "rewrite"), "world.rewriting"),
    "WeightError": "zoo", "open": "adapters", "attribute": "analysis.attribution",
    **{entry.name: entry.module for entry in EXPLORABLES.values()},
}
# Without `open`: `from explorable import *` must not replace Python's own.
__all__ = [
    "Ablate",
    "ClassifierGuidance",
    "EditError",
    "FlowPaths",
    "GuidanceScale",
    "LatentSpace",
    "Learning",
    "LocalAttention",
    "MaskToken",
    "MemoryRefusedError",
    "NoiseTrajectory",
    "PatchFrom",
    "PatchTransformer",
    "PictureError",
    "Pipeline",
    "PointTable",
    "Predict",
    "PromptToPrompt",
    "PromptTooLongError",
    "Quiz",
    "Recorder",
    "Replace",
    "Reveal",
    "Reweight",
    "Rewritten",
    "Run",
    "RunFileError",
    "Scale",
    "SettingError",
    "Settings",
    "ShufflePositions",
    "Studio",
    "TokenAttention",
    "UNetXRay",
    "UnknownPointError",
    "UnknownTargetError",
    "UnknownWordError",
    "WeightError",
    "WordSpace",
    "attribute",
    "edit",
    "load",
    "points",
    "predictions",
    "read_picture",
    "record",
    "rewrite",
]


def points(pipe: Pipeline, steps: int = 20) -> PointTable:
    """Return the hook points of a pipeline: axes, shape, and the bytes that a guided run of `steps` steps records.

    Raises:
        TypeError: `pipe` is no pipeline of this package, or was not opened.
    """
    from .hooks import check_pipeline

    check_pipeline(pipe)
    return pipe.points(steps)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"explorable has no {name!r}; it has {', '.join(sorted(_MODULES))}")


def __dir__() -> list[str]:
    return sorted([*_MODULES, "__version__", "points"])
