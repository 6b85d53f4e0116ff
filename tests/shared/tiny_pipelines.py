"""Tiny diffusers pipelines of every family with random weights: built offline from configurations, saved, and loaded
again by diffusers, as a user's pipeline is."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers

WIDTH = 16  # of every text encoder but SD3's T5, which is as wide as its two CLIPs together
MAX_TOKENS = 20  # of a prompt, with start, end and padding
WORDS = {"a": ["a"], "red": ["red"], "car": ["car"], "on": ["on"], "road": ["road"], "golden": ["gol", "den"],
         "dog": ["dog"], "at": ["at"], "night": ["ni", "ght"]}
CHAT = "<|im_start|>", "<|im_end|>"  # around a prompt, in pipelines whose text encoder is a language model
PROMPT, OTHER = "a golden dog on a road, at night", "a red car"


def clip_tokenizer(folder: Path) -> Any:
    """Return a byte-pair tokenizer: all letters, and the merges that make the pieces of WORDS."""
    letters = "abcdefghijklmnopqrstuvwxyz,."
    tokens, merges = [*letters, *(f"{c}</w>" for c in letters)], []
    for pieces in WORDS.values():
        for k, piece in enumerate(pieces):
            parts = [*piece[:-1], piece[-1] + ("</w>" if k == len(pieces) - 1 else "")]
            while len(parts) > 1:
                merges.append(f"{parts[0]} {parts[1]}")
                parts[:2] = [parts[0] + parts[1]]
                tokens.append(parts[0])
    special = ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*tokens, *special]))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *dict.fromkeys(merges)]))
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)


def t5_tokenizer(folder: Path) -> Any:
    """Return a SentencePiece tokenizer with the pieces of WORDS and single letters."""
    import sentencepiece

    folder.mkdir()
    (folder / "text").write_text("\n".join([*WORDS, *"abcdefghijklmnopqrstuvwxyz,."] * 3))
    pieces = [piece if k else f"▁{piece}" for word in WORDS.values() for k, piece in enumerate(word)]
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "spiece"), vocab_size=90, hard_vocab_limit=False,
        user_defined_symbols=pieces, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
    return transformers.T5TokenizerFast.from_pretrained(folder, model_max_length=MAX_TOKENS, extra_ids=0)


def clip(tokenizer: Any, projected: bool = False) -> torch.nn.Module:
    c = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=MAX_TOKENS, projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    return (transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel)(c)


def t5(tokenizer: Any, width: int = WIDTH) -> torch.nn.Module:
    return transformers.T5EncoderModel(transformers.T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=2 * width, num_layers=1, num_heads=2))


def vae(**more: float) -> torch.nn.Module:
    """Return an autoencoder with latents of half the side and four channels."""
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2, latent_channels=4, norm_num_groups=4, sample_size=16, **more)


def unet(context: int, **more: Any) -> torch.nn.Module:
    """Return a U-Net of two levels, with cross-attention at the finer one as in Stable Diffusion by default."""
    return diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        cross_attention_dim=context, norm_num_groups=4, **{
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "attention_head_dim": 2, **more})


def flow(shift: float) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)


def sd(folder: Path) -> Any:
    tokenizer = clip_tokenizer(folder / "clip")
    scheduler = diffusers.PNDMScheduler(beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    return diffusers.StableDiffusionPipeline(vae(), clip(tokenizer), tokenizer, unet(WIDTH), scheduler, None, None,
                                             requires_safety_checker=False)


def sdxl(folder: Path) -> Any:
    one, two = clip_tokenizer(folder / "clip"), clip_tokenizer(folder / "clip_2")
    two.pad_token = "a</w>"  # SDXL's second tokenizer too pads with the token of a word
    network = unet(2 * WIDTH, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                   up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4),
                   transformer_layers_per_block=(1, 2), use_linear_projection=True, addition_embed_type="text_time",
                   addition_time_embed_dim=8, projection_class_embeddings_input_dim=WIDTH + 6 * 8)
    return diffusers.StableDiffusionXLPipeline(
        vae(), clip(one), clip(two, True), one, two, network, diffusers.EulerDiscreteScheduler())


def sd3(folder: Path) -> Any:
    one, two, three = clip_tokenizer(folder / "clip"), clip_tokenizer(folder / "clip_2"), t5_tokenizer(folder / "t5")
    network = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=3, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=2 * WIDTH, caption_projection_dim=16,
        pooled_projection_dim=2 * WIDTH, pos_embed_max_size=16, qk_norm="rms_norm", dual_attention_layers=(0,))
    return diffusers.StableDiffusion3Pipeline(
        network, flow(3.0), vae(shift_factor=0.06, scaling_factor=1.53), clip(one, True), one, clip(two, True), two,
        t5(three, 2 * WIDTH), three)


def flux(folder: Path) -> Any:
    one, two = clip_tokenizer(folder / "clip"), t5_tokenizer(folder / "t5")
    network = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=(4, 4, 8), guidance_embeds=True)
    return diffusers.FluxPipeline(flow(1.0), vae(shift_factor=0.11, scaling_factor=0.36), clip(one), one, t5(two), two,
                                  network)


def pixart(folder: Path) -> Any:
    tokenizer = t5_tokenizer(folder / "t5")
    network = diffusers.PixArtTransformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=8, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, cross_attention_dim=16, caption_channels=WIDTH, use_additional_conditions=False)
    scheduler = diffusers.DPMSolverMultistepScheduler()
    return diffusers.PixArtAlphaPipeline(tokenizer, t5(tokenizer), vae(), network, scheduler)


def chroma(folder: Path) -> Any:
    tokenizer = t5_tokenizer(folder / "t5")
    network = diffusers.ChromaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, axes_dims_rope=(4, 4, 8), approximator_num_channels=8, approximator_hidden_dim=16,
        approximator_layers=1)
    return diffusers.ChromaPipeline(flow(1.0), vae(shift_factor=0.11, scaling_factor=0.36), t5(tokenizer), tokenizer,
                                    network)


def bria(folder: Path) -> Any:
    tokenizer = t5_tokenizer(folder / "t5")
    network = diffusers.BriaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, axes_dims_rope=(4, 4, 8))
    return diffusers.BriaPipeline(network, flow(1.0), vae(shift_factor=0.11, scaling_factor=0.36), t5(tokenizer),
                                  tokenizer)


def qwen_tokenizer(template: str = "") -> Any:
    """Return a byte-level tokenizer with the pieces of WORDS, each word of a template as one piece, and a chat template
    of two special tokens."""
    from tokenizers.pre_tokenizers import ByteLevel

    tokens, merges = sorted(ByteLevel.alphabet()), []
    pieces = [piece for parts in WORDS.values() for piece in parts]
    for piece in pieces:
        merges += [(piece[:k], piece[k]) for k in range(1, len(piece))]
        tokens += [piece[:k] for k in range(2, len(piece) + 1)]
    merges += [("Ġ", parts[0]) for parts in WORDS.values()]
    tokens += [f"Ġ{parts[0]}" for parts in WORDS.values()]
    vocabulary = {token: k for k, token in enumerate(dict.fromkeys([*tokens, "<|endoftext|>", *CHAT]))}
    tokenizer = transformers.Qwen2TokenizerFast(
        vocab=vocabulary, merges=list(dict.fromkeys(merges)), additional_special_tokens=list(CHAT),
        model_max_length=MAX_TOKENS)
    tokenizer.add_tokens(list(dict.fromkeys(re.findall(r" ?[A-Za-z]{2,}", re.sub(r"<.*?>", "", template)))))
    tokenizer.chat_template = f"{CHAT[0]}{{{{ messages[0]['content'] }}}}{CHAT[1]}"
    return tokenizer


def qwen3(tokenizer: Any, causal: bool = False) -> torch.nn.Module:
    kind = transformers.Qwen3ForCausalLM if causal else transformers.Qwen3Model
    return kind(transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=128))


def zimage(folder: Path) -> Any:
    tokenizer = qwen_tokenizer()
    network = diffusers.ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=WIDTH,
        axes_dims=[4, 4, 8], axes_lens=[128, 32, 32])
    return diffusers.ZImagePipeline(flow(3.0), vae(shift_factor=0.11, scaling_factor=0.36), qwen3(tokenizer),
                                    tokenizer, network)


def flux2_vae() -> torch.nn.Module:
    autoencoder = diffusers.AutoencoderKLFlux2(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, sample_size=16)
    autoencoder.bn.running_mean.normal_()
    autoencoder.bn.running_var.uniform_(0.5, 2)
    return autoencoder


def flux2_network(guidance_embeds: bool) -> torch.nn.Module:
    return diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=3 * WIDTH, timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds)


def klein(folder: Path) -> Any:
    tokenizer = qwen_tokenizer()
    return diffusers.Flux2KleinPipeline(flow(1.0), flux2_vae(), qwen3(tokenizer, True), tokenizer,
                                        flux2_network(False))


def ovis(folder: Path) -> Any:
    tokenizer = qwen_tokenizer()
    network = diffusers.OvisImageTransformer2DModel(
        patch_size=1, in_channels=16, out_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=WIDTH, axes_dims_rope=(4, 4, 8))
    return diffusers.OvisImagePipeline(flow(1.0), vae(shift_factor=0.11, scaling_factor=0.36), qwen3(tokenizer),
                                       tokenizer, network)


def flux2(folder: Path) -> Any:
    """Return FLUX.2 dev. Its tokenizer begins a text with <s>; `fit` makes it pad on the left, within a processor."""
    tokenizer = qwen_tokenizer()
    special = ["<s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"]
    tokenizer.add_special_tokens({"bos_token": "<s>", "additional_special_tokens": special[1:]})
    tokenizer.chat_template = ("<s>[SYSTEM_PROMPT]{{ messages[0]['content'][0]['text'] }}[/SYSTEM_PROMPT]"
                               "[INST]{{ messages[1]['content'][0]['text'] }}[/INST]")
    text = transformers.MistralConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8)
    vision = transformers.PixtralVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                              num_attention_heads=2)
    encoder = transformers.Mistral3ForConditionalGeneration(transformers.Mistral3Config(
        text_config=text, vision_config=vision))
    return diffusers.Flux2Pipeline(flow(1.0), flux2_vae(), encoder, tokenizer, flux2_network(True))


def qwen(folder: Path) -> Any:
    text = {"vocab_size": 400, "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": WIDTH}
    encoder = transformers.Qwen2_5_VLForConditionalGeneration(transformers.Qwen2_5_VLConfig(
        text_config=text, vision_config=vision))
    autoencoder = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[False],
        latents_mean=[0.3, -0.2, 0.1, 0.5], latents_std=[1.4, 0.7, 2.1, 1.1])
    network = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=3, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, axes_dims_rope=(4, 6, 6))
    pipeline = diffusers.QwenImagePipeline(flow(1.0), autoencoder, encoder, qwen_tokenizer(), network)
    pipeline.tokenizer = qwen_tokenizer(pipeline.prompt_template_encode)
    return pipeline


def gemma_tokenizer() -> Any:
    """Return a byte-pair tokenizer with single letters and the pieces of WORDS behind a space, as Gemma's, and some
    words of a template."""
    tokens, merges = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz,.▁:"], []
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    for parts in WORDS.values():
        for piece in (f"▁{parts[0]}", *parts[1:]):
            merges += [(piece[:k], piece[k]) for k in range(1, len(piece))]
            tokens += [piece[:k] for k in range(2, len(piece) + 1)]
    tokenizer = transformers.GemmaTokenizer(
        vocab={token: k for k, token in enumerate(dict.fromkeys(tokens))}, merges=list(dict.fromkeys(merges)),
        model_max_length=MAX_TOKENS, add_bos_token=True)
    tokenizer.add_tokens(["draw", "<Prompt Start>"])
    return tokenizer


def gemma(tokenizer: Any) -> torch.nn.Module:
    return transformers.Gemma2Model(transformers.Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=8))


def lumina(folder: Path) -> Any:
    tokenizer = gemma_tokenizer()
    network = diffusers.Lumina2Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, hidden_size=32, num_layers=2, num_refiner_layers=1,
        num_attention_heads=2, num_kv_heads=1, multiple_of=8, axes_dim_rope=(4, 6, 6), axes_lens=(64, 32, 32),
        cap_feat_dim=WIDTH)
    return diffusers.Lumina2Pipeline(network, flow(3.0), vae(shift_factor=0.11, scaling_factor=0.36),
                                     gemma(tokenizer), tokenizer)


def sana(folder: Path) -> Any:
    tokenizer = gemma_tokenizer()
    autoencoder = diffusers.AutoencoderDC(
        latent_channels=4, attention_head_dim=8, encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), encoder_qkv_multiscales=((), ()),
        decoder_qkv_multiscales=((), ()), scaling_factor=0.41)
    network = diffusers.SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=4,
        num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=WIDTH,
        sample_size=8, patch_size=2)
    scheduler = diffusers.DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction",
                                                      flow_shift=3.0)
    return diffusers.SanaPipeline(tokenizer, gemma(tokenizer), autoencoder, network, scheduler)


def wan(folder: Path) -> Any:
    tokenizer = t5_tokenizer(folder / "t5")
    encoder = transformers.UMT5EncoderModel(transformers.UMT5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=2 * WIDTH, num_layers=1, num_heads=2))
    autoencoder = diffusers.AutoencoderKLWan(
        base_dim=8, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[True], scale_factor_spatial=2,
        scale_factor_temporal=2, latents_mean=[0.3, -0.2, 0.1, 0.5], latents_std=[1.4, 0.7, 2.1, 1.1])
    network = diffusers.WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=WIDTH, freq_dim=16,
        ffn_dim=32, num_layers=2, rope_max_seq_len=32)
    scheduler = diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True,
                                                  flow_shift=3.0)
    return diffusers.WanPipeline(tokenizer, encoder, autoencoder, scheduler, network)


class TextProcessor(transformers.ProcessorMixin):
    """A processor of text alone, for FLUX.2's own needs torchvision."""

    def __init__(self, tokenizer: Any = None, chat_template: str | None = None):
        super().__init__(tokenizer, chat_template=chat_template)


