"""The mel codec: log-mel spectrograms as latents, and a vocoder that makes sound of them.

The encoder computes and learns nothing, so that latents stay valid whatever decodes them:
Griffin-Lim (1984), MelGAN (Kumar et al., 2019) or HiFi-GAN (Kong et al., 2020). Differs: the
magnitude of a bin is not floored at 3e-5, as HiFi-GAN's front end does; recordings that are no
whole number of hops get one more frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..audio import AudioSource
from ..dsp.griffin_lim import GriffinLim, MelToLinear, random_phases
from ..dsp.mel import Mel, MelSpec
from ..dsp.stft import STFT
from ..networks.hifigan import HiFiGAN, HiFiGANConfig
from ..networks.melgan import MelGAN
from ..nn.conv import pad1d
from ..nn.streaming import Streamable
from ..nn.weight_norm import fold_weight_norm
from ..nn.windows import context, overlap_save
from .base import Codec, CodecOutput
from .mel_config import GriffinLimConfig, MelCodecConfig
from .mel_stream import MelStream

__all__ = ["GriffinLimDecoder", "MelCodec"]

WINDOW = 2**16
"""Samples that a vocoder makes at a time where no gradient is asked for: bounds the memory."""


class GriffinLimDecoder(nn.Module):
    """Mel spectrogram `(B, n_mels, F)` to audio `(B, 1, F * hop_length)` by a search for phases."""

    def __init__(self, spec: MelSpec, config: GriffinLimConfig) -> None:
        super().__init__()
        self.spec = spec
        self.to_linear = MelToLinear(spec)
        stft = STFT(
            spec.n_fft,
            spec.hop_length,
            spec.win_length,
            padding=spec.padding,
            normalized=spec.normalized,
        )
        self.search = GriffinLim(stft, iterations=config.iterations, momentum=config.momentum)

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Start from random phases, which `rng` draws once for all rows.

        Row by row: the search carries what a batch rounds otherwise into all that follows.
        """
        length = x.shape[-1] * self.spec.hop_length
        with torch.autocast(x.device.type, enabled=False):
            x = x if x.dtype == torch.float64 else x.float()
            phases = random_phases(x.new_empty(self.spec.n_fft // 2 + 1, x.shape[-1]), rng)
            found = [self.search(self.to_linear(row), length, phases=phases) for row in x]
        return torch.stack(found)[:, None]


class MelCodec(Codec):
    """Mono audio `(B, 1, T)` to log-mel frames `(B, n_mels, F)` and back.

    Frames are those of `MelSpec`, F = ceil(T / hop) with padding `same`, 1 + T // hop with
    `center`; F frames decode to F * hop samples.
    """

    virtual = True
    config_class = MelCodecConfig
    config: MelCodecConfig

    def __init__(self, config: MelCodecConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.mel.sample_rate, channels=1)
        self.mel = Mel(replace(config.mel, padding="none"))
        bands = config.mel.n_mels
        self.decoder: nn.Module
        if isinstance(config.decoder, GriffinLimConfig):
            self.decoder = GriffinLimDecoder(config.mel, config.decoder)
        elif isinstance(config.decoder, HiFiGANConfig):
            self.decoder = HiFiGAN(bands, config.decoder)
        else:
            self.decoder = MelGAN(bands, config.decoder)

    @property
    def frame_rate(self) -> float:
        return self.config.mel.frame_rate

    @property
    def latent_dim(self) -> int:
        return self.config.mel.n_mels

    def num_frames(self, num_samples: int) -> int:
        hop = self.config.mel.hop_length
        if self.config.mel.padding == "center":
            return 1 + num_samples // hop
        return -(-num_samples // hop)

    def num_samples(self, num_frames: int) -> int:
        return num_frames * self.config.mel.hop_length

    @property
    def context(self) -> int:
        """What the window reaches over; one hop more where the ends are mirrored.

        The last frame may hold a single sample of its own, and then as much mirrored sound as the
        window has behind it.
        """
        spec = self.config.mel
        left = spec.n_fft // 2 if spec.padding == "center" else (spec.n_fft - spec.hop_length) // 2
        reach = max(left, spec.n_fft - left - spec.hop_length)
        return -(-reach // spec.hop_length) + (spec.pad_mode == "reflect")

    @property
    def decode_context(self) -> int | None:
        """Frames on either side that take part in a frame's sound; None for Griffin-Lim."""
        if isinstance(self.decoder, GriffinLimDecoder):
            return None
        return max(context(self.decoder))

    @property
    def decode_obstacle(self) -> str | None:
        if self.decode_context is not None:
            return None
        return "Griffin-Lim, which searches for the phases of all frames at once"

    def encoder_stream(self) -> Streamable:
        return MelStream(self.mel, self.config.mel)

    def encode(self, x: Tensor) -> Tensor:
        """Log-mel frames `(B, n_mels, num_frames(T))` of `x (B, 1, T)`.

        Raises:
            ValueError: not `(B, 1, T)` with at least one sample.
        """
        if x.dim() != 3 or x.shape[1] != 1 or x.shape[2] < 1:
            raise ValueError(f"expected audio (B, 1, T) with T at least 1, got {tuple(x.shape)}")
        spec, samples = self.config.mel, x.shape[-1]
        left = right = spec.n_fft // 2
        if spec.padding == "same":
            left = (spec.n_fft - spec.hop_length) // 2
            whole = (self.num_frames(samples) - 1) * spec.hop_length + spec.n_fft
            right = whole - left - samples
        # Unlike `Mel`, this mirrors signals that are shorter than what they are padded by.
        return self.mel(pad1d(x, left, right, spec.pad_mode))[:, 0]

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Make sound `(B, 1, num_samples(F))` of frames `(B, n_mels, F)`.

        Where no gradient is asked for, a vocoder runs window by window, exactly; Griffin-Lim
        searches for all phases at once, and its memory grows with F.

        Args:
            latents: of `encode`, or of a generator.
            conditions: must be None: the decoder takes none.
            gain: must be None: the level is in the latents.
            rng: draws Griffin-Lim's first phases; vocoders draw nothing.

        Raises:
            ValueError: conditions, a gain, or another number of bands.
        """
        if conditions or gain is not None:
            raise ValueError("a mel codec decodes frames alone, without conditions or gain")
        if latents.dim() != 3 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"expected latents (B, {self.latent_dim}, F), got {tuple(latents.shape)}"
            )
        if isinstance(self.decoder, GriffinLimDecoder):
            return self.decoder(latents, rng)
        if torch.is_grad_enabled():
            return self.decoder(latents)
        return _window_by_window(self.decoder, latents, self.config.mel.hop_length)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over `x (B, 1, T)`; the codec has no penalties of its own."""
        latents = self.encode(batch["x"])
        y = self.decode(latents, rng=batch.get("rng"))
        return CodecOutput({}, {}, latents, y[..., : batch["x"].shape[-1]])

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """The mel settings alone: nothing is learned."""
        return self.config.mel, []

    def fold_weight_norm(self) -> Self:
        """Compute normalised weights once for faster inference; `train()` undoes it."""
        fold_weight_norm(self)
        return self

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read a HiFi-GAN: its first release's files, or a folder in the transformers layout; or
        the folder of a MelGAN's first release (`best_netG.pt`).
        """
        from .hifigan_layouts import (
            find_original,
            is_transformers_layout,
            read_original,
            read_transformers,
        )

        original = find_original(path)
        if original is not None:
            return cls._with_weights(*read_original(original), original)
        if is_transformers_layout(path):
            return cls._with_weights(*read_transformers(path), path)
        from .melgan_layouts import find_melgan

        melgan = find_melgan(path)
        return None if melgan is None else cls.from_melgan(melgan)

    @classmethod
    def from_melgan(cls, path: str | Path, mel: MelSpec | None = None) -> Self:
        """Read a generator file of MelGAN's first release in eval mode.

        Args:
            path: `best_netG.pt`, `linda_johnson.pt` ..., a state dict of tensors.
            mel: what it was trained on, which the file does not tell; the published front end
                (`melgan_mel`) when None.

        Raises:
            ValueError: the file holds more than tensors, or weights that do not fit.
        """
        from .melgan_layouts import read_melgan

        return cls._with_weights(*read_melgan(Path(path), mel), path)

    @classmethod
    def from_transformers(
        cls,
        config: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        path: str | Path,
        mel: MelSpec | None = None,
    ) -> Self:
        """Build from the config and state dict of a transformers `SpeechT5HifiGan`, in eval mode.

        Args:
            config: as in its `config.json`.
            weights: its tensors.
            path: where they are from, for messages.
            mel: what it was trained on, which its config does not tell; SpeechT5's when None.

        Raises:
            ValueError: weights or mel spectrograms that do not fit.
        """
        from .hifigan_layouts import convert_transformers

        return cls._with_weights(*convert_transformers(config, weights, path, mel), path)

    @classmethod
    def _with_weights(cls, config: MelCodecConfig, state: dict[str, Tensor], path: Any) -> Self:
        model = cls(config)
        try:
            model.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise ValueError(f"the weights in {path} do not fit its config: {error}") from error
        return model.eval()


def _window_by_window(vocoder: nn.Module, latents: Tensor, hop_length: int) -> Tensor:
    frames = max(WINDOW // (hop_length * len(latents)), 4 * (1 + sum(context(vocoder))))
    if latents.shape[-1] <= frames:
        return vocoder(latents)
    pieces = iter(latents.split(frames, dim=-1))
    return torch.cat(list(overlap_save(vocoder, pieces, latents.shape[-1])), dim=-1)
