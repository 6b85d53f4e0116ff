"""A small Stable Diffusion pipeline with random weights, to practise on without a download. Its images are noise."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

MAX_TOKENS = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz,."
WORDS = ("a", "red", "car", "on", "mountain|s", "road", "gol|den", "re|trie|ver", "at", "sun|set", "night", "in", "the")


def write_tiny_pipeline(folder: str | Path, widths: Sequence[int] = (32, 64), latent_side: int = 32,
                        seed: int = 0) -> Path:
    """Save a pipeline as its save_pretrained does, and return the folder. The same seed gives the same weights.

    widths: channels of the U-Net's levels, finest first; latent_side: half the image's. The tokenizer splits words of
    WORDS where these have a bar, and other words into letters.
    """
    import transformers

    diffusers: Any = importlib.import_module("diffusers")  # its lazy modules hide types from mypy
    folder, width = Path(folder), widths[0]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokenizer = _tokenizer(folder / "words")
        text = transformers.CLIPTextModel(transformers.CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=width, intermediate_size=4 * width, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=MAX_TOKENS, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id))
        vae = diffusers.AutoencoderKL(
            block_out_channels=(16, 16), down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2, latent_channels=4, norm_num_groups=8, sample_size=2 * latent_side)
        unet = diffusers.UNet2DConditionModel(
            sample_size=latent_side, block_out_channels=tuple(widths), layers_per_block=1, cross_attention_dim=width,
            norm_num_groups=8, attention_head_dim=4,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (len(widths) - 1)),
            up_block_types=(*["CrossAttnUpBlock2D"] * (len(widths) - 1), "UpBlock2D"))
        _sharpen_attention(unet)
    scheduler = diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
                                        steps_offset=1)
    pipeline = diffusers.StableDiffusionPipeline(vae, text, tokenizer, unet, scheduler, None, None,
                                                 requires_safety_checker=False)
    pipeline.save_pretrained(folder / "pipeline")
    return folder / "pipeline"


def _sharpen_attention(unet: torch.nn.Module) -> None:
    """Enlarge queries and keys: with random ones attention is almost uniform, and all words have the same map."""
    for name, p in unet.named_parameters():
        if name.endswith(("to_q.weight", "to_k.weight")):
            p.data.mul_(4)


def _tokenizer(folder: Path) -> Any:
    """Return a byte-pair tokenizer like CLIP's: all letters, and the merges that make the pieces of WORDS."""
    import transformers

    tokens, merges = [*LETTERS, *(f"{c}</w>" for c in LETTERS)], []
    for word in WORDS:
        pieces = word.split("|")
        for k, piece in enumerate(pieces):
            parts = [*piece[:-1], piece[-1] + ("</w>" if k == len(pieces) - 1 else "")]
            while len(parts) > 1:
                merges.append(f"{parts[0]} {parts[1]}")
                parts[:2] = ["".join(parts[:2])]
                tokens.append(parts[0])
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"])
    (folder / "vocab.json").write_text(json.dumps({token: k for k, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *dict.fromkeys(merges)]))
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)
