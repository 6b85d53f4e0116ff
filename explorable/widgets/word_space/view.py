"""What WordSpace shows of a result: layers of the stage, sentences, labelled arrays, tables, code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...analysis.encoder_spaces import animals_before_cars, synonyms_found
from ...analysis.word_space import WordSpace, cosines, neighbours, percentile_of_pair, project, ranked, with_article
from ..core.verdict import describe_verdict
from ..stage.layers import Axis, Heatmap, Images, Layer, Panel, Points
from .compute import AnyResult, MapResult, SentenceResult, SumResult, SwapResult
from .figure import KINDS, kind_of

BAR_WIDTH = 20  # columns of a bar code
MAX_BAR = 320  # numbers of a vector that are shown
PAIRS = (("cat", "dog"), ("cat", "car"), ("dog", "car"))
BAR_NOTE = "each square is one number; a single one has no meaning"


def bar_code(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (…, channel) as small pictures (…, row, column): at most MAX_BAR numbers, row by row."""
    count = min(vectors.shape[-1], MAX_BAR) // BAR_WIDTH * BAR_WIDTH or vectors.shape[-1]
    width = BAR_WIDTH if count % BAR_WIDTH == 0 else count
    return vectors[..., :count].reshape(*vectors.shape[:-1], count // width, width)


def _bar_layer(frames: np.ndarray, axes: tuple[str, ...], channels: int) -> Heatmap:
    """Return a layer of bar codes. The numbers of each frame are divided by the size that few of them exceed."""
    parts = np.abs(frames).reshape(len(frames), -1)
    limits = np.array([np.quantile(part[part > 0], 0.97) if part.any() else 1.0 for part in parts])
    shown = frames.shape[-1] * frames.shape[-2]
    label = f"{shown} of {channels} numbers" if shown < channels else f"{channels} numbers"
    scaled = frames / limits.reshape(-1, *[1] * (frames.ndim - 1))
    return Heatmap("bars", label, scaled, BAR_NOTE, axes, low=-1, high=1)


# ---- the stage -------------------------------------------------------------------------------------------------------


def sentence_recording(result: SentenceResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: a frame a layer, an axis of the words so far, an axis of tokens."""
    whole = result.prefixes[-1]
    longest = len(whole.tokens)
    codes = np.zeros((len(whole.layers), len(result.prefixes), longest, *bar_code(whole.vectors[0, 0]).shape))
    for k, text in enumerate(result.prefixes):
        codes[:, k, : len(text.tokens)] = bar_code(text.vectors)
    words = Axis("words", "words so far", tuple(str(k + 1) for k in range(len(result.prefixes))))
    tokens = Axis("token", "token", whole.tokens, thumbnail_layer="bars", counts_along="words",
                  counts=tuple(len(text.tokens) for text in result.prefixes))
    layer = _bar_layer(codes, ("frame", "words", "token"), whole.vectors.shape[-1])
    return {"layers": [layer], "captions": [layer_caption(name) for name in whole.layers], "axes": [words, tokens],
            "panels": [Panel("bars", ("bars",), titles_along="token", titles=tuple(
                f"“{token}” as {layer.label}" for token in whole.tokens))], "file_name": "words"}


def layer_caption(name: str) -> str:
    """Return the caption of a layer's frame."""
    special = {"embedding": "before the first layer", "context": "context: what the denoiser gets"}
    return special.get(name, f"after {name}")


def map_recording(result: MapResult, chosen: str) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the words of each encoder as points, a frame a layer."""
    layers: list[Layer] = []
    panels = []
    kinds = list(KINDS)
    count = max(len(space.layers) for space in result.spaces.values())
    beside = {name: space for name, space in result.spaces.items() if name in (*list(result.spaces)[:2],
                                                                              result.request.encoder)}
    for name, space in beside.items():
        frames = np.stack([_to_unit_square(project(vectors).positions) for vectors in space.vectors])
        marked = (space.words.index(chosen),) if chosen in space.words else ()
        indices = [min(k, len(frames) - 1) for k in range(count)]
        groups = [kinds.index(kind_of(word)) for word in space.words]
        layers.append(Points(f"map {name}", name, frames[indices], groups=groups,
                             colours=tuple(colour for colour, _ in KINDS.values()), highlighted=marked, size=14))
        panels.append(Panel(f"map {name}", (f"map {name}",), name, interaction="click", ratio=1))
    longest = max(result.spaces.values(), key=lambda space: len(space.layers))
    return {"layers": layers, "captions": [layer_caption(name) for name in longest.layers], "panels": panels,
            "columns": min(len(panels), 2), "file_name": "map"}


def _to_unit_square(positions: np.ndarray) -> np.ndarray:
    return positions / (np.abs(positions).max() * 1.08 or 1.0)


def word_at(space: WordSpace, layer: int, x: float, y: float) -> str:
    """Return the word nearest to a place on a map of the stage: x and y as fractions from the upper left corner."""
    positions = _to_unit_square(project(space.vectors[min(layer, len(space.layers) - 1)]).positions)
    return space.words[int(np.linalg.norm(positions - [2 * x - 1, 1 - 2 * y], axis=1).argmin())]


def swap_recording(result: SwapResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: both predicted images, and their difference, step by step."""
    difference = np.abs(result.images[0].astype(float) - result.images[1]).mean(-1) / 255
    layers: list[Layer] = [  # the first one is shown in the panel with a switch
        Images("other", "the other image", result.images[1]),
        Heatmap("difference", "difference", difference, low=0, high=0.5, colour="image"),
        Images("one", "image", result.images[0])]
    panels = [Panel("one", ("one",), f"“{result.request.prompt}”"),
              Panel("other", ("other", "difference"), f"“{result.request.other}”", switchable=True)]
    return {"layers": layers, "captions": _step_captions(result.request.sampling.steps, result.times),
            "panels": panels, "columns": 2, "file_name": "swapped"}


def sum_recording(result: SumResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the painted sum beside the nearest word; else the bar codes of the sum."""
    if result.images is None:
        vectors = np.stack([result.space.vector(term.word) for term in result.terms])
        total = np.tensordot([term.sign for term in result.terms], vectors, 1)
        codes = bar_code(np.concatenate([vectors, total[None]]))
        captions = [f"{'−' if term.sign < 0 else '+'} {term.word}" for term in result.terms] + ["the sum"]
        layer = _bar_layer(codes, ("frame",), vectors.shape[-1])
        return {"layers": [layer], "captions": captions, "panels": [Panel("bars", ("bars",), layer.label)],
                "file_name": "sum"}
    layers: list[Layer] = [Images("sum", "the sum, painted", result.images[0]),
                           Images("nearest", with_article(result.nearest), result.images[1])]
    panels = [Panel("sum", ("sum",), result.request.expression),
              Panel("nearest", ("nearest",), f"“{with_article(result.nearest)}”")]
    return {"layers": layers, "captions": _step_captions(result.request.sampling.steps, result.times),
            "panels": panels, "columns": 2, "file_name": "sum"}


def _step_captions(steps: int, times: np.ndarray) -> list[str]:
    return [f"predicted image at t = {t:.2f}" for t in times[:-1]] + [f"finished image, {steps} steps"]


# ---- sentences -------------------------------------------------------------------------------------------------------


def nearest_at(space: WordSpace, vector: np.ndarray, layer: int,
               without: Sequence[str] = ()) -> list[tuple[str, float]]:
    """Return the words nearest to a vector after a layer."""
    return ranked(cosines(vector[None], space.vectors[layer])[0], space.words, without)[:4]


def list_words(found: Sequence[tuple[str, float]]) -> str:
    """Return words with their cosines: "puppy 0.66, dogs 0.60"."""
    return ", ".join(f"{word} {cosine:.2f}" for word, cosine in found)


def describe_token(result: SentenceResult, layer: int, prefix: int, token: int) -> str:
    """Describe a token after a layer by its nearest words."""
    text = result.prefixes[min(prefix, len(result.prefixes) - 1)]
    token = min(token, len(text.tokens) - 1)
    near = list_words(nearest_at(result.space, text.vectors[layer, token], layer, (text.tokens[token],)))
    whole = result.prefixes[-1]
    moved = cosines(text.vectors[layer, token][None], whole.vectors[layer, min(token, len(whole.tokens) - 1)][None])
    sentence = (f"“{text.tokens[token]}”, {text.layers[layer]}: its nearest words by cosine are {near}.")
    for filling in result.fillings:
        sentence = f"Into {filling.gap} it writes “{' '.join(filling.words) or 'nothing'}”. {sentence}"
    if text is not whole and token < len(text.tokens) - 1:
        sentence += f" Its cosine with itself in the whole sentence is {moved[0, 0]:.2f}."
    return sentence


def describe_map(result: MapResult, word: str, dimensions: int) -> str:
    """Describe the map and a word's true neighbours."""
    map_ = project(result.space.vectors[-1], dimensions)
    near = list_words(neighbours(result.space, word))
    return (f"“{word}”: its nearest words in all {result.space.vectors.shape[-1]} dimensions are {near}. The map is a "
            f"projection on {dimensions} principal components and keeps {map_.share.sum():.0%} of the variance; two "
            f"words are too near on it by {map_.distance_error:.0%} of their distance, on average.")


def describe_swap(result: SwapResult) -> str:
    """Describe how far two prompts and their images are apart."""
    one, other = (text.tokens for text in result.encoded)
    changed = [f"“{one[i]}” and “{other[j]}”" for i, j in result.pairs if one[i] != other[j]]
    kept = [k for k, (i, j) in enumerate(result.pairs) if one[i] == other[j]]
    text = f"Different tokens: {', '.join(changed)}. " if changed else "No token was exchanged for another. "
    if kept and result.encoded[0].tokens != result.encoded[1].tokens:
        k = min(kept, key=lambda pair: float(result.token_cosines[-1, pair]))
        text += (f"Of the tokens that stayed, “{one[result.pairs[k][0]]}” moved most: its cosine with itself is "
                 f"{result.token_cosines[-1, k]:.2f}.")
    return text


def describe_sum(result: SumResult) -> str:
    """Describe the nearest words of a sum, inputs included and excluded."""
    first = result.ranks.isel(word=0)
    is_input = bool(first.is_input)
    text = (f"Over all {result.ranks.sizes['word']} words the nearest is “{first.word.item()}”"
            f"{', which is in the sum itself' if is_input else ''} (cosine {float(first.cosine):.2f}); without the "
            f"words of the sum it is “{result.nearest}”.")
    if result.images is None:
        return f"{text} Only vectors that the denoiser was trained with can be painted."
    if result.verdicts:
        text += (f" Painted, the examiner sees {describe_verdict(result.verdicts[0])}; in “"
                 f"{with_article(result.nearest)}” it sees {describe_verdict(result.verdicts[1])}.")
    return text


def score(result: AnyResult) -> tuple[str, str, str]:
    """Return name, value and explanation of a result's score."""
    if isinstance(result, SwapResult):
        return ("Cosine of the two contexts", f"{result.context_cosine:.3f}",
                f"the images differ by {result.image_distance[-1]:.0%} RMS of a pixel's range, from the same noise")
    if isinstance(result, SumResult):
        rank = int(result.ranks["rank"].values[result.ranks.word.values == result.nearest][0])
        return (f"Rank of “{result.nearest}” among all words", f"{rank}",
                "it is the nearest word once those of the sum are left out: a sum chosen by hand needs that")
    found, pairs = synonyms_found(result.space)
    nearer, combinations = animals_before_cars(result.space)
    return (f"Encoder {result.space.name}: synonyms among the first three neighbours", f"{found / pairs:.0%}",
            f"{found} of {pairs} pairs; a cat is nearer to a dog than to a car in {nearer} of {combinations} "
            "combinations of their synonyms")


# ---- tables ----------------------------------------------------------------------------------------------------------


def encoder_table(spaces: dict[str, WordSpace]) -> pd.DataFrame:
    """Return a row an encoder: synonyms found, cat-dog above cat-car, and where the cosines lie among all pairs."""
    rows = {}
    for name, space in spaces.items():
        (found, pairs), (nearer, combinations) = synonyms_found(space), animals_before_cars(space)
        row = {"synonyms in the first three": f"{found} of {pairs}",
               "cat–dog above cat–car": f"{nearer} of {combinations}"}
        for a, b in PAIRS:
            cosine, share = percentile_of_pair(space, a, b)
            row[f"{a}–{b}"] = f"{cosine:.2f}, above {share:.0%} of all pairs"
        rows[name] = row
    return pd.DataFrame(rows).T


def dataset(result: AnyResult) -> xr.Dataset:
    """Return what is on the screen as labelled arrays."""
    if isinstance(result, SentenceResult):
        text = result.prefixes[-1]
        return xr.Dataset({"vector": (("layer", "token", "channel"), text.vectors)},
                          {"layer": list(text.layers), "token": list(text.tokens)})
    if isinstance(result, MapResult):
        space = result.space
        positions = project(space.vectors[-1], 3)
        return xr.Dataset({"vector": (("layer", "word", "channel"), space.vectors),
                           "position": (("word", "component"), positions.positions),
                           "share": ("component", positions.share)},
                          {"layer": list(space.layers), "word": list(space.words)})
    if isinstance(result, SwapResult):
        return xr.Dataset({"cosine": (("layer", "pair"), result.token_cosines),
                           "image": (("prompt", "t", "y", "x", "rgb"), result.images),
                           "image_distance": ("t", result.image_distance)},
                          {"t": result.times, "layer": list(result.encoded[0].layers),
                           "prompt": [result.request.prompt, result.request.other]})
    images = {} if result.images is None else {"image": (("painted", "t", "y", "x", "rgb"), result.images)}
    return result.ranks.assign(images)


def table(result: AnyResult) -> pd.DataFrame:
    """Return the numbers on the screen: of each token, word, pair of tokens or rank."""
    if isinstance(result, SentenceResult):
        text = result.prefixes[-1]
        rows = [{f"nearest, {name}": list_words(nearest_at(result.space, text.vectors[k, i], k, (token,))[:3])
                 for k, name in enumerate(text.layers)} for i, token in enumerate(text.tokens)]
        return pd.DataFrame(rows, index=pd.Index(text.tokens, name="token"))
    if isinstance(result, MapResult):
        rows = [{"nearest words": list_words(neighbours(result.space, word))} for word in result.space.words]
        return pd.DataFrame(rows, index=pd.Index(result.space.words, name="word"))
    if isinstance(result, SwapResult):
        one, other = result.encoded
        names = [f"{one.tokens[i]} / {other.tokens[j]}" for i, j in result.pairs]
        return pd.DataFrame(result.token_cosines.T, index=pd.Index(names, name="tokens"), columns=list(one.layers))
    return result.ranks.to_dataframe()


def code(result: AnyResult, pipe_code: str) -> str:
    """Return the lines that compute the numbers on the screen without the explorable."""
    request = result.request
    space = f"space = space_of(pipe, {request.encoder!r})"
    head = ["import explorable as ex", "from explorable.analysis import word_space as words",
            "from explorable.analysis.encoder_spaces import space_of", "", pipe_code, space]
    if isinstance(result, SentenceResult):
        return "\n".join([*head, f"text = space.encode([{result.request.prompt!r}])[0]",
                          "words.cosines(text.vectors[-1], space.vectors[-1])  # (token, word)"])
    if isinstance(result, MapResult):
        return "\n".join([*head, "words.project(space.vectors[-1], 2).positions  # (word, component)"])
    s = result.request.sampling
    call = f"seed={s.seed!r}, steps={s.steps!r}, guidance={s.guidance!r}"
    if isinstance(result, SwapResult):
        return "\n".join([*head, f"prompts = [{result.request.prompt!r}, {result.request.other!r}]",
                          "one, other = space.encode(prompts)",
                          f"images = [pipe(prompt, {call}).image for prompt in prompts]"])
    lines = [*head, f"terms = words.parse_expression({result.request.expression!r})",
             "ranks = words.arithmetic_ranks(space, terms)"]
    if result.images is not None:
        lines += ["from explorable.analysis.painted_words import painting_sum",
                  f"with painting_sum(pipe, {request.encoder!r}, terms):",
                  f"    painted = pipe({with_article(result.terms[0].word)!r}, {call}).image"]
    return "\n".join(lines)