def accept(*arguments: Any, **more: Any) -> None:
    """Stand in for check_inputs where sizes must be those of the published model."""


def fit(pipeline: Any) -> None:
    """Make a pipeline that takes its autoencoder to be the published one accept a small one."""
    if isinstance(pipeline, diffusers.Lumina2Pipeline):
        pipeline.vae_scale_factor = 2
        pipeline.image_processor = diffusers.image_processor.VaeImageProcessor(vae_scale_factor=4)
    if isinstance(pipeline, diffusers.OvisImagePipeline):  # <|im_start|> and "a" are dropped
        pipeline.system_prompt, pipeline.user_prompt_begin_id = "a ", 2
    if isinstance(pipeline, diffusers.Flux2Pipeline):
        pipeline.system_message, pipeline.tokenizer.padding_side = "a", "left"
        pipeline.tokenizer = TextProcessor(pipeline.tokenizer, pipeline.tokenizer.chat_template)
    if isinstance(pipeline, (diffusers.SanaPipeline, diffusers.WanPipeline)):
        pipeline.check_inputs = accept


BUILDERS: dict[str, Callable[[Path], Any]] = {"sd": sd, "sdxl": sdxl, "sd3": sd3, "flux": flux, "pixart": pixart,
                                              "chroma": chroma, "zimage": zimage, "klein": klein,
                                              "qwen": qwen, "lumina": lumina, "sana": sana, "flux2": flux2,
                                              "ovis": ovis, "bria": bria}
