"""A small Stable Diffusion of random weights, made here and now and saved to a folder: something to practise on without
a download. Nothing is learned in it: its pictures are static."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

ROOM = 32  # tokens of a prompt
LETTERS = "abcdefghijklmnopqrstuvwxyz,."
CUT = ("a", "red", "car", "on", "mountain|s", "road", "gol|den", "re|trie|ver", "at", "sun|set", "night", "in", "the")


def write_tiny_pipeline(folder: str | Path, widths: Sequence[int] = (32, 64), side: int = 32, seed: int = 0) -> Path:
    """Save a pipeline to a folder, in the form in which the library saves its own; returns the folder.

    widths: of the U-Net's levels, from the finest; side: of the latent, half the picture's. The same seed, the same
    weights. A word of CUT is cut where it says, others into their letters.
    """
    import transformers

    diffusers: Any = importlib.import_module("diffusers")  # whose lazy modules no type checker sees through
    folder, width = Path(folder), widths[0]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokenizer = _tokenizer(folder / "words")
        text = transformers.CLIPTextModel(transformers.CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=width, intermediate_size=4 * width, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=ROOM, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id))
        coder = diffusers.AutoencoderKL(
            block_out_channels=(16, 16), down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2, latent_channels=4, norm_num_groups=8, sample_size=2 * side)
        network = diffusers.UNet2DConditionModel(
            sample_size=side, block_out_channels=tuple(widths), layers_per_block=1, cross_attention_dim=width,
            norm_num_groups=8, attention_head_dim=4,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (len(widths) - 1)),
            up_block_types=(*["CrossAttnUpBlock2D"] * (len(widths) - 1), "UpBlock2D"))
        _sharpen(network)
    scheduler = diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
                                        steps_offset=1)
    made = diffusers.StableDiffusionPipeline(coder, text, tokenizer, network, scheduler, None, None,
                                             requires_safety_checker=False)
    made.save_pretrained(folder / "pipeline")
    return folder / "pipeline"


def _sharpen(network: torch.nn.Module) -> None:
    """Random queries and keys hardly prefer anything; these do, so that words and places have maps to tell apart."""
    for name, p in network.named_parameters():
        if name.endswith(("to_q.weight", "to_k.weight")):
            p.data.mul_(4)


def _tokenizer(folder: Path) -> Any:
    """Byte pairs, as CLIP has them: all letters, and the merges that make the pieces of CUT."""
    import transformers

    tokens, merges = [*LETTERS, *(f"{c}</w>" for c in LETTERS)], []
    for word in CUT:
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
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=ROOM)
