"""The LatentSpace explorable: why work small?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import traitlets as tr
import xarray as xr

from ...diffusion.settings import SettingError, Settings
from ...flow2d.checks import check_choice
from ...measure.spaces import SpaceCosts, count_costs, known_costs, measure_costs
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ..core.chart import Chart
from ..core.explorable import Explorable
from ..core.inputs import SamplingInputs, StrengthInput
from ..core.layout import row, scrollable
from ..core.picture import DRAWINGS, Picture, as_picture
from ..core.picture_controls import picture_button
from ..core.preview import PREVIEW_STEPS, cancellable_only
from ..core.worker import Superseded
from . import figure, view, words
from .compute import (
    MAX_SCALE,
    MIX_STEPS,
    CellsRequest,
    ChannelsRequest,
    ImageRequest,
    MixRequest,
    NoiseRequest,
    Request,
    Result,
    compute,
    preview_request,
)
from .controls import MODES, channel_sliders, main_rows, setting_rows

FIRST_FRAMES = {ChannelsRequest: 0, CellsRequest: 0, NoiseRequest: 5, MixRequest: 3}  # where a mode opens


class LatentSpace(SamplingInputs, StrengthInput, Explorable):
    """Why work small?

        w = LatentSpace(picture="photo.jpg")     # a file, an array, a PIL image, or a caption to draw
        w.scales = (1, 1, 0, 1)                  # silences the third channel
        w.mode, w.cell = "cells", (5, 8)         # the footprint of a cell: row, column

    Args:
        mode: "channels": a picture through the autoencoder and back; "cells": footprints; "noise": in pixels and in the
            latent; "mix": from one picture to another; "image": image-to-image.
        picture, other: the picture, and where "mix" leads. scales: of the channels, 0 to 2; () leaves all as they are.
        cell: row and column of a cell; region: a brushed region, left, top, right, bottom, from 0 to 1. The one that
            was set last is shown.
        prompt, strength, guidance, steps, seed: of the runs that start from the picture ("mix" takes eight steps).
    """

    question = "Why work small?"
    busy_text = "Encoding and decoding …"
    result_attributes = ("result", "_on_stage")
    inputs = ("prompt", "mode", "picture", "other", "scales", "cell", "region", "strength", "guidance", "steps", "seed")

    mode = tr.Unicode("channels")
    picture = tr.Any(Picture(DRAWINGS[0]))
    other = tr.Any(Picture(DRAWINGS[3]))
    scales = tr.Tuple(())
    cell = tr.Tuple(tr.Int(), tr.Int(), default_value=None, allow_none=True)
    region = tr.Tuple(tr.Float(), tr.Float(), tr.Float(), tr.Float(), default_value=None, allow_none=True)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._on_stage: Result | None = None
        self.picture_input = picture_button(self, "picture")
        self.channel_box = row()
        self.channel_box.layout.flex_flow, self.channel_box.layout.overflow = "row nowrap", "auto hidden"
        self.chart, self._numbers = Chart(), ipw.HTML()
        self.set_layout(*main_rows(self), side=[self.chart], wide=True,
                        groups={"more settings": setting_rows(self), "the numbers": [self._numbers]})
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._on_page_region(change["new"]), names="region")
        self.stage.observe(lambda change: self._draw_chart(), names="dark")
        self.stage.observe(lambda change: self._follow_frame(), names="frame")
        self.observe(lambda change: self._show_last(change), names=["cell", "region"])
        self.launch()

    @tr.validate("picture", "other")
    def _validate_picture(self, proposal: Any) -> Picture:
        return as_picture(proposal["value"])

    @tr.validate("mode")
    def _validate_mode(self, proposal: Any) -> str:
        check_choice("mode", proposal["value"], MODES)
        return proposal["value"]

    @tr.validate("scales")
    def _validate_scales(self, proposal: Any) -> tuple[float, ...]:
        numbers = [isinstance(s, (int, float)) and not isinstance(s, bool) and 0 <= s <= MAX_SCALE
                   for s in proposal["value"]]
        if not all(numbers):
            raise SettingError(f"scales are {proposal['value']!r}: choose a number from 0 to {MAX_SCALE:g} for each "
                               "channel")
        return tuple(float(s) for s in proposal["value"])

    @tr.validate("region")
    def _validate_region(self, proposal: Any) -> tuple[float, ...] | None:
        region = proposal["value"]
        if region is not None and not all(0 <= end <= 1 for end in region):
            raise SettingError(f"region is {region!r}: choose left, top, right and bottom from 0 to 1")
        return region

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> Request:
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed,
                            strength=self.strength)
        if self.mode == "channels":
            return ChannelsRequest(self.picture, self.scales)
        if self.mode == "cells":
            return CellsRequest(self.picture, self.cell, self.region)
        if self.mode == "noise":
            return NoiseRequest(self.picture, self.seed)
        if self.mode == "mix":
            return MixRequest(self.picture, self.other, replace(settings, steps=MIX_STEPS))
        return ImageRequest(self.picture, settings)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        few_steps = preview_request(request, PREVIEW_STEPS) if pipe.supports_preview else None
        if few_steps is not None:
            few = compute(pipe, few_steps, cancellable_only(progress))
            frames = view.frame_count(request)
            self.show_preview(lambda: self._put_on_stage(few, frames))

        def show_partial(partial: Result) -> None:
            self.show_preview(lambda: self._put_on_stage(partial), view.PARTIAL_LABELS[type(request)])

        is_short = isinstance(request, ChannelsRequest | CellsRequest | NoiseRequest)
        result = compute(pipe, request, cancellable_only(progress) if is_short else progress, show_partial, self.result)
        try:
            progress(1, 1)
        except Superseded:  # while a slider is dragged, its images move
            self.show_preview(lambda: self._put_on_stage(result), view.DRAGGED_LABEL)
            raise
        if isinstance(request, ChannelsRequest) and known_costs(pipe, result.latent.shape) is None:
            self.show_preview(lambda: self._put_on_stage(result), view.UNTIMED_LABEL)
            measure_costs(pipe, result.image, result.latent.shape, progress)
        return result

    def show(self, result: Result) -> str:
        costs = self._costs(result)
        self._put_on_stage(result)
        self.set_caption(words.describe(result))
        self.set_score(*words.score(result, costs))
        self._numbers.value = scrollable(costs.to_table().to_html(classes="ex-table", border=0), "Pixels and latents")
        self._draw_chart()
        return ""

    def _costs(self, result: Result) -> SpaceCosts:
        shape = result.latent.shape
        return known_costs(self.pipe, shape) or count_costs(self.pipe, shape)

    def _put_on_stage(self, result: Result, preview_frames: int | None = None) -> None:
        """Send a result. The stage keeps its frame if it already shows the same mode."""
        if not self.channel_box.children:
            self.channel_box.children = channel_sliders(self, result.latent.sizes["channel"])
        kind = type(result.request)
        is_new = self._on_stage is None or type(self._on_stage.request) is not kind
        self._on_stage = result
        frame = FIRST_FRAMES.get(kind) if is_new else None
        recording = view.recording(result, preview_frames)
        self.set_row_of_panels(len(recording["panels"]))
        self.stage.show(**recording, frame=frame,
                        autoplay=is_new and frame is None and not self.preview_label)

    def _draw_chart(self) -> None:
        result, dark = self.result, self.stage.dark
        self.chart.set_dark(dark)
        if result is None:
            return
        if isinstance(result.request, ChannelsRequest):
            drawn = figure.cost_bars(self._costs(result), dark)
        elif isinstance(result.request, CellsRequest):
            drawn = self._cell_chart(result, dark)
        elif isinstance(result.request, NoiseRequest):
            drawn = figure.quality(result.data, dark)
        elif isinstance(result.request, MixRequest):
            drawn = figure.lengths(result.data, dark)
        else:
            drawn = figure.distance(result.data, dark)
        self.chart.draw(drawn)

    def _follow_frame(self) -> None:
        """Show the reach of the channel on the stage. The other charts are the same at every frame."""
        if self.result is not None and self.result.cell is not None:
            self._draw_chart()

    def _cell_chart(self, result: Result, dark: bool) -> Any:
        if result.cell is None:
            return figure.moved_by_channel(result.data.moved, dark)
        shown = min(self.stage.frame, len(result.data.shown) - 1)
        size = [pixels / cells for pixels, cells in zip(result.image.shape, result.latent.shape[1:], strict=False)]
        centre = tuple((index + 0.5) * side for index, side in zip(result.cell, size, strict=True))
        return figure.reach(result.data.effect.values[shown], centre, size[0] / 2, dark)

    # ---- what the user does ----------------------------------------------------------------------------------------

    def _on_pointer(self, pointer: dict[str, Any]) -> None:
        """Choose the clicked cell."""
        result = self._on_stage
        if result is not None and isinstance(result.request, CellsRequest) and pointer.get("panel") == "latent":
            height, width = result.latent.shape[1:]
            self.cell = min(int(pointer["y"] * height), height - 1), min(int(pointer["x"] * width), width - 1)

    def _on_page_region(self, region: list[float]) -> None:
        """Choose the brushed region; none brushed leaves what is shown."""
        if region and self._on_stage is not None and isinstance(self._on_stage.request, CellsRequest):
            self.region = tuple(region)

    def _show_last(self, change: Any) -> None:
        """Of cell and region, the one that was set last is shown."""
        if change["new"] is not None:
            setattr(self, "region" if change["name"] == "cell" else "cell", None)
        if self.region is None:
            self.stage.region = []

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def costs(self) -> SpaceCosts:
        """What pixels and latents cost, as far as it was counted and measured in this kernel."""
        return self._costs(self.wait_for_result())

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. "channels": reconstruction, error and PSNR, with all channels (0) and without each.
        "cells": the effect on pixels, or the change of cells, in all channels (0) and in each. "noise": noisy pixels
        and latents by ratio. "mix": images by position. "image": noisy latents and predicted images of the steps."""
        return self.wait_for_result().data

    def table(self) -> Any:
        """A pandas table: in "channels" sizes and times, in the other modes the numbers of the chart."""
        result = self.wait_for_result()
        return self._costs(result).to_table() if isinstance(result.request, ChannelsRequest) else words.table(result)

    def code(self) -> str:
        """Lines that reproduce what is shown without the explorable."""
        return words.code(self.request(), self.pipe_code)
