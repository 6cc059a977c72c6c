"""Autoencoders of mel spectrograms as pictures: what the mel VAE and VQGAN share.

Sound becomes a log-mel picture, the picture a smaller one, and back; a vocoder that is trained on
its own, or Griffin-Lim, makes sound of it. Training compares pictures: see `target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio import AudioSource
from ..dsp.mel import MelSpec
from ..networks.autoencoder_2d import Autoencoder2dConfig, PictureDecoder, PictureEncoder
from ..networks.hifigan import HiFiGANConfig
from ..networks.melgan import MelGANConfig
from .base import Codec, CodecConfig
from .mel import MelCodec
from .mel_config import GriffinLimConfig, MelCodecConfig

__all__ = ["MelAutoencoder", "MelAutoencoderConfig", "audioldm_mel"]

OBSTACLE = "the group norms of the picture's {}, whose statistics are those of the whole sound"


def audioldm_mel() -> MelSpec:
    """16 kHz, 64 bands up to 8 kHz every 160 samples, natural logarithm, mirrored ends."""
    return MelSpec(
        sample_rate=16_000, hop_length=160, n_mels=64, padding="same", pad_mode="reflect"
    )


@dataclass(frozen=True, kw_only=True)
class MelAutoencoderConfig(CodecConfig):
    """What all autoencoders of mel pictures are told; the default is AudioLDM's."""

    mel: MelSpec = field(default_factory=audioldm_mel)
    """What the picture is; `padding` must be same."""
    network: Autoencoder2dConfig = field(default_factory=Autoencoder2dConfig)
    """Encoder and decoder of the picture."""
    vocoder: GriffinLimConfig | HiFiGANConfig | MelGANConfig = field(
        default_factory=GriffinLimConfig
    )
    """What makes sound of a picture; never trained here (see `MelAutoencoder.with_vocoder`)."""
    mel_mean: float = 0.0
    """Taken off the log-mel values before they are encoded."""
    mel_std: float = 1.0
    """What they are divided by then."""

    def __post_init__(self) -> None:
        if self.mel.padding != "same":
            raise ValueError(
                f"mel.padding must be same, so that patches fill the sound; got {self.mel.padding}"
            )
        if self.mel.n_mels % self.network.patch:
            raise ValueError(
                f"mel.n_mels must be a multiple of the {self.network.patch} bands that become one "
                f"row, got {self.mel.n_mels}"
            )
        if self.mel_std <= 0:
            raise ValueError(f"mel_std must be positive, got {self.mel_std}")
        MelCodecConfig(mel=self.mel, decoder=self.vocoder)  # their hops must agree

    @property
    def rows(self) -> int:
        """Height of the latent picture: n_mels / patch, low frequencies first."""
        return self.mel.n_mels // self.network.patch

    @property
    def hop_length(self) -> int:
        """Samples of one column of the latent picture."""
        return self.mel.hop_length * self.network.patch


class MelAutoencoder(Codec):
    """Mono audio `(B, 1, T)` to latents `(B, D, F)` and back, through pictures.

    F = ceil(T / hop_length), and F frames decode to F * hop_length samples. A frame is one column
    of the latent picture, its channels the slow index: D = latent_channels * rows.
    """

    config: Any

    def __init__(self, config: MelAutoencoderConfig, *, moments: int = 1) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.mel.sample_rate, channels=1)
        self.sound = MelCodec(MelCodecConfig(mel=config.mel, decoder=config.vocoder))
        self.sound.requires_grad_(False)
        self.encoder = PictureEncoder(config.network, moments * config.network.latent_channels)
        self.decoder = PictureDecoder(config.network)

    @property
    def frame_rate(self) -> float:
        return float(self.config.mel.sample_rate / self.config.hop_length)

    @property
    def latent_dim(self) -> int:
        return int(self.config.network.latent_channels * self.config.rows)

    @property
    def encode_obstacle(self) -> str:
        return OBSTACLE.format("encoder")

    @property
    def decode_obstacle(self) -> str:
        return OBSTACLE.format("decoder")

    def num_frames(self, num_samples: int) -> int:
        return int(-(-num_samples // self.config.hop_length))

    def num_samples(self, num_frames: int) -> int:
        return int(num_frames * self.config.hop_length)

    def target(self, x: Tensor) -> Tensor:
        """The picture `(B, n_mels, F * patch)` of `x (B, 1, T)`, which `forward` reconstructs.

        Silence completes the last frame.

        Raises:
            ValueError: not `(B, 1, T)` with at least one sample.
        """
        missing = self.num_samples(self.num_frames(x.shape[-1])) - x.shape[-1]
        mel = self.sound.encode(F.pad(x, (0, missing)))
        return (mel - self.config.mel_mean) / self.config.mel_std

    def sound_of(self, target: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Make sound `(B, 1, F * hop_length)` of a picture `(B, n_mels, F * patch)`."""
        mel = target * self.config.mel_std + self.config.mel_mean
        return self.sound.decode(mel, rng=rng)

    def hidden(self, picture: Tensor) -> Tensor:
        """What the encoder gives for `(B, n_mels, F * patch)`: `(B, moments * D, F)`."""
        latent: Tensor = self.encoder(picture.transpose(1, 2)[:, None])
        return latent.transpose(2, 3).flatten(1, 2)

    def picture(self, latents: Tensor) -> Tensor:
        """Decode `(B, D, F)` to a picture `(B, n_mels, F * patch)`.

        Raises:
            ValueError: another number of channels.
        """
        if latents.dim() != 3 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"expected latents (B, {self.latent_dim}, F), got {tuple(latents.shape)}"
            )
        columns = latents.unflatten(1, (-1, self.config.rows)).transpose(2, 3)
        picture: Tensor = self.decoder(columns)
        return picture[:, 0].transpose(1, 2)

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Decode latents `(B, D, F)` to `(B, 1, num_samples(F))`; `rng` is Griffin-Lim's.

        Raises:
            ValueError: conditions or a gain, or another number of channels.
        """
        if conditions or gain is not None:
            raise ValueError(f"a {type(self).__name__} decodes without conditions and gain")
        # Row by row before Griffin-Lim: its search enlarges what a batch rounds otherwise.
        alone = isinstance(self.config.vocoder, GriffinLimConfig)
        rows = latents.split(1) if alone else [latents]
        return self.sound_of(torch.cat([self.picture(row) for row in rows]), rng)

    def with_vocoder(self, vocoder: MelCodec) -> Self:
        """The same autoencoder with another codec's vocoder; latents stay valid.

        Raises:
            ValueError: the vocoder speaks another kind of mel spectrogram.
        """
        self.config.mel.require(
            vocoder.config.mel, ours=type(self).__name__, theirs="the vocoder's codec"
        )
        codec = type(self)(replace(self.config, vocoder=vocoder.config.decoder))
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("sound.")}
        codec.load_state_dict(own | {f"sound.{k}": v for k, v in vocoder.state_dict().items()})
        return codec.to(next(self.encoder.parameters()).device).train(self.training)

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """The encoder and all settings but the vocoder's."""
        return replace(self.config, vocoder=GriffinLimConfig()), [self.encoder]

    @classmethod
    def with_weights(cls, config: Any, state: Mapping[str, Tensor], path: Any) -> Self:
        """Build in eval mode from weights under our names; `path` is for messages.

        Raises:
            ValueError: the weights do not fit the config.
        """
        codec = cls(config)
        try:
            codec.load_state_dict(dict(state), strict=True)
        except RuntimeError as error:
            raise ValueError(f"the weights in {path} do not fit its config: {error}") from error
        return codec.eval()
