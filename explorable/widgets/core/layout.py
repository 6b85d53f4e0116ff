"""Small pieces of page that explorables are made of: rows of controls, and values as safe HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import ipywidgets as ipw

NARROW = {"description_width": "initial"}  # a control's name takes the room that it needs
SPECIAL_TOKENS = {
    "<start>": "start of the text: here, and in the end token, the encoder can gather the whole sentence",
    "<end>": "end of the text",
    "<pad>": "padding: it fills the context up to its fixed length, and no attention reads it",
}


def token_chips(tokens: Sequence[str]) -> str:
    """Every token of a prompt as a chip, special ones dashed, the run of padding at the end folded into one."""
    padding = len(tokens) - next((i for i, name in enumerate(reversed(tokens)) if name != "<pad>"), len(tokens))
    shown = [(name, "token " + str(i)) for i, name in enumerate(tokens[:padding])]
    chips = [_chip(name, SPECIAL_TOKENS.get(name, place), name in SPECIAL_TOKENS) for name, place in shown]
    if padding < len(tokens):
        chips.append(_chip(f"{len(tokens) - padding} × <pad>", SPECIAL_TOKENS["<pad>"], True))
    return f'<div class="ex-words"><span>{len(tokens)} tokens</span>{"".join(chips)}</div>'


def _chip(text: str, tip: str, special: bool) -> str:
    kind = "ex-word ex-special" if special else "ex-word"
    return f'<span class="{kind}" title="{escape(tip)}">{escape(text)}</span>'


def format_duration(seconds: float) -> str:
    """A duration as one would say it: 4 ms, 0.41 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def pipeline_map(words: int, tokens: int, width: int | None, latent: Sequence[int], picture: Sequence[int], work: str,
                 seconds: dict[str, float]) -> str:
    """The way from words and noise to a picture, with the shapes that go along it and the time that each part took.

    words: tokens of the prompt without padding; tokens, width: shape of the context, width None where it is not known;
    latent, picture: shapes, (channels, height, width); work: what the denoiser did.
    """
    small, large = (" × ".join(map(str, shape)) for shape in (latent, picture))
    grown = f"{picture[-1] / latent[-1]:g} × larger a side"
    context = f"{tokens} × {width} context" if width else f"{tokens} tokens"
    total = sum(seconds.values()) or 1.0

    def stage(x: float, y: float, w: float, h: float, colour: str, lines: Sequence[str], time: float | None = None,
              ) -> str:
        top = y + h / 2 + 5 - 9 * (len(lines) - 1) - (0 if time is None else 3)  # room for the bar
        texts = "".join(f'<text x="{x + w / 2:g}" y="{top + 18 * i:g}"{" class=ex-name" if i == 0 else ""}>'
                        f"{escape(line)}</text>" for i, line in enumerate(lines))
        share = "" if time is None else (f'<rect class="ex-share" x="{x + 4:g}" y="{y + h - 7:g}" rx="1.5" height="3" '
                                         f'width="{max(2.0, (w - 8) * time / total):.1f}"/>')
        return f'<g class="ex-c-{colour}"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>{share}{texts}</g>'

    def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
        return (f'<path d="M{x} {y}H{(x + to_x) / 2}V{to_y}H{to_x - 6}"/>'
                f'<path class="ex-head" d="M{to_x} {to_y}l-8 -4.5v9z"/>')

    text, denoiser, decoder = (seconds[name] for name in ("text encoder", "denoiser", "decoder"))
    drawing = "".join([
        stage(1, 2, 130, 46, "word", ["words", f"{words} of {tokens} tokens"]),
        stage(175, 2, 150, 70, "word", ["text encoder", context, format_duration(text)], text),
        stage(1, 82, 130, 46, "noise", ["noise", f"{small} latent"]),
        stage(385, 20, 170, 92, "guidance", ["denoiser", work, f"{small} latent", format_duration(denoiser)], denoiser),
        stage(605, 31, 120, 70, "image", ["decoder", grown, format_duration(decoder)], decoder),
        stage(775, 43, 122, 46, "image", ["image", large]),
        arrow(131, 25, 175, 25), arrow(325, 35, 385, 52), arrow(131, 105, 385, 84),
        arrow(555, 66, 605, 66), arrow(725, 66, 775, 66),
    ])
    said = (f"Words go through the text encoder ({format_duration(text)}) into the denoiser ({work}, "
            f"{format_duration(denoiser)}), which starts from noise; its latent goes through the decoder "
            f"({format_duration(decoder)}) and is the picture.")
    return wide(f'<div class="ex-map"><svg viewBox="0 0 899 130" role="img" aria-label="{escape(said)}">'
                f"{drawing}</svg></div>", "From words to a picture")


def wide(html: str, name: str) -> str:
    """HTML that may be wider than the page: it scrolls by itself, by keyboard too. name: for a screen reader."""
    return f'<div class="ex-wide-part" tabindex="0" role="region" aria-label="{escape(name)}">{html}</div>'


def row(*widgets: ipw.Widget) -> ipw.Box:
    """Controls beside each other, in as many lines as they need."""
    made = ipw.Box(widgets)
    made.add_class("ex-row")
    return made
