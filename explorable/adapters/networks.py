"""Where the points of other people's networks are: the names are this package's, the modules are theirs.

U-Net   inlet, down.K.J.*, middle.*, up.K.J.*, prediction, with K = 0 the finest level. A unit has res.out,
        attend.weights, attend.added, cross.weights, cross.added, think.added and think.out (each with a number before
        it where a unit has several blocks), and out. The middle convolves once more: middle.last.res.out. Each unit on
        the way up has a skip of its own, up.K.J.skip, and up.K.J.backbone, what comes up from below.
DiT     blocks.K.* (and single.K.*, Flux's blocks of one stream): joint.weights and cross.weights in the joint
        attention, picture.out and words.out. PixArt's blocks have the names of a U-Net's unit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..nn.hook_points import hook_point, is_hooked
from .attention import Look, Words

Around = Callable[..., Any]  # around(original, *args, **kwargs): a module's forward, and what happens about it
Tap = tuple[nn.Module, Around]
MAP, ROW = "channel y x", "position channel"


@contextmanager
def shadowed(owner: Any, method: str, around: Around, active: Callable[[], bool]) -> Iterator[None]:
    """Within this, owner.method is `around` its original. Leaving, however it comes, takes that away again.

    active: asked at each call; another run within this one, or in another thread, is none of its business.
    """
    own = vars(owner).get(method)  # what somebody else has put there
    original = getattr(owner, method)

    @functools.wraps(original)
    def shadow(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs) if active() else original(*args, **kwargs)

    setattr(owner, method, shadow)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, method)
        else:
            setattr(owner, method, own)


def taps(network: nn.Module, words: Words, text_first: bool, half: bool) -> Iterator[Tap]:
    """Every point within a network, as the modules whose forwards are to be listened to."""

    def attention(module: nn.Module, way: str, kind: str) -> Tap:
        return module, functools.partial(Look(way, kind, words, text_first, half).around, module)

    if hasattr(network, "down_blocks"):
        yield from _unet(network, attention)
        return
    for group, prefix in (("transformer_blocks", "blocks"), ("single_transformer_blocks", "single")):
        for k, block in enumerate(getattr(network, group, None) or ()):
            way = f"{prefix}.{k}."
            if hasattr(block, "attn"):
                yield from _joint(block, way, f"{words.axis} channel", attention)
            else:
                yield from _basic(block, way, attention)


def _unet(network: Any, attention: Callable[[nn.Module, str, str], Tap]) -> Iterator[Tap]:
    yield network.conv_in, _out("inlet", MAP)
    for k, block in enumerate(network.down_blocks):
        for j, res in enumerate(block.resnets):
            yield from _unit(f"down.{k}.{j}.", res, _attentions(block, j), attention)
    below = network.config.block_out_channels[-1]
    if network.mid_block is not None:  # some small ones have none
        yield from _middle(network.mid_block, attention)
    for level, block in zip(reversed(range(len(network.up_blocks))), network.up_blocks, strict=True):
        for j, res in enumerate(block.resnets):
            yield res, _bridge(f"up.{level}.{j}.", below)
            yield from _unit(f"up.{level}.{j}.", res, _attentions(block, j), attention)
            below = res.out_channels


def _middle(middle: Any, attention: Callable[[nn.Module, str, str], Tap]) -> Iterator[Tap]:
    """Convolve, look around and read, and convolve once more; some read several times, some never."""
    first, *others = middle.resnets
    yield first, _out("middle.res.out", MAP)
    for j, res in enumerate(others):
        yield from _mixer("middle." if j == 0 else f"middle.{j}.", _attentions(middle, j), attention)
        yield res, _out("middle.last.res.out" if res is others[-1] else f"middle.{j + 1}.res.out", MAP)


def _attentions(block: Any, j: int) -> nn.Module | None:
    return block.attentions[j] if getattr(block, "attentions", None) else None


def _unit(way: str, res: nn.Module, mixer: Any, attention: Callable[[nn.Module, str, str], Tap]) -> Iterator[Tap]:
    """One step of a level: convolve, then look around and read the words."""
    yield res, _out(f"{way}res.out", MAP)
    yield from _mixer(way, mixer, attention)


def _mixer(way: str, mixer: Any, attention: Callable[[nn.Module, str, str], Tap]) -> Iterator[Tap]:
    if mixer is None:
        return
    for b, block in enumerate(mixer.transformer_blocks):
        yield from _basic(block, f"{way}{b}." if len(mixer.transformer_blocks) > 1 else way, attention)
    yield mixer, _out(f"{way}out", MAP)


def _basic(block: Any, way: str, attention: Callable[[nn.Module, str, str], Tap]) -> Iterator[Tap]:
    """A block that looks around, reads the words, and thinks, one after the other."""
    for module, kind, name in ((block.attn1, "self", "attend"), (block.attn2, "cross", "cross")):
        if module is not None:
            yield attention(module, way, kind)
            yield module, _out(f"{way}{name}.added", ROW)
    yield block.ff, _out(f"{way}think.added", ROW)
    yield block, _out(f"{way}think.out", ROW)


def _joint(block: Any, way: str, row: str, attention: Callable[[nn.Module, str, str], Tap]) -> Iterator[Tap]:
    """A block in which places and words read each other. It gives both out, words first."""
    yield attention(block.attn, way, "joint")
    if getattr(block, "attn2", None) is not None:  # Stable Diffusion 3.5 Medium: places look around once more
        yield attention(block.attn2, way, "self")
    yield block, _out(f"{way}picture.out", ROW, 1)
    yield block, _out(f"{way}words.out", row, 0)


def _out(name: str, axes: str, part: int | None = None) -> Around:
    """A point at what a module gives out, or at one part of it."""

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        out = original(*args, **kwargs)
        if not is_hooked(name):
            return out
        if part is not None or isinstance(out, tuple):
            k = part or 0
            value = out[k]
            return out if value is None else (*out[:k], hook_point(name, value, axes), *out[k + 1:])
        return hook_point(name, out, axes)

    return around


def _bridge(way: str, below: int) -> Around:
    """Points at what a unit on the way up is given: `below` channels from below, the rest from across."""

    def around(original: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> Any:
        names = [f"{way}backbone", f"{way}skip"]
        if any(is_hooked(name) for name in names):
            old = x.split([below, x.shape[1] - below], 1)
            new = [hook_point(name, part, MAP) for name, part in zip(names, old, strict=True)]
            x = torch.cat(new, 1) if any(a is not b for a, b in zip(new, old, strict=True)) else x
        return original(x, *args, **kwargs)

    return around


# ---- packed latents --------------------------------------------------------------------------------------------------


def unpacked(x: Tensor, high: int, wide: int) -> Tensor:
    """Flux's row of 2 x 2 patches (batch, high * wide, 4 * channels) as a latent (batch, channels, 2 high, 2 wide)."""
    return x.unflatten(2, (-1, 2, 2)).unflatten(1, (high, wide)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def packed(x: Tensor) -> Tensor:
    """A latent as Flux's row of patches."""
    return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, 1, 3, 5).flatten(3, 5).flatten(1, 2)
