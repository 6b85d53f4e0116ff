"""A diagram of the pipeline with the shapes along it and the time that each part took."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..core.layout import format_duration, scrollable


def pipeline_diagram(words: int, tokens: int, text_width: int | None, latent: Sequence[int], image: Sequence[int],
                     work: str, seconds: dict[str, float], start_t: float | None = None) -> str:
    """Return an SVG of the pipeline with the shapes along it and the time that each part took.

    words: tokens of the prompt without padding. tokens, text_width: shape of the context. latent, image: shapes,
    (channels, height, width). work: what the denoiser did. start_t: of a run from a picture, the noise time at which it
    starts.
    """
    latent_shape, image_shape = (" × ".join(map(str, shape)) for shape in (latent, image))
    scale = f"{image[-1] / latent[-1]:g} × larger a side"
    context = f"{tokens} × {text_width} context" if text_width else f"{tokens} tokens"
    total = sum(seconds.values()) or 1.0

    def box(x: float, y: float, w: float, h: float, colour: str, lines: Sequence[str], time: float | None = None,
            ) -> str:
        top = y + h / 2 + 5 - 9 * (len(lines) - 1) - (0 if time is None else 3)  # room for the bar
        texts = "".join(f'<text x="{x + w / 2:g}" y="{top + 18 * i:g}"{" class=ex-name" if i == 0 else ""}>'
                        f"{escape(line)}</text>" for i, line in enumerate(lines))
        bar = "" if time is None else (f'<rect class="ex-share" x="{x + 4:g}" y="{y + h - 7:g}" rx="1.5" height="3" '
                                       f'width="{max(2.0, (w - 8) * time / total):.1f}"/>')
        return f'<g class="ex-c-{colour}"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>{bar}{texts}</g>'

    def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
        return (f'<path d="M{x} {y}H{(x + to_x) / 2}V{to_y}H{to_x - 6}"/>'
                f'<path class="ex-head" d="M{to_x} {to_y}l-8 -4.5v9z"/>')

    text, denoiser, decoder = (seconds[name] for name in ("text encoder", "denoiser", "decoder"))
    encoder = seconds.get("encoder")  # an opened pipeline does not measure it by itself
    encoding = f"{latent_shape} latent" if encoder is None else format_duration(encoder)
    drawing = "".join([
        box(1, 2, 130, 46, "word", ["words", f"{words} of {tokens} tokens"]),
        box(175, 2, 150, 70, "word", ["text encoder", context, format_duration(text)], text),
        box(1, 82, 130, 46, "noise", ["noise", f"{latent_shape} latent"]) if start_t is None else
        box(1, 58, 130, 70, "noise", ["picture + noise", f"encoded, t = {start_t:.2f}", encoding], encoder),
        box(371, 20, 198, 92, "guidance", ["denoiser", work, f"{latent_shape} latent", format_duration(denoiser)],
            denoiser),
        box(605, 31, 120, 70, "image", ["decoder", scale, format_duration(decoder)], decoder),
        box(775, 43, 122, 46, "image", ["image", image_shape]),
        arrow(131, 25, 175, 25), arrow(325, 35, 371, 52), arrow(131, 105, 371, 84),
        arrow(569, 66, 605, 66), arrow(725, 66, 775, 66),
    ])
    source = "noise" if start_t is None else f"a picture with the noise of t = {start_t:.2f}"
    label = (f"The text encoder ({format_duration(text)}) turns the words into a context. The denoiser ({work}, "
             f"{format_duration(denoiser)}) turns {source} into a latent. The decoder ({format_duration(decoder)}) "
             "turns the latent into the image.")
    return scrollable(f'<div class="ex-map"><svg viewBox="0 0 899 130" role="img" aria-label="{escape(label)}">'
                      f"{drawing}</svg></div>", "From words to an image")
