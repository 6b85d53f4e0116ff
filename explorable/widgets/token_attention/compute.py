"""What TokenAttention is asked for, how the answer begins, and the lines of code that ask for the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...analysis.word_attention import WordWeight, attention_in_image, attention_while_sampling
from ...hooks import MaskToken, Reweight
from ...pipeline import Pipeline
from ...pipeline.image_size import resize_to_fit
from ...world import GrammarError, draw, parse
from ..core.explorable import Progress
from .view import Known

GENERATED, DRAWN = "generated", "drawn"


@dataclass(frozen=True)
class Wish:
    """What must be computed: a reading, and all its words so loud. The word on the screen only comes first."""

    mode: str
    prompt: str
    seed: int
    steps: int
    guidance: float
    volume: WordWeight

    @property
    def reading(self) -> Wish:
        """What the reading alone depends on."""
        steps, guidance = (0, 0.0) if self.mode == DRAWN else (self.steps, self.guidance)
        return replace(self, volume=WordWeight(), steps=steps, guidance=guidance)


def read(pipe: Pipeline, request: Wish, progress: Progress) -> Known:
    """The reading of a wish: of a picture painted now, or of a drawing whose truth is known.

    Raises:
        ValueError: the picture world cannot draw the prompt; and what a run raises.
    """
    if request.mode == GENERATED:
        settings = {name: getattr(request, name) for name in ("prompt", "steps", "guidance", "seed")}
        return Known(request, request.prompt, request.volume, attention_while_sampling(pipe, settings, progress))
    try:
        scene = replace(parse(request.prompt).scene, seed=request.seed)
    except GrammarError as error:
        raise ValueError(f"the picture world cannot draw this prompt: {error}. Choose a picture painted by the "
                         "model, or say it like \"a red car on a mountain road at sunset\"") from error
    drawing = draw(scene)
    reading = attention_in_image(pipe, resize_to_fit(drawing.image, pipe), request.prompt, request.seed, progress)
    return Known(request, request.prompt, request.volume, reading, drawing)


def code(opened: str, request: Wish, word: str, t: float, table: tuple[int, str, str, str, bool]) -> str:
    """The lines that read the same weights, weigh the words of each place as the table does, and change the same word.

    opened: how the pipeline comes to be; t: the noise time at which a drawn picture is read. table: step, branch, layer
    and head of what the table is about, and whether use_head_weights heads count more in it.
    """
    points = '"*.cross.weights"'
    lines = ["import explorable as ex", "from explorable.analysis import attention_maps as maps", "", opened,
             f"prompt = {request.prompt!r}"]
    if request.mode == GENERATED:
        wish = f"pipe(prompt, steps={request.steps!r}, guidance={request.guidance!r}, seed={request.seed!r}"
        read, again, tokens = f"{wish}, record=[{points}])", f"{wish}).image", ", recording.tokens"
    else:
        wish = f"pipe.inspect(resize_to_fit(picture.image, pipe), prompt, t={t!r}, seed={request.seed!r}"
        read, tokens = f"{wish})", ""
        again = f'{wish}, record=["sampler.denoised"])["sampler.denoised"]'
        lines += ["from dataclasses import replace", "from explorable.pipeline.image_size import resize_to_fit",
                  "from explorable.world import draw, parse",
                  f"picture = draw(replace(parse(prompt).scene, seed={request.seed!r}))"]
    step, branch, layer, head, use_head_weights = table
    trust = ", maps.head_weights_for(heads, pipe.head_weights)" if use_head_weights else ""
    what = ", ".join(f"{point!r}: ex.{_short(made)}" for point, made in request.volume.edits(word).items())
    return "\n".join([
        *lines, f"recording = {read}", f"weights = recording[{points}]",
        f"heads = maps.branch_maps(maps.gather_weights(recording), {branch!r}{tokens}).isel(step={step})",
        f"standing = maps.relative_attention(maps.select_heads(heads, {layer!r}, {head!r}){trust})  # (token, y, x)",
        "# a row of the table: maps.mean_by_region(standing, {name: mask})",
        f"with ex.edit(pipe, {{{what}}}):", f"    changed = {again}"])


def _short(made: MaskToken | Reweight) -> str:
    """An edit as one would write it."""
    return f"MaskToken({made.word!r})" if isinstance(made, MaskToken) else f"Reweight({made.word!r}, {made.scale!r})"
