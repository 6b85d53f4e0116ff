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
    from .nn.classifier import UnknownTargetError
    from .nn.text import PromptTooLongError, UnknownWordError
    from .pipeline import Pipeline, load
    from .run import Run
    from .settings import SettingError, Settings
    from .widgets.studio import Studio
    from .zoo import WeightError

__version__ = "0.1.0"

# Threads of torch that wait for each other shall sleep, not spin: on a busy machine spinning makes a picture ten
# times slower. Read once, when torch is first imported; whoever has set it keeps what they set.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    "load": "pipeline", "Pipeline": "pipeline", "SettingError": "settings", "Run": "run", "Settings": "settings",
    "WeightError": "zoo", "UnknownWordError": "nn.text", "PromptTooLongError": "nn.text",
    "UnknownTargetError": "nn.classifier", "Studio": "widgets.studio",
}
__all__ = ["Pipeline", "PromptTooLongError", "Run", "SettingError", "Settings", "Studio", "UnknownTargetError",
           "UnknownWordError", "WeightError", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"explorable has no {name!r}; it has {', '.join(sorted(_HOME))}")


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])
