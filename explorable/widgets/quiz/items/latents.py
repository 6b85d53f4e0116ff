"""Items about the latent space, and about the U-Net and its skips."""

from __future__ import annotations

import random

import numpy as np

from ....analysis.latents import encode, footprint, noisy_images, total_effect
from ....hooks import Scale, edit
from ..item import Item, Opens, ask_choice, ask_number, kind
from ..material import show_images
from .sources import LETTERS, STEPS, drawing_of, pipeline, random_scene, rms, short_run

# ---- latent space ----------------------------------------------------------------------------------------------------


@kind("latent space", "how many times fewer numbers", margin=2)
def fewer_numbers(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    factor, channels, side = rng.choice((4, 8, 16)), rng.choice((4, 8, 16)), rng.choice((128, 256, 512))
    latent = channels * (side // factor) ** 2
    answer = 3 * side**2 / latent
    return ask_number(f"An encoder makes each side of an image {factor} times shorter and has {channels} channels. How "
                      "many "
                      f"times fewer numbers has the latent of a {side} × {side} image in red, green and blue?", answer,
                      [factor**2, factor**2 / channels, 3 * factor / channels],
                      f"{3 * side**2:,} numbers against {latent:,}: 3 · {factor}² / {channels} = {answer:g} times "
                      "fewer.",
                      Opens("LatentSpace"), low=0, high=200, within=1)


@kind("latent space", "how many times fewer pairs", margin=1)
def fewer_pairs(rng: random.Random) -> Item:
    """gap: 1; the choices are different powers."""
    factor = rng.choice((2, 3, 4, 5, 6, 8))
    return ask_choice(rng, f"Each side of the latent is {factor} times shorter than the image's. Self-attention "
                           "compares every "
                      "pair of positions. How many times fewer pairs are there?", f"{factor**4:,}",
                      [f"{factor**2:,}", f"{factor:,}", f"{factor**3:,}"],
                      f"There are {factor}² = {factor**2} times fewer positions, so {factor**2}² = {factor**4:,} times "
                      "fewer pairs.",
                      Opens("LatentSpace"))


@kind("latent space", "noise in the latent or in the pixels", margin=2)
def where_is_the_noise(rng: random.Random) -> Item:
    """gap: RMS difference of neighbouring pixels in the image with noise in its pixels, over the other's."""
    scene, _ = random_scene(rng)
    images = noisy_images(pipeline(), drawing_of(scene).image, [10.0], rng.randrange(1000))
    pair = [images.decoded.values[0], images.pixels.values[0]]
    grain = [rms(image[:, 1:], image[:, :-1]) for image in pair]
    letters = rng.sample(LETTERS[:2], 2)
    return Item("The same drawing with noise of a tenth of the signal's power: once added to the latent, which was "
                "then "
                "decoded, once to the pixels. Which had the noise in its latent?", {"choices": LETTERS[:2]}, letters[0],
                f"Neighbouring pixels differ by {grain[0]:.0f} levels where the noise was decoded and by "
                f"{grain[1]:.0f} where "
                "it was added to pixels: the decoder turns noise into changed shapes, not into grain.",
                Opens("LatentSpace", {"mode": "noise"}), grain[1] / grain[0],
                show_images(dict(sorted(zip(letters, pair, strict=True)))))


@kind("latent space", "the raised cell", margin=0.8)
def raised_cell(rng: random.Random) -> Item:
    """gap: the share of the squared change that lies within the accepted positions: the cell and a cell around it."""
    scene, _ = random_scene(rng)
    pipe, image = pipeline(), drawing_of(scene).image
    y, x = rng.randint(2, 13), rng.randint(2, 13)
    effect = total_effect(footprint(pipe, encode(pipe, image), y, x, push=3.0)).values
    mask = np.zeros(effect.shape, bool)
    mask[8 * (y - 1) : 8 * (y + 2), 8 * (x - 1) : 8 * (x + 2)] = True
    share = float(np.square(effect[mask]).sum() / max(np.square(effect).sum(), 1e-9))
    return Item(f"In the latent of this drawing, 16 × 16, the cell of row {y} and column {x} is raised, counted from "
                "0. Where "
                "in the decoded image, 128 × 128, is the change?", {"image": image}, mask,
                f"A cell belongs to 8 × 8 pixels, here from row {8 * y} and column {8 * x}. {100 * share:.0f}% of the "
                "squared "
                "change lies in that block and a cell around it.",
                Opens("LatentSpace", {"mode": "cells", "cell": (y, x)}), share)


# ---- U-Net and skips -------------------------------------------------------------------------------------------------


@kind("U-Net and skips", "the size after halving", margin=2)
def size_after(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    side, levels = rng.choice((16, 32, 64, 128)), rng.randint(1, 3)
    answer = side // 2**levels
    return ask_number(f"A U-Net gets a {side} × {side} latent and halves its sides {levels} time{'s' * (levels > 1)} "
                      "on the way "
                      "down. How many positions has a side of the smallest feature map?", answer,
                      [side / 2 ** (levels - 1), side / 4**levels, side / (2 * levels)] if levels > 2 else [2 * answer],
                      f"{side} / 2^{levels} = {answer}. The skips carry what this map has no room "
                      "for.", Opens("UNetXRay"),
                      low=0, high=101, within=0.5)


@kind("U-Net and skips", "channels at a skip", margin=2)
def channels_at_skip(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    below, skip = rng.sample((64, 96, 128, 192, 256, 320), 2)
    return ask_number(f"On the way up, a feature map of {below} channels meets a skip of {skip} channels, and both are "
                      "concatenated. How many channels does the next layer get?", below + skip,
                      [below, skip, (below + skip) / 2, max(below, skip)],
                      f"{below} + {skip} = {below + skip}: concatenation keeps both, a sum would need equal numbers.",
                      Opens("UNetXRay"), low=0, high=1000, within=5)


@kind("U-Net and skips", "what a stack of convolutions sees", margin=2)
def receptive_side(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    before, after = rng.randint(1, 4), rng.randint(1, 4)
    answer = 1 + 2 * before + 2 + 4 * after  # the convolution of stride 2 adds 2, and those after it count double
    return ask_number(f"{before} convolution{'s' * (before > 1)} 3 × 3, then one 3 × 3 of stride 2, then {after} more "
                      "3 × 3, "
                      "without attention. How many input positions, along a side, reach one output position?", answer,
                      [1 + 2 * (before + 1 + after), 3 * (before + 1 + after), 2 * answer],
                      f"1 + 2 · {before} + 2 + 4 · {after} = {answer}: after the stride, each convolution adds 4 in "
                      "place of 2.",
                      Opens("UNetXRay"), low=0, high=61, within=0.5)


@kind("U-Net and skips", "which lost the 8 × 8 skip", margin=1.25)
def lost_skip(rng: random.Random) -> Item:
    """gap: the larger RMS difference from the unedited image over the smaller one."""
    _, caption = random_scene(rng)
    seed, points = rng.randrange(100), ("up.1.skip", "up.0.skip")  # 8 x 8, 16 x 16
    original, images = short_run(caption, seed).image, []
    for point in points:
        with edit(pipeline(), {point: Scale(0.0)}):
            images.append(pipeline()(caption, steps=STEPS, seed=seed, guidance=4.0).image)
    change = [rms(image, original) for image in images]
    gap = max(change) / max(min(change), 1e-9)
    letters = rng.sample(LETTERS[:2], 2)
    larger = "8 × 8" if change[0] > change[1] else "16 × 16"
    rank = "more" if change[0] > change[1] else "less"
    return Item(f"One run of {caption!r} lost its 8 × 8 skip, another its 16 × 16 skip. Here the loss of the 8 × 8 "
                "skip "
                f"changed {rank} of the image than the other. Which lost the 8 × 8 "
                "skip?", {"choices": LETTERS[:2]}, letters[0],
                f"Without the 8 × 8 skip the image differs by {change[0]:.0f} levels, without the 16 × 16 skip by "
                f"{change[1]:.0f}: here the {larger} skip carries more.",
                Opens("UNetXRay", {"prompt": caption, "seed": seed, "steps": STEPS, "faders": {points[0]: 0.0},
                                   "step": 4}),
                gap,
                show_images({"unedited": original, **dict(sorted(zip(letters, images, strict=True)))}))
