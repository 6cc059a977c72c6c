"""RAVE's networks against the published code on the same weights; streams, sizes, noise."""

import numpy as np
import pytest
import scipy.signal
import torch

from latentone.networks.noise import (
    NoiseBranch,
    filtered_noise,
    impulse_responses,
    modified_sigmoid,
)
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_v1 import RAVEv1Config
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.nn.adain import AdaptiveInstanceNorm, exchange_statistics, forget_statistics

# What acids-rave 2.3.1 gives for the weights of `fill` and the inputs of `wave`: the second item,
# every n-th value.
PUBLISHED = {
    "leaky_relu/encoder": [
        0.175991,
        -0.611664,
        0.241574,
        0.102893,
        -0.173652,
        -0.154623,
        0.022808,
        -0.298961,
        -0.000881,
        -0.229534,
        -0.222359,
    ],
    "leaky_relu/decoder": [
        -0.005928,
        -0.008059,
        -0.135457,
        0.061029,
        0.033617,
        0.276706,
        0.053049,
        -0.000214,
        0.073272,
        0.038688,
        0.133728,
    ],
    "snake/encoder": [
        -1.25892,
        -2.363173,
        4.619201,
        2.755223,
        4.110651,
        -6.50296,
        5.817996,
        -6.519395,
        9.163101,
        4.175569,
        -13.284039,
    ],
    "snake/decoder": [
        -0.040977,
        0.229927,
        -0.702272,
        -0.167587,
        -0.9259,
        -0.019534,
        -0.478534,
        -0.363317,
        0.564366,
        -0.180969,
        -0.065809,
    ],
    "v1/encoder": [
        -0.212146,
        -0.13982,
        -0.412801,
        -0.265608,
        0.040995,
        0.165019,
        0.344142,
        -0.012806,
        0.112191,
        0.312455,
        0.008139,
    ],
    "v1/decoder": [
        0.010518,
        -0.728181,
        0.002024,
        -0.027568,
        0.012103,
        0.088605,
        0.039005,
        0.013836,
        -0.08061,
        -0.053703,
        -0.049351,
    ],
}
SMALL = {
    "capacity": 4,
    "ratios": (4, 2, 2),
    "dilations": ((1, 3, 9), (1, 3), (1,)),
    "noise": NoiseConfig(hidden_dim=5, ratios=(2, 2), num_bands=3),
}
V1_NOISE = NoiseConfig(hidden_dim=None, ratios=(4, 4), num_bands=3, kernel_size=3)


def wave(*shape):
    t = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return torch.sin(0.71 * t + 0.0031 * t * t).view(shape).float()


@torch.no_grad()
def fill(module, start=0):
    """Weights that anyone can compute: kernels scaled by their size, all else around 1."""
    for i, p in enumerate(module.parameters(), start):
        t = torch.arange(p.numel(), dtype=torch.float64)
        values = torch.sin(0.37 * t + t * t * 0.0123 + i).view(p.shape)
        fan, kernel = p[0].numel(), p.dim() == 3 and p.shape != (1, p.numel(), 1)
        p.copy_(values / fan**0.5 if kernel and fan > 1 else 1 + 0.3 * values)


def assert_published(name, y):
    y = y[1].detach()
    found = y.flatten()[:: y.numel() // 11][:11]
    expected = torch.tensor(PUBLISHED[name])
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=5e-6, rtol=5e-6)


@pytest.mark.parametrize("activation", ["leaky_relu", "snake"])
def test_v2_equals_the_published_code(activation):
    config = RAVEv2Config(**SMALL, activation=activation)
    encoder = config.encoder(4, 6, 2).eval()
    fill(encoder)
    assert_published(f"{activation}/encoder", encoder(wave(2, 4, 96)))
    decoder = config.decoder(6, 4).eval()
    for part, start in ((decoder.body, 0), (decoder.wave, 100), (decoder.noise, 200)):
        fill(part, start)
    with torch.no_grad():
        list(decoder.noise.parameters())[-1].mul_(20)  # so that the noise is heard
        next(decoder.wave.parameters()).mul_(0.1 if activation == "snake" else 1)
    y = decoder(wave(2, 6, 6), torch.Generator().manual_seed(3))
    assert_published(f"{activation}/decoder", y)
    assert (y - decoder(wave(2, 6, 6), noisy=False)).abs().max() > 0.1


@torch.no_grad()
def test_v1_equals_the_published_code():
    config = RAVEv1Config(capacity=4, ratios=(4, 2, 2), noise=V1_NOISE)
    encoder = config.encoder(4, 6, 2).eval()
    fill(encoder)
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    for k, norm in enumerate(norms):
        t = torch.arange(norm.num_features)
        norm.running_mean.copy_(0.1 * torch.sin(t + k))
        norm.running_var.copy_(1 + 0.5 * torch.sin(t + k + 1))
    assert_published("v1/encoder", encoder(wave(2, 4, 96)))
    decoder = config.decoder(6, 4).eval()
    parts = (decoder.body, decoder.wave, decoder.loudness, decoder.noise)
    for part, start in zip(parts, (0, 100, 200, 300), strict=True):
        fill(part, start)
    list(decoder.noise.parameters())[-1].mul_(100)
    y = decoder(wave(2, 6, 6), torch.Generator().manual_seed(3))
    assert_published("v1/decoder", y)
    assert (y - decoder(wave(2, 6, 6), noisy=False)).abs().max() > 0.01


