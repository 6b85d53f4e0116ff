"""What TokenAttention computes: attention to each word of a prompt, and what editing each word changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...analysis.attention_maps import MAP_SIZE
from ...analysis.word_attention import WordAttention, WordWeight, attention_in_image, attention_while_sampling
from ...hooks import MaskToken
from ...nn.special_tokens import NOT_WORDS
from ...pipeline import PipelineProtocol
from ...pipeline.image_size import resize_to_fit
from ...pipeline.progress import Progress
from ...world import Drawing, GrammarError, draw, parse, word_masks

GENERATED, DRAWN = "generated", "drawn"
MAX_SCALE = 100.0  # of the attention to a word
IMAGE_SIZE = 128  # pixels a side of masks
ROLES_WITHOUT_PIXELS = ("function", "relation", "side")  # words of grammar and arrangement

Box = tuple[float, float, float, float]  # left, top, right, bottom as fractions of the image


@dataclass(frozen=True)
class Request:
    """The image whose attention to compute, and how each word is edited. The chosen word only comes first.

    word_weight: of every word that is not in `own_weights`, pairs of a word and its weight. model: its name.
    """

    mode: str
    prompt: str
    seed: int
    steps: int
    guidance: float
    word_weight: WordWeight
    own_weights: tuple[tuple[str, WordWeight], ...] = ()
    model: str = ""

    def weight(self, word: str) -> WordWeight:
        """Return how a word is edited."""
        return dict(self.own_weights).get(word, self.word_weight)

    @property
    def attention_key(self) -> Request:
        """Everything that the attention depends on, and not the edits."""
        steps, guidance = (0, 0.0) if self.mode == DRAWN else (self.steps, self.guidance)
        return replace(self, word_weight=WordWeight(), own_weights=(), steps=steps, guidance=guidance)


@dataclass(frozen=True, eq=False)
class Result:
    """Attention and edited images; the drawing where the ground truth is known. Labels are those of the attention."""

    request: Request
    attention: WordAttention
    drawing: Drawing | None = None

    @cached_property
    def word_masks(self) -> list[np.ndarray] | None:
        """The pixels that each word of the prompt describes, (128, 128) bool; None without ground truth."""
        return None if self.drawing is None else [mask for _, mask in word_masks(self.drawing, self.request.prompt)]

    @cached_property
    def roles(self) -> list[str]:
        """Each word's role in the picture world's grammar; empty where it cannot parse the prompt."""
        try:
            return [word.role for word in parse(self.request.prompt).words]
        except GrammarError:
            return []

    @cached_property
    def word_labels(self) -> list[int]:
        """The indices of the labels that are words of the prompt."""
        return [k for k, name in enumerate(self.attention.label_tokens) if name not in NOT_WORDS]

    @cached_property
    def compared_labels(self) -> list[int]:
        """The indices of the labels that the tables compare: words that can describe pixels, or all if unknown."""
        roles = self.roles or [""] * len(self.word_labels)
        found = [k for k, role in zip(self.word_labels, roles, strict=True) if role not in ROLES_WITHOUT_PIXELS]
        return found or self.word_labels or [0]

    @property
    def compared_words(self) -> list[str]:
        """The labels that the tables compare."""
        return [self.attention.labels[k] for k in self.compared_labels]

    def label(self, word: str) -> str:
        """Return the word's label; where the prompt does not contain it, that of the last thing, or of any word."""
        if word in self.attention.labels:
            return word
        things = [k for k, role in zip(self.word_labels, self.roles, strict=False) if role == "thing"]
        return self.attention.labels[(things or self.compared_labels)[-1]]

    def token(self, word: str) -> str:
        """Return the token that a word's label stands for, such as "a" for the label "a (2)"."""
        return self.attention.label_tokens[self.attention.labels.index(self.label(word))]

    def next_pending_word(self, chosen: str) -> str | None:
        """Return the next word whose edit is to be computed, the chosen one first; None if all are."""
        words = dict.fromkeys((self.token(chosen), *self.attention.words))
        return next((w for w in words if self.attention.is_pending(w, self.request.weight(w))), None)

    def branch(self, wanted: str) -> str:
        """Return the requested branch, or the last one that was recorded."""
        return wanted if wanted in self.attention.branches else self.attention.branches[-1]

    def ground_truth_mask(self, label: int) -> np.ndarray:
        """Return the mask of the pixels that a label describes; empty for special tokens."""
        masks = dict(zip(self.word_labels, self.word_masks or [], strict=False))
        return masks.get(label, np.zeros((IMAGE_SIZE, IMAGE_SIZE), bool))


