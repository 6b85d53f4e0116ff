"""The famous systems, as far as their makers have documented them, and the techniques of the course side by side."""

from __future__ import annotations

UNKNOWN = "not disclosed"

# Sources: the systems' papers and released configurations.
SYSTEMS: tuple[dict[str, str], ...] = (
    {"system": "Stable Diffusion 1.x (2022)", "denoiser": "U-Net, 860M", "text": "CLIP ViT-L, 77 tokens",
     "latent": "f8, 4 channels", "predicts": "noise", "usual steps, guidance": "50, 7.5",
     "its mirror here": "unet-diffusion"},
    {"system": "SDXL (2023)", "denoiser": "U-Net, 2.6B", "text": "CLIP-L and OpenCLIP bigG, side by side",
     "latent": "f8, 4 channels", "predicts": "–", "usual steps, guidance": "50, 5.0", "its mirror here": "–"},
    {"system": "Stable Diffusion 3 (2024)", "denoiser": "transformer, two streams, up to 8B",
     "text": "CLIP-L, bigG and T5-XXL", "latent": "f8, 16 channels", "predicts": "velocity",
     "usual steps, guidance": "28, 7.0", "its mirror here": "dit-flow"},
    {"system": "FLUX.1 dev (2024)", "denoiser": "transformer, 19 two-stream and 38 one-stream blocks, 12B",
     "text": "T5-XXL; CLIP-L pooled", "latent": "f8, 16 channels", "predicts": "velocity",
     "usual steps, guidance": "28, 3.5 as an input (distilled)", "its mirror here": "–"},
    {"system": "DALL-E 3 (2023)", "denoiser": "U-Net, three stages",
     "text": "T5-XXL; prompts rewritten by a language model",
     "latent": "f8, its own diffusion decoder", "predicts": UNKNOWN, "usual steps, guidance": UNKNOWN,
     "its mirror here": "–"},
    {"system": "Sora (2024)", "denoiser": "transformer over space-time patches", "text": UNKNOWN, "latent": UNKNOWN,
     "predicts": "clean patches", "usual steps, guidance": UNKNOWN, "its mirror here": "–"},
)

# A popular lesson's comparison: what a technique does, the everyday picture of it, and where that picture breaks.
COMPARISON: tuple[dict[str, str], ...] = (
    {"technique": "Classifier guidance", "does": "adds a classifier's gradient", "popular picture": "an art teacher",
     "where it breaks": "a teacher knows good pictures; the classifier knows noisy latents, and can be fooled"},
    {"technique": "Classifier-free guidance", "does": "goes beyond the difference of two predictions",
     "popular picture": "asking yourself", "where it breaks": "nothing is judged: two outputs are subtracted"},
    {"technique": "Latent diffusion", "does": "works on fewer positions", "popular picture": "a smaller map",
     "where it breaks": "a latent is no small photograph: its channels are not colours"},
    {"technique": "U-Net", "does": "joins coarse and fine grids", "popular picture": "a brain with memory",
     "where it breaks": "a skip keeps activations of this step only"},
    {"technique": "Cross-attention", "does": "mixes word values into positions", "popular picture": "a translator",
     "where it breaks": "start and end tokens, which are no words, get weight too"},
    {"technique": "Text encoder", "does": "turns words into vectors", "popular picture": "a dictionary",
     "where it breaks": "a vector depends on the whole sentence"},
    {"technique": "Flow matching", "does": "predicts a velocity", "popular picture": "GPS, a straight road",
     "where it breaks": "the sampled path bends; straight are the training pairs"},
    {"technique": "Diffusion transformer", "does": "attends between all patches and words",
     "popular picture": "a faster computer", "where it breaks": "it is not faster at equal size; it scales well"},
)

CONVERSIONS: tuple[tuple[str, str], ...] = (
    ("mixture", "<i>x<sub>t</sub></i> = α <i>x</i><sub>0</sub> + σ ε"),
    ("noise → image", "<i>x</i><sub>0</sub> = (<i>x<sub>t</sub></i> − σ ε) / α &nbsp; ill-conditioned at <i>t</i> = 1"),
    ("image → noise", "ε = (<i>x<sub>t</sub></i> − α <i>x</i><sub>0</sub>) / σ &nbsp; ill-conditioned at <i>t</i> = 0"),
    ("v", "<i>v</i> = α ε − σ <i>x</i><sub>0</sub>; &nbsp; if α² + σ² = 1: "
          "<i>x</i><sub>0</sub> = α <i>x<sub>t</sub></i> − σ <i>v</i>"),
    ("velocity", "d<i>x</i>/d<i>t</i> = α′ <i>x</i><sub>0</sub> + σ′ ε; &nbsp; straight: ε − <i>x</i><sub>0</sub>, so "
                 "<i>x</i><sub>0</sub> = <i>x<sub>t</sub></i> − <i>t</i> · velocity"),
)

CONVENTIONS: tuple[tuple[str, str], ...] = (
    ("guidance, here", "<i>u</i> + <i>w</i> (<i>c</i> − <i>u</i>): off at <i>w</i> = 1 (diffusers, DiT, SD 3.5)"),
    ("guidance, Ho &amp; Salimans", "<i>c</i> + <i>w</i> (<i>c</i> − <i>u</i>): off at <i>w</i> = 0; one less"),
    ("time, here", "<i>t</i> = 1 is noise (SD 3, Flux, diffusers)"),
    ("time, elsewhere", "<i>t</i> = 0 is noise (SiT, torchcfm, flow_matching)"),
)
