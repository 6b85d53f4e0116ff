"""The four times of day, and how each changes the colours of an image.

A surface shows its own colour multiplied by the colour of the light. Lamps, lit windows, the sun and sparks emit
light and keep their colours.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Light:
    """One time of day.

    Args:
        ambient: factors of red, green and blue, each from 0 to 1.2.
        sky: three colours of the sky, from the top down to the horizon.
        haze: the colour that distant things fade towards.
        sun: the colour of the sun or moon.
        shadow: opacity of shadows on the ground, 0 to 1.
        stars: whether stars are visible.
    """

    name: str
    ambient: tuple[float, float, float]
    sky: tuple[RGB, RGB, RGB]
    haze: RGB
    sun: RGB
    shadow: float
    stars: bool = False

    def on(self, colour: RGB) -> RGB:
        """Return the colour that a surface of `colour` shows in this light."""
        r, g, b = (min(255, round(c * a)) for c, a in zip(colour, self.ambient, strict=True))
        return r, g, b


LIGHTS = {
    light.name: light
    for light in (
        Light("day", (1.0, 1.0, 1.0), ((92, 164, 226), (142, 199, 240), (212, 236, 250)),
              (196, 222, 238), (255, 240, 178), 0.30),
        Light("sunset", (1.0, 0.82, 0.70), ((122, 92, 158), (240, 138, 96), (255, 206, 120)),
              (246, 164, 112), (255, 236, 160), 0.36),
        Light("twilight", (0.66, 0.62, 0.84), ((48, 46, 104), (104, 82, 152), (214, 132, 166)),
              (132, 100, 158), (250, 226, 214), 0.30),
        Light("night", (0.50, 0.55, 0.76), ((10, 14, 42), (20, 30, 72), (42, 58, 108)),
              (34, 46, 88), (244, 242, 220), 0.34, stars=True),
    )
}


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return a blend of `a` with `share` (0 to 1) of `b`."""
    r, g, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, blue


def shade(colour: RGB, amount: float) -> RGB:
    """Return a lighter (`amount` up to 1) or darker (down to -1) shade of `colour`.

    Darker shades tend towards blue and lighter ones towards warm white.
    """
    return mix(colour, (255, 250, 235), amount) if amount >= 0 else mix(colour, (18, 16, 38), -amount)
