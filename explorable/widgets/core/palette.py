"""The palette: one colour per idea, in every chart, stage and stylesheet.

The colours follow Okabe and Ito and can be told apart by colour-blind readers. This table is their only source: plotly
figures ask `colour`, the stylesheets and the stage's JavaScript read the CSS variables "--ex-NAME".
"""

from __future__ import annotations

# On light pages and on dark ones. "outline" is the ring around highlighted points; "plain" and "other" mean no idea.
COLOURS = {
    "noise": ("#8f5f00", "#f0b84c"), "image": ("#0072b2", "#56b4e9"), "word": ("#00775a", "#3cc9a0"),
    "guidance": ("#b84a00", "#ff9255"), "plain": ("#616161", "#bdbdbd"), "other": ("#a0487c", "#e59cc4"),
    "outline": ("#212121", "#eeeeee"),
}
# JupyterLab's own colours by their variables, and what to use in other front ends, light and dark.
THEME = {
    "text": ("--jp-ui-font-color1", "#212121", "#e6e6e6"), "soft": ("--jp-ui-font-color2", "#616161", "#b0b0b0"),
    "line": ("--jp-border-color2", "#d0d0d0", "#484848"), "ground": ("--jp-layout-color1", "#fff", "#161616"),
    "raised": ("--jp-layout-color2", "#f2f2f2", "#262626"), "accent": ("--jp-brand-color1", "#1976d2", "#64b5f6"),
    "error": ("--jp-error-color1", "#c62828", "#ff8a80"),
}


def colour(name: str, dark: bool = False) -> str:
    """Return a colour of the palette as a hexadecimal string."""
    return COLOURS[name][dark]


def css_variables(selector: str) -> str:
    """Return the CSS rules that define the palette's variables below a selector, for light and dark pages."""
    dark = f'body[data-jp-theme-light="false"] {selector}, {selector}.ex-dark'
    light_values, dark_values = (
        {name: f"var({variable}, {fallbacks[k]})" for name, (variable, *fallbacks) in THEME.items()}
        | {name: colours[k] for name, colours in COLOURS.items()} for k in (0, 1))
    return _rule(selector, light_values) + _rule(dark, dark_values)


def _rule(selector: str, values: dict[str, str]) -> str:
    return f"{selector} {{ {' '.join(f'--ex-{name}: {value};' for name, value in values.items())} }}\n"
