"""Reconstruction metrics: complete, finite, honest about lengths."""

import math

import pytest
import torch

from latentone.dsp import MultiResolutionSTFT
from latentone.metrics import METRICS, ReconstructionMetrics, reconstruction_metrics

RATE = 16000


def noise(*shape, seed=0):
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def perfect():
    best = {"si_sdr": 100.0, "snr": 100.0, "transient_snr": 100.0, "phase_coherence": 1.0}
    return {name: best.get(name, 0.0) for name in METRICS}


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("length", [1, 500, 8000])
def test_identical_signals_are_perfect(channels, length):
    x = noise(channels, length)
    measured = reconstruction_metrics(x, x, RATE)
    assert list(measured) == list(METRICS) and measured == pytest.approx(perfect(), abs=1e-6)
    assert all(type(value) is float for value in measured.values())


def test_silence_gives_finite_numbers():
    x, zero = noise(1, 8000), torch.zeros(1, 8000)
    assert reconstruction_metrics(zero, zero, RATE) == pytest.approx(perfect(), abs=1e-6)
    for pair in ((x, zero), (zero, x)):
        measured = reconstruction_metrics(*pair, RATE)
        assert all(math.isfinite(value) for value in measured.values())
    assert reconstruction_metrics(x, zero, RATE)["loudness_difference"] < -40


def test_half_the_level_is_six_decibels_less():
    x = noise(2, 16000)
    measured = reconstruction_metrics(x, x / 2, RATE)
    half = 20 * math.log10(2)
    assert measured["loudness_difference"] == pytest.approx(-half, abs=1e-6)
    assert measured["snr"] == pytest.approx(half, abs=1e-4)
    assert measured["log_spectral_distance"] == pytest.approx(half, abs=1e-2)
    assert measured["si_sdr"] == 100
    assert measured["mel_distance"] > 1


def test_more_noise_is_worse_in_every_metric():
    x = noise(2, 16000)
    clean, dirty = (
        reconstruction_metrics(x, x + level * noise(1, 16000, seed=1), RATE) for level in (0.1, 1.0)
    )
    for name, metric in METRICS.items():
        if metric.better == "lower":
            assert clean[name] < dirty[name]
        if metric.better == "higher":
            assert clean[name] > dirty[name]


def test_two_lengths_need_a_length_and_the_rest_does_not_count():
    x, y = noise(1, 8000), noise(1, 8000, seed=1)
    with pytest.raises(ValueError, match=r"8000 samples and the estimate 8100; pass `lengths`"):
        reconstruction_metrics(x, torch.cat([y, noise(1, 100)], 1), RATE)
    longer = torch.cat([y, 9 * noise(1, 100)], 1)
    measured = reconstruction_metrics(x, longer, RATE, lengths=torch.tensor([8000]))
    assert measured == reconstruction_metrics(x, y, RATE)


def test_a_batch_is_the_mean_of_its_items_at_their_lengths():
    x, y = noise(3, 2, 6000), noise(3, 2, 6000, seed=1)
    lengths = torch.tensor([6000, 2500, 1])
    metrics = ReconstructionMetrics(RATE)
    together = metrics(x, y, lengths)
    single = [metrics(x[i, :, :n], y[i, :, :n]) for i, n in enumerate(lengths.tolist())]
    for name in METRICS:
        mean = sum(values[name] for values in single) / 3
        assert together[name] == pytest.approx(mean, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("reference", "estimate", "lengths", "message"),
    [
        (torch.zeros(9), torch.zeros(9), None, r"expected two signals \(channels, time\)"),
        (torch.zeros(1, 9), torch.zeros(2, 9), None, "differ in time at most"),
        (torch.zeros(1, 9), torch.zeros(1, 9), torch.tensor([10]), r"a length in \[1, 9\]"),
        (torch.zeros(2, 1, 9), torch.zeros(2, 1, 9), torch.tensor([9]), "each of 2 items"),
        (torch.zeros(1, 9), torch.full((1, 9), math.nan), None, "the estimate has NaN"),
    ],
)
def test_what_cannot_be_compared_is_refused(reference, estimate, lengths, message):
    with pytest.raises(ValueError, match=message):
        reconstruction_metrics(reference, estimate, RATE, lengths=lengths)


def test_stft_distance_is_auralosss():
    auraloss = pytest.importorskip("auraloss", reason="the independent implementation")
    # Beyond the ends auraloss mirrors the signal and we hear silence: here both are silent.
    rest = torch.zeros(1, 2, 2048)
    for seed in range(3):
        x, y = (torch.cat([rest, noise(1, 2, 6000, seed=s), rest], -1) for s in (seed, seed + 9))
        theirs = auraloss.freq.MultiResolutionSTFTLoss()
        # Its ratio is taken over all channels of a batch together, ours for each: one at a time.
        for channel in (slice(0, 1), slice(1, 2)):
            a, b = x[:, channel], y[:, channel]
            expected = theirs(a, b).item()
            assert MultiResolutionSTFT()(a, b).item() == pytest.approx(expected, rel=1e-5)
            measured = reconstruction_metrics(b[0], a[0], RATE)["stft_distance"]
            assert measured == pytest.approx(expected, rel=1e-5)
    sizes = [2048, 1024, 512, 256, 128, 64, 32]
    octaves = auraloss.freq.MultiResolutionSTFTLoss(sizes, [n // 4 for n in sizes], sizes)
    a, b = x[:, :1], y[:, :1]
    expected = octaves(a, b).item()
    assert MultiResolutionSTFT("octaves")(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_channels_are_pooled_and_a_dead_one_is_heard():
    rng = torch.Generator().manual_seed(3)
    x = 0.1 * torch.randn(2, RATE, generator=rng)
    dead = x * torch.tensor([[1.0], [0.0]])
    found = reconstruction_metrics(x, dead, RATE)
    share = float(x[1].square().sum() / x.square().sum())
    assert found["snr"] == pytest.approx(-10 * math.log10(share), abs=1e-3)
    assert found["rms_difference"] == pytest.approx(10 * math.log10(1 - share), abs=1e-3)
    assert found["balance_error"] > 60
    soft = reconstruction_metrics(x, x * torch.tensor([[1.0], [0.5]]), RATE)
    assert soft["balance_error"] == pytest.approx(20 * math.log10(2), abs=1e-6)
    assert soft["stereo_error"] == pytest.approx(0, abs=1e-6)


def test_louder_is_more_and_compressed_is_less():
    x = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(4))
    louder = reconstruction_metrics(x, 2 * x, RATE)
    assert louder["rms_difference"] == pytest.approx(6.0206, abs=1e-3)
    assert louder["loudness_difference"] == pytest.approx(6.0206, abs=1e-2)
    assert reconstruction_metrics(x, x.clamp(-0.1, 0.1), RATE)["crest_difference"] < -3
