"""The autoencoder: a (3, 128, 128) image to a (4, 16, 16) latent and back.

As in latent diffusion (Rombach et al. 2022, section 3.1): a latent is 8 times smaller per side, so that the denoiser
works on 64 times fewer positions. All convolutions run at 32 x 32 and 16 x 16; the first and last step only fold 4 x 4
blocks of pixels into channels and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point
from .layers import zero_init


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the autoencoder, and the shift and scale that standardise its latents channel by channel."""

    channels: int = 4
    encoder_widths: tuple[int, int] = (48, 128)  # at 32 x 32 and at 16 x 16
    decoder_widths: tuple[int, int] = (64, 160)
    encoder_blocks: tuple[int, int] = (1, 2)
    decoder_blocks: tuple[int, int] = (2, 3)
    shift: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each position (Ba et al. 2016).

    A group norm would also average over positions: each latent would depend on distant pixels, and a crop would be
    encoded differently from the same pixels in the whole image.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, height, width), and the same back."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvBlock(nn.Module):
    """Two convolutions with a shortcut. The last one starts at zero: an untrained block is the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1 = LayerNorm2d(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = LayerNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        zero_init(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class VAE(nn.Module):
    """Encoder and decoder. Images are (batch, 3, 128, 128) in [-1, 1].

    Points: vae.encoder.K and vae.decoder.K (channel, y, x), the output of each layer.
    """

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
            LayerNorm2d(coarse), nn.SiLU(),
            nn.Conv2d(coarse, 2 * c.channels, 3, padding=1),  # mean and log variance
        )
        fine, coarse = c.decoder_widths
        self.decoder = nn.Sequential(
            nn.Conv2d(c.channels, coarse, 3, padding=1),
            *(ConvBlock(coarse) for _ in range(c.decoder_blocks[1])),
            LayerNorm2d(coarse), nn.SiLU(),
            nn.Conv2d(coarse, 4 * fine, 3, padding=1),
            nn.PixelShuffle(2),  # (fine, 32, 32)
            *(ConvBlock(fine) for _ in range(c.decoder_blocks[0])),
            LayerNorm2d(fine), nn.SiLU(),
            nn.Conv2d(fine, 48, 3, padding=1),
            nn.PixelShuffle(4),  # (3, 128, 128)
        )
        self.register_buffer("shift", torch.tensor(c.shift, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(c.scale, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)

    def distribution(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the unstandardised latents, each (batch, 4, 16, 16)."""
        mean, log_variance = _run_layers(self.encoder, "vae.encoder", images).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def encode(self, images: Tensor) -> Tensor:
        """Encode images in [-1, 1] as standardised latents (batch, 4, 16, 16)."""
        return (self.distribution(images)[0] - self.shift) / self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (batch, 4, 16, 16) to images (batch, 3, 128, 128), approximately in [-1, 1]."""
        return _run_layers(self.decoder, "vae.decoder", latents * self.scale + self.shift)


def _run_layers(layers: nn.Sequential, prefix: str, x: Tensor) -> Tensor:
    """Run all layers, with a point at the output of each."""
    for k, layer in enumerate(layers):
        x = hook_point(f"{prefix}.{k}", layer(x), "channel y x")
    return x
