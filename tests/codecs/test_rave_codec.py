"""RAVE as a codec: the contract, streams, every regulariser, distances, alignment."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentone.codecs.rave import RAVE
from latentone.codecs.rave_config import RAVEConfig, rave_low_latency, rave_v1, rave_v2
from latentone.codecs.rave_distance import RAVEDistance
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_v1 import RAVEv1Config
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.nn.streaming import Streamable
from latentone.testing import verify_codec, verify_streaming

SIZES = {"capacity": 4, "ratios": (4, 2, 2)}
V2 = RAVEv2Config(**SIZES, dilations=((1, 3), (1,), (1,)))
NOISE = NoiseConfig(hidden_dim=6, ratios=(2, 2))
BASE = RAVEConfig(sample_rate=8_000, num_bands=4, attenuation_db=60.0, latent_dim=6, network=V2)
CONFIGS = {
    "v2": BASE,
    "noise": replace(BASE, network=replace(V2, noise=NOISE)),
    "v3": replace(BASE, channels=2, network=replace(V2, activation="snake", adain=True)),
    "v1": replace(
        BASE,
        network=RAVEv1Config(
            **SIZES, noise=NoiseConfig(hidden_dim=None, ratios=(4, 4), kernel_size=3)
        ),
    ),
    "wasserstein": replace(BASE, regularizer="wasserstein", noise_channels=16),
    "spherical": replace(BASE, regularizer="spherical"),
    "discrete": replace(BASE, regularizer="discrete", num_codebooks=3, codebook_size=16),
    "raw": replace(BASE, decoder_bands=1, network=replace(V2, decoder_ratios=(8, 4, 2))),
    "one band": replace(BASE, num_bands=1),
}


def noise(*shape, seed=0):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def build(config, causal=False, seed=0):
    torch.manual_seed(seed)
    model = RAVE(replace(config, network=replace(config.network, causal=causal)))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("alpha"):
                value.add_(0.3 * torch.randn_like(value))
    if model.quantizer is not None:
        for codebook in model.quantizer.codebooks:
            codebook.embed.normal_()
            codebook.inited.fill_(True)
    return model.eval()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_contract(name, causal):
    verify_codec(build(CONFIGS[name], causal), lengths=(1, 63, 64, 65, 2500), crop=1000)


@pytest.mark.parametrize(
    ("name", "frames"), [("v2", 66), ("v1", 20), ("v3", 20), ("noise", 20), ("raw", 20)]
)
def test_causal_codecs_stream(name, frames):
    model = build(CONFIGS[name], causal=True)
    model.decoder.noisy = False
    channels, hop = model.source.channels, model.config.hop_length
    verify_streaming(model.encoder, model.encoder, noise(2, channels, frames * hop))
    verify_streaming(model.decoder, model.decoder, noise(2, 6, frames))
    delay = model.encoder.chunk + model.decoder.latency
    assert model.config.latency_ms == pytest.approx(1000 * delay / 8_000)


def test_centred_codecs_refuse_to_stream():
    model = build(BASE)
    assert not isinstance(model.encoder, Streamable)
    assert model.config.latency_ms is None
    with pytest.raises(ValueError, match="sees the future"):
        model.encoder.initial_state(1)


@torch.no_grad()
def test_the_end_of_a_causal_decode_goes_on_as_the_last_frame():
    """What the bank needs from behind the end comes from the last frame's repetition."""
    model = build(BASE, causal=True)
    z = noise(1, 6, 9)
    longer = torch.cat([z, z[..., -1:].expand(-1, -1, 4)], dim=-1)
    expected = model.decode(longer)[..., : model.num_samples(9)]
    torch.testing.assert_close(model.decode(z), expected)


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True])
def test_the_forward_pass_is_aligned_to_the_sample(causal):
    """With networks that pass the bands on, the reconstruction is the input, to the last sample."""
    model = build(replace(BASE, latent_dim=4, regularizer="wasserstein"), causal)
    model.encoder.network = torch.nn.Identity()
    model.decoder.network = Pass()
    model.decoder.hop_length = model.encoder.hop_length = model.config.num_bands
    x = noise(2, 1, 64 * 20)
    y = model({"x": x}).reconstruction
    inner = slice(64, None) if causal else slice(64, -64)
    error = (y - x)[..., inner].square().mean() / x[..., inner].square().mean()
    assert 10 * error.log10() < -40


class Pass(torch.nn.Module):
    def forward(self, z, rng, noisy):
        return z


@torch.no_grad()
def test_decode_by_windows_equals_the_whole():
    from latentone.codecs.long_decode import decode_by_windows

    for causal in (False, True):
        model = build(BASE, causal)
        z = noise(2, 6, 120)
        joined = torch.cat(list(decode_by_windows(model, z, 7)), dim=-1)
        torch.testing.assert_close(joined, model.decode(z), atol=1e-6, rtol=1e-5)
    assert build(CONFIGS["noise"]).decode_context is None


