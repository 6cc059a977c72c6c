"""Every codec of every recipe that can be causal, narrow: steps equal offline, delays are true.

Widths are cut, kernels, strides, dilations, filter banks and rates are those of the recipe. Where a
network has a switch `causal` that its recipe leaves off, it is turned on here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

import latentone.systems
from latentone.codecs import (
    EnCodec,
    IdentityWaveform,
    IdentityWaveformConfig,
    MelCodec,
    MelCodecConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
    SpectrumCodec,
    SpectrumConfig,
    encodec_48khz,
)
from latentone.codecs.base import Codec, CodecConfig
from latentone.codecs.mel_config import speecht5_mel
from latentone.codecs.rave_config import rave_v1, rave_v2_raw, rave_v2_small
from latentone.codecs.streaming import StreamSpec, stream_spec
from latentone.hub import PretrainedModel
from latentone.networks.hifigan import HiFiGANConfig
from latentone.networks.melgan import MelGANConfig
from latentone.nn.snake import Snake, SnakeBeta
from latentone.nn.streaming import Streamable
from latentone.testing import verify_streaming

NARROW: dict[str, Any] = {
    "num_filters": 4,
    "encoder_width": 4,
    "decoder_width": 4,
    "capacity": 4,
    "hidden_dim": 4,
    "latent_dim": 4,
    "noise_channels": 2,
    "num_codebooks": 2,
    "codebook_size": 16,
    "codebook_choices": (),
    "code_dim": 4,
}


def narrow(config: Any, causal: bool = True) -> Any:
    """The same shape with few channels, padded by zeros as a stream begins."""
    changes: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            changes[f.name] = narrow(value, causal)
        elif f.name in NARROW and value:
            changes[f.name] = NARROW[f.name]
        elif f.name == "causal":
            changes[f.name] = causal
        elif f.name == "pad_mode":
            changes[f.name] = "constant"
    if isinstance(config, HiFiGANConfig):
        changes["num_filters"] = 2 ** len(config.ratios)
    return replace(config, **changes)


def switches(config: Any) -> list[bool]:
    """The values of all fields `causal`."""
    values = [getattr(config, f.name) for f in fields(config)]
    inner = [switch for value in values if is_dataclass(value) for switch in switches(value)]
    return [*inner, config.causal] if hasattr(config, "causal") else inner


def kind_of(config: CodecConfig) -> type[Codec]:
    """The codec that has this config."""
    waiting: list[type[Any]] = [PretrainedModel]
    while waiting:
        kind = waiting.pop()
        if getattr(kind, "config_class", None) is type(config):
            return kind
        waiting += kind.__subclasses__()
    raise LookupError(type(config).__name__)


def streaming_configs() -> Iterator[tuple[str, CodecConfig]]:
    """Each different narrow config of all recipes once, under the name of the first."""
    seen: list[Any] = []
    for module in pkgutil.iter_modules(latentone.systems.__path__):
        recipes = getattr(
            importlib.import_module(f"latentone.systems.{module.name}"), "RECIPES", {}
        )
        for size, recipe in recipes.items():
            stage = getattr(recipe(), "codec", None)
            config = getattr(getattr(stage, "task", None), "model", None)
            if not isinstance(config, CodecConfig) or not switches(config):
                continue
            if getattr(config, "segment_seconds", None) is not None or getattr(
                config, "normalize", False
            ):
                continue  # whole segments, see below
            seanet = getattr(config, "seanet", None)
            if getattr(seanet, "norm", None) == "time_group_norm":
                continue
            small = narrow(config)
            if small not in seen:
                seen.append(small)
                yield f"{module.name}-{size}", small
    yield "rave-v1-causal", narrow(rave_v1())
    yield "rave-v2_small-causal", narrow(rave_v2_small())
    yield "rave-v2_raw-causal", narrow(rave_v2_raw())


CONFIGS = dict(streaming_configs())
EXPECTED = {"encodec", "soundstream", "rave", "dac", "oobleck", "autoencoder", "vae", "vqvae"}
EXPECTED |= {"hifigan", "melgan"}


def some_fast() -> Iterator[Any]:
    """The first of every system and RAVE's live one are fast enough for every day."""
    systems: set[str] = {"rave"}
    for name in CONFIGS:
        system = name.partition("-")[0]
        fast = system not in systems or name in ("rave-low_latency", "rave-v1-causal")
        systems.add(system)
        yield pytest.param(name, marks=() if fast else pytest.mark.slow)


ALL = pytest.mark.parametrize("name", list(some_fast()))


def make(config: CodecConfig) -> Codec:
    """A codec with random weights and Snakes, without chance in its decoder."""
    torch.manual_seed(0)
    codec = kind_of(config)(config).eval()
    for layer in codec.modules():
        if isinstance(layer, Snake | SnakeBeta):
            for parameter in layer.parameters():
                parameter.data = torch.rand_like(parameter) + 0.5
        if hasattr(layer, "noisy"):
            layer.noisy = False
        if type(layer).__name__ == "FiLM":
            for parameter in layer.parameters():
                parameter.data = torch.randn_like(parameter) / 2
    return codec


def hop_of(codec: Codec) -> int:
    return codec.num_samples(2) - codec.num_samples(1)


