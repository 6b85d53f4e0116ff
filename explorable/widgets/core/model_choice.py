"""The choice of a shipped denoiser: its trait, the pipeline that goes with it, and a menu."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
import traitlets as tr

from ...pipeline import PipelineProtocol
from ...pipeline.loading import card_guidance
from ...zoo import denoiser_names, read_card
from .explorable import Explorable, shipped_pipeline
from .inputs import validate_choice
from .layout import NARROW


class ModelChoice(Explorable):
    """Base of explorables in which a shipped denoiser is chosen.

    model: its name; None: the pipeline given, or the default.
    """

    model = tr.Unicode(None, allow_none=True)

    @property
    def pipe(self) -> PipelineProtocol:
        """The pipeline that is explored."""
        return self._pipe or shipped_pipeline(self.model_name)

    @property
    def model_name(self) -> str:
        """The name of the shipped model that is chosen, or of the pipeline given."""
        return self.model or (self.default_model if self._pipe is None else self._pipe.name)

    @property
    def model_choices(self) -> tuple[str, ...]:
        """The names of the shipped models that can be chosen."""
        return tuple(denoiser_names())

    @property
    def pipe_code(self) -> str:
        return super().pipe_code.replace(repr(self.default_model), repr(self.model_name))

    @tr.validate("model")
    def _validate_model(self, proposal: Any) -> Any:
        if proposal["value"] is None:
            return None
        if self._pipe is not None:
            raise ValueError(f"model is {proposal['value']!r}, but this explores the pipeline that it was given: leave "
                             "it out")
        return validate_choice("model", proposal["value"], self.model_choices)


class ModelMenu(ModelChoice):
    """A choice with a menu that says what each model stands for.

    Where the guidance scale is the default of the model before, that of the new model takes its place.
    """

    @tr.observe("model")
    def _follow_default_guidance(self, change: Any) -> None:
        old, new = (card_guidance(read_card(name or self.default_model)) for name in (change["old"], change["new"]))
        if self.has_trait("guidance") and self.guidance == old:  # type: ignore[has-type]
            self.guidance = new

    def model_menu(self, flex: str = "1 1 190px") -> ipw.Widget:
        """Return a menu of the shipped denoisers, with a line on what each stands for. flex: its width in a row."""
        options = [(f"{name}: {read_card(name)['stands_for']}", name) for name in denoiser_names()]
        menu = ipw.Dropdown(description="model", options=options, style=NARROW, layout=ipw.Layout(flex=flex),
                            tooltip="The network that predicts the image, and the noise path on which it was trained")
        self.bind("model", menu, lambda value: value or self.default_model)
        return menu
