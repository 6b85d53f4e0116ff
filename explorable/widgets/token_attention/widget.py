"""TokenAttention: where each word is attended to, the ground truth, and what the word really changes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import traitlets as tr
import xarray as xr

from ...analysis.attention_maps import ALL_LAYERS, MEAN_HEAD, PAD
from ...analysis.word_attention import WordAttention, WordWeight, frame_steps
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ...zoo import denoiser_names, read_card
from ..core.chart import Chart
from ..core.inputs import SamplingInputs
from ..core.layout import scrollable
from ..core.model_choice import ModelMenu
from ..core.preview import PREVIEW_LABEL, PREVIEW_STEPS, cancellable_only, known_images, needs_preview, with_images
from ..stage.layers import Layer
from .compute import DRAWN, GENERATED, MAX_SCALE, Request, Result, code, compute_attention, report_turn, to_box
from .controls import PageLink, image_row, region_row, settings_rows
from .figure import attention_and_effect
from .tables import ranking_table, region_table
from .view import BRUSHED, View, axes_of, layers_of, panels_of, preview_layers


def check_scale(name: str, value: Any) -> float:
    """Return a factor on the attention to a word. Raises ValueError if it is no number from 0 to MAX_SCALE."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_SCALE:
        raise ValueError(f"{name} is {value!r}: choose a number from 0 (masked) to {MAX_SCALE:g}")
    return float(value)


def supervision(model: str) -> str:
    """Return how many layers of a shipped model had their attention trained on masks; empty for other models."""
    if model not in denoiser_names():
        return ""
    return f", {len(read_card(model).get('supervised_attention', ())) or 'none'} trained on masks,"


def scaled_words(result: Result) -> list[str]:
    """Return the tokens whose attention can be scaled, each once."""
    return [token for token in dict.fromkeys(result.attention.label_tokens) if token != PAD]