FAMILIES = tuple(BUILDERS)  # of images
BUILDERS["wan"] = wan
SEPARATE = ("chroma", "klein", "qwen", "lumina", "ovis")  # call the network for cond, then for uncond
PACKED = ("flux", "chroma", "bria", "klein", "qwen", "flux2", "ovis")  # return their latent in patches
TEXT_FIRST = (*PACKED, "lumina")  # attention to image and text jointly, with the text first
JOINT = (*TEXT_FIRST, "sd3", "zimage")
SHIFTED = ("sd3", "flux", "chroma", "bria", "zimage", "lumina", "ovis")  # need an autoencoder with a shift
# Arguments that a call of a tiny pipeline needs: the size where the family has a fixed one, and a short context.
CALL_DEFAULTS: dict[str, dict[str, Any]] = {
    "sd": {}, "sdxl": {}, "sd3": {"max_sequence_length": MAX_TOKENS},
    "flux": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS},
    "pixart": {"use_resolution_binning": False, "max_sequence_length": MAX_TOKENS, "clean_caption": False},
    "chroma": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS},
    "bria": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS},
    "zimage": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS},
    "klein": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS, "text_encoder_out_layers": (0, 1, 2)},
    "ovis": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS},
    "wan": {"height": 16, "width": 24, "num_frames": 5, "max_sequence_length": MAX_TOKENS},
    "flux2": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS, "text_encoder_out_layers": (0, 1, 2)},
    "qwen": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS, "negative": ""},
    "lumina": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS, "system_prompt": "draw"},
    "sana": {"height": 16, "width": 16, "max_sequence_length": MAX_TOKENS, "use_resolution_binning": False,
             "complex_human_instruction": ["draw", "now: "]},
}


