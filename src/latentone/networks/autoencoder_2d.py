"""The convolutional encoder and decoder of pictures that latent diffusion and VQGAN stand on.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", 2021, and Rombach
et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022; over mel spectrograms
in Liu et al., "AudioLDM", 2023. Differs: there is no dropout.

A picture of sound is `(B, 1, frames, bands)`: time runs down, as where such weights were published.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Autoencoder2dConfig", "PictureDecoder", "PictureEncoder"]

EPSILON = 1e-6
"""Of the group norms."""


@dataclass(frozen=True, kw_only=True)
class Autoencoder2dConfig:
    """Sizes of both networks; the default is AudioLDM's."""

    latent_channels: int = 8
    """Channels of the latent picture."""
    channels: int = 128
    """Channels at full resolution."""
    multiples: tuple[int, ...] = (1, 2, 4)
    """Of those channels at each level; between two levels both sides are halved."""
    num_residual_blocks: int = 2
    """Residual blocks of each level of the encoder; the decoder has one more."""
    num_groups: int = 32
    """Groups of each norm; they divide the channels of all levels."""
    middle_attention: bool = True
    """Whether attention stands between the two blocks in the middle."""
    lowest_attention: bool = False
    """Whether attention follows every block of the level with the smallest pictures."""

    def __post_init__(self) -> None:
        for name in ("latent_channels", "channels", "num_residual_blocks", "num_groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.multiples or min(self.multiples) < 1:
            raise ValueError(f"multiples must be one or more positive, got {self.multiples}")
        if any(width % self.num_groups for width in self.widths):
            raise ValueError(
                f"num_groups must divide the channels of all levels, {self.widths}, got "
                f"{self.num_groups}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, at full resolution first."""
        return tuple(self.channels * multiple for multiple in self.multiples)

    @property
    def patch(self) -> int:
        """Pixels of a side that become one."""
        return int(2 ** (len(self.multiples) - 1))


class PictureEncoder(nn.Module):
    """Pictures `(B, 1, H, W)` to `(B, outputs, H / patch, W / patch)`.

    Args:
        config: sizes.
        outputs: channels of what it gives, and of the 3 x 3 convolution before the last 1 x 1.
    """

    def __init__(self, config: Autoencoder2dConfig, outputs: int) -> None:
        super().__init__()
        widths, groups = config.widths, config.num_groups
        self.patch = config.patch
        self.first = _conv(1, widths[0])
        self.levels = nn.ModuleList(
            _Level(
                inputs,
                width,
                config.num_residual_blocks,
                groups,
                attention=config.lowest_attention and number == len(widths) - 1,
                resize=_Halve(width) if number < len(widths) - 1 else None,
            )
            for number, (inputs, width) in enumerate(pairwise((widths[0], *widths)))
        )
        self.middle = _Middle(widths[-1], groups, attention=config.middle_attention)
        self.norm = nn.GroupNorm(groups, widths[-1], EPSILON)
        self.last = _conv(widths[-1], outputs)
        self.project = nn.Conv2d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode.

        Raises:
            ValueError: a side is no multiple of `patch`, or it is no picture of one channel.
        """
        if x.dim() != 4 or x.shape[1] != 1 or x.shape[2] % self.patch or x.shape[3] % self.patch:
            raise ValueError(
                f"expected pictures (B, 1, H, W) with sides that are multiples of {self.patch}, "
                f"got {tuple(x.shape)}"
            )
        x = self.first(x)
        for level in self.levels:
            x = level(x)
        x = self.middle(x)
        return self.project(self.last(F.silu(self.norm(x))))


class PictureDecoder(nn.Module):
    """Latent pictures `(B, latent_channels, h, w)` to `(B, 1, h * patch, w * patch)`.

    Args:
        config: sizes.
    """

    def __init__(self, config: Autoencoder2dConfig) -> None:
        super().__init__()
        widths, groups = config.widths[::-1], config.num_groups
        self.project = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.first = _conv(config.latent_channels, widths[0])
        self.middle = _Middle(widths[0], groups, attention=config.middle_attention)
        self.levels = nn.ModuleList(
            _Level(
                inputs,
                width,
                config.num_residual_blocks + 1,
                groups,
                attention=config.lowest_attention and number == 0,
                resize=_Double(width) if number < len(widths) - 1 else None,
            )
            for number, (inputs, width) in enumerate(pairwise((widths[0], *widths)))
        )
        self.norm = nn.GroupNorm(groups, widths[-1], EPSILON)
        self.last = _conv(widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.first(self.project(x)))
        for level in self.levels:
            x = level(x)
        return self.last(F.silu(self.norm(x)))


class _Level(nn.Module):
    """Residual blocks at one resolution, with attention behind each or none, and the way out."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        blocks: int,
        groups: int,
        *,
        attention: bool,
        resize: nn.Module | None,
    ) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * blocks
        self.blocks = nn.ModuleList(_Residual(a, b, groups) for a, b in pairwise(widths))
        count = blocks if attention else 0
        self.attentions = nn.ModuleList(_Attention2d(outputs, groups) for _ in range(count))
        self.resize = resize

    def forward(self, x: Tensor) -> Tensor:
        for number, block in enumerate(self.blocks):
            x = block(x)
            if len(self.attentions):
                x = self.attentions[number](x)
        return x if self.resize is None else self.resize(x)


class _Middle(nn.Module):
    """Two residual blocks at the lowest resolution, and attention between them or none."""

    def __init__(self, channels: int, groups: int, *, attention: bool) -> None:
        super().__init__()
        self.before = _Residual(channels, channels, groups)
        self.attention = _Attention2d(channels, groups) if attention else None
        self.behind = _Residual(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        if self.attention is not None:
            x = self.attention(x)
        return self.behind(x)


class _Residual(nn.Module):
    """Twice norm, SiLU and a 3 x 3 convolution, added to the input."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, EPSILON)
        self.conv1 = _conv(inputs, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, EPSILON)
        self.conv2 = _conv(outputs, outputs)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return self.skip(x) + y


class _Attention2d(nn.Module):
    """Attention of one head over all pixels, added to the input."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, EPSILON)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        pixels = self.norm(x).flatten(2).transpose(1, 2)[:, None]  # one head: (B, 1, H * W, C)
        q, k, v = self.query(pixels), self.key(pixels), self.value(pixels)
        y = self.out(F.scaled_dot_product_attention(q, k, v)[:, 0])
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


class _Halve(nn.Module):
    """A 3 x 3 convolution at every second pixel; zeros below and on the right alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class _Double(nn.Module):
    """Every pixel four times, then a 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
