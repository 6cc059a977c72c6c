"""Step 1: the codec contract, a representation of sound and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from ..audio import AudioSource
from ..config import to_dict
from ..hub import PretrainedModel, fingerprint_of, resolve_folder
from ..nn.bottlenecks import Bottleneck
from ..nn.streaming import Streamable
from ..spec import LatentSpec
from .long import Reader, Streams, encode_by_windows, encode_whole
from .long_decode import decode_whole, decode_windows, latent_pieces
from .streaming import part_stream

__all__ = ["Codec", "CodecConfig", "CodecOutput"]


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """What every codec's config derives from, so that a training can hold any of them."""


class CodecOutput(NamedTuple):
    """What one training pass gives."""

    losses: dict[str, Tensor]
    """The codec's own penalties by slash name (`vq/commitment`); distances are the task's."""
    metrics: dict[str, Tensor]
    """Health numbers that nobody differentiates (`vq/perplexity`)."""
    latents: Tensor
    reconstruction: Tensor | None
    """Of what `Codec.target` gives, and as large."""


class Codec(PretrainedModel, ABC):
    """Audio `(B, C, T)` to latents `(B, D, F)` and back; codes are `(B, K, F)` int64."""

    virtual: ClassVar[bool] = False
    """True when nothing in the encoder is learned: its store is an index, encoded on the fly."""
    source: AudioSource
    """All that a codec knows of files."""

    @property
    @abstractmethod
    def frame_rate(self) -> float:
        """Latent frames per second (nominal, when segments overlap)."""

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Frames that `encode` gives for this many samples."""

    @abstractmethod
    def num_samples(self, num_frames: int) -> int:
        """Samples that `decode` gives for this many frames."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Encode `(B, C, T)` to continuous latents `(B, D, num_frames(T))`; deterministic."""

    def gain(self, x: Tensor) -> Tensor | None:
        """Per-segment scales `(B, S)`, a pure function of `x`, or None."""
        return None

    @property
    def vocab(self) -> tuple[int, ...]:
        """Entries per code row; empty for continuous codecs."""
        return ()

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Turn latents `(B, D, F)` into codes `(B, K, F)`."""
        raise TypeError(f"{type(self).__name__} is continuous: it has no codes")

    def dequantize(self, codes: Tensor) -> Tensor:
        """Turn codes `(B, K, F)` into latents `(B, D, F)`; fewer rows than K are legal."""
        raise TypeError(f"{type(self).__name__} is continuous: it has no codes")

    @abstractmethod
    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Decode continuous latents `(B, D, F)` to `(B, C, num_samples(F))`."""

    @property
    def prior(self) -> Bottleneck | None:
        """What training pulls the latents to a distribution with; None where nothing does."""
        return None

    @property
    def has_prior(self) -> bool:
        """Whether there is a distribution that `sample_prior` draws from."""
        return self.prior is not None and self.prior.has_prior

    @torch.no_grad()
    def sample_prior(
        self, num_frames: int, *, batch: int = 1, rng: torch.Generator | None = None
    ) -> Tensor:
        """Draw latents `(B, D, F)` from the codec's own prior, for `decode`.

        The prior knows frames, not time: each is drawn on its own, so what decodes is a texture
        of sounds that the decoder has heard. Order in time takes a generator.

        Args:
            num_frames: frames F.
            batch: sounds B.
            rng: decides the draw.

        Raises:
            ValueError: nothing pulls these latents to a prior.
        """
        if self.prior is None or not self.prior.has_prior:
            raise ValueError(
                f"this {type(self).__name__} has no prior to sample from: train a generator on "
                "what it encodes, or a codec with a KL, MMD or sphere bottleneck"
            )
        like = next(self.parameters()).new_empty(batch, self.latent_dim, num_frames)
        return self.prior.sample(like, rng)

    @abstractmethod
    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One training pass over a batch with `x (B, C, T)`."""

    def target(self, x: Tensor) -> Tensor:
        """What `forward` reconstructs of `x (B, C, T)`: the sound itself, or a picture of it."""
        return x

    def sound_of(self, target: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The sound `(B, C, T)` of what `target` or `forward` gives, T completed to whole frames.

        Args:
            target: of `target`, or a reconstruction of it.
            rng: decides the chance of vocoders that have any.
        """
        return target

    @abstractmethod
    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """What determines `encode` and `quantize`: config values, and modules with weights."""

    @property
    def latent(self) -> LatentSpec:
        """The spec of the `acoustic` stream: codes when discrete, else latents."""
        vocab = self.vocab
        return LatentSpec(
            kind="discrete" if vocab else "continuous",
            shape=(len(vocab),) if vocab else (self.latent_dim,),
            vocab=vocab,
            frame_rate=self.frame_rate,
            fingerprint=self.fingerprint(),
        )

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """Channels D of the continuous latents."""

    def networks(self) -> dict[str, nn.Module]:
        """The networks that do the work, by `encoder` and `decoder`: what a fast mode speeds up."""
        found = {name: getattr(self, name, None) for name in ("encoder", "decoder")}
        return {
            name: part
            for name, part in found.items()
            if isinstance(part, nn.Module) and any(True for _ in part.parameters())
        }

    def encode_ragged(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Encode recordings of different lengths, exactly as one by one.

        Equal lengths share a batch; nothing is padded, since padding would change what a frame
        near the end, or behind a normalisation over time, is encoded to.

        Args:
            xs: recordings `(C, T_i)`.

        Returns:
            Latents `(D, num_frames(T_i))` in the same order.
        """
        groups: dict[int, list[int]] = {}
        for i, x in enumerate(xs):
            groups.setdefault(x.shape[-1], []).append(i)
        latents: dict[int, Tensor] = {}
        for members in groups.values():
            encoded = self.encode(torch.stack([xs[i] for i in members]))
            latents.update(zip(members, encoded, strict=True))
        return [latents[i] for i in range(len(xs))]

    def stream_specs(self) -> dict[str, LatentSpec]:
        """The named streams that step 2 writes, with their specs."""
        return {"acoustic": self.latent}

    def stream_frames(self, num_samples: int) -> dict[str, int]:
        """Frames of each named stream of so many samples."""
        return {"acoustic": self.num_frames(num_samples)}

    def streams(self, x: Tensor) -> dict[str, Tensor]:
        """The named streams of `x (B, C, T)`, each `(B, rows, frames)`."""
        latents = self.encode(x)
        return {"acoustic": self.quantize(latents) if self.vocab else latents}

    def encoder_stream(self) -> Streamable:
        """`encode` as a stream: samples `(B, C, n * chunk)` to latents, `latency` frames late.

        It starts from silence; what pads otherwise differs from it in the first frames.

        Raises:
            ValueError: it cannot stream; names the layer in the way, and what to do.
        """
        return part_stream(self, "encoder")

    def decoder_stream(self) -> Streamable:
        """`decode` as a stream: latents `(B, D, n * chunk)` to samples, `latency` samples late.

        Raises:
            ValueError: it cannot stream; names the layer in the way, and what to do.
        """
        return part_stream(self, "decoder")

    @property
    def context(self) -> int | None:
        """Frames on either side whose audio takes part in a frame; None = all of it.

        With a hop of h samples, frame i must be a function of the samples `(i - context) h` up to
        `(i + 1 + context) h`: 0 where every frame stands alone, None for recurrent encoders and
        for what is normalised over the whole signal.
        """
        return None

    @property
    def decode_context(self) -> int | None:
        """Frames on either side that take part in the sound of a frame; None = all of them."""
        return None

    @property
    def encode_obstacle(self) -> str | None:
        """What needs the whole sound before `encode` can give a frame, by name; None = nothing."""
        if self.context is not None:
            return None
        return f"the encoder of {type(self).__name__}, whose context is not finite"

    @property
    def decode_obstacle(self) -> str | None:
        """What needs all latents before `decode` can give a sample, by name; None = nothing."""
        if self.decode_context is not None:
            return None
        return f"the decoder of {type(self).__name__}, whose context is not finite"

    @property
    def chunkable(self) -> bool:
        """Whether `encode_long` runs in constant memory; if not, `encode_obstacle` says why."""
        return self.encode_obstacle is None

    @property
    def decode_chunkable(self) -> bool:
        """Whether `decode_long` runs in constant memory; if not, `decode_obstacle` says why."""
        return self.decode_obstacle is None

    def encode_long(self, read: Reader, num_samples: int, chunk_samples: int) -> Iterator[Streams]:
        """Encode a long recording piece by piece: joined, the pieces are `streams` of the whole.

        A codec of finite `context` takes overlapping windows. Any other is encoded in one piece,
        whose memory grows with the length, unless it overrides this method and `encode_obstacle`.

        Args:
            read: `read(start, count)` returns samples `(C, count)`.
            num_samples: length of the recording.
            chunk_samples: about how much to hold at a time.

        Yields:
            Consecutive pieces of every stream, `(rows, frames)`.
        """
        if self.context is None:
            yield encode_whole(self, read, num_samples)
        else:
            yield from encode_by_windows(self, read, num_samples, chunk_samples)

    def decode_long(
        self,
        pieces: Iterable[Streams],
        num_frames: int,
        chunk_frames: int,
        rng: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Decode latents that come in pieces: joined, the sound is that of the whole.

        A codec of finite `decode_context` takes overlapping windows. Any other is decoded in one
        piece, whose memory grows with the length, unless it overrides this method and
        `decode_obstacle`.

        Args:
            pieces: consecutive pieces of the streams, as `encode_long` gives them. `acoustic` may
                hold latents `(D, n)` in place of codes `(K, n)`, and `gain`, where there is one,
                may come before the frames that it is for.
            num_frames: of all pieces together.
            chunk_frames: about how much to decode at a time.
            rng: decides the chance of decoders that have any.

        Yields:
            Consecutive sound `(C, n)`, `num_samples(num_frames)` in all.

        Raises:
            ValueError: more or fewer frames than `num_frames`, or `chunk_frames` is below 1.
        """
        context = self.decode_context
        if context is None:
            yield decode_whole(self, pieces, rng)
            return
        sound = decode_windows(
            lambda latents, first: self.decode(latents, rng=rng),
            latent_pieces(self, pieces, chunk_frames),
            num_frames,
            context=context,
            hop=self.num_samples(2) - self.num_samples(1),
        )
        for y in sound:
            yield y[0]

    def decode_streams(
        self, streams: dict[str, Tensor], rng: torch.Generator | None = None
    ) -> Tensor:
        """Turn the streams of a store or a generator back into audio `(B, C, T)`."""
        acoustic = streams["acoustic"]
        latents = self.dequantize(acoustic) if self.vocab else acoustic
        return self.decode(latents, rng=rng)

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path, *, revision: str | None = None) -> Self:
        """Rebuild a codec in eval mode, also from a foreign layout that a subclass reads.

        Raises:
            FileNotFoundError: no such folder, or a file of it is missing.
            ConfigError: the config does not fit; the field's path is named.
            ValueError: another class, a pickle, or weights that do not fit.
        """
        path = resolve_folder(name_or_folder, revision=revision)
        found = cls.find_foreign(path)
        return super().from_pretrained(path) if found is None else found

    @classmethod
    def find_foreign(cls, path: Path) -> Self | None:
        """Read what others published by the imported class that knows its layout, in eval mode.

        Returns:
            None where no class below this one knows the file or folder.

        Raises:
            ValueError: a known layout that does not fit, or a pickle.
        """
        waiting: list[type[Self]] = [cls]
        while waiting:
            codec = waiting.pop()
            found = codec.read_foreign(path)
            if found is not None:
                return found.eval()
            waiting += codec.__subclasses__()
        return None

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read weights that others published, or return None for what is not this codec's."""
        return None

    def fingerprint(self) -> str:
        """SHA-256 over the encode path: a decoder fine-tune leaves it as it was."""
        config, modules = self.encode_path()
        tensors = [
            (f"{i}.{k}", t) for i, m in enumerate(modules) for k, t in m.state_dict().items()
        ]
        key = tuple((t.data_ptr(), t._version) for _, t in tensors)
        cached = getattr(self, "_fingerprint", None)
        if cached is not None and cached[0] == key:
            return str(cached[1])
        found = fingerprint_of([type(self).__name__, to_dict(config)], tensors)
        self._fingerprint = (key, found)
        return found
