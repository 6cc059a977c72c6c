"""Multi-period discriminator: sound folded into rows of p samples, one fold for each prime.

Kong, Kim, Bae, "HiFi-GAN", 2020, section 2.3, also used by DAC and RAVE v2. Column i of a fold sees
every p-th sample, so convolutions along it compare what lies a period apart. Sound that is no
multiple of p is reflected at its end; DAC adds a whole period even to a multiple, we do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from .base import Discriminator, DiscriminatorConfig, Judgement

__all__ = ["MultiPeriodDiscriminator", "PeriodDiscriminatorConfig"]


@dataclass(frozen=True, kw_only=True)
class PeriodDiscriminatorConfig(DiscriminatorConfig):
    """Sizes of a multi-period discriminator; the defaults are HiFi-GAN's and DAC's."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Samples in a row of each fold; primes overlap least."""
    filters: tuple[int, ...] = (32, 128, 512, 1024)
    """Channels of the strided layers; one more layer keeps the last."""
    kernel_size: int = 5
    """Taps along a column."""
    stride: int = 3
    """Of all layers but the last hidden one."""
    slope: float = 0.1
    """Of the leaky ReLU below zero."""

    def __post_init__(self) -> None:
        if not self.periods or min(self.periods) < 1:
            raise ValueError(f"periods must be one or more positive numbers, got {self.periods}")
        if not self.filters or min(self.filters) < 1:
            raise ValueError(f"filters must be one or more positive numbers, got {self.filters}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0 or self.stride < 1:
            raise ValueError(
                "kernel_size must be odd and stride positive, got "
                f"{self.kernel_size} and {self.stride}"
            )

    def build(self, channels: int = 1) -> MultiPeriodDiscriminator:
        return MultiPeriodDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        return max(self.periods)  # a reflection is shorter than what it reflects


class PeriodJudge(nn.Module):
    """One period: a fold of `(rows, p)`, and convolutions along its columns alone."""

    def __init__(self, config: PeriodDiscriminatorConfig, period: int, channels: int) -> None:
        super().__init__()
        self.period, self.slope = period, config.slope
        widths = (channels, *config.filters)
        taps, stride = config.kernel_size, config.stride
        self.layers = nn.ModuleList(_conv(a, b, taps, stride) for a, b in pairwise(widths))
        self.layers.append(_conv(widths[-1], widths[-1], taps))
        self.score = _conv(widths[-1], 1, 3)

    def fold(self, x: Tensor) -> Tensor:
        """Map `(B, C, T)` to `(B, C, ceil(T / p), p)`."""
        missing = -x.shape[-1] % self.period
        if missing:
            x = F.pad(x, (0, missing), mode="reflect")
        return x.unflatten(-1, (-1, self.period))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        z = self.fold(x)
        for layer in self.layers:
            z = F.leaky_relu(layer(z), self.slope)
            features.append(z)
        return self.score(z), features


class MultiPeriodDiscriminator(Discriminator):
    """Judges sound by what repeats; scores are `(B, 1, rows, p)`.

    Args:
        config: sizes.
        channels: audio channels C.
    """

    def __init__(self, config: PeriodDiscriminatorConfig | None = None, channels: int = 1) -> None:
        config = config or PeriodDiscriminatorConfig()
        super().__init__(config, channels)
        self.periods = nn.ModuleList(
            PeriodJudge(config, period, channels) for period in config.periods
        )

    def forward(self, x: Tensor) -> Judgement:
        self.check(x)
        judged = [judge(x) for judge in self.periods]
        return Judgement([score for score, _ in judged], [features for _, features in judged])


def _conv(inputs: int, outputs: int, taps: int, stride: int = 1) -> nn.Module:
    padding = (taps - 1) // 2, 0
    return weight_norm(nn.Conv2d(inputs, outputs, (taps, 1), (stride, 1), padding))