def sound(codec: Codec, frames: int) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    return 0.3 * torch.randn(1, codec.source.channels, frames * hop_of(codec), generator=rng)


def run(stream: Streamable, x: Tensor, chunks: int) -> Tensor:
    """Every output of a stream, in steps of so many of its chunks."""
    state, out = stream.initial_state(len(x)), []
    for piece in x.split(chunks * stream.chunk, dim=-1):
        y, state = stream.step(piece, state)
        out.append(y)
    return torch.cat(out, dim=-1)


def test_all_systems_are_here():
    assert {name.partition("-")[0] for name in CONFIGS} >= EXPECTED


@ALL
@torch.inference_mode()
def test_steps_equal_offline(name):
    """Chunks of 1, 2, 3, 8 and 64 frames, mixed ones, states that are data, no look ahead."""
    codec = make(CONFIGS[name])
    frames = 66
    x = sound(codec, frames)
    encoder, decoder = codec.encoder_stream(), codec.decoder_stream()
    assert (encoder.chunk, decoder.chunk) == (hop_of(codec), 1)
    latents = codec.encode(x)
    if isinstance(codec, MelCodec):
        # Its latency is in frames, and its ends are padded: the contract below, without them.
        inside = slice(encoder.latency, frames - 2 * encoder.latency)
        for chunks in (1, 2, 3, 8, 64):
            got = run(encoder, x, chunks)[..., encoder.latency :][..., inside]
            assert (got - latents[..., inside]).abs().max() < 1e-5 * latents.abs().max()
    else:
        verify_streaming(codec.encode, encoder, x)
    verify_streaming(codec.decode, decoder, latents)


@ALL
@torch.inference_mode()
def test_the_reported_delay_is_the_true_one(name):
    """What changes in frame k is heard from the first block after it on, and never before.

    With `steps_equal_offline` that pins the delay: the stream is the offline sound moved by
    `latency`, and it begins to answer in the very block in which it was asked.
    """
    codec = make(CONFIGS[name])
    hop, at, frames = hop_of(codec), 20, 40
    spec = stream_spec(codec)
    encoder, decoder = codec.encoder_stream(), codec.decoder_stream()
    assert spec.chunk == hop
    assert spec.delay == encoder.latency * hop + decoder.latency
    assert spec.latency_ms == pytest.approx(1000 * (hop + spec.delay) / codec.source.sample_rate)
    x = sound(codec, frames)
    other = x.clone()
    other[..., at * hop] += 1.0
    latents, moved = run(encoder, x, 1), run(encoder, other, 1)
    changed = (latents - moved).abs().amax(dim=(0, 1)).nonzero().flatten()
    # A stream that waits for more than its own chunk (mel windows) still answers in the next.
    assert changed[0] == at
    impulse = latents.clone()
    impulse[..., at] += 1.0
    y, z = run(decoder, latents, 1), run(decoder, impulse, 1)
    heard = (y - z).abs().amax(dim=(0, 1)).nonzero().flatten()
    assert at * hop <= heard[0] < (at + 1) * hop


@torch.inference_mode()
def test_mel_frames_in_the_middle_of_their_windows_stream_too():
    codec = MelCodec(MelCodecConfig(mel=speecht5_mel())).eval()
    stream = codec.encoder_stream()
    assert (stream.chunk, stream.latency) == (256, 1)  # 1024 samples, 256 of them its hop's
    x = sound(codec, 40)
    expected = codec.encode(x)[..., 2:38]  # the ends are mirrored, or come later
    for chunks in (1, 2, 3, 8):
        got = run(stream, x, chunks)[..., stream.latency :][..., 2:38]
        assert (got - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("kind", "config", "named"),
    [
        (EnCodec, narrow(encodec_48khz(), False), "level of a whole segment"),
        (
            EnCodec,
            replace(narrow(encodec_48khz(), False), segment_seconds=None, normalize=False),
            "encoder.layers.0: a centred convolution sees the future",
        ),
        (MelCodec, MelCodecConfig(), "Griffin-Lim"),
        (
            MelCodec,
            MelCodecConfig(decoder=HiFiGANConfig(num_filters=16)),
            "decoder.conv_pre: a centred convolution sees the future",
        ),
        (
            MelCodec,
            MelCodecConfig(decoder=MelGANConfig(num_filters=2)),
            "decoder.layers.0: a centred convolution sees the future",
        ),
        (SpectrumCodec, SpectrumConfig(), "SpectrumCodec"),
    ],
)
def test_what_cannot_stream_names_the_layer(kind, config, named):
    with pytest.raises(ValueError, match="cannot stream") as error:
        stream_spec(kind(config))
    assert named in str(error.value)
    assert "latentone train" in str(error.value)


def test_the_waveform_streams_as_it_is():
    for codec in (
        IdentityWaveform(IdentityWaveformConfig(channels=2)),
        MuLawWaveform(MuLawWaveformConfig(channels=2)),
    ):
        assert stream_spec(codec) == StreamSpec(sample_rate=16_000, chunk=1, delay=0)
        x = torch.rand(1, 2, 7) - 0.5
        assert torch.equal(run(codec.encoder_stream(), x, 3), codec.encode(x))
        latents = codec.encode(x)
        assert torch.equal(run(codec.decoder_stream(), latents, 3), codec.decode(latents))
