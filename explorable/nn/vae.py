"""The autoencoder: a (3, 128, 128) picture to a (4, 16, 16) latent and back.

As in latent diffusion (Rombach et al. 2022, section 3.1): 8 times smaller a side, so that the
denoiser works on 64 times fewer places. All convolutions run at 32 x 32 and 16 x 16; the first
and last step only fold 4 x 4 blocks of pixels into channels and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point
from .layers import zero


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the autoencoder, and the statistics that bring its latents to zero mean and unit spread."""

    channels: int = 4
    encoder_widths: tuple[int, int] = (48, 128)  # at 32 x 32 and at 16 x 16
    decoder_widths: tuple[int, int] = (64, 160)
    encoder_blocks: tuple[int, int] = (1, 2)
    decoder_blocks: tuple[int, int] = (2, 3)
    shift: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)


class PlaceNorm(nn.LayerNorm):
    """Layer norm over the channels of each place by itself (Ba et al. 2016).

    A group norm would also average over the picture, and then what a place looks like would depend on what
    is drawn far away, and a crop would be coded differently from the same pixels in their picture.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, high, wide), and the same back."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvBlock(nn.Module):
    """Two convolutions beside a shortcut. The last one starts at zero: an untrained block does nothing."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1 = PlaceNorm(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = PlaceNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        zero(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class VAE(nn.Module):
    """Encoder and decoder. Pictures are (batch, 3, 128, 128) in [-1, 1]. Points: vae.encoder.K and
    vae.decoder.K (channel, y, x), behind each layer."""

    shift: Tensor
    scale: Tensor

    def __init__(self, config: VAEConfig | None = None):
        super().__init__()
        self.config = c = config or VAEConfig()
        fine, coarse = c.encoder_widths
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),  # (48, 32, 32)
            nn.Conv2d(48, fine, 3, padding=1),
            *(ConvBlock(fine) for _ in range(c.encoder_blocks[0])),
            nn.Conv2d(fine, coarse, 4, stride=2, padding=1),  # (coarse, 16, 16)
            *(ConvBlock(coarse) for _ in range(c.encoder_blocks[1])),
            PlaceNorm(coarse), nn.SiLU(),
            nn.Conv2d(coarse, 2 * c.channels, 3, padding=1),  # mean and log variance
        )
        fine, coarse = c.decoder_widths
        self.decoder = nn.Sequential(
            nn.Conv2d(c.channels, coarse, 3, padding=1),
            *(ConvBlock(coarse) for _ in range(c.decoder_blocks[1])),
            PlaceNorm(coarse), nn.SiLU(),
            nn.Conv2d(coarse, 4 * fine, 3, padding=1),
            nn.PixelShuffle(2),  # (fine, 32, 32)
            *(ConvBlock(fine) for _ in range(c.decoder_blocks[0])),
            PlaceNorm(fine), nn.SiLU(),
            nn.Conv2d(fine, 48, 3, padding=1),
            nn.PixelShuffle(4),  # (3, 128, 128)
        )
        self.register_buffer("shift", torch.tensor(c.shift).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(c.scale).view(1, -1, 1, 1), persistent=False)

    def distribution(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the raw latents, each (batch, 4, 16, 16)."""
        mean, log_variance = _through(self.encoder, "vae.encoder", pictures).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures in [-1, 1] to latents of zero mean and unit spread, (batch, 4, 16, 16)."""
        return (self.distribution(pictures)[0] - self.shift) / self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (batch, 4, 16, 16) to pictures (batch, 3, 128, 128), about [-1, 1]."""
        return _through(self.decoder, "vae.decoder", latents * self.scale + self.shift)


def _through(layers: nn.Sequential, way: str, x: Tensor) -> Tensor:
    """x behind the last layer; behind each there is a point."""
    for k, layer in enumerate(layers):
        x = hook_point(f"{way}.{k}", layer(x), "channel y x")
    return x
