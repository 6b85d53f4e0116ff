"""The list of all measures, and how one is run by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

from .table import Table

# name: ("module:function", what it measures)
MEASURES: dict[str, tuple[str, str]] = {
    "exam": ("exam:exam", "accuracy in six tasks after GenEval, on seen and on held-out combinations"),
    "lesson": ("exam:lesson", "accuracy on the five prompts of a popular lesson"),
    "examiner": ("examiner:examiner", "accuracy of the examiner on drawings that it was not trained on"),
    "text": ("text:text", "how often the text encoder matches a caption with its drawing; synonyms, pairs, twins"),
    "text-t5": ("text:text_t5", "how often the second text encoder fills a gap as it was; synonyms, pairs, twins"),
    "vae": ("autoencoder:vae", "reconstruction error of the autoencoder on drawings that it was not trained on"),
    "world": ("world:world", "speed of drawing, and the number of held-out combinations"),
    "speed": ("speed:speed", "time, memory and size on this machine"),
    "steps": ("steps:steps", "accuracy in the exam against the number of sampling steps, for every denoiser"),
    "guidance": ("guidance:guidance", "accuracy, saturation and diversity against the guidance scale"),
    "classifier-guidance": ("classifier_guidance:classifier_guidance",
                            "how often classifier guidance produces its target, and the diversity that it costs"),
    "straightness": ("straightness:straightness", "how straight the sampling trajectories of each denoiser are"),
    "learning": ("learning:learning",
                 "whether some paths and predictions are easier to train, over seeds, in the plane"),
    "learning-time": ("learning:learning_time", "how far a network is from the exact field after how many seconds"),
    "scaling": ("scaling:scaling", "how the loss of small diffusion transformers falls with compute (half an hour)"),
    "frechet": ("frechet:frechet", "Frechet distance between generated images and drawings of the same captions"),
    "branching": ("branching:branching", "at which step an image is decided: branches with other prompts or noise"),
    "settling": ("settling:settling", "whether light, place, thing or silhouette of an image is settled first"),
    "samplers": ("samplers:samplers", "agreement of the samplers with the schedulers of diffusers"),
    "latent": ("latent:latent", "time and memory of a denoising step on latents and on pixels"),
    "diffusers-loop": ("diffusers_loop:diffusers_loop", "seconds per image, beside the sampling loop of diffusers"),
    "recording-overhead": ("recording_overhead:recording_overhead",
                           "time that recording adds to a run, beside hooks as in TransformerLens, and nnsight"),
    "opening-overhead": ("opening_overhead:opening_overhead",
                         "time that opening a diffusers pipeline adds, with and without recording"),
    "pipeline-memory": ("pipeline_memory:pipeline_memory",
                        "memory that each family of diffusers pipelines needs for weights and attention maps"),
    "attention": ("attention:attention", "IoU of the attention maps of words with their ground-truth masks"),
    "attention-layers": ("attention:attention_layers", "the same IoU for each layer alone"),
    "supervision": ("supervision:supervision",
                    "what training attention on masks changes: the exam, and attention, of a pair that differs in it"),
    "regions": ("regions:regions", "how often a correct word ranks first in the region-by-word table"),
    "attention-ablation": ("attention_ablation:attention_ablation",
                           "correlation of a word's attention with the effect of masking the word"),
    "mask-word": ("mask_word:mask_word",
                  "whether a thing loses its colour, and only that, if its colour word is masked"),
    "unet-ablation": ("unet_ablation:unet_ablation", "what each skip and backbone stage contributes to an image"),
    "patch-influence": ("patch_influence:patch_influence",
                        "how far attention and influence reach in transformers, and influence in U-Nets"),
    "rewriting": ("rewriting:rewriting", "whether free prompts become valid captions, and no word is dropped silently"),
    "faces": ("faces:faces", "whether eyes and whiskers are lost without skip connections"),
}

CARD_MODELS = {"vae": "vae", "text": "text", "text-t5": "text-t5", "examiner": "examiner", "exam": "unet-flow",
               "regions": "unet-flow"}
"""The measures whose tables go onto a model's card, and the model."""

SLOW = ("exam", "regions")
"""Measures of a model's card that take about ten minutes."""


def function_of(name: str) -> Callable[..., Table]:
    """Return the function of the measure called `name`.

    Raises:
        ValueError: no such measure.
    """
    if name not in MEASURES:
        raise ValueError(f"no measure is called {name!r}; there are: {', '.join(MEASURES)}")
    module, _, function = MEASURES[name][0].partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), function)


def measure(name: str, **options) -> Table:
    """Run the measure called `name`.

    Raises:
        ValueError: no such measure or option, a value out of range, or a model that cannot be measured so.
        ModuleNotFoundError: a package that the measure needs is not installed.
    """
    run = function_of(name)
    known = inspect.signature(run).parameters
    for option in options:
        if option not in known:
            raise ValueError(f"the measure {name} has no option {option!r}; it has: {', '.join(known) or 'none'}")
    return run(**options)
