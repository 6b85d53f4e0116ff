"""The explorables of this package: the one table from which exports, command line, tests and benchmarks take them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """An explorable: its class, its folder in widgets/ (whose widget.py defines the class), and its notebook."""

    name: str
    folder: str
    notebook: str

    @property
    def module(self) -> str:
        """The module that defines the class, relative to the package."""
        return f"widgets.{self.folder}.widget"


EXPLORABLES = {entry.name: entry for entry in (  # in the order of the lesson
    Entry("Studio", "studio", "00-studio.ipynb"),
    Entry("NoiseTrajectory", "noise_trajectory", "01-noise-trajectory.ipynb"),
    Entry("ClassifierGuidance", "classifier_guidance", "02-classifier-guidance.ipynb"),
    Entry("GuidanceScale", "guidance_scale", "03-guidance-scale.ipynb"),
    Entry("LatentSpace", "latent_space", "04-latent-space.ipynb"),
    Entry("UNetXRay", "unet_xray", "05-unet-xray.ipynb"),
    Entry("TokenAttention", "token_attention", "06-token-attention.ipynb"),
    Entry("WordSpace", "word_space", "07-word-space.ipynb"),
    Entry("FlowPaths", "flow_paths", "08-flow-paths.ipynb"),
    Entry("PatchTransformer", "patch_transformer", "09-patch-transformer.ipynb"),
    Entry("Learning", "learning", "10-learning.ipynb"),
)}
