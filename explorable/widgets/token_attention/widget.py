"""TokenAttention: which word made which part? Where each word is read, what is true, and what the word really does."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import traitlets as tr
import xarray as xr

from ...analysis.attention_maps import ALL_LAYERS, MEAN_HEAD
from ...analysis.word_attention import WordAttention, WordWeight
from ...diffusion.settings import DEFAULT_GUIDANCE
from ...pipeline import Pipeline
from ..core.chart import Chart
from ..core.explorable import Explorable, Progress, validate_setting
from ..core.layout import wide
from ..core.preview import PREVIEW_STEPS, cancellable_only, needs_preview
from ..stage.stage import Layer, Stage
from .compute import DRAWN, GENERATED, Wish, code, read
from .controls import setting_row, wish_row, word_row
from .figure import beside
from .stage_layers import axes_of, first_reading, layers_of, panels_of
from .tables import ranking, region_table
from .view import BRUSHED, Known, View, square_of

AXES = ("word", "layer", "head")
LOUDEST = 100.0


class TokenAttention(Explorable):
    """Which word made which part?

        w = TokenAttention(prompt="a red sports car on a mountain road", mode="drawn")
        w.word = "red"               # its map; w.layer, w.head, w.branch say which, w.stage.frame says when
        w.scale = 3                  # 0 masks a word, 1 changes nothing
        w.mask_in_text_encoder = False       # mask it in cross-attention alone: the text encoder still receives it
        w.region = (0.2, 0.5, 0.8, 0.8)      # what brushing sets: left, top, right, bottom, from 0 to 1
        w.table()                    # regions by words

    mode: "generated": an image sampled by the model from seed, steps and guidance; "drawn": an image drawn by the
    picture world, with known ground truth, noised and read in one forward pass at each of several noise times.
    saved_regions: more rows of the table, by name. word, layer, head: labels of the choices on the page.
    use_head_weights: while all heads are shown, weight each in the table by how often it ranked the right words first
    on other drawings, if the model's card has these weights.
    """

    question = "Which word made which part?"
    busy_text = "Reading, and trying what each word does …"
    inputs = ("prompt", "mode", "steps", "guidance", "seed", "scale", "mask_in_text_encoder")

    prompt = tr.Unicode("a red sports car on a mountain road")
    mode = tr.Enum((GENERATED, DRAWN), GENERATED)
    seed = tr.Int(0)
    steps = tr.Int(20)
    guidance = tr.Float(DEFAULT_GUIDANCE)
    scale = tr.Float(0.0)
    mask_in_text_encoder = tr.Bool(True)
    branch = tr.Enum(("cond", "uncond"), "cond")
    use_head_weights = tr.Bool(True)
    word = tr.Unicode("car")
    layer = tr.Unicode(ALL_LAYERS)
    head = tr.Unicode(MEAN_HEAD)
    region = tr.Any(None, allow_none=True)
    saved_regions = tr.Dict()

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        self._known: Known | None = None  # what is on the screen: perhaps not all of its words are done
        self._few: Known | None = None  # a first look at it, in few steps
        self._placing, self._placer = threading.RLock(), 0  # which thread is moving what is on the page
        super().__init__(pipe, **values)
        self.stage = Stage(placeholder="The first picture is on its way …")
        self.chart, self._tables = Chart(), ipw.HTML()
        self.set_layout(wish_row(self), setting_row(self), word_row(self), self.stage, self._tables, self.chart,
                        self._seen, self._score, self._status, self._bar)
        self.stage.observe(self._follow_page, names=["selection", "frame"])
        self.stage.observe(self._brushed, names="pointer")
        self.stage.observe(lambda change: self._tell(), names="dark")
        self.observe(self._lead_page, names=list(AXES))
        self.observe(lambda change: self._put(), names="branch")
        self.observe(lambda change: self._tell(chart=self.stage.pointer.get("done", True)),
                     names=["region", "saved_regions"])
        self.observe(lambda change: self._tell(), names="use_head_weights")
        self.set_status("Opening the model …", "busy")
        self.recompute()

    @tr.validate("seed", "steps", "guidance")
    def _refuse(self, proposal: Any) -> Any:
        return validate_setting(proposal)

    @tr.validate("scale")
    def _refuse_loudness(self, proposal: Any) -> float:
        if not 0 <= proposal["value"] <= LOUDEST:
            raise ValueError(f"scale is {proposal['value']!r}: choose a number from 0 (silent) to {LOUDEST:g}; "
                             "1 changes nothing")
        return proposal["value"]

    @tr.validate("region")
    def _refuse_region(self, proposal: Any) -> Any:
        return None if proposal["value"] is None else square_of(proposal["value"])

    @tr.validate("saved_regions")
    def _refuse_kept(self, proposal: Any) -> dict[str, tuple]:
        return {str(name): square_of(square) for name, square in proposal["value"].items()}

    # ---- from a wish to what is on the screen ----------------------------------------------------------------------

    def request(self) -> Wish:
        return Wish(self.mode, self.prompt, self.seed, self.steps, self.guidance,
                    WordWeight(self.scale, self.mask_in_text_encoder and self.scale == 0 and self.ours))

    def compute(self, pipe: Pipeline, request: Wish, progress: Progress) -> Known:
        known = self._known
        if known is None or known.wish.reading != request.reading:
            self._read_first(pipe, request, progress)
            known = read(pipe, request, lambda done, of: progress(done, 8 * of))
            self._preview(known, autoplay=True)
        else:
            known = Known(request, request.prompt, request.volume, known.reading, known.drawing)
            self._try_first(known, progress)
        turn, rounds = 0, len(known.reading.words) + 2
        while (word := self._waiting(known)) is not None:
            turn = min(turn + 1, rounds - 1)
            known.reading.edit_word(word, request.volume, functools.partial(_round, progress, turn, rounds))
            if word == self._chosen(known) and self._waiting(known) is not None:
                self._preview(known)
        return known

    def _read_first(self, pipe: Pipeline, request: Wish, progress: Progress) -> None:
        """The reading of a picture painted in few steps, where the whole takes a while."""
        self._few = None
        if request.mode == GENERATED and self.ours and needs_preview(request.steps):
            self._few = few = read(pipe, replace(request, steps=PREVIEW_STEPS), cancellable_only(progress))
            sent = first_reading(few, self._branch(few), request.steps)
            self.show_preview(lambda: self._to_stage(few, *sent, autoplay=not self.preview_label))

    def _try_first(self, known: Known, progress: Progress) -> None:
        """The chosen word changed in few steps, beside what is read in all of them."""
        few, word = self._few.reading if self._few else None, self._chosen(known)
        if few is not None and known.drawing is None and known.reading.is_pending(word, known.volume):
            few.edit_word(word, known.volume, cancellable_only(progress))
            layers = layers_of(known, self._branch(known), few)
            self.show_preview(lambda: self._to_stage(known, layers, known.reading.captions, first=True))

    def show(self, known: Known) -> str:
        self._preview(known)
        w = known.reading.weights
        heads = int(w.isel(step=0, branch=0, y=0, x=0, token=0).notnull().sum())
        what = "noise times" if known.drawing else "steps"
        deaf = "" if self.ours else (" The text encoder of an opened pipeline has no points: it hears a silenced word, "
                                     "and passes it on.")
        return (f"All {heads} heads of {w.sizes['layer']} layers at {w.sizes['step']} {what} are kept, in half "
                f"precision: {w.nbytes / 1e6:.1f} MB.{deaf}")

    def _waiting(self, known: Known) -> str | None:
        """The next word to be tried: the one on the screen if it is not done, for the reader may have gone on."""
        words = dict.fromkeys((self._chosen(known), *known.reading.words))
        return next((word for word in words if known.reading.is_pending(word, known.volume)), None)

    def _preview(self, known: Known, autoplay: bool = False) -> None:
        """Show what there is so far: the picture and its maps come first, then the chosen word's effect, then all."""
        self._known = known
        self._put(autoplay and not self.preview_label)
        self.preview_label = ""

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """While we move the stage or the traits, what they say of it is no reader's hand. That comes on another thread,
        and waits."""
        with self._placing:
            outer, self._placer = self._placer, threading.get_ident()
            try:
                yield
            finally:
                self._placer = outer

    def _put(self, autoplay: bool = False) -> None:
        """Send the recording to the page, and tell of it."""
        known = self._known
        if known is not None:
            self._to_stage(known, layers_of(known, self._branch(known)), known.reading.captions, autoplay)
            self._tell()

    def _to_stage(self, known: Known, layers: list[Layer], captions: Sequence[str], autoplay: bool = False,
              first: bool = False) -> None:
        """Send layers to the page, at the word, layer and head asked for."""
        axes, panels = axes_of(known), panels_of(known, first)
        with self._placed():
            wanted = {"word": known.label(self.word), "layer": self.layer, "head": self.head}
            self.stage.selection = {
                a.name: a.labels.index(wanted[a.name]) if wanted[a.name] in a.labels else 0 for a in axes
            }
            self.stage.show(layers, captions, thumbnails="denoised", axes=axes, panels=panels, columns=len(panels),
                            autoplay=autoplay and known.drawing is None, file_name="attention")

    def _branch(self, known: Known) -> str:
        return self.branch if self.branch in known.reading.branches else known.reading.branches[-1]

    def _chosen(self, known: Known) -> str:
        """The token on the screen: "a" for "a (2)"."""
        return known.reading.label_tokens[known.reading.labels.index(known.label(self.word))]

    def view(self) -> View:
        """What is on the screen now; the first answer is waited for."""
        if self._known is None:
            self.wait_for_result()
        known = self._known
        assert known is not None
        squares = self.saved_regions | ({} if self.region is None else {BRUSHED: self.region})
        frame = min(self.stage.frame, len(known.reading.captions) - 1)
        return View(known, known.label(self.word), self.layer, self.head, self._branch(known), frame, squares,
                    self.use_head_weights)

    def _tell(self, chart: bool = True) -> None:
        """The tables, the chart, the sentence and the score."""
        if self._known is None:
            return
        view = self.view()
        known, words = view.known, [view.known.reading.labels[k] for k in view.known.competing]
        html = region_table(view.table, list(view.regions), words, view.true, view.rule)
        stands, weighs, changes = view.here
        if BRUSHED in view.regions:
            html += ranking(view.where[0], words, stands, weighs, changes, known.volume.scale)
        self._tables.value = wide(html, "Words by region")
        if chart:
            self.chart.set_dark(self.stage.dark)
            self.chart.draw(beside(words, weighs, changes, view.word, view.where[0], self.stage.dark,
                                   known.volume.scale))
        self.set_caption(view.sentence())
        self.set_score(*view.score())

    # ---- between the page and the traits ---------------------------------------------------------------------------

    def _follow_page(self, change: Any) -> None:
        """The reader chose a word, layer, head or frame on the page."""
        if self._placer == threading.get_ident() or self._known is None:
            return
        with self._placed():
            at = change["new"] if change["name"] == "selection" else self.stage.selection
            for axis in self.stage.axes:
                setattr(self, axis["name"], axis["labels"][min(at.get(axis["name"], 0), len(axis["labels"]) - 1)])
            if self.stage.selection != at:  # a recording came in between, and put the page back
                self.stage.selection = at
                self.stage.send_state("selection")  # the page believes to have said so: only this tells it
        self._tell_and_try()

    def _lead_page(self, change: Any) -> None:
        """A word, layer or head was set from code: choose it on the page."""
        if self._placer == threading.get_ident() or self._known is None:
            return
        name, value = change["name"], change["new"]
        labels = {axis["name"]: list(axis["labels"]) for axis in self.stage.axes}[name]
        if value not in labels:
            self.set_status(f"There is no {name} {value!r} here: choose one of {', '.join(labels)}.", "error")
            return
        with self._placed():
            self.stage.selection = self.stage.selection | {name: labels.index(value)}
        self._tell_and_try()

    def _tell_and_try(self) -> None:
        """Start and end tokens are tried only when they are chosen."""
        self._tell()
        if self._known is not None and not self.busy and self._waiting(self._known) is not None:
            self.recompute()

    def _brushed(self, change: Any) -> None:
        hand = change["new"]
        if hand.get("panel") == "read" and hand.get("kind") == "brush":
            self.region = tuple(hand[name] for name in ("x0", "y0", "x", "y"))
            if hand.get("done"):
                self._tell()  # letting go may be where the last move was, which changes no trait

    def save_region(self) -> None:
        """Keep the brushed region as a row of the table."""
        if self.region is not None:
            self.saved_regions = self.saved_regions | {f"region {len(self.saved_regions) + 1}": self.region}
            self.region = None
            self.stage.clear_marks()

    def clear_regions(self) -> None:
        """Take all brushed regions out of the table."""
        self.saved_regions, self.region = {}, None
        self.stage.clear_marks()

    # ---- what it can be asked --------------------------------------------------------------------------------------

    @property
    def reading(self) -> WordAttention:
        """The reading on the screen; the first one is waited for."""
        return self.view().known.reading

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: attention (step, token, layer, head, y, x), with the means; in pixels the image, and
        how far each word's change moves each (effect, NaN: not computed yet); and the table."""
        view = self.view()
        known, table = view.known, self.table()
        return xr.Dataset(
            {"attention": known.reading.maps_with_means(view.branch),
             "effect": (("token", "row", "column"), view.effects),
             "image": (("row", "column", "rgb"), known.reading.image), "table": (("region", "word"), table.values)},
            coords={"region": list(table.index), "word": list(table.columns), "rgb": list("rgb")},
            attrs={name: getattr(known.wish, name) for name in self.inputs[:5]} | vars(known.volume))

    def table(self) -> Any:
        """Regions by words, as a pandas table: how far above its own average each word is read there, in spreads."""
        view = self.view()
        words = [view.known.reading.labels[k] for k in view.known.competing]
        return xr.DataArray(view.table, dims=("region", "word"),
                            coords={"region": list(view.regions), "word": words}).to_pandas()

    def code(self) -> str:
        """The lines that read the same weights and change the same word, without the explorable."""
        view = self.view()
        reading = view.known.reading
        frame = int(reading.frames[view.frame])
        table = (0 if view.known.drawing else frame, view.branch, *view.shown, view.trust is not None)
        return code(
            self.pipe_code, self.request(), self._chosen(view.known), float(reading.weights.t.values[frame]), table
        )


def _round(progress: Progress, turn: int, rounds: int, done: int, of: int) -> None:
    """Progress of one among several equal rounds."""
    progress(turn * of + done, rounds * of)
