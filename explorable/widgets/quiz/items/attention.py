"""Items about cross-attention and about diffusion transformers."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np

from ....analysis.attention_maps import branch_maps, coverage, gather_weights, head_weights_for, relative_attention
from ..item import Item, Opens, ask_choice, ask_number, kind
from ..material import show_images, show_maps
from .sources import LETTERS, drawing_of, pipeline, random_scene

# ---- cross-attention -------------------------------------------------------------------------------------------------


@kind("cross-attention", "softmax of two scores", margin=0.1)
def softmax_of_two(rng: random.Random) -> Item:
    """gap: the smallest difference of two choices, as weights."""
    a, b = rng.sample((0, 1, 2, 3), 2)
    weight = math.exp(a) / (math.exp(a) + math.exp(b))
    wrong = {1 - weight, a / (a + b)} - {weight}
    values = sorted({weight, *wrong})
    gap = min(y - x for x, y in itertools.pairwise(values))
    return ask_choice(rng, f"A position compares itself with two words: score {a} with 'red', score {b} with 'car'. "
                           "What is the "
                      "attention weight of 'red' after the "
                      "softmax?", f"{weight:.2f}", [f"{w:.2f}" for w in sorted(wrong)],
                      f"exp({a}) / (exp({a}) + exp({b})) = {weight:.2f}: only the difference of the scores counts.",
                      Opens("TokenAttention", {"word": "red"}), gap)


@kind("cross-attention", "a masked word's share", margin=3)
def masked_share(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    masked, other = rng.choice((0.2, 0.4, 0.5, 0.6)), rng.choice((0.1, 0.2, 0.3))
    answer = other / (1 - masked)
    return ask_number(f"At a position 'car' has the weight {masked:g} and 'road' {other:g}. 'car' is masked, and its "
                      "weight shared "
                      "out in proportion. What is the weight of 'road' now?", answer,
                      [other, other + masked, other / masked, other * masked],
                      f"The others sum to {1 - masked:g}, so {other:g} / {1 - masked:g} = {answer:.2f}: all weights "
                      "sum to 1 again.",
                      Opens("TokenAttention", {"word": "car", "scale": 0.0}), low=0, high=2, within=0.02)


@kind("cross-attention", "how many weights", margin=2)
def count_weights(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    side, tokens, heads = rng.choice((4, 8, 16)), rng.choice((5, 8, 10)), rng.choice((1, 2))
    answer = side**2 * tokens * heads
    return ask_number(f"A cross-attention layer with {heads} head{'s' * (heads > 1)} works on a {side} × {side} "
                      "feature map and a "
                      f"prompt of {tokens} tokens. How many attention weights does it have?", answer,
                      [side * tokens * heads, side**4 * heads, tokens**2 * heads, side**2 * heads],
                      f"{side}² positions · {tokens} tokens · {heads} = {answer}: one for each position, token and "
                      "head.",
                      Opens("TokenAttention"), low=0, high=6001, within=30)


@kind("cross-attention", "which map belongs to the word", margin=0.5)
def map_of_word(rng: random.Random) -> Item:
    """gap: attention in the thing's true mask minus elsewhere, in standard deviations, above the next map's."""
    scene, caption = random_scene(rng)
    drawing, pipe, thing = drawing_of(scene), pipeline(), scene.groups[0].kind
    recording = pipe.inspect(drawing.image, caption, t=0.5, seed=rng.randrange(100))
    maps = branch_maps(gather_weights(recording), "cond").isel(step=0)
    relative = relative_attention(maps.values, head_weights_for(maps, pipe.head_weights))
    words = [thing, caption.split()[-1], "a"]
    names = [str(name) for name in maps.token.values]
    shown = [relative[names.index(word)] for word in words]
    inside = coverage(drawing.masks[thing], 16)
    contrast = [float((m * inside).sum() / inside.sum() - (m * (1 - inside)).sum() / (1 - inside).sum()) for m in shown]
    letters = rng.sample(LETTERS[:3], 3)
    return Item(f"The cross-attention of three words of {caption!r}, in this drawing at t = 0.5 (white: most). Which "
                "map belongs "
                f"to {thing!r}?", {"choices": LETTERS[:3]}, letters[0],
                f"Inside the true mask of the {thing} the attention to {words[0]!r} is {contrast[0]:.1f} standard "
                "deviations higher "
                f"than outside; to {words[1]!r} it is {contrast[1]:.1f}, to {words[2]!r} {contrast[2]:.1f}.",
                Opens("TokenAttention", {"prompt": caption, "mode": "drawn", "word": thing}),
                contrast[0] - max(contrast[1:]),
                show_images({"the drawing": drawing.image}) + show_maps(dict(sorted(zip(letters, shown, strict=True)))))


# ---- diffusion transformer -------------------------------------------------------------------------------------------


@kind("diffusion transformer", "how many patches", margin=2)
def count_patches(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    side, patch = rng.choice(((16, 2), (16, 4), (32, 2), (32, 4), (64, 4), (64, 8)))
    answer = (side // patch) ** 2
    return ask_number(f"A diffusion transformer cuts a {side} × {side} latent into patches of {patch} × {patch}. How "
                      "many tokens are "
                      "that?", answer, [side // patch, side**2 / patch, side**2],
                      f"({side} / {patch})² = {answer}.", Opens("PatchTransformer"), low=0, high=601, within=2)


@kind("diffusion transformer", "pairs in joint attention", margin=1)
def joint_pairs(rng: random.Random) -> Item:
    """gap: 1; the choices are different products."""
    image, text = rng.choice((16, 64, 256)), rng.choice((8, 12, 24, 40))
    return ask_choice(rng, f"{image} image tokens and {text} text tokens attend to each other in joint attention. How "
                           "many pairs of "
                      "tokens are compared, in one head?", f"{(image + text) ** 2:,}",
                      [f"{image * text:,}", f"{image**2 + text**2:,}", f"{image**2:,}"],
                      f"({image} + {text})² = {(image + text) ** 2:,}: both streams are one sequence, so each attends "
                      "to all. "
                      f"Cross-attention would compare {image * text:,}.", Opens("PatchTransformer"))


@kind("diffusion transformer", "adaptive layer norm by hand", margin=2)
def modulate(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    x, scale, shift = rng.choice((-2, -1, 1, 2)), rng.choice((-0.5, 0.5, 1.0)), rng.choice((-1.0, -0.5, 0.5, 1.0))
    answer = x * (1 + scale) + shift
    return ask_number(f"After layer norm a number is {x}. The time embedding gives scale {scale:g} and shift "
                      f"{shift:g}. What does "
                      "x (1 + scale) + shift give?", answer, [x * scale + shift, x + shift, (x + shift) * (1 + scale)],
                      f"{x} · (1 + {scale:g}) + {shift:g} = {answer:g}: scale 0 and shift 0 leave x as it is.",
                      Opens("PatchTransformer"))


@kind("diffusion transformer", "where is the patch", margin=0)
def find_patch(rng: random.Random) -> Item:
    """gap: 0; a patch is exact."""
    scene, _ = random_scene(rng)
    side = rng.choice((4, 8))
    row, column, pixels = rng.randrange(side), rng.randrange(side), 128 // side
    mask = np.zeros((128, 128), bool)
    mask[row * pixels : (row + 1) * pixels, column * pixels : (column + 1) * pixels] = True
    number = row * side + column
    return Item(f"This image is cut into {side} × {side} patches, which become tokens row by row, from 0. Where is the "
                "patch of token "
                f"{number}?", {"image": drawing_of(scene).image}, mask,
                f"{number} = {row} · {side} + {column}: row {row}, column {column}, so pixels from ({row * pixels}, "
                f"{column * pixels}).", Opens("PatchTransformer"), 0.0)
