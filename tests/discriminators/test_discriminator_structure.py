"""What each kind computes, rebuilt from plain convolutions and by what a score can see."""

import pytest
import torch
from scipy import signal
from torch.nn import functional as F

from latentone.discriminators import (
    BandDiscriminatorConfig,
    CombinedDiscriminatorConfig,
    PatchDiscriminatorConfig,
    PatchJudge,
    PeriodDiscriminatorConfig,
    ResidualSTFTDiscriminatorConfig,
    ScaleDiscriminatorConfig,
    melgan_scales,
)


def noise(*shape):
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def seen(judge, image, where):
    """Places of the input that the score at `where` depends on."""
    image = image.requires_grad_()
    score = judge(image)[0]
    (gradient,) = torch.autograd.grad(score[where], [image])
    return gradient[0, 0] != 0


@pytest.mark.parametrize("samples", [60, 61, 59])
def test_a_period_is_a_column(samples):
    """A fold by p is p interleaved signals, each through 1-D convolutions with the same taps."""
    config = PeriodDiscriminatorConfig(periods=(5,), filters=(3, 4))
    model, x = config.build(), noise(2, 1, samples)
    judge, score = model.periods[0], model(x).scores[0]
    missing = -samples % 5
    mirrored = torch.cat([x, x[..., -missing - 1 : -1].flip(-1)], dim=-1) if missing else x
    for column in range(5):
        z = mirrored[..., column::5]
        for layer, stride in zip(judge.layers, (3, 3, 1), strict=True):
            z = F.conv1d(z, layer.weight[..., 0], layer.bias, stride, padding=2)
            z = F.leaky_relu(z, 0.1)
        z = F.conv1d(z, judge.score.weight[..., 0], judge.score.bias, padding=1)
        torch.testing.assert_close(score[..., column], z)