def test_noise_is_decided_by_the_generator_or_switched_off():
    model = build(CONFIGS["wasserstein"])
    z = noise(1, 6, 5)
    rng = torch.Generator()
    draws = [model.decode(z, rng=rng.manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    model.decoder.noisy = False
    assert torch.equal(model.decode(z), model.decode(z))


def test_regularisers():
    x = noise(4, 1, 1024)
    output = build(BASE).train()({"x": x, "rng": torch.Generator().manual_seed(0)})
    assert set(output.losses) == {"latent/kl", "distance/full", "distance/bands"}
    model = build(CONFIGS["spherical"])
    norms = model.encode(x).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert "latent/mmd" in build(CONFIGS["wasserstein"])({"x": x}).losses
    model = build(CONFIGS["discrete"])
    assert model.vocab == (16,) * 3
    assert "vq/commitment" in model({"x": x}).losses
    with pytest.raises(TypeError, match="continuous"):
        build(BASE).quantize(noise(1, 6, 2))


def test_the_kl_of_the_published_code_is_twice_ours():
    model = build(BASE)
    x = noise(2, 1, 640)
    mean, scale = model.encoder.hidden(x).chunk(2, 1)
    std = torch.nn.functional.softplus(scale) + 1e-4
    published = (mean**2 + std**2 - (std**2).log() - 1).sum(1).mean()
    torch.testing.assert_close(2 * model({"x": x}).losses["latent/kl"], published)
    torch.testing.assert_close(model.encode(x), mean)


def test_latents_are_drawn_in_training_also_behind_a_frozen_encoder():
    model = build(BASE).train()
    model.encoder.eval()
    x = noise(1, 1, 640)
    passes = [
        model({"x": x, "rng": torch.Generator().manual_seed(seed)}).latents for seed in (0, 0, 1)
    ]
    assert torch.equal(passes[0], passes[1]) and not torch.equal(passes[0], passes[2])
    assert torch.equal(model.eval()({"x": x}).latents, model.encode(x))


def test_gradients_reach_every_weight():
    for name in CONFIGS:
        model = build(CONFIGS[name]).train()
        losses = model({"x": noise(2, model.source.channels, 1024)}).losses
        sum(losses.values()).backward()
        silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert not silent, (name, silent)


def test_a_decoder_change_keeps_the_fingerprint():
    model = build(CONFIGS["noise"])
    before = model.fingerprint()
    with torch.no_grad():
        next(model.decoder.parameters()).add_(1)
    assert model.fingerprint() == before
    assert build(replace(CONFIGS["noise"], attenuation_db=70.0)).fingerprint() != before
    with torch.no_grad():
        next(model.encoder.parameters()).add_(1)
    assert model.fingerprint() != before


@torch.no_grad()
def test_folded_weights_sound_the_same():
    model = build(BASE)
    x = noise(1, 1, 640)
    before = model.decode(model.encode(x))
    model.fold_weight_norm()
    torch.testing.assert_close(model.decode(model.encode(x)), before)


def test_the_distance_by_numpy():
    x, y = noise(2, 1, 1000), noise(2, 1, 1000, seed=1)
    expected = 0.0
    for n in (256, 128):
        window = np.hanning(n + 1)[:-1]
        spectra = []
        for signal in (x, y):
            padded = np.pad(signal[:, 0].numpy().astype(np.float64), ((0, 0), (n // 2, n // 2)))
            frames = np.lib.stride_tricks.sliding_window_view(padded, n, axis=1)[:, :: n // 4]
            spectra.append(np.abs(np.fft.rfft(frames * window)))
        a, b = spectra
        expected += ((b - a) ** 2).mean() / (b**2).mean()
        expected += np.abs(np.log(b + 1e-7) - np.log(a + 1e-7)).mean()
    found = RAVEDistance((256, 128))(x, y)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_the_distance_of_silence_is_finite():
    silence = torch.zeros(1, 1, 500, requires_grad=True)
    distance = RAVEDistance((128,))
    assert distance(silence, torch.zeros(1, 1, 500)).item() == 0
    loss = distance(silence, noise(1, 1, 500))
    loss.backward()
    assert loss.isfinite() and silence.grad.isfinite().all()


def test_latency_of_the_recipes():
    assert rave_low_latency().latency_ms == pytest.approx(1000 * (128 + 291 - 16) / 44_100)
    assert rave_low_latency().latency_ms < 12
    assert rave_v2(causal=True).latency_ms == pytest.approx(1000 * (2048 + 377 - 16) / 44_100)
    assert rave_v1().latency_ms is None


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="even number of band values, got 1"):
        RAVEConfig(network=RAVEv2Config(ratios=(1,), dilations=((1,),)))
    with pytest.raises(ValueError, match="change ratios, decoder_ratios or decoder_bands"):
        replace(BASE, decoder_bands=1)
    with pytest.raises(ValueError, match="decoder_bands must be 1 or num_bands = 4, got 2"):
        replace(BASE, decoder_bands=2)
    model = build(BASE)
    with pytest.raises(ValueError, match=r"expected audio \(B, 1, T\)"):
        model.encode(noise(1, 2, 100))
    with pytest.raises(ValueError, match=r"expected latents \(B, 6, F\)"):
        model.decode(noise(1, 5, 4))
    with pytest.raises(ValueError, match="neither conditions nor gain"):
        model.decode(noise(1, 6, 4), gain=torch.ones(1, 1))
