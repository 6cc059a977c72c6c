"""Sound to bytes and back with any discrete codec.

data = compress(codec, x)
y = decompress(codec, data)  # as long as x; what the codec decodes of its codes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..codecs.base import Codec
from ..codecs.long import Reader
from ..codecs.long_transfer import sound_of
from .container import Header, StreamHeader, join, split
from .entropy import decode_codes, encode_codes
from .errors import BitstreamError
from .packing import pack_codes, unpack_codes
from .priors import identity_of, models_of

__all__ = ["compress", "compress_long", "decompress", "decompress_long", "read_streams"]

CHUNK_SECONDS = 10.0
"""Sound that a codec encodes at a time, where it can."""

MOST_SECONDS = 12 * 3600.0
"""Sound that is decoded without being allowed to: a byte of coded silence stands for seconds."""

OnStep = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


def compress(
    codec: Codec,
    x: Tensor,
    *,
    num_codebooks: int | None = None,
    entropy: bool = True,
    prior: Sequence[Tensor] = (),
    on_step: OnStep | None = None,
) -> bytes:
    """Compress a sound `(C, T)` at the codec's rate; see `compress_long`."""
    return compress_long(
        codec,
        lambda start, count: x[:, start : start + count],
        x.shape[-1],
        num_codebooks=num_codebooks,
        entropy=entropy,
        prior=prior,
        on_step=on_step,
    )


@torch.no_grad()
def compress_long(
    codec: Codec,
    read: Reader,
    num_samples: int,
    *,
    num_codebooks: int | None = None,
    entropy: bool = True,
    prior: Sequence[Tensor] = (),
    on_step: OnStep | None = None,
) -> bytes:
    """Compress a recording piece by piece (see `Codec.encode_long`).

    Args:
        codec: discrete, in eval mode.
        read: `read(start, count)` returns samples `(C, count)` on the codec's device.
        num_samples: length of the recording.
        num_codebooks: keep only the first code rows; None keeps all.
        entropy: code with adaptive integer frequencies; False packs the codes.
        prior: codes `(K, F)` of other recordings, which entropy coding then starts from. Whoever
            decompresses needs the same.
        on_step: called with (steps done, steps in all).

    Raises:
        TypeError: the codec is continuous.
        ValueError: no samples, or as many codebooks as the codec does not have.
    """
    rows = len(codec.vocab)
    if not rows:
        raise TypeError(f"{type(codec).__name__} is continuous: it has no codes to write")
    if num_codebooks is not None and not 1 <= num_codebooks <= rows:
        raise ValueError(f"num_codebooks must be 1 to {rows}, got {num_codebooks}")
    if num_samples < 1:
        raise ValueError("expected at least one sample, got an empty sound")
    frames = codec.num_frames(num_samples)
    total = 2 * frames if entropy else frames
    pieces: dict[str, list[Tensor]] = {}
    chunk = round(CHUNK_SECONDS * codec.source.sample_rate)
    for piece in codec.encode_long(read, num_samples, chunk):
        for name, value in piece.items():
            pieces.setdefault(name, []).append(value.cpu())
        if on_step is not None:
            on_step(sum(p.shape[-1] for p in pieces["acoustic"]), total)
    streams = {name: torch.cat(values, dim=-1) for name, values in pieces.items()}
    streams["acoustic"] = streams["acoustic"][:num_codebooks]
    codec.dequantize(streams["acoustic"][None, :, :1].to(_device(codec)))  # refuses too few rows
    return _write(codec, streams, num_samples, entropy, prior, _frames_of(on_step, frames, total))


def _write(
    codec: Codec,
    streams: Mapping[str, Tensor],
    num_samples: int,
    entropy: bool,
    prior: Sequence[Tensor],
    on_frame: Callable[[int], None] | None,
) -> bytes:
    specs, payloads = codec.stream_specs(), {}
    vocabs = {name: specs[name].vocab[: len(value)] for name, value in streams.items()}
    models = models_of(codec, vocabs, prior) if entropy else {}
    identity = identity_of(models)
    for name, value in streams.items():
        if not vocabs[name]:
            payloads[name] = _float_bytes(name, value)
        elif entropy:
            report = on_frame if name == "acoustic" else None
            payloads[name] = encode_codes(value.numpy(), models[name], report)
        else:
            payloads[name] = pack_codes(value.numpy(), vocabs[name])
    header = Header(
        fingerprint=codec.fingerprint(),
        sample_rate=codec.source.sample_rate,
        channels=codec.source.channels,
        num_samples=num_samples,
        entropy=entropy,
        model=identity,
        streams={
            name: StreamHeader(
                kind="codes" if vocabs[name] else "values",
                rows=value.shape[0],
                frames=value.shape[1],
                vocab=vocabs[name],
                size=len(payloads[name]),
            )
            for name, value in streams.items()
        },
    )
    return join(header, payloads)


