"""The images of the cheat sheet, computed when it is made: (y, x, 3) uint8."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from ...analysis.attention_maps import resize_maps, scale_to_max
from ...diffusion.paths import PATHS
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import integrate, marginal_field, sample_distribution
from ...hooks import Ablate, edit
from ...pipeline import Pipeline
from ...world import draw, parse

PROMPT, OTHER = "a red car on a mountain road", "a red cat on a mountain road"
SIDE = 128  # pixels
GAP = 4

Array = np.ndarray
Thumbnail = Callable[[Pipeline], Array]


def trajectory(pipe: Pipeline) -> Array:
    """The noisy latent at three steps of one run, decoded, and the finished image."""
    run = pipe(PROMPT, seed=0)
    return _side_by_side(*pipe.decode(run.latents.values[[0, 10, 15]]), run.image)


def classifier(pipe: Pipeline) -> Array:
    """From the same noise, without a prompt: unguided, and with the gradient towards "castle"."""
    guided = pipe("", guidance=1.0, seed=1, sampler="ddim", target="castle", classifier_scale=10.0)
    return _side_by_side(pipe("", guidance=1.0, seed=1, sampler="ddim").image, guided.image)


def guidance(pipe: Pipeline) -> Array:
    """From the same noise: w = 1, 4 and 15."""
    return _side_by_side(*(pipe(PROMPT, guidance=w, seed=0).image for w in (1, 4, 15)))


def latent(pipe: Pipeline) -> Array:
    """A drawing, its latent channels, and the drawing as the decoder returns it."""
    image = draw(parse(PROMPT).scene).image
    z = pipe.encode(image[None]).cpu().numpy()
    channels = (255 * np.clip(z[0] / 4 + 0.5, 0, 1)).astype(np.uint8)
    grey = (_enlarge(np.repeat(channel[..., None], 3, 2)) for channel in channels)
    return _side_by_side(image, *grey, pipe.decode(z)[0])


def unet(pipe: Pipeline) -> Array:
    """From the same noise: with all skips, and without the 16 x 16 one."""
    with edit(pipe, {"up.0.skip": Ablate()}):
        without = pipe(PROMPT, seed=0).image
    return _side_by_side(pipe(PROMPT, seed=0).image, without)


def attention(pipe: Pipeline) -> Array:
    """An image, and where its positions attend to "car" and to "road"."""
    run = pipe(PROMPT, seed=0, record=["up.0.*.cross.weights"])
    weights = run["up.0.*.cross.weights"].sel(branch="cond").mean(["step", "layer", "head"])
    maps = scale_to_max(np.stack([weights.sel(token=word).values for word in ("car", "road")]))
    lit = (run.image * (0.25 + 0.75 * m[..., None]) for m in resize_maps(maps, SIDE))
    return _side_by_side(run.image, *(image.astype(np.uint8) for image in lit))


def words(pipe: Pipeline) -> Array:
    """From the same noise: one word of the prompt replaced by another."""
    return _side_by_side(*(pipe(prompt, seed=0).image for prompt in (PROMPT, OTHER)))


def flow(pipe: Pipeline) -> Array:
    """Exact trajectories from noise to two moons, on the straight path."""
    points = sample_distribution("two moons", 256)
    start = np.random.default_rng(0).standard_normal((32, 2))
    x = integrate(marginal_field(points, "independent"), PATHS["straight"], start, uniform_timesteps(60), "heun").x
    canvas = Image.new("RGB", (4 * SIDE, 4 * SIDE), "white")
    pen = ImageDraw.Draw(canvas)
    to_pixels = 2 * SIDE + np.stack([x[..., 0], -x[..., 1]], -1) * SIDE / 1.6
    for line in to_pixels.transpose(1, 0, 2):
        pen.line([tuple(p) for p in line], fill=(0, 114, 178), width=4)
        pen.ellipse([*(line[-1] - 9), *(line[-1] + 9)], fill=(213, 94, 0))
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def dit(pipe: Pipeline) -> Array:
    """An image with the 64 patches of 2 x 2 latent positions that the transformer reads."""
    image = pipe(PROMPT, seed=0).image.copy()
    image[:: SIDE // 8] = image[:, :: SIDE // 8] = 255
    return image


def learning(pipe: Pipeline) -> Array:
    """A training example: a drawing, and its latent mixed with noise at t = 0.5 and at t = 0.9, decoded."""
    image = draw(parse(PROMPT).scene).image
    z = pipe.encode(image[None]).cpu().numpy()
    noise = np.random.default_rng(0).standard_normal(z.shape).astype(np.float32)
    mixed = np.concatenate([(1 - t) * z + t * noise for t in (0.5, 0.9)])
    return _side_by_side(image, *pipe.decode(mixed))


def _enlarge(image: Array) -> Array:
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.NEAREST))


def _side_by_side(*images: Array) -> Array:
    """Join images of one height, with a white gap between them."""
    gap = np.full((images[0].shape[0], GAP, 3), 255, np.uint8)
    joined = [images[0]]
    for image in images[1:]:
        joined += [gap, image]
    return np.concatenate(joined, 1)
