"""SoundStream: the codec of which EnCodec is the heir, with a switch that removes noise.

Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, "SoundStream: An End-to-End Neural Audio Codec",
2021. The encoder, the chain of codebooks and the decoder are EnCodec's, with three dilated residual
units before each stride and no LSTM. The switch is FiLM (Perez et al., 2018) on the decoder's side
of the bottleneck, so that one stream of codes serves both settings. Differs: residuals and dead
codes as in our EnCodec (`nn/residual.py`, `nn/quantize.py`); 128 latent channels, as in EnCodec
(the paper's number was not looked up).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..networks.seanet import SEANetConfig, SoundStreamNetConfig
from ..nn.streaming import Streamable
from .base import CodecOutput
from .encodec import EnCodec
from .encodec_config import EnCodecConfig
from .streaming import Around

__all__ = ["SoundStream", "SoundStreamConfig"]


@dataclass(frozen=True, kw_only=True)
class SoundStreamConfig(EnCodecConfig):
    """A SoundStream; the default is the 24 kHz model, 0.75 to 18 kbit/s."""

    seanet: SEANetConfig = field(default_factory=SoundStreamNetConfig)
    """Encoder and decoder."""
    num_codebooks: int = 24
    """Codebooks in the residual chain."""
    codebook_choices: tuple[int, ...] = tuple(range(1, 25))
    """Numbers of codebooks to draw from for each training batch; empty always takes all."""
    denoising: bool = False
    """Whether the decoder has a switch between all that was heard and that without its noise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segment_seconds is not None or self.normalize:
            raise ValueError("SoundStream takes audio in one piece and at its level")


class FiLM(nn.Module):
    """`(1 + a) x + b` for each channel, a and b from a switch in [0, 1].

    Args:
        dim: channels D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.off = nn.Parameter(torch.zeros(2, dim))
        self.on = nn.Parameter(torch.zeros(2, dim))

    def forward(self, x: Tensor, switch: Tensor) -> Tensor:
        """Modulate `(B, D, F)` by a switch `(B,)`, or `(B, F)` where it changes in time."""
        switch = switch.to(x.dtype).reshape(x.shape[0], 1, 1, -1)
        scale, shift = torch.lerp(self.off[..., None], self.on[..., None], switch).unbind(1)
        return (1 + scale) * x + shift


class SoundStream(EnCodec):
    """SEANet encoder, residual vector quantiser, SEANet decoder, and a switch between the two.

    Shape:
        - audio `(B, C, T)`, latents `(B, D, F)`, codes `(B, K, F)`.
    """

    config_class = SoundStreamConfig
    config: SoundStreamConfig

    def __init__(self, config: SoundStreamConfig) -> None:
        super().__init__(config)
        self.film = FiLM(config.seanet.latent_dim) if config.denoising else None
        self._denoise = 0.0

    @property
    def denoise(self) -> float:
        """How far noise is left out wherever nobody says it otherwise, in [0, 1]; 0 at first.

        It holds for files, streams and live play as for tensors, and is not saved.

        Raises:
            ValueError: set outside of [0, 1], or for a codec that has no switch.
        """
        return self._denoise

    @denoise.setter
    def denoise(self, amount: float) -> None:
        if self.film is None:
            raise ValueError("this SoundStream has no switch: train one with denoising=True")
        if not 0 <= amount <= 1:
            raise ValueError(f"expected denoise in [0, 1], got {amount}")
        self._denoise = amount

    def switch(self, latents: Tensor, denoise: Tensor | None = None) -> Tensor:
        """Set the switch: what the decoder's layers take instead of `latents (B, D, F)`.

        Args:
            latents: of `encode` or `dequantize`.
            denoise: `(B,)` or `(B, F)` in [0, 1]: 0 keeps all that was heard, 1 leaves out noise.
                None is what `self.denoise` says.

        Raises:
            ValueError: a switch of another shape, or for a codec that has none.
        """
        if self.film is None:
            if denoise is not None:
                raise ValueError("this SoundStream has no switch: train one with denoising=True")
            return latents
        batch, _, frames = latents.shape
        if denoise is None:
            denoise = latents.new_full((batch,), self.denoise)
        if tuple(denoise.shape) not in ((batch,), (batch, frames)):
            raise ValueError(
                f"expected denoise ({batch},) or ({batch}, {frames}), got {tuple(denoise.shape)}"
            )
        switched: Tensor = self.film(latents, denoise)
        return switched

    def _conditioned(self, latents: Tensor) -> Tensor:
        return self.switch(latents)

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Decode latents `(B, D, F)` to `(B, C, num_samples(F))`.

        Args:
            latents: of `encode` or `dequantize`.
            conditions: None, or `denoise` for `switch`.
            gain: must be None.
            rng: unused, nothing here is random.

        Raises:
            ValueError: other conditions, a switch that does not fit, or a gain.
        """
        conditions = dict(conditions or {})
        latents = self.switch(latents, conditions.pop("denoise", None))
        return super().decode(latents, conditions, gain, rng)

    def decoder_stream(self) -> Streamable:
        """`decode` as a stream, the switch where `denoise` has it."""
        return Around(super().decoder_stream(), before=self.switch)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`; in training codebooks learn.

        `denoise (B,)` in the batch, if present, sets the switch, and `rng` decides the chance in
        the quantiser.

        Raises:
            ValueError: the crops have other channels, or there is no switch to set.
        """
        x = batch["x"]
        self._check(x)
        latents = self.encoder(x)
        quantized = self.quantizer(latents, batch.get("rng"))
        heard = self.switch(quantized.latents, batch.get("denoise"))
        return CodecOutput(
            losses={"vq/commitment": quantized.commitment},
            metrics={f"vq/{name}": value for name, value in quantized.metrics.items()},
            latents=latents,
            reconstruction=self.decoder(heard)[..., : x.shape[-1]],
        )

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        return None  # nobody published weights in a layout of its own

    @classmethod
    def from_original(cls, path: str | Path, config: EnCodecConfig | None = None) -> Self:
        """Refuse: there are no published weights.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{path}: there are no published weights of SoundStream to read")

    @classmethod
    def from_transformers(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
    ) -> Self:
        """Refuse: there are no published weights.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{path}: there are no published weights of SoundStream to read")
