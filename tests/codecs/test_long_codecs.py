"""Every codec in pieces equals itself on the whole: latents and codes, and the sound of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from latentone.codecs import (
    DAC,
    RAVE,
    Autoencoder,
    AutoencoderConfig,
    Codec,
    DACConfig,
    EnCodec,
    EnCodecConfig,
    GriffinLimConfig,
    IdentityWaveform,
    IdentityWaveformConfig,
    MelCodec,
    MelCodecConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
    Oobleck,
    OobleckConfig,
    RAVEConfig,
    SoundStream,
    SoundStreamConfig,
    SpectrumCodec,
    SpectrumConfig,
    oobleck_network,
)
from latentone.codecs.autoencoder_config import GradientCodes, KLLatents
from latentone.codecs.long import reader_of
from latentone.codecs.long_decode import decode_windows, regroup
from latentone.dsp.mel import MelSpec
from latentone.networks.dac import DACNetworkConfig
from latentone.networks.hifigan import HiFiGANConfig
from latentone.networks.melgan import MelGANConfig
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_mel import MelInputConfig
from latentone.networks.rave_v1 import RAVEv1Config
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.networks.seanet import SEANetConfig, SoundStreamNetConfig
from latentone.nn.adain import AdaptiveInstanceNorm, exchange_statistics

RATE = 8000
SEANET = SEANetConfig(num_filters=4, latent_dim=8, ratios=(5, 4), kernel_size=5)
CENTRED = replace(SEANET, causal=False, pad_mode="reflect")
GROUPED = replace(CENTRED, norm="time_group_norm")
NETWORK = DACNetworkConfig(
    latent_dim=8, encoder_width=6, decoder_width=4, strides=(2, 5, 3), multiples=(2, 4, 8)
)
V2 = RAVEv2Config(capacity=4, ratios=(4, 2, 2), dilations=((1, 3), (1,), (1,)))
BANDS = RAVEConfig(sample_rate=RATE, num_bands=4, attenuation_db=60.0, latent_dim=6, network=V2)
NOISE = NoiseConfig(hidden_dim=6, ratios=(2, 2))
MEL = MelSpec(sample_rate=RATE, n_fft=128, hop_length=32, n_mels=16, padding="same")
MEL_INPUT = MelInputConfig(  # 64 samples a frame, as the decoder
    n_fft=64,
    hop_length=8,
    n_mels=10,
    network=RAVEv1Config(capacity=4, ratios=(4, 2)),
)
HIFIGAN = HiFiGANConfig(
    ratios=(8, 4),
    kernel_sizes=(16, 8),
    num_filters=16,
    residual_kernels=(3, 5),
    dilations=((1, 2), (2, 6)),
)


def encodec(seanet: SEANetConfig, **changes: object) -> EnCodecConfig:
    return EnCodecConfig(
        sample_rate=RATE,
        seanet=seanet,
        num_codebooks=3,
        codebook_size=32,
        codebook_choices=(),
        **changes,
    )


def autoencoder(latents: object, **changes: object) -> AutoencoderConfig:
    return AutoencoderConfig(sample_rate=RATE, seanet=replace(SEANET, **changes), latents=latents)


def rave(causal: bool = False, **changes: object) -> RAVEConfig:
    config = replace(BANDS, **changes)
    return replace(config, network=replace(config.network, causal=causal))


SEGMENTS = {"segment_seconds": 0.1, "overlap": 0.3, "normalize": True}
SOUNDSTREAM = SoundStreamNetConfig(num_filters=4, latent_dim=8, ratios=(5, 4))
V1 = RAVEv1Config(capacity=4, ratios=(4, 2, 2))
CODECS = {
    "encodec": (EnCodec, encodec(SEANET)),
    "encodec, centred": (EnCodec, encodec(CENTRED)),
    "encodec, segments": (EnCodec, encodec(GROUPED, **SEGMENTS)),
    "soundstream": (
        SoundStream,
        SoundStreamConfig(
            sample_rate=RATE,
            seanet=SOUNDSTREAM,
            num_codebooks=3,
            codebook_size=32,
            codebook_choices=(),
            denoising=True,
        ),
    ),
    "dac": (
        DAC,
        DACConfig(sample_rate=RATE, network=NETWORK, num_codebooks=3, codebook_size=32, code_dim=4),
    ),
    "oobleck": (
        Oobleck,
        OobleckConfig(
            sample_rate=RATE, network=oobleck_network((2, 4), (1, 2), latent_dim=6, width=6)
        ),
    ),
    "oobleck, causal": (
        Oobleck,
        OobleckConfig(
            sample_rate=RATE,
            network=oobleck_network((2, 4), (1, 2), latent_dim=6, width=6, causal=True),
        ),
    ),
    "autoencoder": (Autoencoder, autoencoder(KLLatents(), num_lstm_layers=0, causal=False)),
    "autoencoder, lstm": (Autoencoder, autoencoder(GradientCodes(codebook_size=32))),
    "rave v1": (RAVE, rave(network=V1)),
    "rave v2": (RAVE, rave(network=V2)),
    "rave v2, causal": (RAVE, rave(causal=True)),
    "rave v2, recurrent": (RAVE, rave(causal=True, gru_layers=1)),
    "rave v2, mel": (RAVE, rave(mel=MEL_INPUT)),
    "rave v2, noise": (RAVE, rave(network=replace(V2, noise=NOISE))),
    "rave v3": (RAVE, rave(channels=2, network=replace(V2, activation="snake", adain=True))),
    "rave, discrete": (
        RAVE,
        rave(regularizer="discrete", num_codebooks=3, codebook_size=16),
    ),
    "mel, hifi-gan": (MelCodec, MelCodecConfig(mel=MEL, decoder=HIFIGAN)),
    "mel, melgan": (
        MelCodec,
        MelCodecConfig(
            mel=replace(MEL, pad_mode="reflect"), decoder=MelGANConfig(ratios=(8, 4), num_filters=4)
        ),
    ),
    "spectrum": (SpectrumCodec, SpectrumConfig(sample_rate=RATE, n_fft=64, hop_length=16)),
    "samples": (IdentityWaveform, IdentityWaveformConfig(sample_rate=RATE, channels=2)),
    "mu-law": (MuLawWaveform, MuLawWaveformConfig(sample_rate=RATE)),
}
CHUNKS = {1: (1,), 41: (20, 100), 3001: (500, 2000, 10_000)}
"""Lengths of a sound, and of its pieces: shorter than what a frame hears, and longer."""
STANDALONE = {"samples", "mu-law"}  # frames that see nothing but themselves


def make(name: str) -> Codec:
    """The codec with noise in all parameters and codebooks, so that windows matter."""
    torch.manual_seed(0)
    kind, config = CODECS[name]
    codec = kind(config).eval()
    for key, value in codec.state_dict().items():
        if key.endswith(("embed", "alpha", "beta")) or (key.startswith("film") and value.ndim):
            value.add_(0.3 * torch.randn_like(value))
        elif key.endswith("inited"):
            value.fill_(True)
        elif key.endswith(".g"):  # of weight normalisation: what is far is heard, too
            value.mul_(1.5)
    for layer in codec.modules():
        if isinstance(layer, AdaptiveInstanceNorm):  # as after learning
            layer.counts.fill_(1)
            layer.statistics.add_(0.3 * torch.rand_like(layer.statistics))
    return codec


def sound(codec: Codec, samples: int, seed: int = 1) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 0.3 * torch.randn(codec.source.channels, samples, generator=rng)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def split(streams: dict[str, torch.Tensor], frames: int) -> list[dict[str, torch.Tensor]]:
    """Streams without a batch axis in pieces, with a gain all in the first."""
    pieces = [{"acoustic": part} for part in streams["acoustic"].split(frames, -1)]
    if "gain" in streams:
        pieces[0]["gain"] = streams["gain"]
    return pieces


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_pieces_equal_the_whole(name: str) -> None:
    codec = make(name)
    assert (codec.encode_obstacle, codec.decode_obstacle) == (None, None)
    assert codec.chunkable and codec.decode_chunkable
    for samples, chunks in CHUNKS.items():
        x = sound(codec, samples)
        whole = {key: value[0] for key, value in codec.streams(x[None]).items()}
        y = codec.decode_streams({k: v[None] for k, v in whole.items()}, rng=seeded())[0]
        frames = codec.num_frames(samples)
        for chunk in chunks:
            pieces = list(codec.encode_long(reader_of(x), samples, chunk))
            for key, value in whole.items():
                joined = torch.cat([piece[key] for piece in pieces], dim=-1)
                if value.is_floating_point():
                    torch.testing.assert_close(joined, value, atol=1e-5, rtol=1e-5)
                else:  # a latent half way between two codes may be rounded either way
                    assert (joined != value).float().mean() < 2e-3, key
            given = split(whole, max(1, frames // 3) if chunk % 1000 else frames)
            steps = max(1, round(chunk / RATE * codec.frame_rate))
            joined = torch.cat(list(codec.decode_long(given, frames, steps, seeded())), dim=-1)
            assert joined.shape == y.shape
            torch.testing.assert_close(joined, y, atol=1e-5 * float(y.abs().max()), rtol=1e-5)
    if name not in STANDALONE | {"encodec, segments"}:  # what is cut bluntly must be heard
        latter = whole["acoustic"][..., frames // 2 :]
        blunt = codec.decode_streams({"acoustic": latter[None]}, rng=seeded())[0]
        assert (blunt - y[:, -blunt.shape[-1] :]).abs().max() > 1e-3 * y.abs().max()


@torch.no_grad()
def test_a_round_trip_in_pieces_and_latents_in_place_of_codes() -> None:
    codec = make("encodec, segments")
    x = sound(codec, 5000)
    y = codec.decode_streams(codec.streams(x[None]))[0]
    frames = codec.num_frames(5000)
    for chunk in (500, 5000):
        pieces = codec.encode_long(reader_of(x), 5000, chunk)
        made = torch.cat(list(codec.decode_long(pieces, frames, 7)), dim=-1)
        torch.testing.assert_close(made, y, atol=1e-5, rtol=1e-5)
        latents = (
            {**piece, "acoustic": codec.dequantize(piece["acoustic"][None])[0]}
            for piece in codec.encode_long(reader_of(x), 5000, chunk)
        )
        made = torch.cat(list(codec.decode_long(latents, frames, 7)), dim=-1)
        torch.testing.assert_close(made, y, atol=1e-5, rtol=1e-5)
    codes = [{"acoustic": codec.streams(x[None])["acoustic"][0]}]
    unlevelled = torch.cat(list(codec.decode_long(codes, frames, 7)), dim=-1)
    torch.testing.assert_close(
        unlevelled, codec.decode_streams({"acoustic": codes[0]["acoustic"][None]})[0]
    )
    few = [{**codes[0], "gain": torch.ones(1, 2)}]
    with pytest.raises(ValueError, match="a gain for segment 2, got 2 gains"):
        list(codec.decode_long(few, frames, 7))


@torch.no_grad()
def test_what_needs_the_whole_is_named_and_still_works() -> None:
    torch.manual_seed(0)
    grouped = EnCodec(encodec(GROUPED)).eval()
    levelled = EnCodec(encodec(SEANET, normalize=True)).eval()
    searched = MelCodec(MelCodecConfig(mel=MEL, decoder=GriffinLimConfig(iterations=2))).eval()
    stack = Autoencoder(autoencoder(KLLatents(), norm="time_group_norm", causal=False)).eval()
    for codec, encode, decode in (
        (grouped, "time_group_norm", "time_group_norm"),
        (stack, "time_group_norm", "time_group_norm"),
        (levelled, "level of the whole sound", None),
        (searched, None, "Griffin-Lim"),
    ):
        for obstacle, named in ((codec.encode_obstacle, encode), (codec.decode_obstacle, decode)):
            assert (obstacle is None) == (named is None)
            assert named is None or named in str(obstacle)
        assert (codec.chunkable, codec.decode_chunkable) == (encode is None, decode is None)
        x = sound(codec, 2000)
        y = codec.decode_streams(codec.streams(x[None]), rng=seeded())[0]
        pieces = codec.encode_long(reader_of(x), 2000, 500)
        made = list(codec.decode_long(pieces, codec.num_frames(2000), 9, seeded()))
        assert (len(made) == 1) == (decode is not None)
        torch.testing.assert_close(torch.cat(made, dim=-1), y, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_adaptive_normalisation_learns_from_the_whole() -> None:
    codec = make("rave v3")
    x = sound(codec, 4000)
    with exchange_statistics(codec, "source"):
        assert "adaptive instance normalisation" in str(codec.encode_obstacle)
        assert not codec.chunkable and not codec.decode_chunkable
        pieces = list(codec.encode_long(reader_of(x), 4000, 100))
        assert len(pieces) == 1
        assert len(list(codec.decode_long(pieces, codec.num_frames(4000), 3))) == 1
    assert codec.chunkable


@torch.no_grad()
def test_noise_is_the_same_in_windows_that_overlap() -> None:
    torch.manual_seed(0)
    channels = RAVE(rave(regularizer="wasserstein", noise_channels=16)).eval()
    branch = make("rave v2, noise")
    for codec in (branch, channels):
        z = [{"acoustic": torch.randn(6, 90)}]
        silent = codec.decode(z[0]["acoustic"][None], rng=seeded())
        codec.decoder.noisy = False
        assert (silent - codec.decode(z[0]["acoustic"][None])).abs().max() > 1e-5
        codec.decoder.noisy = True
        made = [torch.cat(list(codec.decode_long(z, 90, n, seeded())), dim=-1) for n in (90, 90)]
        assert torch.equal(*made)
        unseeded = [torch.cat(list(codec.decode_long(z, 90, 20)), dim=-1) for _ in range(2)]
        assert not torch.equal(*unseeded)
    cut = [torch.cat(list(branch.decode_long(z, 90, n, seeded())), dim=-1) for n in (1, 4, 33)]
    for y in cut[1:]:  # the branch draws frame by frame, however the frames are cut
        torch.testing.assert_close(y, cut[0], atol=1e-6, rtol=1e-5)


def test_windows_are_as_long_as_they_must_be() -> None:
    """Three taps and a hop of two; one frame less of context is heard."""
    rng = torch.Generator().manual_seed(0)
    z, taps = (torch.randn(shape, generator=rng) for shape in ((1, 1, 23), (1, 1, 3)))

    def decode(window: torch.Tensor, first: int) -> torch.Tensor:
        torch.testing.assert_close(window, z[..., first : first + window.shape[-1]])
        y = torch.nn.functional.conv1d(window, taps, padding=1)
        return y.repeat_interleave(2, dim=-1)

    def run(size: int, context: int, frames: int = 23) -> torch.Tensor:
        pieces = z.split(size, dim=-1)
        return torch.cat(list(decode_windows(decode, pieces, frames, context=context, hop=2)), -1)

    for size in (1, 2, 7, 22, 23, 40):
        torch.testing.assert_close(run(size, 1), decode(z, 0))
        torch.testing.assert_close(run(size, 5), decode(z, 0))
        if size < 22:
            assert (run(size, 0) - decode(z, 0)).abs().max() > 1e-2
    for frames in (22, 24):
        with pytest.raises(ValueError, match=rf"expected {frames} frames of latents, got 23"):
            run(7, 1, frames)


@pytest.mark.parametrize("sizes", [(3, 3, 1), (1,) * 9, (20, 1), (5, 11, 2)])
@pytest.mark.parametrize("frames", [1, 4, 30])
def test_pieces_are_cut_anew(sizes: tuple[int, ...], frames: int) -> None:
    x = torch.arange(2 * sum(sizes)).reshape(2, -1)
    pieces = list(regroup(x.split(sizes, dim=-1), frames))
    assert torch.equal(torch.cat(pieces, dim=-1), x)
    assert all(piece.shape[-1] == frames for piece in pieces[:-1])
    assert 1 <= pieces[-1].shape[-1] <= frames


def test_frames_that_are_missing_or_too_many_are_refused(tmp_path: Path) -> None:
    codec = make("dac")
    z = [{"acoustic": torch.zeros(8, 20)}]
    for frames in (19, 21):
        with pytest.raises(ValueError, match=f"expected {frames} frames of latents, got 20"):
            list(codec.decode_long(z, frames, 6))
    with pytest.raises(ValueError, match="chunk_frames must be at least 1, got 0"):
        list(codec.decode_long(z, 20, 0))
