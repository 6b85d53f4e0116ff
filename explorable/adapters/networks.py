"""Where the hook points of diffusers networks are: the names are this package's, the modules are diffusers'.

U-Net   conv_in, down.K.J.*, middle.*, up.K.J.*, prediction, with K = 0 the finest level. A block has res.out,
        self.weights, self.added, cross.weights, cross.added, mlp.added and mlp.out (each after a number where
        a block has several transformer blocks), and out. The middle block has a second convolution,
        middle.last.res.out. Each block on the way up has a skip connection of its own, up.K.J.skip, and
        up.K.J.backbone, its other input.
DiT     pos_embed, what each patch's place adds to it, or Flux's coordinates, from which its rotary positions come;
        blocks.K.* (and single.K.*, Flux's single-stream blocks): joint.weights and cross.weights in the joint
        attention, img.out and txt.out. PixArt's blocks have the names of a U-Net's transformer block. Z-Image
        and Lumina 2 have two refiners before these, refiner.img.K.self.weights and refiner.txt.K.self.weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..nn.hook_points import ACTIVE, hook_point, is_hooked, set_branches
from .attention import AttentionHook, TokenLayout
from .patching import Wrapper
from .points import LINEAR, OpenedPointFinder


class ModuleHook(NamedTuple):
    """A module, the names of its points, and the wrapper of its forward."""

    module: nn.Module
    points: Sequence[str]
    wrapper: Wrapper


# The lists of blocks of a transformer, and the beginnings of their points' names.
SEQUENCES = {"noise_refiner": "refiner.img", "context_refiner": "refiner.txt", "transformer_blocks": "blocks",
             "layers": "blocks", "blocks": "blocks", "single_transformer_blocks": "single"}
AttentionFactory = Callable[[nn.Module, str, str], ModuleHook]  # of a module, a prefix and a kind of attention
MAP_AXES, SEQUENCE_AXES = "channel y x", "position channel"


def map_axes(x: Tensor) -> str:
    """Return the axes of a batch of latents, of images or videos."""
    return MAP_AXES if x.dim() == 4 else "channel frame y x"


def module_hooks(denoiser: nn.Module, layout: TokenLayout, text_first: bool,
                 half_precision: bool) -> Iterator[ModuleHook]:
    """Yield the modules with hook points, each with the wrapper that its forward needs; some more than once."""

    def attention(module: nn.Module, prefix: str, kind: str) -> ModuleHook:
        hook = AttentionHook(prefix, kind, layout, text_first, half_precision)
        return ModuleHook(module, hook.point_names, functools.partial(hook.wrap_forward, module))

    if hasattr(denoiser, "down_blocks"):
        yield from _unet(denoiser, attention)
        return
    yield from _position_hooks(denoiser, layout)
    for group, prefix in SEQUENCES.items():
        for k, block in enumerate(getattr(denoiser, group, None) or ()):
            if "refiner" in prefix:
                yield attention(_attention_of(block), f"{prefix}.{k}.", "self")
            elif _attention_of(block) is not None:
                yield from _joint_block(block, f"{prefix}.{k}.", layout, text_first, attention)
            else:
                yield from _transformer_block(block, f"{prefix}.{k}.", attention, layout)


def _unet(unet: Any, attention: AttentionFactory) -> Iterator[ModuleHook]:
    yield _output_hook(unet.conv_in, "conv_in", MAP_AXES)
    for k, block in enumerate(unet.down_blocks):
        for j, resnet in enumerate(block.resnets):
            yield from _unet_block(f"down.{k}.{j}.", resnet, _transformer_of(block, j), attention)
    channels = unet.config.block_out_channels[-1]
    if unet.mid_block is not None:  # some small models have none
        yield from _mid_block(unet.mid_block, attention)
    for level, block in zip(reversed(range(len(unet.up_blocks))), unet.up_blocks, strict=True):
        for j, resnet in enumerate(block.resnets):
            yield _skip_hooks(resnet, f"up.{level}.{j}.", channels)
            yield from _unet_block(f"up.{level}.{j}.", resnet, _transformer_of(block, j), attention)
            channels = resnet.out_channels


def _mid_block(block: Any, attention: AttentionFactory) -> Iterator[ModuleHook]:
    """Yield the hooks of a middle block: a convolution, then any number of transformers, each with a convolution."""
    first, *others = block.resnets
    yield _output_hook(first, "middle.res.out", MAP_AXES)
    for j, resnet in enumerate(others):
        yield from _transformer("middle." if j == 0 else f"middle.{j}.", _transformer_of(block, j), attention)
        name = "middle.last.res.out" if resnet is others[-1] else f"middle.{j + 1}.res.out"
        yield _output_hook(resnet, name, MAP_AXES)


def _transformer_of(block: Any, j: int) -> nn.Module | None:
    return block.attentions[j] if getattr(block, "attentions", None) else None


def _unet_block(prefix: str, resnet: nn.Module, transformer: Any, attention: AttentionFactory) -> Iterator[ModuleHook]:
    yield _output_hook(resnet, f"{prefix}res.out", MAP_AXES)
    yield from _transformer(prefix, transformer, attention)


def _transformer(prefix: str, transformer: Any, attention: AttentionFactory) -> Iterator[ModuleHook]:
    if transformer is None:
        return
    several = len(transformer.transformer_blocks) > 1
    for k, block in enumerate(transformer.transformer_blocks):
        yield from _transformer_block(block, f"{prefix}{k}." if several else prefix, attention)
    yield _output_hook(transformer, f"{prefix}out", MAP_AXES)


def _transformer_block(block: Any, prefix: str, attention: AttentionFactory,
                       layout: TokenLayout | None = None) -> Iterator[ModuleHook]:
    """Yield the hooks of self-attention, cross-attention, the MLP and the block's output."""
    for module, kind in ((block.attn1, "self"), (block.attn2, "cross")):
        if module is not None:
            is_linear = any("Linear" in cls.__name__ for cls in type(module.processor).__mro__)
            yield _linear_attention(module, prefix) if is_linear else attention(module, prefix, kind)
            yield _output_hook(module, f"{prefix}{kind}.added", SEQUENCE_AXES, layout)
    mlp = block.ff if hasattr(block, "ff") else block.ffn
    yield _output_hook(mlp, f"{prefix}mlp.added", SEQUENCE_AXES, layout)
    yield _output_hook(block, f"{prefix}mlp.out", SEQUENCE_AXES, layout)


