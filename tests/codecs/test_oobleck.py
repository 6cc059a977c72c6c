"""Oobleck: the codec contract, the published size, windows, and parity with diffusers."""

import json
import pickle
import re
import warnings
from dataclasses import replace

import pytest
import torch
from dac_models import enliven
from safetensors.torch import save_file
from test_dac_original import Payload

from latentone.codecs import (
    Codec,
    Oobleck,
    OobleckConfig,
    decode_by_windows,
    oobleck_44khz,
    oobleck_network,
)
from latentone.config import ConfigError
from latentone.testing import verify_codec, verify_streaming


def small(strides=(2, 4, 8), **changes) -> OobleckConfig:
    """The same topology, narrow and short."""
    multiples = (1, *(2**i for i in range(1, len(strides))))
    network = oobleck_network(strides, multiples, latent_dim=4, width=8)
    return OobleckConfig(sample_rate=8_000, network=replace(network, **changes))


def make(config: OobleckConfig, seed: int = 0) -> Oobleck:
    torch.manual_seed(seed)
    codec = Oobleck(config).eval()
    enliven(codec)
    return codec


def noise(codec, batch, frames):
    rng = torch.Generator().manual_seed(1)
    samples = frames * codec.config.network.hop_length
    return 0.5 * torch.randn(batch, codec.source.channels, samples, generator=rng)


@pytest.mark.parametrize("strides", [(2, 4, 8), (2, 5, 3)])
def test_it_keeps_the_codec_contract(strides):
    verify_codec(make(small(strides)), lengths=(1, 2, 29, 30, 65, 1999))


def test_causal_and_mono_keep_it_and_stream():
    codec = make(small(causal=True, channels=1))
    verify_codec(codec, lengths=(1, 63, 65, 1999))
    x = noise(codec, 2, 66)
    with torch.no_grad():
        verify_streaming(codec.encode, means_of(codec), x)
        verify_streaming(codec.decode, codec.decoder, codec.encode(x))


def means_of(codec):
    """The encoder with the mean alone: what streams is the same."""

    class Means:
        chunk, latency = codec.encoder.chunk, codec.encoder.latency

        def initial_state(self, batch):
            return codec.encoder.initial_state(batch)

        def step(self, x, state):
            hidden, state = codec.encoder.step(x, state)
            return codec.bottleneck.encode(hidden), state

    return Means()


def test_the_published_size():
    with torch.device("meta"):
        codec = Oobleck(oobleck_44khz())
        audio = codec.decoder(torch.empty(1, 64, 3))
    parts = [sum(p.numel() for p in m.parameters()) for m in (codec.encoder, codec.decoder)]
    assert parts == [77_989_888, 78_122_626] and sum(parts) == 156_112_514
    assert sum(p.numel() for p in codec.parameters()) == sum(parts)
    assert audio.shape == (1, 2, 3 * 2048)
    assert codec.frame_rate == pytest.approx(21.533, abs=1e-3)
    assert codec.num_frames(65_536) == 32 and codec.latent_dim == 64


