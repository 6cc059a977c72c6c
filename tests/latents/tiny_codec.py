"""Small codecs and folders for the tests of the latent store, also used by their subprocesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from latentone.audio import AudioSource
from latentone.codecs.base import Codec, CodecConfig, CodecOutput
from latentone.data.manifest import Item, Manifest

RATE, HOP = 8000, 40


@dataclass(frozen=True, kw_only=True)
class TinyConfig(CodecConfig):
    """A strided convolution, and rounding when discrete."""

    vocab: tuple[int, ...] = ()
    """Entries per code row; empty for a continuous codec."""
    context: int | None = 1
    """What the codec says of itself."""


class TinyCodec(Codec):
    """Frame i sees samples `(i - 1) HOP` to `(i + 2) HOP`; the decoder is one more layer."""

    config_class = TinyConfig
    config: TinyConfig

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=RATE, channels=1)
        self.rows = len(config.vocab) or 4
        self.encoder = nn.Conv1d(1, self.rows, 3 * HOP, HOP, padding=HOP)
        self.decoder = nn.ConvTranspose1d(self.rows, 1, HOP, HOP)

    @property
    def frame_rate(self) -> float:
        return RATE / HOP

    @property
    def latent_dim(self) -> int:
        return self.rows

    @property
    def vocab(self) -> tuple[int, ...]:
        return self.config.vocab

    @property
    def context(self) -> int | None:
        return self.config.context

    def num_frames(self, num_samples: int) -> int:
        return -(-num_samples // HOP)

    def num_samples(self, num_frames: int) -> int:
        return num_frames * HOP

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(nn.functional.pad(x, (0, -x.shape[-1] % HOP)))

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        size = torch.tensor(self.config.vocab, device=latents.device)[:, None]
        unit = torch.sigmoid(8 * latents)
        return torch.minimum((unit * size).long(), size - 1)

    def dequantize(self, codes: Tensor) -> Tensor:
        return codes.float() / torch.tensor(self.config.vocab)[:, None]

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        return self.decoder(latents)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        raise NotImplementedError

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        return {"vocab": self.config.vocab}, [self.encoder]


class VirtualTiny(TinyCodec):
    """The same, encoded on the fly."""

    virtual = True


def tiny(vocab: tuple[int, ...] = (), *, seed: int = 0, context: int | None = 1) -> TinyCodec:
    torch.manual_seed(seed)
    return TinyCodec(TinyConfig(vocab=vocab, context=context)).eval()


def sound(samples: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(samples)
    return (0.3 * np.convolve(noise, np.ones(8) / 8, mode="same"))[:samples].astype(np.float32)


def write_folder(root: Path, lengths: Sequence[int], rate: int = RATE) -> Manifest:
    """Write WAV files of these lengths in samples and return their manifest."""
    root.mkdir(parents=True, exist_ok=True)
    for i, samples in enumerate(lengths):
        soundfile.write(root / f"{i:03d}.wav", sound(samples, i), rate, subtype="FLOAT")
    return manifest_of(root)


def manifest_of(root: Path) -> Manifest:
    items = []
    for i, path in enumerate(sorted(root.glob("*.wav"))):
        try:
            duration = soundfile.info(path).duration
        except soundfile.SoundFileError:
            duration = 1.0
        item = Item(
            id=path.stem,
            path=path.name,
            group=f"g{i // 2}",
            split="valid" if i % 5 == 4 else "train",
            duration=duration,
            sample_rate=RATE,
            channels=1,
            caption=f"sound {i}" if i % 2 else None,
            metadata={"bpm": 100 + i, "beats": [0.0, 0.5, 1.0]},
        )
        items.append(item)
    return Manifest(root, tuple(items))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by name."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}
