"""Sound to bytes and back: what comes back is what the codec decodes of its codes."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from latentone.bitstream import BitstreamError, compress, decompress, read_streams, split
from latentone.bitstream.container import join
from latentone.bitstream.packing import packed_size
from latentone.bitstream.priors import code_uses
from latentone.codecs import (
    Codec,
    EnCodec,
    EnCodecConfig,
    IdentityWaveform,
    IdentityWaveformConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
)
from latentone.networks.seanet import SEANetConfig

KINDS = ("plain", "segments", "normalised", "mu-law")


def make(kind: str, seed: int = 0) -> Codec:
    torch.manual_seed(seed)
    if kind == "mu-law":
        return MuLawWaveform(MuLawWaveformConfig(sample_rate=8000, channels=2, levels=200)).eval()
    channels = 1 if kind == "plain" else 2
    seanet = SEANetConfig(channels=channels, latent_dim=8, num_filters=4, ratios=(4, 4, 5))
    codec = EnCodec(
        EnCodecConfig(
            sample_rate=8000,
            seanet=seanet,
            num_codebooks=3,
            codebook_size=40,
            normalize=kind != "plain",
            segment_seconds=0.2 if kind == "segments" else None,
        )
    )
    with torch.no_grad():
        spread = float(codec.encode(noise(codec, 4000)[None]).std())
    for book in codec.quantizer.codebooks:
        book.embed.normal_(std=spread)
        book.cluster_size.uniform_(0.01, 3)
    return codec.eval()


def noise(codec: Codec, samples: int, seed: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 0.2 * torch.randn(codec.source.channels, samples, generator=rng)


@pytest.mark.parametrize("entropy", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_decompressed_is_decoded(kind: str, entropy: bool) -> None:
    codec = make(kind)
    for samples in (1, 79, 80, 81, 5003):
        x = noise(codec, samples)
        y = decompress(codec, compress(codec, x, entropy=entropy))
        with torch.no_grad():
            codes = codec.quantize(codec.encode(x[None]))
            gain = codec.gain(x[None])
            expected = codec.decode(codec.dequantize(codes), gain=gain)[0, :, :samples]
        assert y.shape == x.shape
        torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_streams_come_back_exactly(kind: str) -> None:
    codec = make(kind)
    x = noise(codec, 5003)
    with torch.no_grad():
        expected = {name: value[0] for name, value in codec.streams(x[None]).items()}
    assert len(expected["acoustic"].unique()) > 10
    for entropy in (True, False):
        streams, samples = read_streams(codec, compress(codec, x, entropy=entropy))
        assert samples == 5003
        assert streams.keys() == expected.keys()
        assert torch.equal(streams["acoustic"], expected["acoustic"])
        if "gain" in streams:
            torch.testing.assert_close(streams["gain"], expected["gain"], atol=0, rtol=1e-6)


def test_fewer_codebooks() -> None:
    codec = make("plain")
    x = noise(codec, 4000)
    sizes = []
    for rows in (1, 2, 3):
        data = compress(codec, x, num_codebooks=rows, entropy=False)
        streams, _ = read_streams(codec, data)
        with torch.no_grad():
            assert torch.equal(streams["acoustic"], codec.quantize(codec.encode(x[None]), rows)[0])
        assert decompress(codec, data).shape == x.shape
        header, payloads = split(data)
        sizes.append(len(payloads["acoustic"]))
        assert sizes[-1] == packed_size(header.streams["acoustic"].vocab, 50)
    assert sizes == [38, 75, 113]
    for rows in (0, 4):
        with pytest.raises(ValueError, match="num_codebooks must be 1 to 3"):
            compress(codec, x, num_codebooks=rows)
    with pytest.raises(ValueError, match=r"expected codes \(B, 2, T\)"):
        compress(make("mu-law"), noise(make("mu-law"), 100), num_codebooks=1)


def test_bytes_depend_on_the_codes_alone() -> None:
    codec = make("plain")
    x = noise(codec, 4000)
    found = set()
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.add(compress(codec, x))
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1


def test_other_recordings_and_known_uses_save() -> None:
    codec = make("plain")
    x = torch.sin(torch.arange(16_000) * 0.3)[None] * torch.linspace(0, 1, 16_000)
    prior = [read_streams(codec, compress(codec, x.flip(1)))[0]["acoustic"]]
    data = compress(codec, x, prior=prior)
    assert len(data) < len(compress(codec, x))
    assert torch.equal(
        read_streams(codec, data, prior=prior)[0]["acoustic"],
        read_streams(codec, compress(codec, x))[0]["acoustic"],
    )
    with pytest.raises(BitstreamError, match=r"coded with the prior [0-9a-f]{16}, this is"):
        decompress(codec, data)
    with pytest.raises(BitstreamError, match="coded with the prior"):
        decompress(codec, compress(codec, x), prior=prior)
    fewer = compress(codec, x, prior=prior, num_codebooks=2)
    assert decompress(codec, fewer, prior=prior).shape == x.shape


def test_uses_are_those_of_the_codebooks() -> None:
    codec = make("plain")
    uses = code_uses(codec)
    assert uses is not None
    for row, book in zip(uses, codec.quantizer.codebooks, strict=True):
        torch.testing.assert_close(
            torch.from_numpy(row).double() / 2**16, book.cluster_size.double(), atol=2e-5, rtol=0
        )
    codec.quantizer.codebooks[0].cluster_size.fill_(float("nan"))
    codec.quantizer.codebooks[1].cluster_size.fill_(1e30)
    x = noise(codec, 800)
    assert torch.equal(decompress(codec, compress(codec, x)), decompress(codec, compress(codec, x)))
    assert code_uses(make("mu-law")) is None


def test_another_codec_is_named() -> None:
    codec, other = make("plain"), make("plain", seed=5)
    data = compress(codec, noise(codec, 500))
    with pytest.raises(BitstreamError) as caught:
        decompress(other, data)
    assert codec.fingerprint()[:16] in str(caught.value)
    assert other.fingerprint()[:16] in str(caught.value)
    for parameter in codec.decoder.parameters():  # a decoder that learned on still reads it
        torch.nn.init.normal_(parameter)
    assert decompress(codec, data).shape == (1, 500)


def test_refusals() -> None:
    identity = IdentityWaveform(IdentityWaveformConfig(sample_rate=8000))
    with pytest.raises(TypeError, match="is continuous: it has no codes to write"):
        compress(identity, torch.zeros(1, 100))
    with pytest.raises(ValueError, match="got an empty sound"):
        compress(make("plain"), torch.zeros(1, 0))


@pytest.mark.parametrize("entropy", [True, False])
def test_progress_reaches_its_end(entropy: bool) -> None:
    codec = make("plain")
    steps: list[tuple[int, int]] = []

    def told(done: int, total: int) -> None:
        steps.append((done, total))

    data = compress(codec, noise(codec, 200_000), entropy=entropy, on_step=told)
    assert steps == sorted(steps)
    assert steps[-1] == (2500 * (1 + entropy),) * 2
    assert len(steps) > 2
    steps.clear()
    decompress(codec, data, on_step=told)
    assert steps[-1:] == [(2500, 2500)] * entropy  # unpacking takes no time worth a step


CODEC = make("normalised")
STREAMS = {
    entropy: compress(CODEC, noise(CODEC, 3000), entropy=entropy) for entropy in (True, False)
}


@settings(deadline=None)
@given(st.booleans(), st.data())
def test_damage_is_told_or_nothing(entropy: bool, data: st.DataObject) -> None:
    whole = STREAMS[entropy]
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(flipped), whole[:at]):
        with pytest.raises(BitstreamError):
            read_streams(CODEC, broken)


def seal(data: bytes) -> bytes:
    """Give a changed stream checksums that fit."""
    size = struct.unpack_from("<H", data, 6)[0]
    head = bytearray(data[: size - 4])
    struct.pack_into("<QI", head, 56, len(data) - size, zlib.crc32(data[size:]))
    return bytes(head) + struct.pack("<I", zlib.crc32(bytes(head))) + data[size:]


@settings(deadline=None)
@given(st.booleans(), st.data())
def test_hostile_payloads_give_codes_in_range_or_an_error(
    entropy: bool, data: st.DataObject
) -> None:
    broken = bytearray(STREAMS[entropy])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(40, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    try:
        streams, samples = read_streams(CODEC, seal(bytes(broken)))
    except BitstreamError:
        return
    codes = streams["acoustic"]
    assert codes.shape[1] == CODEC.num_frames(samples)
    assert int(codes.min()) >= 0
    assert int(codes.max()) < 40
    assert bool(streams["gain"].isfinite().all())


@pytest.mark.parametrize("change", [-1, 0, 1])
def test_a_forged_number_of_gains_is_refused(change: int) -> None:
    codec = make("segments")
    header, payloads = split(compress(codec, noise(codec, 5003)))
    gains = header.streams["gain"].frames
    assert gains == codec.stream_frames(5003)["gain"] > 2
    frames = gains + change
    forged = replace(header.streams["gain"], frames=frames, size=4 * frames)
    header = replace(header, streams={**header.streams, "gain": forged})
    data = join(header, {**payloads, "gain": struct.pack(f"<{frames}f", *[1.0] * frames)})
    if change == 0:
        assert decompress(codec, data).shape == (2, 5003)
        return
    with pytest.raises(BitstreamError, match="frames for 5003 samples"):
        read_streams(codec, data)


def test_a_few_bytes_do_not_stand_for_hours() -> None:
    data = compress(CODEC, noise(CODEC, 8000))
    assert read_streams(CODEC, data, max_seconds=1.0)[1] == 8000
    with pytest.raises(BitstreamError, match=r"hours long.*--max-hours"):
        read_streams(CODEC, data, max_seconds=0.99)
    with pytest.raises(BitstreamError, match="hours long"):
        decompress(CODEC, data, max_seconds=0.99)


@pytest.mark.parametrize("entropy", [True, False])
@pytest.mark.parametrize("samples", [8000 * 60, 2**40, 2**63])
def test_hostile_lengths_allocate_nothing(entropy: bool, samples: int) -> None:
    broken = bytearray(STREAMS[entropy])
    struct.pack_into("<Q", broken, 48, samples)
    tracemalloc.start()
    try:
        with pytest.raises(BitstreamError, match="frames for"):
            read_streams(CODEC, seal(bytes(broken)))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
