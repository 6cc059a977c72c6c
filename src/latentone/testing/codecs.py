"""What every codec promises."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence

import torch
from torch import Tensor

from ..codecs.base import Codec
from .promises import require, require_close

__all__ = ["verify_codec"]


def verify_codec(
    codec: Codec,
    *,
    lengths: Sequence[int] = (1, 2, 3, 7, 100, 319, 320, 321, 1000, 4001),
    crop: int | None = None,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Check a codec against its contract on noise.

    Exact lengths for every T, batch == single, ragged == single, determinism, inputs left
    untouched, `gain` a pure function, specs that describe the streams, `encode_long` == `streams`,
    `decode_long` == `decode`, saved == loaded with the same fingerprint, and a training pass of the
    right shapes.

    Args:
        codec: in eval mode.
        lengths: sample counts T to try.
        crop: samples of the training pass, the last of `lengths` when None.
        tolerance: largest difference, relative to the largest value, where two ways of computing
            may round differently.
        seed: of the noise.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    rng = torch.Generator().manual_seed(seed)
    channels = codec.source.channels
    noise = [0.2 * torch.randn(2, channels, t, generator=rng) for t in lengths]
    with torch.no_grad():
        for x in noise:
            _verify_lengths(codec, x)
            _verify_batch(codec, x, tolerance)
            _verify_purity(codec, x)
            _verify_specs(codec, x)
        _verify_ragged(codec, [x[0] for x in noise] + [noise[0][1]], tolerance)
        _verify_long(codec, noise[-1])
        _verify_saved(codec, noise[-1])
    _verify_forward(codec, noise[-1][..., :crop])


def _verify_lengths(codec: Codec, x: Tensor) -> None:
    samples = x.shape[-1]
    frames = codec.num_frames(samples)
    latents = codec.encode(x)
    expected = (x.shape[0], codec.latent_dim, frames)
    require(
        tuple(latents.shape) == expected,
        f"encode of {samples} samples gives {tuple(latents.shape)}, expected {expected}",
    )
    require(bool(latents.isfinite().all()), f"latents of {samples} samples are not finite")
    require(
        codec.num_samples(frames) >= samples,
        f"{samples} samples give {frames} frames, which decode to less",
    )
    y = codec.decode(latents, gain=codec.gain(x), rng=torch.Generator().manual_seed(0))
    expected = (*x.shape[:2], codec.num_samples(frames))
    require(
        tuple(y.shape) == expected,
        f"decode of {frames} frames gives {tuple(y.shape)}, expected {expected}",
    )
    if codec.vocab:
        codes = codec.quantize(latents)
        require(
            codes.dtype == torch.int64 and codes.shape == (len(x), len(codec.vocab), frames),
            f"codes are {codes.dtype} {tuple(codes.shape)}",
        )
        top = torch.tensor(codec.vocab, device=codes.device)[:, None]
        require(bool(((codes >= 0) & (codes < top)).all()), "codes are outside the vocabulary")
        back = codec.dequantize(codes)
        require(back.shape == latents.shape, "dequantize changes the shape of the latents")


def _verify_batch(codec: Codec, x: Tensor, tolerance: float) -> None:
    latents, gain = codec.encode(x), codec.gain(x)
    y = codec.decode(latents, gain=gain, rng=torch.Generator().manual_seed(0))
    for i in range(len(x)):
        one = x[i : i + 1]
        require_close(
            codec.encode(one), latents[i : i + 1], tolerance, "encode: batch differs from single"
        )
    one_gain = None if gain is None else gain[:1]
    alone = codec.decode(latents[:1], gain=one_gain, rng=torch.Generator().manual_seed(0))
    require_close(alone, y[:1], tolerance, "decode: batch differs from single")


def _verify_purity(codec: Codec, x: Tensor) -> None:
    kept = x.clone()
    gain, latents = codec.gain(x), codec.encode(x)
    require(torch.equal(latents, codec.encode(x)), "encode is not deterministic")
    again = codec.gain(x)
    if gain is not None and again is not None:
        require(torch.equal(gain, again), "gain is not a pure function of the audio")
        require(gain.dim() == 2 and len(gain) == len(x), "gain is not (B, S)")
    codec.streams(x)
    require(torch.equal(kept, x), "encode, gain or streams changed their input")


def _verify_specs(codec: Codec, x: Tensor) -> None:
    streams, specs = codec.streams(x), codec.stream_specs()
    require(streams.keys() == specs.keys(), f"streams {set(streams)} but specs {set(specs)}")
    require(specs["acoustic"] == codec.latent, "`latent` is not the spec of `acoustic`")
    frames = {name: value.shape[-1] for name, value in streams.items()}
    told = codec.stream_frames(x.shape[-1])
    require(told == frames, f"streams have {frames} frames, `stream_frames` says {told}")
    for name, value in streams.items():
        spec = specs[name]
        require(value.shape[1] == spec.dim, f"stream {name} has not {spec.dim} rows")
        discrete = not value.is_floating_point()
        require(discrete == (spec.kind == "discrete"), f"stream {name} is not {spec.kind}")
    y = codec.decode_streams(streams, rng=torch.Generator().manual_seed(0))
    require(y.shape[-1] >= x.shape[-1], "decode_streams gives less than was encoded")


def _verify_ragged(codec: Codec, xs: list[Tensor], tolerance: float) -> None:
    for x, latents in zip(xs, codec.encode_ragged(xs), strict=True):
        require_close(
            latents, codec.encode(x[None])[0], tolerance, "encode_ragged differs from encode"
        )


def _verify_long(codec: Codec, x: Tensor) -> None:
    whole = codec.streams(x[:1])
    pieces = list(codec.encode_long(lambda a, n: x[0, :, a : a + n], x.shape[-1], 1000))
    for name, value in whole.items():
        joined = torch.cat([piece[name] for piece in pieces], dim=-1)
        require(joined.shape == value[0].shape, f"encode_long: stream {name} has another shape")
        message = f"encode_long: stream {name} differs from `streams`"
        if value.is_floating_point():
            require_close(joined, value[0], 1e-4, message)
        else:  # near ties may fall either way
            require((joined == value[0]).float().mean().item() > 0.99, message)
    y, other = (
        codec.decode_streams(whole, rng=torch.Generator().manual_seed(seed))[0] for seed in (0, 1)
    )
    frames, given = codec.num_frames(x.shape[-1]), {name: z[0] for name, z in whole.items()}
    made = list(
        codec.decode_long([given], frames, -(-frames // 3), torch.Generator().manual_seed(0))
    )
    require(
        (len(pieces) == 1 or codec.chunkable) and (len(made) == 1 or codec.decode_chunkable),
        "a codec that works in pieces names an obstacle",
    )
    joined = torch.cat(made, dim=-1)
    require(joined.shape == y.shape, "decode_long gives another shape than `decode`")
    if torch.equal(y, other):  # else chance decides, which pieces may draw otherwise
        require_close(joined, y, 1e-4, "decode_long differs from `decode`")


def _verify_saved(codec: Codec, x: Tensor) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loaded = Codec.from_pretrained(codec.save_pretrained(f"{folder}/codec"))
    require(type(loaded) is type(codec), f"a saved codec loads as {type(loaded).__name__}")
    require(loaded.config == codec.config, "a saved codec loads with another config")
    require(loaded.stream_specs() == codec.stream_specs(), "a saved codec loads with other specs")
    streams, again = codec.streams(x), loaded.to(x.device).streams(x)
    same = all(torch.equal(streams[name], again[name]) for name in streams)
    require(same, "a saved codec encodes differently once loaded")
    rngs = [torch.Generator().manual_seed(0) for _ in range(2)]
    y, back = (
        codec.decode_streams(streams, rng=rngs[0]),
        loaded.decode_streams(streams, rng=rngs[1]),
    )
    require(torch.equal(y, back), "a saved codec decodes differently once loaded")


def _verify_forward(codec: Codec, x: Tensor) -> None:
    before = codec.fingerprint()
    trained = copy.deepcopy(codec).train()
    output = trained({"x": x, "rng": torch.Generator().manual_seed(0)})
    for name, loss in output.losses.items():
        require(loss.dim() == 0 and bool(loss.isfinite()), f"loss {name} is no finite scalar")
    if output.reconstruction is not None:
        shape = codec.target(x).shape
        require(
            output.reconstruction.shape == shape, "reconstruction has another shape than its target"
        )
    require(codec.fingerprint() == before, "training a copy changed the codec")
