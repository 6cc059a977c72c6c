"""The multi-scale STFT discriminator: sizes, shapes, and what it can see."""

import pytest
import torch
from torch.nn import functional as F

from latentone.discriminators import MultiScaleSTFTDiscriminator, STFTDiscriminatorConfig

TINY = STFTDiscriminatorConfig(filters=4, n_ffts=(256, 64))


@pytest.mark.parametrize(
    ("filters", "channels", "expected"),
    [(32, 1, 472_490), (32, 2, 481_130), (64, 2, 1_883_850)],
)
def test_parameter_counts(filters, channels, expected):
    model = MultiScaleSTFTDiscriminator(STFTDiscriminatorConfig(filters=filters), channels)
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [256, 1000])
def test_shapes(channels, samples):
    judged = MultiScaleSTFTDiscriminator(TINY, channels)(torch.randn(3, channels, samples))
    for n_fft, score, features in zip(TINY.n_ffts, judged.scores, judged.features, strict=True):
        frames, bins = 1 + (samples - n_fft) // (n_fft // 4), n_fft // 2 + 1
        assert [f.shape[:3] for f in features] == [(3, 4, frames)] * 5
        widths = [bins]
        for _ in TINY.dilations:
            widths.append((widths[-1] + 1) // 2)
        assert [f.shape[3] for f in features] == [*widths, widths[-1]]
        assert score.shape == (3, 1, frames, widths[-1])


def test_the_spectrogram_is_the_windowed_fourier_transform():
    model = MultiScaleSTFTDiscriminator(TINY, 2)
    x = torch.randn(2, 2, 300, generator=torch.Generator().manual_seed(0))
    image = model.scales[1].spectrogram(x)
    window = torch.hann_window(64, dtype=torch.float64)
    window = window / window.norm()
    for frame in (0, 7):
        segment = x[..., 16 * frame : 16 * frame + 64].double() * window
        spectrum = torch.fft.rfft(segment)
        expected = torch.cat([spectrum.real, spectrum.imag], dim=1).float()
        torch.testing.assert_close(image[:, :, frame], expected, atol=1e-5, rtol=1e-4)


def test_white_noise_is_equally_loud_at_every_scale():
    model = MultiScaleSTFTDiscriminator(STFTDiscriminatorConfig(filters=2))
    noise = torch.randn(1, 1, 200_000, generator=torch.Generator().manual_seed(0))
    for scale in model.scales:
        power = scale.spectrogram(noise)[..., 1:-1].square().mean()
        assert power == pytest.approx(0.5, rel=0.05)  # of unit energy, half real, half imaginary


def test_phase_is_seen():
    """The same magnitudes with another phase are judged otherwise."""
    model = MultiScaleSTFTDiscriminator(TINY)
    x = torch.randn(1, 1, 512)
    assert not torch.allclose(model(x).scores[0], model(-x).scores[0])


def test_dilation_is_in_time():
    """Layer by layer against plain convolutions with the effective weights."""
    model = MultiScaleSTFTDiscriminator(TINY)
    scale, x = model.scales[0], torch.randn(1, 1, 1024)
    z = scale.spectrogram(x)
    layers = [(1, 1), (2, 1), (2, 2), (2, 4)]
    for layer, (stride, dilation) in zip(scale.layers, layers, strict=False):
        padding = (dilation, 4)
        z = F.conv2d(z, layer.weight, layer.bias, (1, stride), padding, (dilation, 1))
        z = F.leaky_relu(z, 0.2)
    z = F.leaky_relu(F.conv2d(z, scale.layers[4].weight, scale.layers[4].bias, padding=1), 0.2)
    z = F.conv2d(z, scale.score.weight, scale.score.bias, padding=1)
    torch.testing.assert_close(model(x).scores[0], z)


def test_items_of_a_batch_are_judged_alone():
    model = MultiScaleSTFTDiscriminator(TINY)
    real, fake = torch.randn(2, 1, 400), torch.randn(2, 1, 400)
    first, others = model(torch.cat([real, fake])).split(2)
    alone = model(fake)
    torch.testing.assert_close(others.scores, alone.scores)
    torch.testing.assert_close(others.features, alone.features)
    torch.testing.assert_close(first.features, model(real).features)


def test_bf16_autocast_leaves_the_spectrogram_alone():
    model = MultiScaleSTFTDiscriminator(TINY)
    x = torch.randn(1, 1, 512)
    plain = model.scales[0].spectrogram(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.scales[0].spectrogram(x), plain)
        assert model(x).scores[0].dtype == torch.bfloat16


def test_refusals():
    model = MultiScaleSTFTDiscriminator(TINY)
    with pytest.raises(ValueError, match=r"\(B, 1, T\), got \(2, 2, 400\)"):
        model(torch.randn(2, 2, 400))
    with pytest.raises(ValueError, match="needs 256 samples, got 255"):
        model(torch.randn(1, 1, 255))
    with pytest.raises(ValueError, match="multiples of 4"):
        STFTDiscriminatorConfig(n_ffts=(255,))
    with pytest.raises(ValueError, match="filters"):
        STFTDiscriminatorConfig(filters=0)