def test_latents_are_drawn_in_training_alone():
    codec = make(small())
    batch = {"x": noise(codec, 2, 10)[..., :-7]}

    def run(seed):
        return codec({**batch, "rng": torch.Generator().manual_seed(seed)})

    assert torch.equal(run(0).reconstruction, run(1).reconstruction)
    codec.train()
    output = run(0)
    assert torch.equal(run(0).reconstruction, output.reconstruction)
    assert not torch.equal(run(1).reconstruction, output.reconstruction)
    assert torch.equal(output.latents, codec.encode(batch["x"]))
    assert set(output.losses) == {"latent/kl"}
    loss = (output.reconstruction - batch["x"]).square().mean() + output.losses["latent/kl"]
    loss.backward()
    silent = [name for name, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@pytest.mark.parametrize("strides", [(2, 4, 8), (2, 5, 3)])
def test_windows_equal_the_whole(strides):
    codec = make(small(strides))
    hop = codec.config.network.hop_length
    x = noise(codec, 1, 50)[..., :-7]
    with torch.no_grad():
        whole = codec.encode(x)
        pieces = codec.encode_long(lambda a, n: x[0, :, a : a + n], x.shape[-1], 9 * hop)
        joined = torch.cat([piece["acoustic"] for piece in pieces], -1)
        torch.testing.assert_close(joined, whole[0], atol=1e-5, rtol=1e-5)
        sound = torch.cat(list(decode_by_windows(codec, whole, 9)), -1)
        torch.testing.assert_close(sound, codec.decode(whole), atol=1e-5, rtol=1e-5)


def test_wrong_input_is_refused():
    codec = make(small())
    with pytest.raises(ValueError, match=r"expected audio \(B, 2, T\)"):
        codec.encode(torch.zeros(1, 1, 100))
    with pytest.raises(ValueError, match="without conditions and gain"):
        codec.decode(torch.zeros(1, 4, 3), gain=torch.ones(1, 1))
    with pytest.raises(TypeError, match="continuous"):
        codec.quantize(torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match="moments must be 2"):
        small(moments=1)


# Weights that others wrote.


def peer_of(**changes):
    """A diffusers model with noise in every parameter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what torch deprecates
        diffusers = pytest.importorskip("diffusers", reason="parity needs diffusers")
        torch.manual_seed(0)
        settings = {
            "encoder_hidden_size": 8,
            "downsampling_ratios": [2, 4, 8],
            "channel_multiples": [1, 2, 4],
            "decoder_channels": 6,
            "decoder_input_channels": 4,
        }
        peer = diffusers.AutoencoderOobleck(**settings | changes).eval()
    enliven(peer)
    return peer


def check(peer, codec, frames=60):
    x = noise(codec, 2, frames)
    with torch.no_grad():
        # Rounding grows with depth; in float64 nothing of it is left to hide a difference.
        exact = peer.double().encode(x.double()).latent_dist
        found = codec.double().encoder(x.double())
        assert (found - exact.parameters).abs().max() <= 1e-9 * found.abs().max()
        peer.float(), codec.float()
        assert (codec.encode(x) - exact.mean).abs().max() <= 3e-5 * exact.mean.abs().max()
        posterior = peer.encode(x).latent_dist
        hidden = posterior.parameters
        drawn = codec.bottleneck.train()(hidden, torch.Generator().manual_seed(3))
        theirs = posterior.sample(torch.Generator().manual_seed(3))
        assert (drawn.latents - theirs).abs().max() <= 1e-5 * theirs.abs().max()
        # theirs leaves out the half of the divergence in nats
        torch.testing.assert_close(2 * drawn.losses["kl"], posterior.kl(), rtol=1e-4, atol=1e-5)
        y, ours = peer.decode(posterior.mean).sample, codec.decode(posterior.mean)
        settled = min(y.shape[-1], ours.shape[-1])
        if y.shape != ours.shape:  # theirs lost samples, and pads its end elsewhere
            settled -= codec.num_samples(codec.decode_context)
        assert settled > x.shape[-1] // 2 and y.std() > 0.05
        difference = (ours[..., :settled] - y[..., :settled]).abs().max()
        assert difference <= 1e-5 * y.abs().max()
    codec.eval()


@pytest.mark.parametrize("strides", [[2, 4, 8], [2, 5, 3]])
def test_parity_with_diffusers(strides, tmp_path):
    peer = peer_of(downsampling_ratios=strides)
    peer.save_pretrained(tmp_path)
    codec = Codec.from_pretrained(tmp_path)
    assert isinstance(codec, Oobleck) and codec.config.network.decoder_width == 6
    check(peer, codec)
    check(peer, Oobleck.from_diffusers(dict(peer.config), peer.state_dict(), "a test"))
    again = Codec.from_pretrained(codec.save_pretrained(tmp_path / "ours"))
    check(peer, again)


@pytest.mark.slow
def test_parity_at_full_size():
    settings = {"encoder_hidden_size": 128, "downsampling_ratios": [2, 4, 4, 8, 8]}
    settings |= {"channel_multiples": [1, 2, 4, 8, 16], "decoder_channels": 128}
    peer = peer_of(decoder_input_channels=64, **settings)
    codec = Oobleck.from_diffusers(dict(peer.config), peer.state_dict(), "a test")
    assert codec.config == oobleck_44khz()
    assert sum(p.numel() for p in peer.parameters()) == 156_112_514
    check(peer, codec, frames=6)


def stable_audio(codec: Oobleck, prefix: str = "") -> dict[str, torch.Tensor]:
    """The state dict of a codec under the names of stable-audio-tools."""
    renamed = {}
    for name, tensor in codec.state_dict().items():
        name = name.replace("weight.g", "weight_g").replace("weight.v", "weight_v")
        if name.endswith((".alpha", ".beta")):
            tensor = tensor.flatten()
        renamed[prefix + name] = tensor.contiguous()
    return renamed


@pytest.mark.parametrize("prefix", ["", "autoencoder.", "pretransform.model."])
def test_stable_audio_files(prefix, tmp_path):
    codec = make(small((2, 5, 3)))
    state = stable_audio(codec, prefix)
    for name in (
        "encoder.layers.0.weight_g",
        "encoder.layers.1.layers.0.layers.0.alpha",
        "encoder.layers.1.layers.2.layers.3.bias",
        "encoder.layers.3.layers.3.beta",
        "encoder.layers.3.layers.4.weight_v",
        "encoder.layers.4.alpha",
        "encoder.layers.5.bias",
        "decoder.layers.1.layers.0.beta",
        "decoder.layers.1.layers.1.weight_v",
        "decoder.layers.3.layers.4.layers.1.weight_g",
        "decoder.layers.5.weight_g",
    ):
        assert prefix + name in state
    assert f"{prefix}decoder.layers.5.bias" not in state
    if prefix == "pretransform.model.":
        state["model.model.to_cond_embed.0.weight"] = torch.zeros(3)
    torch.save({"state_dict": state}, tmp_path / "vae.ckpt")
    save_file(state, tmp_path / "vae.safetensors")
    expected = replace(codec.config, sample_rate=44_100)
    x = noise(codec, 1, 20)
    for file in ("vae.ckpt", "vae.safetensors"):
        found = Codec.from_pretrained(tmp_path / file)
        assert isinstance(found, Oobleck) and found.config == expected
        with torch.no_grad():
            assert torch.equal(found.encode(x), codec.encode(x))
            assert torch.equal(found.decode(codec.encode(x)), codec.decode(codec.encode(x)))
    found = Oobleck.from_stable_audio(tmp_path / "vae.ckpt", sample_rate=8_000)
    assert found.config == codec.config


def test_pickled_objects_are_refused_unread(tmp_path):
    torch.save({"state_dict": Payload()}, tmp_path / "objects.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Payload(), protocol=2))
    for name in ("objects", "plain"):
        with pytest.raises(ValueError, match=r"more than tensors.*refused"):
            Oobleck.from_stable_audio(tmp_path / f"{name}.ckpt")
        assert Oobleck.read_foreign(tmp_path / f"{name}.ckpt") is None
    torch.save({"state_dict": {"pqmf.h": torch.zeros(3)}}, tmp_path / "rave.ckpt")
    assert Oobleck.read_foreign(tmp_path / "rave.ckpt") is None, "another codec's file"
    with pytest.raises(ValueError, match="holds no Oobleck"):
        Oobleck.from_stable_audio(tmp_path / "rave.ckpt")


def test_what_does_not_fit_is_named(tmp_path):
    state = stable_audio(make(small()))
    del state["encoder.layers.0.weight_v"]
    torch.save({"state_dict": state}, tmp_path / "vae.ckpt")
    with pytest.raises(ValueError, match=r"no 'encoder\.layers\.0\.weight\.v'"):
        Oobleck.from_stable_audio(tmp_path / "vae.ckpt")
    state = stable_audio(make(small())) | {"encoder.layers.9.gamma": torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "vae.ckpt")
    with pytest.raises(ValueError, match="do not fit its config"):
        Oobleck.from_stable_audio(tmp_path / "vae.ckpt")
    config = {"_class_name": "AutoencoderOobleck", "encoder_hidden_size": 12}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({}, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ConfigError, match=re.escape("`encoder_hidden_size` must be 128")):
        Codec.from_pretrained(tmp_path)