@pytest.mark.parametrize(
    ("config", "encoder", "decoder"),
    [
        (
            RAVEv1Config(noise=NoiseConfig(hidden_dim=None, ratios=(4, 4, 4), kernel_size=3)),
            4_834_176,
            12_778_193,
        ),
        (RAVEv2Config(), 16_056_928, 15_479_072),
        (
            RAVEv2Config(capacity=48, ratios=(4, 2, 2, 2), noise=NoiseConfig(num_bands=32)),
            3_945_904,
            3_816_608,
        ),
    ],
)
def test_sizes_are_those_of_the_published_code(config, encoder, decoder):
    with torch.device("meta"):
        networks = config.encoder(16, 128, 2), config.decoder(128, 16)
    assert [sum(p.numel() for p in n.parameters()) for n in networks] == [encoder, decoder]


@pytest.mark.parametrize("chunk", [1, 2, 3, 8])
@pytest.mark.parametrize(
    "config",
    [
        RAVEv2Config(**SMALL, causal=True),
        RAVEv2Config(**SMALL, activation="snake", adain=True, causal=True),
        RAVEv1Config(capacity=4, ratios=(4, 2, 2), noise=V1_NOISE, causal=True),
    ],
)
@torch.no_grad()
def test_causal_networks_stream(config, chunk):
    encoder, decoder = config.encoder(4, 6, 2).eval(), config.decoder(6, 4).eval()
    for module, x, size in ((encoder, wave(2, 4, 192), 16), (decoder, wave(2, 6, 12), 1)):
        state, pieces = module.initial_state(2), []
        for piece in x.split(chunk * size, dim=-1):
            y, state = (
                module.step(piece, state)
                if module is encoder
                else module.step(piece, state, noisy=False)
            )
            pieces.append(y)
        whole = module(x) if module is encoder else module(x, noisy=False)
        torch.testing.assert_close(torch.cat(pieces, -1), whole, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_the_noise_branch_streams_what_it_draws_from():
    """Amplitudes are those of the whole; the draw itself differs, so its loudness is compared."""
    branch = NoiseBranch(V1_NOISE, 5, 4, causal=True)
    x = wave(2, 5, 16 * 12)
    state, pieces = branch.layers.initial_state(2), []
    for piece in x.split(32, dim=-1):
        y, state = branch.layers.step(piece, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, -1), branch.layers(x))
    y, _ = branch.step(x, branch.initial_state(2))
    assert y.shape == (2, 4, 16 * 12)
    ratio = y.square().mean() / branch(x).square().mean()
    assert 0.8 < ratio < 1.25


def test_filters_have_the_asked_amplitudes():
    """A flat spectrum is an impulse; the transform of a filter is the window's blur of it."""
    flat = impulse_responses(torch.ones(5), 16)
    torch.testing.assert_close(flat, torch.eye(16)[0], atol=1e-6, rtol=0)
    amplitudes = torch.linspace(0.2, 1.0, 5)
    found = torch.fft.rfft(impulse_responses(amplitudes, 64))
    assert found.imag.abs().max() < 1e-6
    taps = np.fft.irfft(amplitudes.numpy())
    blurred = np.fft.fftshift(taps) * scipy.signal.get_window("hann", 8)
    expected = np.abs(np.fft.rfft(blurred, 64))
    np.testing.assert_allclose(found.abs(), expected, atol=1e-6)


def test_a_filter_longer_than_its_noise_keeps_its_middle():
    short = impulse_responses(torch.ones(32), 8)
    torch.testing.assert_close(short, torch.eye(8)[0], atol=1e-6, rtol=0)


def test_filtering_is_a_convolution_cut_short():
    taps, noise = wave(3, 16), wave(3, 16).flip(0)
    expected = [np.convolve(a, b)[:16] for a, b in zip(taps, noise, strict=True)]
    np.testing.assert_allclose(filtered_noise(taps, noise), np.stack(expected), atol=1e-5)


def test_the_modified_sigmoid():
    x = torch.tensor([-50.0, 0.0, 50.0])
    expected = torch.tensor([1e-7, 2 * 0.5**2.3 + 1e-7, 2 + 1e-7])
    torch.testing.assert_close(modified_sigmoid(x), expected)


@torch.no_grad()
def test_adaptive_instance_norm_takes_the_statistics_of_a_target():
    layer = AdaptiveInstanceNorm(2).eval()
    source, target = 3 * wave(1, 2, 500) + 1, 0.5 * wave(1, 2, 700).cos() - 2
    assert torch.equal(layer(source), source)
    with exchange_statistics(layer, "target"):
        layer(target)
    assert torch.equal(layer(source), source)  # half of what it needs
    with exchange_statistics(layer, "source"):
        layer(source)
    moved = layer(source)
    torch.testing.assert_close(moved.mean(-1), target.mean(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.std(-1), target.std(-1), atol=1e-4, rtol=1e-4)
    layer.train()
    assert torch.equal(layer(source), source)
    layer.eval()
    forget_statistics(layer)
    assert torch.equal(layer(source), source)
    with pytest.raises(ValueError, match="no adaptive instance normalisation"):
        with exchange_statistics(torch.nn.Linear(1, 1), "target"):
            pass


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="expected as many groups of dilations as ratios"):
        RAVEv2Config(ratios=(4, 4))
    with pytest.raises(ValueError, match="no whole number of stretches of noise of 8"):
        RAVEv2Config(ratios=(3, 1, 1, 1), noise=NoiseConfig())
    with pytest.raises(ValueError, match="capacity must be at least 1, got 0"):
        RAVEv1Config(capacity=0)
    with pytest.raises(ValueError, match="sees the future"):
        RAVEv2Config(**SMALL).decoder(6, 4).initial_state(1)