class TokenAttention(PageLink, SamplingInputs, ModelMenu):
    """Which word made which part?

        w = TokenAttention(prompt="a red sports car on a mountain road", mode="drawn")
        w.word = "red"               # its map; w.layer, w.head, w.branch say which, w.stage.frame says when
        w.scale = 3                  # of every word, each edited by itself: 0 masks it, 1 changes nothing
        w.scales = {"red": 3}        # of one word: what its fader sets
        w.mask_in_text_encoder = False       # mask it in cross-attention alone: the text encoder still receives it
        w.region = (0.2, 0.5, 0.8, 0.8)      # what brushing sets: left, top, right, bottom, from 0 to 1
        w.table()                    # regions by words

    model: a shipped denoiser, as in "unet-small-unsupervised", whose attention was not trained on masks.
    mode: "generated": an image sampled by the model from seed, steps and guidance; "drawn": an image drawn by the
    picture world, with known ground truth, noised and put through the model once at each of several noise times.
    saved_regions: more rows of the table, by name. word, layer, head: labels of the choices on the page; a head belongs
    to a layer, and for all layers there is only the mean. Setting `scale` clears `scales`.
    use_head_weights: while all heads are shown, weight each in the table by how well it ranks the right words first
    on other drawings, if the model's card has these weights.
    """

    question = "Which word made which part?"
    busy_text = "Computing attention, and what each word changes …"
    result_attributes = ("result", "_current", "_preview")
    inputs = ("prompt", "mode", "steps", "guidance", "seed", "scale", "scales", "mask_in_text_encoder", "model")

    prompt = tr.Unicode("a red sports car on a mountain road")
    mode = tr.Enum((GENERATED, DRAWN), GENERATED)
    scale = tr.Float(0.0)
    scales = tr.Dict()
    mask_in_text_encoder = tr.Bool(True)
    branch = tr.Enum(("cond", "uncond"), "cond")
    use_head_weights = tr.Bool(True)
    word = tr.Unicode("car")
    layer = tr.Unicode(ALL_LAYERS)
    head = tr.Unicode(MEAN_HEAD)
    region = tr.Any(None, allow_none=True)
    saved_regions = tr.Dict()

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        self._current: Result | None = None  # on the screen; the edits of some words may still be computed
        self._preview: Result | None = None  # the same in few steps
        super().__init__(pipe, **values)
        self.chart, self._tables = Chart(), ipw.HTML()
        self.set_layout(image_row(self), wide=True, groups={"more settings": settings_rows(self),
                        "chart of the words": [self.chart], "table of regions": [region_row(self), self._tables]})
        self.link_page()
        self.stage.observe(lambda change: self._update_texts(), names="dark")
        self.observe(lambda change: self._update_screen(), names="branch")
        self.observe(lambda change: self._update_texts(), names=["saved_regions", "use_head_weights"])
        self.launch()

    @tr.validate("scale")
    def _validate_scale(self, proposal: Any) -> float:
        return check_scale("scale", proposal["value"])

    @tr.validate("scales")
    def _validate_scales(self, proposal: Any) -> dict[str, float]:
        scales = {word: check_scale(f"the scale of {word!r}", value) for word, value in proposal["value"].items()}
        result, words = self._current, list(scales)
        if result is not None and result.request.prompt == self.prompt:  # else the words are not known yet
            words = scaled_words(result)
        unknown = [word for word in scales if word not in words and word not in self.scales]
        if unknown:
            raise ValueError(f"scales has {', '.join(map(repr, unknown))}: the prompt has {', '.join(words)}")
        return scales

    @tr.validate("region")
    def _validate_region(self, proposal: Any) -> Any:
        return None if proposal["value"] is None else to_box(proposal["value"])

    @tr.validate("saved_regions")
    def _validate_saved_regions(self, proposal: Any) -> dict[str, tuple]:
        return {str(name): to_box(corners) for name, corners in proposal["value"].items()}

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> Request:
        masks_text = self.mask_in_text_encoder and self.capabilities.has_text_points

        def weight(scale: float) -> WordWeight:
            return WordWeight(scale, masks_text and scale == 0)

        own = tuple((word, weight(scale)) for word, scale in sorted(self.scales.items()) if scale != self.scale)
        return Request(self.mode, self.prompt, self.seed, self.steps, self.guidance, weight(self.scale), own,
                       self.model_name)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        """Compute the attention if the request changes it, then edit the words one at a time, the chosen one first."""
        current = self._current
        if current is None or current.request.attention_key != request.attention_key:
            self._preview_attention(pipe, request, progress)
            result = compute_attention(pipe, request, lambda done, total: progress(done, 8 * total))
            self._set_current(result, autoplay=True)
        else:
            result = Result(request, current.attention, current.drawing)
            self._preview_edit(result, progress)
        turn, turns = 0, len(result.attention.words) + 2
        while (word := result.next_pending_word(self.word)) is not None:
            turn = min(turn + 1, turns - 1)
            report = functools.partial(report_turn, progress, turn, turns)
            result.attention.edit_word(word, request.weight(word), report)
            if word == result.token(self.word) and result.next_pending_word(self.word) is not None:
                self._set_current(result)
        return result

    def _preview_attention(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> None:
        """Show attention in few steps, where all steps take a while."""
        self._preview = None
        if request.mode == GENERATED and pipe.supports_preview and needs_preview(request.steps):
            few = replace(request, steps=PREVIEW_STEPS)
            self._preview = preview = compute_attention(pipe, few, cancellable_only(progress))
            settings = Settings(request.prompt, steps=request.steps, guidance=request.guidance, seed=request.seed)
            known = known_images(pipe, settings)
            layers, captions = preview_layers(preview, preview.branch(self.branch), request.steps)
            if known is not None:
                shown = frame_steps(request.steps)
                layers = with_images(with_images(layers, known[shown], "denoised"), known[-1], "image")
                captions = [f"step {k} of {request.steps}; the maps are {PREVIEW_LABEL}" for k in shown]
            self.show_preview(lambda: self._send_layers(preview, layers, captions, autoplay=not self.preview_label),
                              PREVIEW_LABEL if known is None else f"the image, and for the rest {PREVIEW_LABEL}")

    def _preview_edit(self, result: Result, progress: Progress) -> None:
        """Show the next edit, that of the chosen word first, in few steps, beside the attention in all steps."""
        word = result.next_pending_word(self.word)
        preview = self._preview.attention if self._preview else None
        if preview is not None and result.drawing is None and word is not None:
            preview.edit_word(word, result.request.weight(word), cancellable_only(progress))
            layers = layers_of(result, result.branch(self.branch), preview)
            self.show_preview(lambda: self._send_layers(result, layers, preview=preview))

    def show(self, result: Result) -> str:
        self._set_current(result)
        weights = result.attention.weights
        heads = int(weights.isel(step=0, branch=0, y=0, x=0, token=0).notnull().sum())
        frames = "noise times" if result.drawing else "steps"
        absent = [word for word in self.scales if word not in scaled_words(result)]
        limit = "" if self.pipe.has_text_points else (
            " The text encoder of this pipeline cannot be edited: a masked word still acts through its neighbours.")
        if absent:
            limit += f" The prompt does not contain {', '.join(map(repr, absent))}, which scales names."
        return (f"Recorded {heads} heads of {weights.sizes['layer']} layers{supervision(result.request.model)} at "
                f"{weights.sizes['step']} {frames}, {weights.nbytes / 1e6:.1f} MB in half precision.{limit}")

    def _set_current(self, result: Result, autoplay: bool = False) -> None:
        """Show what is computed so far: the image and its maps, then the chosen word's edit, then all edits."""
        self._current = result
        self._leave_missing_layer()
        self._update_screen(autoplay and not self.preview_label)
        self.preview_label = ""

    def _update_screen(self, autoplay: bool = False) -> None:
        """Send the recording to the page, and update the texts."""
        if (result := self._current) is not None:
            self._send_layers(result, layers_of(result, result.branch(self.branch)), autoplay=autoplay)
            self._update_texts()

    def _send_layers(self, result: Result, layers: list[Layer], captions: Sequence[str] = (), autoplay: bool = False,
                     preview: WordAttention | None = None) -> None:
        """Send layers to the page, with the chosen word, layer and head selected."""
        axes, panels = axes_of(result), panels_of(result, preview)
        with self._syncing():
            chosen = {"word": result.label(self.word), "layer": self.layer, "head": self.head}
            self.stage.selection = {
                a.name: a.labels.index(chosen[a.name]) if chosen[a.name] in a.labels else 0 for a in axes}
            if set(self.stage.faders) != set(scaled_words(result)):  # of a new prompt; else the user may be moving one
                self.stage.faders = {word: self.factor(word) for word in scaled_words(result)}
            captions = captions or result.attention.captions
            self.stage.show(layers, captions, thumbnails="denoised", axes=axes, panels=panels, columns=len(panels),
                            autoplay=autoplay and result.drawing is None, file_name="attention")

    def view(self) -> View:
        """Return what is on the screen now; waits for the first result."""
        result = self._current or self.wait_for_result()
        boxes = self.saved_regions | ({} if self.region is None else {BRUSHED: self.region})
        frame = min(self.stage.frame, len(result.attention.captions) - 1)
        return View(result, result.label(self.word), self.layer, self.head, result.branch(self.branch), frame, boxes,
                    self.use_head_weights)

    def factor(self, word: str) -> float:
        """Return the factor on the attention to a word."""
        return self.scales.get(word, self.scale)

    def _update_texts(self) -> None:
        """Update the tables, the chart, the caption and the score."""
        if self._current is None:
            return
        view, words, scale = self.view(), self._current.compared_words, self.view().common_scale
        region, (relative, weight, effect) = view.compared_region[0], view.comparison
        tables = region_table(view.table, list(view.regions), words, view.correct_columns, view.head_weights_note)
        if BRUSHED in view.regions:
            tables += ranking_table(region, words, relative, weight, effect, scale)
        self._tables.value = scrollable(tables, "Words by region")
        self.chart.set_dark(self.stage.dark)
        self.chart.draw(attention_and_effect(words, weight, effect, view.word, region, self.stage.dark, scale))
        self.set_caption(view.caption())
        self.set_score(*view.score())

    # ---- regions ---------------------------------------------------------------------------------------------------

    def save_region(self) -> None:
        """Save the brushed region as a row of the table."""
        if self.region is not None:
            self.saved_regions = self.saved_regions | {f"region {len(self.saved_regions) + 1}": self.region}
            self.region = None

    def clear_regions(self) -> None:
        """Remove all brushed regions from the table."""
        self.saved_regions, self.region = {}, None

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def attention(self) -> WordAttention:
        """The attention and the edited images on the screen; waits for the first."""
        return self.view().result.attention

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: attention (step, token, layer, head, y, x), with the means; in pixels (row, column)
        the image, and the effect of each word's edit (NaN: not computed yet), by its factor; and the table."""
        view, table = self.view(), self.table()
        attention, request = view.result.attention, view.result.request
        return xr.Dataset(
            {"attention": attention.maps_with_means(view.branch), "effect": (("token", "row", "column"), view.effects),
             "factor": ("token", [request.weight(token).scale for token in attention.label_tokens]),
             "image": (("row", "column", "rgb"), attention.image), "table": (("region", "word"), table.values)},
            coords={"region": list(table.index), "word": list(table.columns), "rgb": list("rgb")},
            attrs={name: getattr(request, name) for name in self.inputs[:5]} | vars(request.word_weight))

    def table(self) -> Any:
        """Return regions by words: attention relative to the word's average, in standard deviations."""
        view = self.view()
        return xr.DataArray(view.table, dims=("region", "word"), coords={
            "region": list(view.regions), "word": view.result.compared_words}).to_pandas()

    def code(self) -> str:
        """Lines that record the same attention and edit the same word, without the explorable."""
        result, attention = (view := self.view()).result, view.result.attention
        frame = int(attention.frames[view.frame])
        table = (0 if result.drawing else frame, view.branch, *view.layer_and_head, view.head_weights is not None)
        return code(self.pipe_code, self.request(), result.token(self.word), float(attention.weights.t.values[frame]),
                    table)
