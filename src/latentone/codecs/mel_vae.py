"""The mel VAE of latent diffusion on audio: log-mel pictures as few continuous numbers.

Liu et al., "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models", 2023, and Chen et
al., "MusicLDM", 2023, after Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion
Models", 2022. Differs: the vocoder is Griffin-Lim until another is given (`with_vocoder`); the loss
has no learned variance of the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from ..dsp.mel import MelSpec
from ..nn.bottlenecks import KLBottleneck
from ..spec import LatentSpec
from .base import CodecOutput
from .mel import MelCodec
from .mel_autoencoder import MelAutoencoder, MelAutoencoderConfig

__all__ = ["LogVarianceBottleneck", "MelVAE", "MelVAEConfig"]


@dataclass(frozen=True, kw_only=True)
class MelVAEConfig(MelAutoencoderConfig):
    """A VAE over mel pictures; the default is AudioLDM's."""


class LogVarianceBottleneck(KLBottleneck):
    """The KL bottleneck of latent diffusion, whose encoder gives means and log-variances."""

    def distribution(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations `(B, D, F)` in float32; log-variances in [-30, 20]."""
        mean, log_variance = hidden.float().chunk(2, dim=1)
        return mean, (log_variance.clamp(-30, 20) / 2).exp()


class MelVAE(MelAutoencoder):
    """A picture encoder to normal distributions, and a picture decoder of samples of them.

    Shape:
        - audio `(B, 1, T)`, latents `(B, latent_channels * rows, F)`; `latent.shape` is
          `(latent_channels, rows)`.
    """

    config_class = MelVAEConfig
    config: MelVAEConfig

    def __init__(self, config: MelVAEConfig) -> None:
        super().__init__(config, moments=2)
        self.bottleneck = LogVarianceBottleneck()

    @property
    def latent(self) -> LatentSpec:
        """Continuous frames of shape `(latent_channels, rows)`."""
        return LatentSpec(
            kind="continuous",
            shape=(self.config.network.latent_channels, self.config.rows),
            frame_rate=self.frame_rate,
            fingerprint=self.fingerprint(),
        )

    def encode(self, x: Tensor) -> Tensor:
        """Means of the latents `(B, D, num_frames(T))` of `(B, 1, T)`: nothing is drawn.

        Raises:
            ValueError: not `(B, 1, T)` with at least one sample.
        """
        return self.bottleneck.encode(self.hidden(self.target(x)))

    @property
    def prior(self) -> KLBottleneck:
        return self.bottleneck

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, 1, T)`; in training the latents are drawn, by `rng` if given.

        The reconstruction is that of `target(x)`. The penalty `latent/kl` is unweighted, in nats
        per frame. `latents` of the output are the means.
        """
        hidden = self.hidden(self.target(batch["x"]))
        drawn = self.bottleneck(hidden, batch.get("rng"))
        return CodecOutput(
            losses={f"latent/{name}": loss for name, loss in drawn.losses.items()},
            metrics={f"latent/{name}": value for name, value in drawn.metrics.items()},
            latents=self.bottleneck.encode(hidden),
            reconstruction=self.picture(drawn.latents),
        )

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read a diffusers `AutoencoderKL` over pictures of one channel, or a whole pipeline.

        Of a pipeline (AudioLDM, AudioLDM 2, MusicLDM) `vae/` is read, and `vocoder/` where it is.
        """
        from .picture_layouts import find_picture, find_vocoder, read_autoencoder_kl

        found = find_picture(path, "AutoencoderKL")
        if found is None:
            return None
        codec = cls.with_weights(*read_autoencoder_kl(found), found)
        vocoder = find_vocoder(path, codec.config.mel)
        return codec if vocoder is None else codec.with_vocoder(vocoder)

    @classmethod
    def from_diffusers(
        cls,
        config: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        path: str | Path,
        mel: MelSpec | None = None,
        vocoder: MelCodec | None = None,
    ) -> Self:
        """Build from the config and state dict of a diffusers `AutoencoderKL`, in eval mode.

        Args:
            config: as in its `config.json`.
            weights: its tensors.
            path: where they are from, for messages.
            mel: what its pictures are, which its config does not tell; AudioLDM's when None.
            vocoder: what makes sound of them; Griffin-Lim when None.

        Raises:
            ValueError: a setting that there is not here, or weights that do not fit.
        """
        from .picture_layouts import convert_autoencoder_kl

        codec = cls.with_weights(*convert_autoencoder_kl(config, weights, path, mel), path)
        return codec if vocoder is None else codec.with_vocoder(vocoder)
