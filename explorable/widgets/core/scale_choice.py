"""The scale and the seed chosen among images at many scales, and the step of a run: on the page and in the traits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import traitlets as tr

from ..stage.stage import Stage
from .chart import Chart
from .scale_grid import by_interest, cell_at
from .theme import PRESENT


class Grid(Protocol):
    """What is shown: images at these scales, with these seeds."""

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales, one a frame."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, one a choice of the axis "seed"."""


class ScaleChoice(tr.HasTraits):
    """Keeps the frame and the seed on the stage in step with two traits, while a grid of images is shown.

    scale_name: the trait that has the scale. `observe_choices` is called once, when there is a stage.
    run_result: the results of single runs, whose `steps` are those of the frames; the chart marks the one on the stage.
    """

    scale_name: ClassVar[str]
    run_result: ClassVar[type]
    stage: Stage
    chart: Chart
    result: Any
    seed: Any
    _on_stage: Any

    _is_following = False  # the stage follows the traits, or gets a recording: it is not the user

    @property
    def grid_on_stage(self) -> Grid | None:
        """The grid that is shown now, if one is."""
        raise NotImplementedError

    def observe_choices(self) -> None:
        """Follow the page and the traits from now on."""
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._follow_stage(), names=["frame", "selection"])
        self.observe(lambda change: self.follow_traits(), names=[self.scale_name, "seed"])

    def frame_of(self, grid: Grid) -> int:
        """The frame of the scale nearest to the chosen one."""
        return grid.scales.index(by_interest(grid.scales, getattr(self, self.scale_name))[0])

    def follow_traits(self) -> None:
        """Show the chosen scale and seed."""
        grid = self.grid_on_stage
        if grid is not None and self.seed in grid.seeds and not self._is_following:
            with self.stage_follows():
                self.stage.frame = self.frame_of(grid)
                self.stage.selection = {"seed": grid.seeds.index(self.seed)}

    @contextmanager
    def stage_follows(self) -> Iterator[None]:
        """Within this, what changes on the stage is not taken over."""
        self._is_following = True
        try:
            yield
        finally:
            self._is_following = False

    def step_of(self, run_result: Any) -> int:
        """The step of the frame on the stage."""
        return int(run_result.steps[min(self.stage.frame, len(run_result.steps) - 1)])

    def mark_step(self) -> None:
        """Mark this step in the chart of a single run; not in that of a preview."""
        shown = self._on_stage
        if isinstance(shown, self.run_result) and shown is self.result:
            self.chart.move_line(PRESENT, self.step_of(shown))

    def _follow_stage(self) -> None:
        """Choose the scale and the seed that the page shows."""
        grid, frame = self.grid_on_stage, self.stage.frame
        if grid is None or self._is_following:
            return
        with self.hold_trait_notifications():
            if frame != self.frame_of(grid):
                setattr(self, self.scale_name, grid.scales[frame])
            self.seed = grid.seeds[self.stage.selection.get("seed", 0)]

    def _on_pointer(self, pointer: dict[str, Any]) -> None:
        grid = self.grid_on_stage
        if grid is not None and pointer.get("panel") == "grid":
            scale, seed = cell_at(grid.scales, grid.seeds, pointer["x"], pointer["y"])
            with self.hold_trait_notifications():
                setattr(self, self.scale_name, scale)
                self.seed = seed
