"""The ideas of the cheat sheet: a sentence, a formula, a measured figure, a common mistake, and where to try it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...zoo import read_card
from ..results import saved_table
from . import thumbnails
from .committed import card_figure, figure


@dataclass(frozen=True)
class Idea:
    """One idea.

    formula: HTML, since it has indices. measured: returns a sentence with figures, which it reads. thumbnail: returns
    an image (y, x, 3) uint8, computed now. notebook: the file in which to try it.
    """

    name: str
    sentence: str
    formula: str
    measured: Callable[[], str]
    mistake: str
    notebook: str
    thumbnail: thumbnails.Thumbnail


def _steps() -> str:
    one, four = (figure("twins.md", "The exam against the number of steps", "right %", model="unet-flow", steps=n)
                 for n in (1, 4))
    return f"unet-flow is right in {one}% of its images after 1 step, in {four}% after 4."


def _classifier() -> str:
    none, ten = (figure("twins.md", "Classifier guidance of unet-flow", "shown %", prompt="none", sampler="ddim",
                        scale=s) for s in (0, 10))
    return f"Without a prompt, the target appears in {none}% of the images at scale 0, in {ten}% at scale 10."


def _guidance() -> str:
    saved = saved_table("guidance", "unet-flow")
    assert saved is not None
    row = {r["guidance"]: r for r in saved.table.rows}
    best = next(w for w, r in row.items() if r["beside the best"] == "best")
    return (f"Best at w = {best}: {row[best]['right %']:g}% right, {row[best]['clipped %']:g}% of the pixels clipped. "
            f"At w = 30: {row['30']['right %']:g}% and {row['30']['clipped %']:g}%.")


def _latent() -> str:
    latent, pixels = (float(figure("twins.md", "A step of the U-Net", "ms a step", space=s))
                      for s in ("latent, 16 x 16 x 4", "pixels, 128 x 128 x 3"))
    psnr = card_figure("vae", "measure", "PSNR, mean over images", "dB")
    return f"48 times fewer numbers; a step takes {pixels / latent:.0f} times less; the images come back at {psnr} dB."


def _unet() -> str:
    card = read_card("unet-flow")
    passed = card_figure("unet-flow", "task", "all", "seen %")
    return f"{card['parameters'] / 1e6:.1f} million weights pass {passed}% of the exam. Right: one skip fewer."


def _attention() -> str:
    iou = figure("attention.md", "Attention of unet-flow", "IoU held-out", word="noun", rule="all maps, weighted")
    gone = figure("attention.md", "The colour word masked", "colour gone %",
                  the_colour_word_is_masked="in cross-attention")
    return f"Maps of nouns against true masks: IoU {iou} (supervised). Masking the colour word removes it in {gone}%."


def _text() -> str:
    found = card_figure("text", "what", "own drawing by sentences", "value")
    return f"Of 128 drawings, it finds that of a caption in {found}."


def _flow() -> str:
    straight, linear, reflow = (figure("twins.md", "Straightness of 50 steps", "bend", model=m, guidance=1)
                                for m in ("unet-flow", "unet-diffusion", "unet-reflow"))
    return f"Bend of the sampled paths: diffusion {linear}, flow {straight}, after one reflow {reflow}."


def _dit() -> str:
    unet, dit = (card_figure(m, "task", "all", "seen %") for m in ("unet-diffusion", "dit-diffusion"))
    return f"Same data, steps and path: U-Net {unet}%, transformer {dit}% of the exam."


def _learning() -> str:
    card = read_card("unet-flow")
    return (f"unet-flow: {card['steps']:,} steps of {card['batch']}, {card['minutes']:.0f} minutes; squared error "
            f"{card['curve'][0]['mse']:.2f} to {card['curve'][-1]['mse']:.2f}.")


IDEAS = (
    Idea("From noise to image", "Start at pure noise and repeat: predict the image, move a little towards it.",
         "<i>x<sub>t</sub></i> = α(<i>t</i>) <i>x</i><sub>0</sub> + σ(<i>t</i>) ε", _steps,
         "“The first prediction is a soft blend”: only without guidance. With guidance it is exaggerated.",
         "01-noise-trajectory.ipynb", thumbnails.trajectory),
    Idea("Classifier guidance", "The gradient of a classifier, trained on noisy latents, is added to every prediction.",
         "∇ log <i>p</i>(<i>x</i>|<i>y</i>) = ∇ log <i>p</i>(<i>x</i>) + <i>s</i> ∇ log <i>p</i>(<i>y</i>|<i>x</i>)",
         _classifier, "“It says yes or no”: it gives a direction. At high scale it also fools the classifier.",
         "02-classifier-guidance.ipynb", thumbnails.classifier),
    Idea("Classifier-free guidance", "Predict without and with the prompt, and go beyond the second prediction.",
         "<i>u</i> + <i>w</i> (<i>c</i> − <i>u</i>)", _guidance,
         "“Final image = …”: the formula acts on the prediction of each step, not on finished images.",
         "03-guidance-scale.ipynb", thumbnails.guidance),
    Idea("Latent diffusion", "An encoder makes the image small, diffusion works there, a decoder makes it large.",
         "128 · 128 · 3 = 49,152 → 16 · 16 · 4 = 1,024", _latent,
         "“64 times fewer positions, so 64 times faster”: measure the step, and the decoder too.",
         "04-latent-space.ipynb", thumbnails.latent),
    Idea("U-Net and skips", "Down to a coarse grid and up again; skips carry the fine grid across.",
         "up<sub>k</sub> = block(concat(up<sub>k+1</sub>, skip<sub>k</sub>))", _unet,
         "“It sees only nearby pixels”: there is self-attention at several levels.",
         "05-unet-xray.ipynb", thumbnails.unet),
    Idea("Cross-attention", "Every position of the latent weighs the words and takes a mixture of their values.",
         "softmax(<i>Q K</i><sup>T</sup> / √<i>d</i>) <i>V</i>", _attention,
         "“The map explains the image”: mask the word, and look what changes.",
         "06-token-attention.ipynb", thumbnails.attention),
    Idea("Text encoder", "Words become vectors that depend on the words around them.",
         "context = encoder(tokens), 24 × 160", _text,
         "“Each number means something”: only distances and directions do.",
         "07-word-space.ipynb", thumbnails.words),
    Idea("Flow matching", "On a straight path the network predicts the velocity from image to noise.",
         "<i>v</i> = ε − <i>x</i><sub>0</sub> &nbsp; on &nbsp; "
         "<i>x<sub>t</sub></i> = (1 − <i>t</i>) <i>x</i><sub>0</sub> + <i>t</i> ε", _flow,
         "“It walks a straight line”: each training pair does. The sampler follows their mean, which bends.",
         "08-flow-paths.ipynb", thumbnails.flow),
    Idea("Diffusion transformer", "Cut the latent into patches; patches and words attend to each other in every block.",
         "[img; txt] → attention → mlp, scaled and shifted by <i>t</i>", _dit,
         "“Transformers beat U-Nets”: at equal compute the difference is small.",
         "09-patch-transformer.ipynb", thumbnails.dit),
    Idea("Learning", "Draw an image, a noise and a time; mix; predict; compare. Repeat a few hundred thousand times.",
         "E ‖ prediction(<i>x<sub>t</sub></i>, <i>t</i>, text) − target ‖²", _learning,
         "“Flow matching is another kind of training”: it is the same regression with another target.",
         "10-learning.ipynb", thumbnails.learning),
)
