"""The parts of the pipeline: where they stand on the map, and which explorable shows each of them on a given run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...pipeline.progress import shown_steps
from ...zoo import denoiser_names, read_card
from ..guidance_scale.compute import MAX_FRAMES as GUIDANCE_FRAMES
from ..noise_trajectory.compute import frame_of_step, frame_steps
from ..registry import EXPLORABLES

ATTENTION_FRAMES = 21  # as analysis.word_attention shows them
RUN = ("prompt", "seed", "steps", "guidance")
U_NET, TRANSFORMER = "U-Net", "transformer"


@dataclass(frozen=True)
class Node:
    """A part of the pipeline.

    name: on the map. explorable: what opens. shows: one sentence. box: x, y, width, height on the map. colour: of the
    palette. shared: the settings that it shares with the run. own: further settings that it is opened with.
    steps: the step of each of its frames for a run of so many steps; None where its frames are no steps.
    lesson: the rows of the lesson's comparison table, and the lines of its last diagram, that it stands for.
    """

    name: str
    explorable: str
    shows: str
    box: tuple[int, int, int, int]
    colour: str
    shared: tuple[str, ...] = RUN
    own: Mapping[str, Any] = field(default_factory=dict)
    steps: Callable[[int], list[int]] | None = None
    lesson: tuple[str, ...] = ()


def _spread(max_frames: int) -> Callable[[int], list[int]]:
    return lambda steps: shown_steps(steps - 1, max_frames).tolist()


def _noise_steps(steps: int) -> list[int]:
    """Of NoiseTrajectory, whose first frames, of the forward process, count as the step before the first."""
    return [-1] * frame_of_step(0, steps) + frame_steps(steps).tolist()


NODES = {node.name: node for node in (
    Node("words", "WordSpace", "What each word of the prompt becomes, layer by layer.", (0, 0, 136, 50), "word",
         lesson=("Text Encoder",)),
    Node("reading", "TokenAttention", "Which word each part of the image reads; words can be masked and re-weighted.",
         (162, 0, 136, 50), "word", (*RUN, "model"), steps=_spread(ATTENTION_FRAMES), lesson=("Cross-Attention",)),
    Node("how it learned", "Learning", "One training step of a denoiser on a drawing of this prompt.",
         (324, 0, 136, 50), "plain", ("prompt",), {"mode": "image"}),
    Node("noise", "NoiseTrajectory", "From noise to image, step by step; rewind, and go on another way.",
         (0, 76, 136, 50), "noise", (*RUN, "sampler"), steps=_noise_steps, lesson=("Output",)),
    Node(U_NET, "UNetXRay", "The U-Net from inside: what its skips carry, with a fader on each.",
         (162, 76, 136, 50), "image", lesson=("U-Net",)),
    Node(TRANSFORMER, "PatchTransformer", "The transformer from inside: patches and what each of them sees.",
         (324, 76, 136, 50), "image", lesson=("Diffusion Transformers",)),
    Node("path", "FlowPaths", "This prompt and noise in 1 to 50 steps: when few steps are enough.",
         (0, 152, 136, 50), "noise", ("prompt", "seed", "guidance"), {"mode": "images"}, lesson=("Flow Matching",)),
    Node("guidance", "GuidanceScale", "Both predictions of each step, without the prompt and with it.",
         (162, 152, 136, 50), "guidance", (*RUN, "negative"), steps=_spread(GUIDANCE_FRAMES),
         lesson=("Classifier-Free Guidance",)),
    Node("classifier", "ClassifierGuidance", "The same run, and one that a classifier steers.",
         (324, 152, 136, 50), "guidance", steps=_spread(GUIDANCE_FRAMES), lesson=("Classifier Guidance",)),
    Node("latent and decoder", "LatentSpace", "The predicted image of this step, encoded and decoded.",
         (0, 228, 298, 50), "image", (*RUN, "picture"),
         lesson=("Latent Diffusion", "Latent Space")),
)}
# From which node to which, and the corners of the arrow. "denoiser" stands for the network of the model.
ARROWS: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = (
    ("context", ((136, 25), (162, 25))), ("reading", ((230, 50), (230, 76))), ("latent", ((136, 92), (162, 92))),
    ("predictions", ((230, 126), (230, 152))), ("gradient", ((324, 177), (298, 177))),
    ("guided", ((162, 177), (136, 177))), ("next", ((110, 152), (110, 139), (150, 139), (150, 110), (162, 110))),
    ("end", ((50, 202), (50, 228))), ("image", ((298, 253), (324, 253))),
)


def frame_for(node: Node, step: int, steps: int) -> int | None:
    """Return the frame of a node's explorable that shows a step, or the next later one; None where none does."""
    if node.steps is None:
        return None
    shown = node.steps(steps)
    return min(int(np.searchsorted(shown, step)), len(shown) - 1)


def step_for(node: Node, frame: int, steps: int) -> int | None:
    """Return the step that a frame of a node's explorable shows; None where it shows none of the run."""
    shown = node.steps(steps) if node.steps else []
    return shown[frame] if frame < len(shown) and shown[frame] >= 0 else None


def network_of(pipe: Any) -> str:
    """Return the node of a pipeline's own network. One that is neither is a transformer."""
    return U_NET if any(point.name.endswith("skip") for point in pipe.points(optional=False)) else TRANSFORMER


def twin_of(model: str, node: str) -> str:
    """Return a shipped model with the network of the node U_NET or TRANSFORMER, on the same noise path if there is one.

    model: a shipped model, which is returned if it has that network itself; or the name of a pipeline of one's own.
    """
    prefix = "unet" if node == U_NET else "dit"
    names = denoiser_names()
    if model in names and model.startswith(prefix):
        return model
    path = read_card(model).get("path") if model in names else None
    found = [name for name in names if name.startswith(prefix)]
    return next((name for name in found if read_card(name).get("path") == path), found[0] if found else "")


def why_closed(node: Node) -> str:
    """Return why a node cannot be opened; empty if it can."""
    return "" if node.explorable in EXPLORABLES else f"{node.explorable} is not part of this version."
