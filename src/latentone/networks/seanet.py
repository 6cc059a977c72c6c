"""SEANet, the convolutional encoder and decoder of SoundStream and EnCodec.

Tagliasacchi et al., "SEANet: A Multi-modal Speech Enhancement Network", 2020; as used in
Defossez et al., "High Fidelity Neural Audio Compression", 2022, with an LSTM at the bottom. Layer
numbers are those of the published EnCodec weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from torch import Tensor, nn

from ..nn.conv import Conv1d, ConvTranspose1d, Norm, PadMode, infers_on_cpu
from ..nn.elu import ELU
from ..nn.lstm import ResidualLSTM
from ..nn.streaming import StreamingResidual, StreamingSequential
from ..nn.windows import by_windows, overlap_save, strides

__all__ = ["SEANetConfig", "SEANetDecoder", "SEANetEncoder", "SoundStreamNetConfig"]


@dataclass(frozen=True, kw_only=True)
class SEANetConfig:
    """The shape of both networks."""

    channels: int = 1
    """Audio channels."""
    latent_dim: int = 128
    """Channels of the latents."""
    num_filters: int = 32
    """Channels after the first convolution; doubled by every stride."""
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    """Strides in the decoder's order; the encoder runs them backwards."""
    num_residual_layers: int = 1
    """Residual units before each stride; see `dilations`."""
    num_lstm_layers: int = 2
    """Layers of the recurrent network at the bottom; 0 for none."""
    kernel_size: int = 7
    """Taps of the first convolution."""
    last_kernel_size: int = 7
    """Taps of the last convolution."""
    residual_kernel_size: int = 3
    """Taps of the wide convolution in a residual unit."""
    compress: int = 2
    """How much narrower a residual unit is inside."""
    conv_shortcut: bool = True
    """Whether the skip path of a residual unit is a convolution; else it is the identity."""
    causal: bool = True
    """Whether a frame depends on the past only; causal networks can stream."""
    norm: Norm = "weight_norm"
    """Normalisation of the convolutions."""
    pad_mode: PadMode = "constant"
    """What stands beyond the ends of the input."""

    def __post_init__(self) -> None:
        for name in ("channels", "latent_dim", "num_filters", "compress"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.ratios or min(self.ratios) < 1:
            raise ValueError(f"ratios must be one or more positive strides, got {self.ratios}")
        if self.causal and self.norm == "time_group_norm":
            raise ValueError("time_group_norm looks at all time: a causal network cannot use it")

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return prod(self.ratios)

    @property
    def dilations(self) -> list[int]:
        """Distance of the taps in each residual unit before a stride."""
        return [2**n for n in range(self.num_residual_layers)]

    @property
    def encoder_last_kernel_size(self) -> int:
        """Taps of the encoder's last convolution."""
        return self.last_kernel_size


@dataclass(frozen=True, kw_only=True)
class SoundStreamNetConfig(SEANetConfig):
    """SoundStream's networks (Zeghidour et al., 2021, figure 3): dilated wide units, no LSTM.

    A class of its own, since what it adds would change the fingerprint of every EnCodec.
    """

    num_residual_layers: int = 3
    """Residual units before each stride; the dilation of the n-th is 3 ** n."""
    num_lstm_layers: int = 0
    """Layers of the recurrent network at the bottom; 0 for none."""
    residual_kernel_size: int = 7
    """Taps of the dilated convolution in a residual unit."""
    compress: int = 1
    """How much narrower a residual unit is inside."""
    conv_shortcut: bool = False
    """Whether the skip path of a residual unit is a convolution; else it is the identity."""
    encoder_taps: int = 3
    """Taps of the encoder's last convolution."""

    @property
    def dilations(self) -> list[int]:
        return [3**n for n in range(self.num_residual_layers)]

    @property
    def encoder_last_kernel_size(self) -> int:
        return self.encoder_taps


class ResidualUnit(StreamingResidual):
    """`shortcut(x) + conv1(ELU(conv3(ELU(x))))`, narrower inside."""

    def __init__(self, dim: int, dilation: int, config: SEANetConfig) -> None:
        super().__init__()
        hidden = dim // config.compress
        taps = config.residual_kernel_size
        self.block = StreamingSequential(
            ELU(),
            _conv(config, dim, hidden, taps, dilation=dilation),
            ELU(inplace=True),
            _conv(config, hidden, dim, 1),
        )
        self.shortcut = _conv(config, dim, dim, 1) if config.conv_shortcut else nn.Identity()

    @property
    def residual(self) -> tuple[nn.Module, StreamingSequential]:
        return self.shortcut, self.block


class _SEANet(nn.Module):
    """What encoder and decoder share: a stack of layers and its streaming."""

    layers: StreamingSequential
    chunk: int
    latency: int
    hop_length: int
    has_finite_context: bool
    """Whether all but the LSTM sees a finite stretch: not if it normalises over all time."""

    def __init__(self, config: SEANetConfig) -> None:
        super().__init__()
        self.hop_length = config.hop_length
        self.has_finite_context = config.norm != "time_group_norm"

    def forward(self, x: Tensor) -> Tensor:
        if not (self.has_finite_context and infers_on_cpu(x)):
            return self.layers(x)
        for part in self._parts():
            x = by_windows(part, x)
        return x

    def run_long(self, pieces: Iterator[Tensor], length: int) -> Iterator[Tensor]:
        """Run over a signal that comes in pieces, in constant memory.

        Args:
            pieces: consecutive inputs `(B, C, n)`; for the encoder each n but the last is a
                multiple of `hop_length`.
            length: of all pieces together.

        Yields:
            Consecutive outputs; joined they are the output for the whole signal.

        Raises:
            ValueError: the network normalises over all time.
        """
        if not self.has_finite_context:
            raise ValueError("time_group_norm averages over all time: it needs the whole signal")
        for part in self._parts():
            if isinstance(part, ResidualLSTM):
                pieces = part.run_long(pieces)
            else:
                pieces = overlap_save(part, pieces, length)
                down, up = strides(part)
                length = -(-length // down) * up
        return pieces

    def _parts(self) -> list[nn.Module]:
        """The LSTM, what stands before it and what stands behind it."""
        layers = list(self.layers)
        at = next((i for i, x in enumerate(layers) if isinstance(x, ResidualLSTM)), len(layers))
        parts = (layers[:at], layers[at : at + 1], layers[at + 1 :])
        return [part[0] if len(part) == 1 else nn.Sequential(*part) for part in parts if part]

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first chunk.

        Raises:
            ValueError: the network is not causal.
        """
        return self.layers.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Consume a multiple of `chunk`.

        Raises:
            ValueError: the length is no multiple of `chunk`.
        """
        if x.shape[-1] % self.chunk:
            raise ValueError(f"a step takes a multiple of {self.chunk}, got {x.shape[-1]}")
        return self.layers.step(x, state)


class SEANetEncoder(_SEANet):
    """Audio `(B, channels, T)` to latents `(B, latent_dim, ceil(T / hop_length))`.

    Streams when causal, by multiples of `chunk = hop_length` samples, without delay.
    """

    def __init__(self, config: SEANetConfig) -> None:
        super().__init__(config)
        if config.causal:  # without these, the network is no `Streamable`
            self.chunk, self.latency = config.hop_length, 0
        dim = config.num_filters
        layers: list[nn.Module] = [_conv(config, config.channels, dim, config.kernel_size)]
        for ratio in reversed(config.ratios):
            layers += [ResidualUnit(dim, dilation, config) for dilation in config.dilations]
            layers += [ELU(inplace=True), _conv(config, dim, 2 * dim, 2 * ratio, stride=ratio)]
            dim *= 2
        if config.num_lstm_layers:
            layers.append(ResidualLSTM(dim, config.num_lstm_layers))
        layers += [
            ELU(inplace=True),
            _conv(config, dim, config.latent_dim, config.encoder_last_kernel_size),
        ]
        self.layers = StreamingSequential(*layers)


class SEANetDecoder(_SEANet):
    """Latents `(B, latent_dim, F)` to audio `(B, channels, F * hop_length)`; mirrors the encoder.

    Streams when causal, by single frames, without delay.
    """

    def __init__(self, config: SEANetConfig) -> None:
        super().__init__(config)
        if config.causal:
            self.chunk, self.latency = 1, 0
        dim = config.num_filters * 2 ** len(config.ratios)
        layers: list[nn.Module] = [_conv(config, config.latent_dim, dim, config.kernel_size)]
        if config.num_lstm_layers:
            layers.append(ResidualLSTM(dim, config.num_lstm_layers))
        for ratio in config.ratios:
            upsample = ConvTranspose1d(
                dim, dim // 2, 2 * ratio, stride=ratio, causal=config.causal, norm=config.norm
            )
            layers += [ELU(inplace=True), upsample]
            dim //= 2
            layers += [ResidualUnit(dim, dilation, config) for dilation in config.dilations]
        layers += [
            ELU(inplace=True),
            _conv(config, dim, config.channels, config.last_kernel_size),
        ]
        self.layers = StreamingSequential(*layers)


def _conv(
    config: SEANetConfig, in_channels: int, out_channels: int, kernel_size: int, **kwargs: int
) -> Conv1d:
    return Conv1d(
        in_channels,
        out_channels,
        kernel_size,
        stride=kwargs.get("stride", 1),
        dilation=kwargs.get("dilation", 1),
        causal=config.causal,
        pad_mode=config.pad_mode,
        norm=config.norm,
    )
