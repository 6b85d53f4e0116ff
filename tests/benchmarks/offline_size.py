"""How large is the offline file of an explorable, as it opens and after use?

    python tests/benchmarks/offline_size.py [--repeats 3] [--only Studio FlowPaths] [--json]

Each value has another seed. "Used" has the sliders at their maxima, and everything that a recording can contain.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import EXPLORABLES, open_explorable, parse_options, report, row, wait_until_idle

MAX_MB = 5
MANY_STEPS = 50  # the maximum of the sliders
LONG_PROMPT = "a red ball to the left of a green dog in a meadow"


def use_studio(w: Any) -> None:
    w.prompt, w.steps, w.guidance = LONG_PROMPT, MANY_STEPS, 8.0


def use_noise_trajectory(w: Any) -> None:
    w.steps, w.forward_image = MANY_STEPS, "generated"
    w.branch(1, prompt="a black cat on a beach at night")


def use_classifier_guidance(w: Any) -> None:
    w.prompt, w.steps, w.classifier_scale, w.sampler = LONG_PROMPT, MANY_STEPS, 300.0, "ddpm"


def use_classifier_scales(w: Any) -> None:
    w.mode = "scales"


def use_classifier_plane(w: Any) -> None:
    w.mode, w.plane_scale = "plane", 10.0


def use_guidance_scale(w: Any) -> None:
    w.prompt, w.steps, w.guidance, w.mode = LONG_PROMPT, MANY_STEPS, 8.0, "mixed"


def use_guidance_grid(w: Any) -> None:
    w.mode = "grid"


def use_latent_mix(w: Any) -> None:
    w.mode = "mix"


def use_latent_image(w: Any) -> None:
    w.mode, w.steps, w.strength, w.prompt = "image", MANY_STEPS, 1.0, LONG_PROMPT


def use_unet_xray(w: Any) -> None:
    w.steps, w.faders, w.step_ranges = MANY_STEPS, {"up.1.skip": 0.5}, {"up.1.skip": (5, MANY_STEPS)}
    w.swapped_skips, w.position, w.step = ("up.0.skip",), ("up.1.0", 4, 4), MANY_STEPS - 1


def use_token_attention(w: Any) -> None:
    w.prompt, w.steps, w.scale = LONG_PROMPT, MANY_STEPS, 2.0
    w.saved_regions, w.region = {"left": (0.0, 0.0, 0.5, 1.0)}, (0.2, 0.5, 0.8, 0.8)
    wait_until_idle(w)
    w.word, w.layer, w.head = "dog", w.stage.axes[1]["labels"][-1], w.stage.axes[2]["labels"][1]


def use_drawing(w: Any) -> None:
    use_token_attention(w)
    w.mode = "drawn"


def use_patch_transformer(w: Any) -> None:
    w.prompt, w.steps, w.radius, w.positions = LONG_PROMPT, MANY_STEPS, 2.0, "shuffled"


def use_flow_paths(w: Any) -> None:
    w.distribution, w.coupling, w.solver, w.count, w.steps = "spiral", "reflowed", "heun", 512, MANY_STEPS
    w.start = (1.5, -2.0)


def use_images(w: Any) -> None:
    w.mode = "images"


def use_learning(w: Any) -> None:
    w.distribution, w.path, w.prediction, w.steps = "spiral", "linear", "noise", 500


def use_microscope(w: Any) -> None:
    w.mode = "image"


USES: dict[str, dict[str, Callable[[Any], None]]] = {
    "Studio": {"used": use_studio},
    "NoiseTrajectory": {"used, with a branch": use_noise_trajectory},
    "ClassifierGuidance": {"used": use_classifier_guidance, "used, every scale": use_classifier_scales,
                           "used, points": use_classifier_plane},
    "GuidanceScale": {"used, two images mixed": use_guidance_scale, "used, every w": use_guidance_grid},
    "LatentSpace": {"used, between two": use_latent_mix, "used, image to image": use_latent_image},
    "UNetXRay": {"used, with a fader and a swap": use_unet_xray},
    "TokenAttention": {"used, generated": use_token_attention, "used, drawn": use_drawing},
    "PatchTransformer": {"used, edited": use_patch_transformer},
    "Learning": {"used, a training": use_learning, "used, an image": use_microscope},
    "FlowPaths": {"used, points": use_flow_paths, "used, images": use_images},
}


def size(explorable: Any) -> float:
    """Return the megabytes of the saved file."""
    wait_until_idle(explorable)
    with tempfile.TemporaryDirectory() as folder:
        return explorable.save_html(Path(folder) / "saved.html").stat().st_size / 1e6


def table_rows(name: str, repeats: int) -> Iterator[dict[str, Any]]:
    for what, use in {"as it opens": lambda explorable: None, **USES[name]}.items():
        sizes = []
        for seed in range(repeats):
            explorable = open_explorable(name, seed=seed)
            use(explorable)
            sizes.append(size(explorable))
            explorable.close()
        yield row(f"{name}, {what}", sizes, "MB", MAX_MB)


def main() -> None:
    options = parse_options(__doc__, 3, EXPLORABLES)
    report("Saved as one offline file", [line for name in options.only for line in table_rows(name, options.repeats)],
           options.json)


if __name__ == "__main__":
    main()
