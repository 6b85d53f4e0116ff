"""What ties TokenAttention's traits to the page: the choice of word, layer and head, the faders, the brushed region."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import traitlets as tr

from ...analysis.attention_maps import ALL_LAYERS, MEAN_HEAD, WEIGHTS, head_counts
from ..core.explorable import Explorable
from .compute import Result


class PageLink(Explorable):
    """The half of TokenAttention that keeps its traits and the page in step. Used by TokenAttention alone."""

    word: tr.Unicode
    layer: tr.Unicode
    head: tr.Unicode
    region: tr.Any
    scale: tr.Float
    scales: tr.Dict
    _current: Result | None

    def _prepare(self) -> None:
        self._sync_lock, self._syncing_thread = threading.RLock(), 0
        super()._prepare()

    def factor(self, word: str) -> float:
        """Return the factor on the attention to a word."""
        raise NotImplementedError

    def _update_texts(self) -> None:
        raise NotImplementedError

    def link_page(self) -> None:
        """Observe the stage, and the traits that it shows."""
        self.stage.observe(self._on_page_selection, names=["selection", "frame"])
        self.stage.observe(self._on_page_faders, names="faders")
        self.stage.observe(self._on_page_region, names="region")
        self.observe(self._on_trait_selection, names=["word", "layer", "head"])
        self.observe(self._on_scales, names=["scale", "scales"])
        self.observe(self._on_region, names="region")
        self._on_region({"new": self.region})

    # ---- layers and heads ------------------------------------------------------------------------------------------

    @property
    def head_counts(self) -> dict[str, int]:
        """The number of heads of each layer."""
        if self._current is not None:
            recorded = self._current.attention.maps(self._current.attention.branches[-1])
            return dict(zip(map(str, recorded.layer.values), head_counts(recorded), strict=True))
        points = (point for point in self.pipe.points() if fnmatchcase(point.name, WEIGHTS))
        return {p.name.removesuffix(WEIGHTS.removeprefix("*")): p.shape[p.axes.index("head")] for p in points}

    @tr.validate("layer")
    def _validate_layer(self, proposal: Any) -> str:
        layer = proposal["value"]
        if layer != ALL_LAYERS and layer not in (known := self.head_counts):
            raise ValueError(f"layer is {layer!r}: choose {ALL_LAYERS!r} or one of {', '.join(known)}")
        return layer

    @tr.validate("head")
    def _validate_head(self, proposal: Any) -> str:
        head = proposal["value"]
        if head == MEAN_HEAD:
            return head
        if self.layer == ALL_LAYERS:
            raise ValueError(f"head is {head!r}: while all layers are shown there is only {MEAN_HEAD!r}, since heads "
                             "of different layers do not correspond. Choose a layer first")
        if not self._has_head(self.layer, head):
            raise ValueError(f"head is {head!r}: layer {self.layer} has heads 1 to {self.head_counts[self.layer]}, and "
                             f"{MEAN_HEAD!r}")
        return head

    def _has_head(self, layer: str, head: str) -> bool:
        count = 0 if layer == ALL_LAYERS else self.head_counts[layer]
        return head in (MEAN_HEAD, *map(str, range(1, count + 1)))

    # ---- changes ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _syncing(self) -> Iterator[None]:
        """Ignore the changes that this thread makes. Changes by the user arrive on another thread, which waits."""
        with self._sync_lock:
            outer, self._syncing_thread = self._syncing_thread, threading.get_ident()
            try:
                yield
            finally:
                self._syncing_thread = outer

    def _ignores_change(self) -> bool:
        return self._syncing_thread == threading.get_ident() or self._current is None

    def _on_page_selection(self, change: Any) -> None:
        """The user chose a word, layer, head or frame on the page: set the traits."""
        if self._ignores_change():
            return
        with self._syncing():
            selection = change["new"] if change["name"] == "selection" else self.stage.selection
            chosen = {axis["name"]: axis["labels"][min(selection.get(axis["name"], 0), len(axis["labels"]) - 1)]
                      for axis in self.stage.axes}
            if chosen["layer"] != self.layer:
                self.head = MEAN_HEAD  # the head of the layer before may not be one of this layer
            for name, label in chosen.items():
                setattr(self, name, label)
            if self.stage.selection != selection:  # a recording arrived in between and reset the page's selection
                self.stage.selection = selection
                self.stage.send_state("selection")  # the page sent this value last, so only this updates it
        self._update_texts_and_edits()

    def _on_trait_selection(self, change: Any) -> None:
        """A word, layer or head was set from code: select it on the page."""
        if self._ignores_change():
            return
        name, value = change["name"], change["new"]
        labels = {axis["name"]: list(axis["labels"]) for axis in self.stage.axes}
        if value not in labels[name]:
            self.set_status(f"There is no {name} {value!r} here: choose one of {', '.join(labels[name])}.", "error")
            return
        with self._syncing():
            if name == "layer" and not self._has_head(value, self.head):
                self.head = MEAN_HEAD
            chosen = {name: labels[name].index(value), "head": labels["head"].index(self.head)}
            self.stage.selection = self.stage.selection | chosen
        self._update_texts_and_edits()

    def _update_texts_and_edits(self) -> None:
        """Update the texts; compute the edit of a special token, which is done only when it is chosen."""
        self._update_texts()
        if self._current is not None and not self.busy and self._current.next_pending_word(self.word) is not None:
            self.recompute()

    def _on_page_faders(self, change: Any) -> None:
        """The user moved a word's fader: that word has its own scale now."""
        if self._ignores_change():
            return
        with self._syncing():
            moved = {word: value for word, value in change["new"].items() if value != self.factor(word)}
            if moved:
                self.scales = {**self.scales, **moved}

    def _on_scales(self, change: Any) -> None:
        """A scale was set: show it. One for all words takes the place of those of single words."""
        if change["name"] == "scale" and self.scales:
            self.scales = {}
        if not self._ignores_change():
            with self._syncing():
                self.stage.faders = {word: self.factor(word) for word in self.stage.faders}

    def _on_page_region(self, change: Any) -> None:
        self.region = tuple(change["new"]) or None

    def _on_region(self, change: Any) -> None:
        self.stage.region = list(change["new"] or ())
        self._update_texts()