def _linear_attention(module: nn.Module, prefix: str) -> ModuleHook:
    """Return the hook of a self-attention without weights, which a survey of points reports as missing."""
    name = f"{prefix}self.weights"

    def wrapper(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if isinstance(ACTIVE.dispatcher, OpenedPointFinder):
            ACTIVE.dispatcher.missing[name] = LINEAR
        return original(*args, **kwargs)

    return ModuleHook(module, (name,), wrapper)


def _position_hooks(denoiser: Any, layout: TokenLayout) -> Iterator[ModuleHook]:
    """Yield the hook of the positions, where it is known how the network adds them."""
    module: Any = getattr(denoiser, "pos_embed", None)
    name, axes = "pos_embed", SEQUENCE_AXES

    def added(original: Callable[..., Any], latent: Tensor, *args: Any, **kwargs: Any) -> Any:
        out = original(latent, *args, **kwargs)
        if not is_hooked(name):
            return out
        patches = module.proj(latent)
        patches = patches.flatten(2).transpose(1, 2) if module.flatten else patches
        patches = module.norm(patches) if module.layer_norm else patches
        old = out - patches
        new = hook_point(name, old, axes)
        return out if new is old else patches + new

    def rotary(original: Callable[..., Any], ids: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not is_hooked(name):
            return original(ids, *args, **kwargs)
        text, image = ids[:layout.pieces], ids[layout.pieces:]  # the text's coordinates come first, and are not a point
        is_shared = len(layout.branches) > 1  # by the branches of a batch, which are not apart at this point
        if is_shared:
            set_branches("")
        new = hook_point(name, image[None], axes)[0]
        if is_shared:
            set_branches(*layout.branches)
        return original(torch.cat([text, new]), *args, **kwargs)

    if hasattr(module, "proj") and hasattr(module, "layer_norm"):
        yield ModuleHook(module, (name,), added)
    elif len(getattr(module, "axes_dim", ())) == 3 and hasattr(denoiser, "single_transformer_blocks"):
        # FLUX.2 has four coordinates, and adds those of the image and of the text apart.
        yield ModuleHook(module, (name,), rotary)


def _attention_of(block: Any) -> Any:
    """Return the one attention of a block, under either of its names; None: it has none, or several."""
    return getattr(block, "attn", getattr(block, "attention", None))


def _joint_block(block: Any, prefix: str, layout: TokenLayout, text_first: bool,
                 attention: AttentionFactory) -> Iterator[ModuleHook]:
    """Yield the hooks of a block with joint attention, which returns (text, image) or one sequence of both."""
    yield attention(_attention_of(block), prefix, "joint")
    if getattr(block, "attn2", None) is not None:  # Stable Diffusion 3.5 Medium: self-attention of the image
        yield attention(block.attn2, prefix, "self")
    yield _streams_hook(block, f"{prefix}img.out", f"{prefix}txt.out", layout, text_first)


def _streams_hook(module: nn.Module, image_name: str, text_name: str, layout: TokenLayout,
                  text_first: bool) -> ModuleHook:
    """Return hook points at both streams that a block returns, as a tuple (text, image) or joined in one sequence."""
    names = image_name, text_name

    def wrapper(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        out = original(*args, **kwargs)
        if not any(map(is_hooked, names)):
            return out
        text_axes = f"{layout.text_axis} channel"
        if isinstance(out, tuple):
            text, image = out[:2]
            image = hook_point(image_name, image, SEQUENCE_AXES)
            return (text if text is None else hook_point(text_name, text, text_axes), image, *out[2:])
        joint = ordered = layout.image_first(out, 1) if text_first else out
        for name, axes, part in ((image_name, SEQUENCE_AXES, layout.image_part(out.shape[1])),
                                 (text_name, text_axes, layout.text_part(out.shape[1]))):
            old = joint[:, part]
            new = hook_point(name, old, axes)
            if new is not old:
                joint = joint.clone()
                joint[:, part] = new
        if joint is ordered:
            return out
        return layout.image_first(joint, 1, inverse=True) if text_first else joint

    return ModuleHook(module, names, wrapper)


def _output_hook(module: nn.Module, name: str, axes: str, layout: TokenLayout | None = None) -> ModuleHook:
    """Return a hook point at a module's output, or at the first part of it; of a map, where an MLP has convolutions."""

    def wrapper(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        out = original(*args, **kwargs)
        if not is_hooked(name):
            return out
        hook = hook_point if layout is None else layout.hook_positions
        if isinstance(out, tuple):
            return (hook(name, out[0], axes), *out[1:])
        return hook(name, out, MAP_AXES if out.dim() == 4 else axes)

    return ModuleHook(module, (name,), wrapper)


def _skip_hooks(module: nn.Module, prefix: str, channels: int) -> ModuleHook:
    """Return hook points at the two inputs of an up block, which are concatenated: `channels` channels of the backbone,
    then the skip connection."""
    names = f"{prefix}backbone", f"{prefix}skip"

    def wrapper(original: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if any(is_hooked(name) for name in names):
            old = x.split([channels, x.shape[1] - channels], 1)
            new = [hook_point(name, part, MAP_AXES) for name, part in zip(names, old, strict=True)]
            x = torch.cat(new, 1) if any(a is not b for a, b in zip(new, old, strict=True)) else x
        return original(x, *args, **kwargs)

    return ModuleHook(module, names, wrapper)