def read_streams(
    codec: Codec,
    data: bytes,
    *,
    prior: Sequence[Tensor] = (),
    max_seconds: float = MOST_SECONDS,
    on_step: OnStep | None = None,
) -> tuple[dict[str, Tensor], int]:
    """Read what `compress` wrote back as streams.

    Args:
        codec: with the same encoder and codebooks; its decoder may be another.
        data: the bytes.
        prior: what was given to `compress`.
        max_seconds: longer sounds are refused before anything is decoded.
        on_step: called with (steps done, steps in all).

    Returns:
        Streams `(rows, frames)`, and the length of the sound in samples.

    Raises:
        BitstreamError: no stream of ours, a damaged or too long one, or one of another codec or
            prior; both are named.
    """
    header, payloads = split(data)
    _require_codec(header, codec, max_seconds)
    vocabs = {name: stream.vocab for name, stream in header.streams.items()}
    models = models_of(codec, vocabs, prior) if header.entropy else {}
    if header.entropy and identity_of(models) != header.model:
        raise BitstreamError(
            f"the stream was coded with the prior {header.model.hex()}, this is "
            f"{identity_of(models).hex()}: give the recordings that were given to compress it, or "
            "none where none were"
        )
    streams: dict[str, Tensor] = {}
    for name, stream in header.streams.items():
        if stream.kind == "values":
            streams[name] = _float_tensor(name, stream, payloads[name])
        elif header.entropy:
            report = _frames_of(on_step if name == "acoustic" else None, 0, stream.frames)
            codes = decode_codes(payloads[name], stream.frames, models[name], report)
            streams[name] = torch.from_numpy(codes)
        else:
            codes = unpack_codes(payloads[name], stream.vocab, stream.frames)
            streams[name] = torch.from_numpy(codes)
    return streams, header.num_samples


@torch.no_grad()
def decompress(
    codec: Codec,
    data: bytes,
    *,
    rng: torch.Generator | None = None,
    on_step: OnStep | None = None,
    **how: Any,
) -> Tensor:
    """Decode what `compress` wrote, in one piece; memory grows with its length.

    Args:
        codec: as `read_streams`.
        data: the bytes.
        rng: decides the chance of decoders that have any.
        on_step: called with (steps done, steps in all).
        how: `prior` and `max_seconds`, as `read_streams`.

    Returns:
        Samples `(C, T)`, as many as were compressed.

    Raises:
        BitstreamError: as `read_streams`.
    """
    streams, num_samples = read_streams(codec, data, on_step=on_step, **how)
    device = _device(codec)
    batch = {name: value[None].to(device) for name, value in streams.items()}
    y = codec.decode_streams(batch, rng=rng)
    return y[0, :, :num_samples]


def decompress_long(
    codec: Codec,
    data: bytes,
    *,
    rng: torch.Generator | None = None,
    on_step: OnStep | None = None,
    **how: Any,
) -> Iterator[Tensor]:
    """Decode what `compress` wrote piece by piece; but for the codes, memory is constant.

    Args:
        codec: as `read_streams`.
        data: the bytes.
        rng: decides the chance of decoders that have any.
        on_step: called with (steps done, steps in all).
        how: `prior` and `max_seconds`, as `read_streams`.

    Returns:
        Consecutive sound `(C, n)`, as long as what was compressed.

    Raises:
        BitstreamError: as `read_streams`, before the first piece.
    """
    streams, num_samples = read_streams(codec, data, on_step=on_step, **how)
    device = _device(codec)
    whole = {name: value.to(device) for name, value in streams.items()}
    return sound_of(codec, iter([whole]), num_samples, rng=rng)


def _require_codec(header: Header, codec: Codec, max_seconds: float) -> None:
    """Refuse the stream of another codec, and one that would take for ever."""
    source, specs = codec.source, codec.stream_specs()
    if header.fingerprint != codec.fingerprint():
        raise BitstreamError(
            f"the stream was made with the codec {header.fingerprint[:16]} "
            f"({header.sample_rate} Hz), and {type(codec).__name__} {codec.fingerprint()[:16]} "
            f"({source.sample_rate} Hz) cannot decode it: give the model that it was made with"
        )
    theirs = (header.sample_rate, header.channels, sorted(header.streams))
    ours = (source.sample_rate, source.channels, sorted(specs))
    if theirs != ours:
        raise BitstreamError(f"expected rate, channels and streams {ours}, got {theirs}")
    for name, stream in header.streams.items():
        spec = specs[name]
        partial = name == "acoustic" and stream.rows < spec.dim
        if stream.vocab != spec.vocab[: stream.rows] or (stream.rows != spec.dim and not partial):
            raise BitstreamError(
                f"expected the stream {name!r} to be {spec.describe()}, got {stream.rows} rows "
                f"of {stream.vocab or 'values'}"
            )
    told = {name: stream.frames for name, stream in header.streams.items()}
    frames = codec.stream_frames(header.num_samples)
    if told != frames:
        raise BitstreamError(
            f"expected {frames} frames for {header.num_samples} samples, got {told}"
        )
    seconds = header.num_samples / header.sample_rate
    if seconds > max_seconds:
        raise BitstreamError(
            f"the stream says that it is {seconds / 3600:.1f} hours long, more than the "
            f"{max_seconds / 3600:g} that are allowed: if you trust it, allow more (max_seconds, "
            "--max-hours)"
        )


def _float_bytes(name: str, values: Tensor) -> bytes:
    if not bool(values.isfinite().all()):
        raise ValueError(f"the stream {name!r} of the codec is not finite")
    return values.to(torch.float32).numpy().astype("<f4").tobytes()


def _float_tensor(name: str, stream: StreamHeader, data: bytes) -> Tensor:
    values = np.frombuffer(data, dtype="<f4").reshape(stream.rows, stream.frames)
    if not np.isfinite(values).all():
        raise BitstreamError(f"the stream {name!r} holds NaN or infinity")
    return torch.from_numpy(values.astype(np.float32))


def _frames_of(on_step: OnStep | None, first: int, total: int) -> Callable[[int], None] | None:
    """Turn frames of one phase into steps of all."""
    if on_step is None:
        return None
    return lambda done: on_step(first + done, total)


def _device(codec: Codec) -> torch.device:
    parameter = next(codec.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