def compute_attention(pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
    """Compute the attention in an image that is sampled now, or in a drawing with known ground truth.

    Raises:
        ValueError: the picture world cannot draw the prompt. And what sampling raises.
    """
    if request.mode == GENERATED:
        settings = {name: getattr(request, name) for name in ("prompt", "steps", "guidance", "seed")}
        return Result(request, attention_while_sampling(pipe, settings, progress))
    try:
        scene = replace(parse(request.prompt).scene, seed=request.seed)
    except GrammarError as error:
        raise ValueError(f"the picture world cannot draw this prompt: {error}. Choose an image generated by the "
                         "model, or a prompt like \"a red car on a mountain road at sunset\"") from error
    drawing = draw(scene)
    image = resize_to_fit(drawing.image, pipe)
    return Result(request, attention_in_image(pipe, image, request.prompt, request.seed, progress), drawing)


def report_turn(progress: Progress, turn: int, turns: int, done: int, total: int) -> None:
    """Report progress within one of several equal turns."""
    progress(turn * total + done, turns * total)


# ---- regions --------------------------------------------------------------------------------------------------------


def to_box(corners: Any) -> Box:
    """Return left, top, right and bottom in order, clipped to the image, and at least a latent position in size.

    Raises:
        ValueError: these are not four finite numbers.
    """
    try:
        x0, y0, x1, y1 = np.clip([float(v) for v in corners], 0, 1).tolist()
        if not np.isfinite(x0 + y0 + x1 + y1):
            raise ValueError("not finite")
    except (TypeError, ValueError) as error:
        raise ValueError(f"region is {corners!r}: give left, top, right and bottom, from 0 to 1") from error
    (left, right), (top, bottom) = _to_interval(x0, x1), _to_interval(y0, y1)
    return left, top, right, bottom


def _to_interval(one: float, other: float) -> tuple[float, float]:
    """Return two numbers in order, and at least a latent position apart."""
    low, high = sorted((one, other))
    missing = max(1 / MAP_SIZE - (high - low), 0.0)
    low = min(max(low - missing / 2, 0.0), 1 - 1 / MAP_SIZE)
    return low, max(high, low + 1 / MAP_SIZE)


def box_mask(box: Box) -> np.ndarray:
    """Return a box as a mask (128, 128)."""
    left, top, right, bottom = (round(v * IMAGE_SIZE) for v in box)
    mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE), bool)
    mask[top:bottom, left:right] = True
    return mask


# ---- code -----------------------------------------------------------------------------------------------------------


def code(pipe_code: str, request: Request, word: str, t: float, table: tuple[int, str, str, str, bool]) -> str:
    """Return lines that record the same attention, compute the values of the table, and edit the same word.

    pipe_code: the line that makes `pipe`. t: the noise time to which a drawing is noised. table: step, branch, layer
    and head that the table shows, and whether it weights the heads.
    """
    points = '"*.cross.weights"'
    lines = ["import explorable as ex", "from explorable.analysis import attention_maps as maps", "", pipe_code,
             f"prompt = {request.prompt!r}"]
    if request.mode == GENERATED:
        call = f"pipe(prompt, steps={request.steps!r}, guidance={request.guidance!r}, seed={request.seed!r}"
        record, repeat, tokens = f"{call}, record=[{points}])", f"{call}).image", ", recording.tokens"
    else:
        call = f"pipe.inspect(resize_to_fit(drawing.image, pipe), prompt, t={t!r}, seed={request.seed!r}"
        record, tokens = f"{call})", ""
        repeat = f'{call}, record=["sampler.denoised"])["sampler.denoised"]'
        lines += ["from dataclasses import replace", "from explorable.pipeline.image_size import resize_to_fit",
                  "from explorable.world import draw, parse",
                  f"drawing = draw(replace(parse(prompt).scene, seed={request.seed!r}))"]
    step, branch, layer, head, has_head_weights = table
    head_weights = ", maps.head_weights_for(heads, pipe.head_weights)" if has_head_weights else ""
    edits = ", ".join(
        f"{point!r}: ex.MaskToken({edit.word!r})" if isinstance(edit, MaskToken) else
        f"{point!r}: ex.Reweight({edit.word!r}, {edit.scale!r})"
        for point, edit in request.weight(word).edits(word).items())
    return "\n".join([
        *lines, f"recording = {record}", f"weights = recording[{points}]",
        f"heads = maps.branch_maps(maps.gather_weights(recording), {branch!r}{tokens}).isel(step={step})",
        f"relative = maps.relative_attention(maps.select_heads(heads, {layer!r}, {head!r}){head_weights})  "
        "# (token, y, x)",
        "# a row of the table: maps.mean_by_region(relative, {name: mask})",
        f"with ex.edit(pipe, {{{edits}}}):", f"    edited = {repeat}"])
