"""How large is an explorable that was saved as one offline file? As it opens, and after it was used.

    python tests/benchmarks/saved.py [--repeats 3] [--only Studio FlowPaths] [--json]

Each value is of another seed. Used means: the sliders at their ends, and all that adds to a recording asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import EXPLORABLES, at_rest, opened, options, report, row

MOST_MB = 5
MANY_STEPS = 50  # where the page's sliders end
LONG_PROMPT = "a red ball to the left of a green dog in a meadow"


def use_studio(made: Any) -> None:
    made.prompt, made.steps, made.guidance = LONG_PROMPT, MANY_STEPS, 8.0


def use_trajectory(made: Any) -> None:
    made.steps, made.origin = MANY_STEPS, "finished"
    made.branch(1, prompt="a black cat on a beach at night")


def use_xray(made: Any) -> None:
    made.steps, made.faders, made.step_ranges = MANY_STEPS, {"up.1.skip": 0.5}, {"up.1.skip": (5, MANY_STEPS)}
    made.swapped_skips, made.position, made.step = ("up.0.skip",), ("up.1.0", 4, 4), MANY_STEPS - 1


def use_attention(made: Any) -> None:
    made.prompt, made.steps, made.scale = LONG_PROMPT, MANY_STEPS, 2.0
    made.kept, made.region = {"left": (0.0, 0.0, 0.5, 1.0)}, (0.2, 0.5, 0.8, 0.8)
    at_rest(made)
    made.word, made.layer, made.head = "dog", made.stage.axes[1]["labels"][-1], made.stage.axes[2]["labels"][1]


def draw_attention(made: Any) -> None:
    use_attention(made)
    made.mode = "drawn"


def use_paths(made: Any) -> None:
    made.world, made.coupling, made.solver, made.count, made.steps = "spiral", "reflowed", "heun", 512, MANY_STEPS
    made.start = (1.5, -2.0)


def use_pictures(made: Any) -> None:
    made.mode = "pictures"


USES: dict[str, dict[str, Callable[[Any], None]]] = {
    "Studio": {"used": use_studio},
    "NoiseTrajectory": {"used, with a branch": use_trajectory},
    "UNetXRay": {"used, with a fader and a swap": use_xray},
    "TokenAttention": {"used, generated": use_attention, "used, drawn": draw_attention},
    "FlowPaths": {"used, points": use_paths, "used, pictures": use_pictures},
}


def size(made: Any) -> float:
    """Megabytes of the saved file."""
    at_rest(made)
    with tempfile.TemporaryDirectory() as folder:
        return made.save_html(Path(folder) / "saved.html").stat().st_size / 1e6


def rows_of(name: str, repeats: int) -> Iterator[dict[str, Any]]:
    for what, use in {"as it opens": lambda made: None, **USES[name]}.items():
        sizes = []
        for seed in range(repeats):
            made = opened(name, seed=seed)
            use(made)
            sizes.append(size(made))
            made.close()
        yield row(f"{name}, {what}", sizes, "MB", MOST_MB)


def main() -> None:
    asked = options(__doc__, 3, EXPLORABLES)
    report("Saved as one offline file", [line for name in asked.only for line in rows_of(name, asked.repeats)],
           asked.json)


if __name__ == "__main__":
    main()
