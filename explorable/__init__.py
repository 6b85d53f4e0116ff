"""Text-to-image diffusion, opened up: see, change and measure every part of a small real model.

    import explorable as ex
    pipe = ex.load("unet-flow")
    pipe("a red car on a mountain road").image

Importing the package is cheap: torch, plotly and the widgets come in when they are first needed.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis.attribution import attribute
    from .diffusion.settings import SettingError, Settings
    from .hooks import (
        Ablate,
        EditError,
        MaskToken,
        MemoryRefusedError,
        PatchFrom,
        PointTable,
        PromptToPrompt,
        Recorder,
        Replace,
        Reweight,
        Scale,
        UnknownPointError,
        edit,
        record,
    )
    from .nn.classifier import UnknownTargetError
    from .nn.text import PromptTooLongError, UnknownWordError
    from .pipeline import Pipeline, load
    from .run import Run
    from .widgets.flow_paths.widget import FlowPaths
    from .widgets.noise_trajectory.widget import NoiseTrajectory
    from .widgets.studio.widget import Studio
    from .widgets.token_attention.widget import TokenAttention
    from .widgets.unet_xray.widget import UNetXRay
    from .zoo import WeightError

__version__ = "0.1.0"

# Threads of torch that wait for each other shall soon sleep: on a busy machine, spinning makes a picture ten times
# slower; on a free one, falling asleep at once makes it half as slow again. So they spin a little (which GNU's OpenMP
# can be told) and then sleep. Read once, when torch is first imported; whoever has set a policy keeps it.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

_HOME = {
    **dict.fromkeys(("Pipeline", "load"), "pipeline"),
    **dict.fromkeys(("SettingError", "Settings"), "diffusion.settings"),
    **dict.fromkeys(("Ablate", "EditError", "Reweight", "MemoryRefusedError", "PointTable", "PromptToPrompt", "Replace",
                     "Scale", "MaskToken", "PatchFrom", "Recorder", "UnknownPointError", "edit", "record"), "hooks"),
    **dict.fromkeys(("PromptTooLongError", "UnknownWordError"), "nn.text"),
    "Run": "run", "UnknownTargetError": "nn.classifier", "WeightError": "zoo", "open": "adapters",
    "attribute": "analysis.attribution",
    "Studio": "widgets.studio.widget", "NoiseTrajectory": "widgets.noise_trajectory.widget",
    "UNetXRay": "widgets.unet_xray.widget", "TokenAttention": "widgets.token_attention.widget",
    "FlowPaths": "widgets.flow_paths.widget",
}
EXPLORABLES = ("Studio", "NoiseTrajectory", "UNetXRay", "TokenAttention", "FlowPaths")  # in the order of the lesson
# Without open, which `from explorable import *` would put before Python's own.
__all__ = [
    "Ablate",
    "EditError",
    "FlowPaths",
    "MaskToken",
    "MemoryRefusedError",
    "NoiseTrajectory",
    "PatchFrom",
    "Pipeline",
    "PointTable",
    "PromptToPrompt",
    "PromptTooLongError",
    "Recorder",
    "Replace",
    "Reweight",
    "Run",
    "Scale",
    "SettingError",
    "Settings",
    "Studio",
    "TokenAttention",
    "UNetXRay",
    "UnknownPointError",
    "UnknownTargetError",
    "UnknownWordError",
    "WeightError",
    "attribute",
    "edit",
    "load",
    "points",
    "record",
]


def points(pipe: Pipeline, steps: int = 20) -> PointTable:
    """Every named point of a pipeline: axes, shape, and the bytes that a guided run of `steps` steps would keep."""
    return pipe.points(steps)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"explorable has no {name!r}; it has {', '.join(sorted(_HOME))}")


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__", "points"])