def _sharpen_attention(modules: Iterable[torch.nn.Module]) -> None:
    """Enlarge queries and keys, because attention with random ones is almost uniform."""
    for module in modules:
        for name, p in module.named_parameters():
            if any(part in name for part in ("to_q.", "to_k.", "add_q_proj.", "add_k_proj.")) and p.dim() == 2:
                p.data.mul_(6)


@functools.cache
def saved(family: str) -> str:
    """Save a tiny pipeline once a test session and return its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        folder = tempfile.TemporaryDirectory()
        _FOLDERS.append(folder)
        pipeline = BUILDERS[family](Path(folder.name))
        _sharpen_attention(m for m in pipeline.components.values() if isinstance(m, torch.nn.Module))
        pipeline.save_pretrained(Path(folder.name) / "pipeline")
        return str(Path(folder.name) / "pipeline")


_FOLDERS: list[tempfile.TemporaryDirectory] = []  # deleted when the interpreter ends


def fresh(family: str, **more: Any) -> Any:
    """Load a tiny pipeline with diffusers."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(saved(family), **more)
    pipeline.set_progress_bar_config(disable=True)
    fit(pipeline)
    return pipeline


@functools.cache
def shared(family: str) -> Any:
    """Return one pipeline a family, for tests that do not change it."""
    return fresh(family)


def network_of(pipeline: Any) -> Any:
    """Return a pipeline's denoiser."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


def untouched(pipeline: Any, family: str, prompt: str = PROMPT, seed: int = 0, **more: Any) -> Any:
    """Return the image that diffusers itself samples, (height, width, 3) uint8."""
    generator = torch.Generator().manual_seed(seed)
    return np.asarray(pipeline(prompt=prompt, generator=generator, **own_arguments(family, more)).images[0])


def own_arguments(family: str, more: Mapping[str, Any], prompts: int = 0) -> dict[str, Any]:
    """Return the arguments of a call by the names that the pipeline itself has for them. prompts: in its batch."""
    names = {"negative": "negative_prompt", **({"guidance_scale": "true_cfg_scale"} if family == "qwen" else {})}
    arguments = {names.get(name, name): value for name, value in (CALL_DEFAULTS[family] | dict(more)).items()}
    if prompts and "negative_prompt" in arguments:
        arguments["negative_prompt"] = [arguments["negative_prompt"]] * prompts
    return arguments
