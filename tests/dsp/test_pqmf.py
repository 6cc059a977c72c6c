"""The filter bank against scipy's convolutions; aliases cancel, bands meet, streams agree."""

import numpy as np
import pytest
import scipy.signal
import torch

from latentone.dsp.distances import snr
from latentone.dsp.pqmf import PQMF, pqmf_filters, pqmf_prototype


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inner_snr(estimate, reference, margin):
    return snr(estimate[..., margin:-margin], reference[..., margin:-margin]).min().item()


def test_the_prototype_is_symmetric_and_stops_what_it_says():
    taps = pqmf_prototype(16, 100.0)
    assert len(taps) == 377 and len(pqmf_prototype(16, 80.0)) == 291
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)
    w, response = scipy.signal.freqz(taps, worN=4096)
    stop = 20 * np.log10(np.abs(response[w > 1.05 * np.pi / 16]).max())
    assert stop < -98
    at_edge = np.abs(np.interp(np.pi / 32, w, np.abs(response)))
    assert at_edge == pytest.approx(2**-0.5, abs=2e-3)  # neighbours add up in power


def test_bands_equal_scipys_correlation_of_each_filter():
    x = noise(800)
    filters = pqmf_filters(16)
    half = filters.shape[1] // 2
    bands = PQMF(16)(x[None, None])[0]
    for k in range(16):
        full = scipy.signal.correlate(x.numpy(), filters[k], "full")
        expected = full[half - 1 + 16 * np.arange(50)].copy()  # centred at n M - 1
        if k % 2:
            expected[::2] *= -1
        np.testing.assert_allclose(bands[k], expected, atol=2e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("num_bands", "attenuation_db", "least"),
    [(16, 100.0, 59.0), (16, 80.0, 57.0), (16, 60.0, 46.0), (8, 100.0, 59.0), (4, 60.0, 46.0)],
)
def test_the_signal_comes_back(num_bands, attenuation_db, least, causal):
    x = noise(2, 3, 32 * 200)
    bank = PQMF(num_bands, attenuation_db, causal=causal)
    bands = bank(x)
    assert bands.shape == (2, 3 * num_bands, 32 * 200 // num_bands)
    assert inner_snr(bank.inverse(bands), x, 600) > least


def test_without_the_alternating_phase_aliases_stay(monkeypatch):
    prototype = pqmf_prototype(16)
    n = np.arange(len(prototype)) - len(prototype) // 2
    k = np.arange(16)[:, None]
    same = 2 * prototype * np.cos((2 * k + 1) * np.pi / 32 * n + np.pi / 4)
    monkeypatch.setattr("latentone.dsp.pqmf.pqmf_filters", lambda *_: same)
    x, bank = noise(1, 1, 16 * 200), PQMF(16)
    assert inner_snr(bank.inverse(bank(x)), x, 600) < 20


def test_a_tone_comes_back_alone():
    """What decimation by 16 folds to other frequencies cancels, to -75 dB of the tone."""
    t = torch.arange(16 * 1024, dtype=torch.float64)
    for bin_ in (100, 510, 512, 700, 4096, 8000):  # band edges are multiples of 512
        x = torch.cos(2 * torch.pi * bin_ / 16384 * t)[None, None].float()
        bank = PQMF(16)
        y = bank.inverse(bank(x))[0, 0, 4096:12288] * torch.hann_window(8192)
        spectrum = torch.fft.rfft(y).abs()
        peak = bin_ // 2
        spectrum[max(0, peak - 3) : peak + 4] = 0
        reference = 8192 / 4
        assert 20 * torch.log10(spectrum.max() / reference) < -75


@pytest.mark.parametrize("band", range(16))
def test_frequency_runs_upwards_in_every_band(band):
    t = torch.arange(16 * 512)
    tone = torch.cos(torch.pi / 16 * (band + 0.25) * t)[None, None]
    values = PQMF(16)(tone)[0, band, 64:-64]
    spectrum = torch.fft.rfft(values * torch.hann_window(len(values))).abs()
    assert spectrum.argmax().item() / (len(spectrum) - 1) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("causal", [False, True])
def test_the_way_back_is_the_transpose_times_the_number_of_bands(causal):
    bank = PQMF(8, 60.0, causal=causal)
    x, bands = noise(1, 2, 8 * 60).double(), noise(1, 16, 60, seed=1).double()
    there = (bank(x) * bands).sum()
    torch.testing.assert_close(there * 8, (x * bank.inverse(bands)).sum(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("chunks", [1, 2, 3, 8, 64])
def test_streams_equal_the_whole_but_for_their_delay(causal, chunks):
    bank = PQMF(16, causal=causal)
    expected = (0, 361) if causal else (11, 189)
    assert (bank.latency, bank.inverse_latency) == expected
    x = noise(2, 2, bank.chunk * 70)
    bands, state, pieces = bank(x), bank.initial_state(2, 2), []
    for piece in x.split(chunks * bank.chunk, dim=-1):
        y, state = bank.step(piece, state)
        pieces.append(y)
    streamed = torch.cat(pieces, -1)
    late = bank.latency
    kept = bands.shape[-1] - late
    torch.testing.assert_close(streamed[..., late:], bands[..., :kept], atol=1e-6, rtol=0)

    state, pieces = bank.inverse_initial_state(2, 2), []
    for piece in bands.split(2 * chunks, dim=-1):
        y, state = bank.inverse_step(piece, state)
        pieces.append(y)
    streamed, late = torch.cat(pieces, -1), bank.inverse_latency
    whole = bank.inverse(bands)
    kept = whole.shape[-1] - late
    torch.testing.assert_close(streamed[..., late:], whole[..., :kept], atol=1e-5, rtol=0)


def test_a_causal_bank_sees_its_own_hop_and_the_past_only():
    x, other = noise(1, 1, 16 * 80), noise(1, 1, 16 * 80, seed=1)
    other[..., : 16 * 40] = x[..., : 16 * 40]
    causal, centred = PQMF(16, causal=True), PQMF(16)
    assert torch.equal(causal(x)[..., :40], causal(other)[..., :40])
    assert not torch.equal(centred(x)[..., :40], centred(other)[..., :40])
    newest = causal(x)[..., 39] - causal(torch.where(torch.arange(1280) == 639, 0, x))[..., 39]
    assert newest.abs().max() > 0  # also the last sample of the hop


def test_one_band_is_the_signal_itself_and_gradients_flow():
    x = noise(1, 1, 7)
    bank = PQMF(1)
    assert bank(x) is x and bank.inverse(x) is x
    assert bank.step(x, bank.initial_state(1)) == (x, [])
    x = noise(1, 1, 16).double().requires_grad_()
    small = PQMF(4, 40.0)
    assert torch.autograd.gradcheck(lambda x: small.inverse(small(x)), x, atol=1e-6)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="num_bands must be 1 or even, got 3"):
        PQMF(3)
    with pytest.raises(ValueError, match="attenuation_db must be in"):
        PQMF(4, 10.0)
    with pytest.raises(ValueError, match="multiple of 16, got 17"):
        PQMF(16)(torch.zeros(1, 1, 17))
    bank = PQMF(16, causal=True)
    with pytest.raises(ValueError, match="multiple of 32, got 16"):
        bank.step(torch.zeros(1, 1, 16), bank.initial_state(1))