def test_the_slower_scales_hear_averages():
    config = ScaleDiscriminatorConfig(layers=((2, 15, 1, 1), (4, 41, 2, 2)), spectral_first=False)
    model, x = config.build(), noise(1, 1, 400)
    heard = x
    for n, judge in enumerate(model.scales):
        if n:
            padded = F.pad(heard, (2, 2)).unfold(-1, 4, 2)
            heard = padded.mean(-1)
        z = heard
        for layer, (taps, stride, groups) in zip(
            judge.layers, ((15, 1, 1), (41, 2, 2)), strict=True
        ):
            z = F.conv1d(z, layer.weight, layer.bias, stride, taps // 2, groups=groups)
            z = F.leaky_relu(z, 0.1)
        z = F.conv1d(z, judge.score.weight, judge.score.bias, padding=1)
        torch.testing.assert_close(model(x).scores[n], z)


def test_spectral_norm_is_on_the_full_rate_alone():
    config = ScaleDiscriminatorConfig(layers=((8, 15, 1, 1), (8, 41, 2, 4)))
    model = config.build()
    x = noise(1, 1, 200)
    for _ in range(60):  # the power iteration converges while it trains
        model(x)
    norms = [
        [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in scale.layers]
        for scale in model.scales
    ]
    assert norms[0] == pytest.approx([1.0, 1.0], abs=1e-2)
    assert all(abs(norm - 1) > 1e-2 for scale in norms[1:] for norm in scale)


def test_the_melgan_judge_is_the_published_one():
    config = melgan_scales()
    assert config.layers == (
        (16, 15, 1, 1),
        (64, 41, 4, 4),
        (256, 41, 4, 16),
        (1024, 41, 4, 64),
        (1024, 41, 4, 256),
        (1024, 5, 1, 1),
    )
    judge = melgan_scales(2).build().eval()
    middle = seen(lambda x: judge(x).scores, noise(1, 1, 20_000), (0, 0, 39)).nonzero()
    # 15 taps, then 40 more at steps 1, 4, 16, 64, then 4 and 2 at step 256.
    reach = 15 + 40 * (1 + 4 + 16 + 64) + (4 + 2) * 256
    assert middle.max() - middle.min() + 1 == reach


def test_bands_are_pieces_of_the_windowed_fourier_transform():
    config = BandDiscriminatorConfig(filters=2, n_ffts=(64,))
    judge = config.build(2).resolutions[0]
    x = noise(2, 2, 320)
    image = judge.spectrogram(x)
    assert image.shape == (2, 4, 320 // 16, 33)
    padded = F.pad(x, (24, 24), mode="reflect")
    window = torch.from_numpy(signal.get_window("hann", 64))
    for frame in (0, 7, 19):
        spectrum = torch.fft.rfft(padded[..., 16 * frame : 16 * frame + 64].double() * window)
        expected = torch.cat([spectrum.real, spectrum.imag], dim=1).float()
        torch.testing.assert_close(image[:, :, frame], expected, atol=1e-5, rtol=1e-4)
    assert config.bins(64) == [(0, 3), (3, 8), (8, 16), (16, 24), (24, 33)]
    ends = []
    for (low, high), stack in zip(config.bins(64), judge.bands, strict=True):
        z = image[..., low:high]
        for layer, stride in zip(stack, (1, 2, 2, 2, 1), strict=True):
            padding = layer.weight.shape[2] // 2, layer.weight.shape[3] // 2
            z = F.leaky_relu(F.conv2d(z, layer.weight, layer.bias, (1, stride), padding), 0.1)
        ends.append(z)
    score = F.conv2d(torch.cat(ends, -1), judge.score.weight, judge.score.bias, padding=1)
    torch.testing.assert_close(judge(x)[0], score)


def test_a_band_has_weights_of_its_own():
    judge = BandDiscriminatorConfig(filters=2, n_ffts=(64,)).build().resolutions[0]
    x = noise(1, 1, 320).requires_grad_()
    first = judge(x)[1][4]  # the last layer of the lowest band
    (gradient,) = torch.autograd.grad(first.square().sum(), [x])
    spectrum = torch.fft.rfft(gradient[0, 0]).abs()
    assert spectrum[: 160 // 8].sum() > 10 * spectrum[160 // 4 :].sum()


@pytest.mark.parametrize("samples", [1024, 1280, 5000])
def test_the_residual_judge_halves_frequency_six_times_and_time_three_times(samples):
    model = ResidualSTFTDiscriminatorConfig(filters=2).build()
    judged = model(noise(1, 1, samples))
    frames, bins = (samples - 1024) // 256 + 1, 513
    shapes = [(2, frames, bins)]
    for n, width in enumerate((4, 8, 8, 16, 16, 32)):
        frames, bins = -(-frames // (1 + n % 2)), -(-bins // 2)
        shapes.append((width, frames, bins))
    assert bins == 9
    assert [tuple(f.shape[1:]) for f in judged.features[0]] == shapes
    assert judged.scores[0].shape == (1, 1, frames)


def test_a_patch_is_70_pixels_wide():
    judge = PatchJudge(1, filters=2)
    places = seen(judge, noise(1, 1, 160, 200), (0, 0, 9, 9)).nonzero()
    assert (places.max(0).values - places.min(0).values + 1).tolist() == [70, 70]


def test_the_patch_judge_looks_at_logarithms_of_magnitudes():
    model = PatchDiscriminatorConfig(filters=2, n_fft=64, hop_length=16, num_layers=1).build()
    x = noise(1, 1, 640)
    louder = model.spectrogram(10 * x) - model.spectrogram(x)
    torch.testing.assert_close(louder, torch.full_like(louder, 10.0).log(), atol=1e-3, rtol=0)
    assert model.spectrogram(torch.zeros(1, 1, 640)).max() == pytest.approx(-11.5129, abs=1e-3)


def test_combined_parts_hear_one_level():
    parts = tuple(PeriodDiscriminatorConfig(periods=(p,), filters=(2,)) for p in (2, 3))
    model = CombinedDiscriminatorConfig(parts=parts, center=True, peak=0.8).build(2)
    x = noise(3, 2, 300)
    judged = model(x)
    assert len(judged.scores) == 2
    levelled = model.level(x)
    assert levelled.abs().amax((1, 2)).tolist() == pytest.approx([0.8] * 3)
    alone = [part(levelled) for part in model.parts]
    for n, judgement in enumerate(alone):
        torch.testing.assert_close(judged.scores[n], judgement.scores[0])
        torch.testing.assert_close(judged.features[n], judgement.features[0])
    # Loudness and an offset are not heard, the balance of the channels is.
    torch.testing.assert_close(model(3 * x + 0.1).scores, judged.scores, atol=1e-5, rtol=1e-4)
    other = x * torch.tensor([[1.0], [0.5]])
    assert not torch.allclose(model(other).scores[0], judged.scores[0], atol=1e-3)
