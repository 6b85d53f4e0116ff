"""WordSpace: a text encoder's vectors, layer by layer, as a map, compared and added."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...analysis.encoder_spaces import FIRST, encoder_names, second_encoders, space_of
from ...analysis.word_space import neighbours, parse_expression, project
from ...nn.text import Tokenizer
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, shown_steps
from ...world import VOCABULARY
from ..core.chart import Chart
from ..core.explorable import Explorable
from ..core.inputs import SamplingInputs
from ..core.layout import scrollable
from ..core.preview import PREVIEW_STEPS, cancellable_only, nearest_frames, needs_preview, stretch_layers
from . import figure, view
from .compute import (
    MAX_FRAMES,
    AnyRequest,
    AnyResult,
    MapRequest,
    MapResult,
    Sampling,
    SentenceRequest,
    SentenceResult,
    SumRequest,
    SumResult,
    SwapRequest,
    SwapResult,
    compute,
    in_few_steps,
)
from .controls import MODES, example_row, main_rows, setting_rows


class WordSpace(SamplingInputs, Explorable):
    """What does a word become?

        w = WordSpace(prompt="a golden dog on a beach")
        w.mode = "map"; w.word = "car"; w.dimensions = 3
        w.mode = "sum"; w.expression = "automobile - car + dog"

    Args:
        mode: "sentence": a text, layer by layer and word by word; "map": all words; "swap": two texts and their images
            from the same noise; "sum": a sum of words, ranked and painted.
        prompt, other: the text, and the one that it is compared with.
        expression: the sum. word, dimensions: the word whose neighbours the map names; 2 or 3.
        encoder: a text encoder of the pipeline; beside a shipped pipeline's "text" also "text-t5", which fills gaps,
            and "both" side by side, if text-t5 is trained. None: the first.
        seed, steps, guidance: of the images.
    """

    question = "What does a word become?"
    busy_text = "Encoding the words, and sampling …"
    placeholder = "The words are being encoded …"
    result_attributes = ("result", "_on_stage")
    inputs = ("mode", "encoder", "prompt", "other", "expression", "seed", "steps", "guidance")

    prompt = tr.Unicode("a golden dog on a beach")
    other = tr.Unicode("a golden lion on a beach")
    expression = tr.Unicode("automobile - car + dog")
    mode = tr.Unicode("sentence")
    encoder = tr.Unicode(None, allow_none=True)
    word = tr.Unicode("dog")
    dimensions = tr.Int(2)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._on_stage: AnyResult | None = None
        self.chart, self._lesson = Chart(), ipw.HTML()
        self.set_layout(*main_rows(self, self.encoders, VOCABULARY), side=[self.chart], groups={
            "examples": [example_row(self, self.encoders)], "the encoders compared": [self._lesson],
            "more settings": setting_rows(self)})
        self.stage.observe(lambda change: self._update_texts(), names=["frame", "selection", "dark"])
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.observe(lambda change: self._on_word(), names=["word", "dimensions"])
        self.launch()

    @property
    def encoders(self) -> tuple[str, ...]:
        """The encoders that can be chosen."""
        return (FIRST, *second_encoders()) if self._pipe is None else encoder_names(self._pipe)

    @tr.validate("mode", "encoder", "dimensions")
    def _validate_choice(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        choices: dict[str, Any] = {"mode": tuple(MODES), "dimensions": (2, 3)}
        allowed = choices.get(name, (None, *self.encoders))
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}: choose one of {', '.join(str(a) for a in allowed if a)}")
        return value

    @tr.validate("word")
    def _validate_word(self, proposal: Any) -> str:
        word = proposal["value"].strip().lower()
        if word not in VOCABULARY:
            Tokenizer(VOCABULARY, 24).token_names(word)  # raises, and names similar words
            raise ValueError(f"word is {proposal['value']!r}: choose a single word of the picture world, such as dog")
        return word

    @tr.validate("expression")
    def _validate_expression(self, proposal: Any) -> str:
        parse_expression(proposal["value"])
        return proposal["value"]

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> AnyRequest:
        encoder, sampling = self.encoder or self.encoders[0], Sampling(self.seed, self.steps, self.guidance)
        if self.mode == "map":
            return MapRequest(encoder)
        if self.mode == "swap":
            return SwapRequest(encoder, self.prompt, self.other, sampling)
        if self.mode == "sum":
            return SumRequest(encoder, self.expression, sampling)
        return SentenceRequest(encoder, self.prompt)

    def compute(self, pipe: PipelineProtocol, request: AnyRequest, progress: Progress) -> AnyResult:
        if isinstance(request, SwapRequest | SumRequest) and pipe.supports_preview and needs_preview(
                request.sampling.steps):
            few = compute(pipe, in_few_steps(request, PREVIEW_STEPS), cancellable_only(progress))
            self.show_preview(lambda: self._put_on_stage(few, request.sampling.steps))
        return compute(pipe, request, progress)

    def show(self, result: AnyResult) -> str:
        self._put_on_stage(result)
        self._update_texts()
        names = self.encoders
        table = view.encoder_table({name: space_of(self.pipe, name) for name in names})
        self._lesson.value = scrollable(table.to_html(classes="ex-table", border=0), "The encoders compared")
        self.set_score(*view.score(result))
        return ""

    def _put_on_stage(self, result: AnyResult, full_steps: int | None = None) -> None:
        """Send a result, or a preview of one in `full_steps`, to the page."""
        is_new = type(self._on_stage) is not type(result)
        if isinstance(result, SentenceResult):
            recording = view.sentence_recording(result)
            if is_new or not self._keeps_prefixes(result):
                self.stage.selection = {"words": len(result.prefixes) - 1, "token": self._first_token(result)}
        elif isinstance(result, MapResult):
            recording = view.map_recording(result, self.word)
        else:
            recording = view.swap_recording(result) if isinstance(result, SwapResult) else view.sum_recording(result)
            if full_steps is not None and getattr(result, "images", None) is not None:
                frames = nearest_frames(shown_steps(full_steps - 1, MAX_FRAMES), full_steps, PREVIEW_STEPS - 1)
                recording["layers"] = stretch_layers(recording["layers"], frames)
                recording["captions"] = [recording["captions"][k] for k in frames]
        self._on_stage = result
        last = len(recording["captions"]) - 1
        self.stage.show(**recording, autoplay=False, frame=last if is_new else min(self.stage.frame, last))

    def _keeps_prefixes(self, result: SentenceResult) -> bool:
        axes = {axis["name"]: len(axis["labels"]) for axis in self.stage.axes}
        return axes.get("words") == len(result.prefixes)

    def _first_token(self, result: SentenceResult) -> int:
        """The token to begin with: the first word behind an article."""
        return min(2, len(result.prefixes[-1].tokens) - 1)

    def _update_texts(self) -> None:
        """Describe what the stage shows, and draw its chart."""
        result = self.result
        if result is None or self._on_stage is not result:
            return
        dark, frame = self.stage.dark, self.stage.frame
        self.chart.set_dark(dark)
        if isinstance(result, SentenceResult):
            prefix, token = (self.stage.selection.get(name, 0) for name in ("words", "token"))
            text = result.prefixes[min(prefix, len(result.prefixes) - 1)]
            layer = min(frame, len(text.layers) - 1)
            self.set_caption(view.describe_token(result, layer, prefix, token))
            self.chart.draw(figure.similarity_figure(text.tokens, text.vectors[layer], text.layers[layer], dark))
        elif isinstance(result, MapResult):
            space = result.space
            self.set_caption(view.describe_map(result, self.word, self.dimensions))
            vectors = space.vectors[min(frame, len(space.layers) - 1)]
            near = [word for word, _ in neighbours(space, self.word)]
            self.chart.draw(figure.map_figure(space.words, vectors, project(vectors, self.dimensions), self.word, near,
                                              dark))
        elif isinstance(result, SwapResult):
            one, other = (text.tokens for text in result.encoded)
            names = [one[i] if one[i] == other[j] else f"{one[i]} / {other[j]}" for i, j in result.pairs]
            self.set_caption(view.describe_swap(result))
            self.chart.draw(figure.token_figure(names, result.token_cosines, result.encoded[0].layers, dark))
        elif isinstance(result, SumResult):
            self.set_caption(view.describe_sum(result))
            self.chart.draw(figure.rank_figure(result.ranks, dark))

    def _on_word(self) -> None:
        """Another word or other dimensions: the map marks and names them."""
        if isinstance(self.result, MapResult) and self._on_stage is self.result:
            self._put_on_stage(self.result)
            self._update_texts()

    def _on_pointer(self, pointer: dict[str, Any]) -> None:
        """A click on a map of the stage chooses the nearest word."""
        name = str(pointer.get("panel", "")).removeprefix("map ")
        if isinstance(self.result, MapResult) and name in self.result.spaces and pointer.get("kind") == "click":
            self.word = view.word_at(self.result.spaces[name], self.stage.frame, pointer["x"], pointer["y"])

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def images(self) -> np.ndarray:
        """The finished images of "swap" and "sum", (2, y, x, 3) uint8."""
        images = getattr(self.wait_for_result(), "images", None)
        if images is None:
            raise ValueError(f"the mode {self.mode!r} paints no images with this encoder: set mode to \"swap\"")
        return images[:, -1]

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. "sentence": vectors by layer, token and channel. "map": vectors and positions of all
        words. "swap": cosines of tokens, images and their distance. "sum": ranks of all words, and images."""
        return view.dataset(self.wait_for_result())

    def table(self) -> Any:
        """The numbers of the mode as a pandas table: a row a token, word, pair of tokens or ranked word."""
        return view.table(self.wait_for_result())

    def code(self) -> str:
        """Lines that compute the numbers on the screen without the explorable."""
        return view.code(self.wait_for_result(), self.pipe_code)
