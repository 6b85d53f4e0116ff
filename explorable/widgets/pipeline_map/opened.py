"""An explorable that the map has opened: it follows the run and the step of its owner, and its owner follows it."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import traitlets as tr

from ...hooks import PointTable, edit
from ...run.known import KnownRun
from ..core.explorable import Explorable
from ..registry import EXPLORABLES
from .edits import Edits, Pair, as_edits, as_list
from .nodes import Node, frame_for, step_for
from .sources import SOURCES


class OpenedNode:
    """The explorable of a node, bound to one run and one step.

    settings, step, edits: of the run. The edits that the explorable can make itself become its settings; the others
    hold in all that it computes, as do those that `held` attaches. known: has the run, which is not sampled again.
    on_setting(name, value), on_step(step), on_edits(): called when the user changes something in it.
    takes_edits: False for an explorable of another model than the run's.
    """

    def __init__(self, node: Node, pipe: Any, model: str | None, settings: Mapping[str, Any], step: int, edits: Edits,
                 held: Callable[[], AbstractContextManager[None]], known: KnownRun,
                 on_setting: Callable[[str, Any], None], on_step: Callable[[int], None],
                 on_edits: Callable[[], None], takes_edits: bool = True):
        self.node, self._step, self._pipe, self._held = node, step, pipe, held
        self._on_setting, self._on_step, self._on_edits = on_setting, on_step, on_edits
        self._is_following, self._takes_edits = False, takes_edits
        self._source = SOURCES.get(node.explorable)
        own, self._foreign = self._split(edits)
        entry = EXPLORABLES[node.explorable]
        kind = getattr(importlib.import_module(f"...{entry.module.removeprefix('widgets.')}", __name__), entry.name)
        values = self._shared(kind, settings) | dict(node.own)
        if self._source and own:
            values |= self._source.to_traits(own)
        if model is not None and kind.class_traits().get("model"):
            values["model"], pipe = model, None
        if "step" in kind.inputs:
            values["step"] = min(step, max(settings["steps"] - 1, 0))
        with known.used(), self._held(), edit(self._pipe, as_edits(self._foreign)) if self._foreign else nullcontext():
            self.explorable: Explorable = kind(pipe, **values)
        self.explorable.observe(self._from_user, names=self._names)
        if self._source:
            self.explorable.observe(self._edited, names=list(self._source.traits))
        self.explorable.stage.observe(self._on_recording, names="recording_id")
        self.explorable.stage.observe(self._on_frame, names="frame")

    # ---- from the owner --------------------------------------------------------------------------------------------

    def holds(self, edits: Edits) -> bool:
        """Return whether the edits that hold in all that it computes are those of the run. Else it has to be made
        anew."""
        return self._split(edits)[1] == self._foreign

    def follow(self, settings: Mapping[str, Any], step: int, edits: Edits) -> None:
        """Take over settings and step of the run, and those of its edits that are made here. If the explorable refuses
        one of them, it says so, and keeps all that it had."""
        opened, values = self.explorable, self._shared(type(self.explorable), settings)
        if self._source and self._takes_edits and as_edits(own := self._split(edits)[0]) != as_edits(self._made_here()):
            values |= self._source.to_traits(own)
        try:
            with self._following(), opened.computing_once(), _all_or_none(opened, list(values)):
                for name, value in values.items():
                    setattr(opened, name, value)
                self.follow_step(step, settings)
        except (ValueError, tr.TraitError) as error:
            opened.show_failure(error)

    def with_own(self, edits: Edits) -> Edits:
        """Return edits of the run with those that are made here as they are here now."""
        foreign = self._split(edits)[1]
        return as_edits([*foreign, *self._made_here()])

    def follow_step(self, step: int, settings: Mapping[str, Any]) -> None:
        """Show a step of the run."""
        self._step = step
        opened = self.explorable
        with self._following():
            if "picture" in self.node.shared:
                opened.picture = settings["picture"]
            if "step" in opened.inputs:
                opened.step = min(step, max(settings["steps"] - 1, 0))
            elif (frame := frame_for(self.node, step, settings["steps"])) is not None and opened.stage.captions:
                opened.stage.frame = frame

    def close(self) -> None:
        """Close the explorable without waiting for its computation."""
        self.explorable.close(0, quietly=True)

    # ---- from the user ---------------------------------------------------------------------------------------------

    def _from_user(self, change: Any) -> None:
        if not self._is_following:
            self._on_setting(change["name"], change["new"])

    def _edited(self, change: Any) -> None:
        if not self._is_following and self._source and self._takes_edits:
            self._on_edits()

    def _on_frame(self, change: Any) -> None:
        """The user moved the slider; while something is computed, it is a new recording that moves it."""
        opened = self.explorable
        if self._is_following or opened.busy:
            return
        steps = getattr(opened, "steps", 0)
        step = change["new"] if "step" in opened.inputs else step_for(self.node, change["new"], steps)
        if step is not None:
            self._step = step
            self._on_step(step)

    def _on_recording(self, change: Any) -> None:
        """A new recording starts at the run's step, in place of playing to its end."""
        opened = self.explorable
        frame = frame_for(self.node, self._step, getattr(opened, "steps", 0))
        if frame is not None:
            opened.stage.autoplay = False
            opened.stage.frame = frame

    # ---- internals -------------------------------------------------------------------------------------------------

    @property
    def _names(self) -> list[str]:
        return [name for name in self.node.shared if name in self.explorable.inputs]

    def _shared(self, kind: type[Explorable], settings: Mapping[str, Any]) -> dict[str, Any]:
        return {name: settings[name] for name in self.node.shared if name in kind.inputs and name in settings}

    @functools.cached_property
    def _points(self) -> PointTable:
        return self._pipe.points()

    def _split(self, edits: Edits) -> tuple[list[Pair], list[Pair]]:
        """Return the edits that the explorable can make itself, and the others."""
        if not self._takes_edits:
            return [], []
        return self._source.split(edits, self._points) if self._source and edits else ([], as_list(edits))

    def _made_here(self) -> list[Pair]:
        """Return the edits that the explorable makes now."""
        source = self._source
        return [] if source is None else as_list(
            source.read({name: getattr(self.explorable, name) for name in source.traits}, self._points))

    @contextmanager
    def _following(self) -> Iterator[None]:
        before, self._is_following = self._is_following, True
        try:
            yield
        finally:
            self._is_following = before


@contextmanager
def _all_or_none(widget: tr.HasTraits, names: list[str]) -> Iterator[None]:
    """Take back what was set of these traits, if one of them is refused."""
    before = {name: getattr(widget, name) for name in names}
    try:
        yield
    except Exception:
        for name, value in before.items():
            widget.set_trait(name, value)
        raise
