"""Griffin-Lim against librosa on the same first phases, and mel inversion against its own aim."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from latentone.dsp.griffin_lim import GriffinLim, MelToLinear, griffin_lim, random_phases
from latentone.dsp.mel import Mel, MelSpec, mel_filterbank
from latentone.dsp.stft import STFT, stft

RATE, N_FFT, HOP = 8000, 256, 64


def sound(seconds=0.5):
    """A chirp in a little noise, float64 `(T,)`."""
    rng = torch.Generator().manual_seed(0)
    time = torch.arange(int(seconds * RATE), dtype=torch.float64) / RATE
    tone = 0.4 * torch.sin(2 * math.pi * (200 * time + 1500 * time**2))
    return tone + 0.02 * torch.randn(time.shape, generator=rng, dtype=torch.float64)


def exact(momentum, iterations=32):
    """In fp64 throughout: modules keep their windows in fp32."""
    transform = STFT(N_FFT, HOP)
    transform.window = torch.hann_window(N_FFT, dtype=torch.float64)
    return GriffinLim(transform, iterations=iterations, momentum=momentum)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_it_equals_librosa_from_the_same_phases(momentum):
    librosa = pytest.importorskip("librosa")
    x = sound()
    magnitudes = stft(x, N_FFT, HOP).abs()
    theirs = librosa.griffinlim(
        magnitudes.numpy(),
        n_iter=32,
        hop_length=HOP,
        n_fft=N_FFT,
        momentum=momentum,
        random_state=np.random.default_rng(1),
        length=len(x),
    )
    # librosa draws in [0, 1) and turns by 2 pi
    phases = 2 * math.pi * np.random.default_rng(1).random(magnitudes.shape)
    ours = exact(momentum)(magnitudes, len(x), phases=torch.from_numpy(phases))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-8)


def distance(y, magnitudes):
    return (stft(y, N_FFT, HOP).abs() - magnitudes).norm() / magnitudes.norm()


def test_without_momentum_the_distance_never_grows_and_with_it_ends_nearer():
    x = sound()
    magnitudes = stft(x, N_FFT, HOP).abs()
    phases = random_phases(magnitudes, torch.Generator().manual_seed(0))
    counts = (0, 1, 2, 5, 10, 32, 64)
    plain, fast = (
        [distance(exact(m, n)(magnitudes, len(x), phases=phases), magnitudes) for n in counts]
        for m in (0.0, 0.99)
    )
    assert all(a > b for a, b in pairwise(plain))
    assert fast[-1] < 0.8 * plain[-1] < 0.2 * plain[0]


def test_the_right_phases_stay():
    x = sound()
    spectra = stft(x, N_FFT, HOP)
    y = exact(0.99)(spectra.abs(), len(x), phases=spectra.angle())
    torch.testing.assert_close(y, x, atol=1e-6, rtol=0)


def test_one_seed_one_sound_and_batches_are_their_rows():
    magnitudes = stft(torch.stack([sound(), sound().flip(0)]).float(), N_FFT, HOP).abs()
    length = (magnitudes.shape[-1] - 1) * HOP

    def search(part, seed):
        rng = torch.Generator().manual_seed(seed)
        return griffin_lim(part, length, N_FFT, HOP, iterations=4, rng=rng)

    both = search(magnitudes, 0)
    assert torch.equal(both, search(magnitudes, 0))
    torch.testing.assert_close(both[:1], search(magnitudes[:1], 0))
    assert not torch.allclose(both, search(magnitudes, 1), atol=1e-2)


def test_impossible_searches_are_refused():
    magnitudes = torch.ones(129, 5)
    with pytest.raises(ValueError, match="100 samples have 2 frames, not 5"):
        griffin_lim(magnitudes, 100, N_FFT, HOP)
    with pytest.raises(ValueError, match=r"momentum in \[0, 1\), got 32 and 1"):
        griffin_lim(magnitudes, 300, N_FFT, HOP, momentum=1.0)


@pytest.mark.parametrize("log", ["none", "natural", "log10"])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_bins_go_back_to_the_bands_they_came_from(log, power):
    spec = MelSpec(sample_rate=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=24, log=log, power=power)
    mel = Mel(spec)(sound())
    bins = MelToLinear(spec, updates=100)(mel)
    assert bins.shape == (129, mel.shape[-1]) and bool((bins >= 0).all())
    bands = {"none": mel, "natural": mel.exp(), "log10": 10**mel}[log]
    back = mel_filterbank(spec) @ bins**power
    assert (back - bands).norm() < 0.02 * bands.norm()


def test_updates_approach_non_negative_least_squares():
    spec = MelSpec(sample_rate=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=24, log="none")
    filters = mel_filterbank(spec)
    bands = torch.rand(24, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 4
    best = sum(nnls(filters.numpy(), column.numpy())[1] ** 2 for column in bands.unbind(1)) ** 0.5

    def error(updates):
        return (filters @ MelToLinear(spec, updates=updates)(bands) - bands).norm().item()

    errors = [error(n) for n in (0, 5, 20, 2000)]
    assert errors == sorted(errors, reverse=True)
    assert best < errors[-1] < best + 0.05 * errors[0]
