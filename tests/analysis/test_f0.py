"""pYIN: closed forms, synthetic tones, librosa, and melodies whose notes are known."""

import math

import librosa
import numpy as np
import pytest
import torch
from scipy.stats import beta

from latentone.analysis import fundamental
from latentone.analysis.f0 import _beta, _difference, _probabilities
from latentone.audio import Audio

RATE = 22050


def cents(estimate, truth):
    return 1200 * torch.log2(torch.as_tensor(estimate) / torch.as_tensor(truth))


def harmonics(hz, seconds=0.5, count=6, rate=RATE):
    """A tone whose frequency may vary: `hz` a number, or one for every sample."""
    hz = torch.as_tensor(hz).double().expand(round(seconds * rate))
    phase = 2 * math.pi * hz.cumsum(0) / rate
    parts = [
        torch.sin(k * phase) / k for k in range(1, count + 1) if k * float(hz.max()) < rate / 2
    ]
    return Audio(0.2 * torch.stack(parts).sum(0).float()[None], rate)


@pytest.mark.parametrize("hz", [66.0, 110.0, 261.63, 443.3, 1000.0, 1975.5])
@pytest.mark.parametrize("count", [1, 6])
def test_a_steady_tone_is_found_within_cents(hz, count):
    found = fundamental(harmonics(hz, count=count))
    inner = slice(3, -3)
    assert bool(found.voiced[inner].all())
    # From a twentieth of the sample rate on a period has too few samples for a parabola.
    assert float(cents(found.hz[inner], hz).abs().max()) < (3 if hz < RATE / 20 else 8)
    assert bool((found.probability[inner] > 0.9).all())


def test_a_missing_fundamental_is_found():
    t = torch.arange(RATE).double() / RATE
    x = sum(torch.sin(2 * math.pi * 220 * k * t) for k in (3, 4, 5, 6)) / 8
    found = fundamental(Audio(x.float()[None], RATE))
    assert float(cents(found.hz[3:-3], 220.0).abs().max()) < 3


def test_vibrato_and_glides_are_followed():
    t = torch.arange(RATE).double() / RATE
    vibrato = 440 * 2 ** (0.5 / 12 * torch.sin(2 * math.pi * 5 * t))
    glide = 220 * 2 ** (2 * t)
    for hz in (vibrato, glide):
        found = fundamental(harmonics(hz, seconds=1.0))
        at = (found.times * RATE).long().clamp_max(RATE - 1)
        error = cents(found.hz, hz[at])[4:-4].abs()
        assert float(error.median()) < 5 and float(error.max()) < 12


def test_noise_silence_and_constants_have_no_pitch():
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    for x in (noise, torch.zeros(1, RATE), torch.ones(1, RATE)):
        found = fundamental(Audio(x, RATE))
        assert float(found.voiced.float().mean()) < 0.05
        assert bool((found.hz[~found.voiced] == 0).all())
        assert bool(found.midi[~found.voiced].isnan().all())


def test_voicing_begins_and_ends_with_the_tone():
    tone = harmonics(330.0, seconds=0.4).samples
    x = torch.cat([torch.zeros(1, RATE // 2), tone, torch.zeros(1, RATE // 2)], 1)
    found = fundamental(Audio(x, RATE))
    sounding = found.times[found.voiced]
    assert float(sounding[0]) == pytest.approx(0.5, abs=0.03)
    assert float(sounding[-1]) == pytest.approx(0.9, abs=0.03)
    assert bool(found.voiced.nonzero().diff(dim=0).eq(1).all())


def test_the_difference_is_the_plain_sum():
    x = torch.randn(2, 60, generator=torch.Generator().manual_seed(1)).double()
    d, normalized = _difference(x, 30)
    for lag in range(31):
        direct = (x[:, :30] - x[:, lag : lag + 30]).square().sum(1)
        torch.testing.assert_close(d[:, lag], direct)
    torch.testing.assert_close(normalized[:, 7], d[:, 7] / (d[:, 1:8].sum(1) / 7))


def test_probabilities_are_those_of_random_thresholds():
    s = torch.linspace(0, 1, 101).double()
    np.testing.assert_allclose(_beta(s).numpy(), beta(2, 18).cdf(s.numpy()), atol=1e-12)
    heights = torch.tensor([[1.0, 0.3, 0.1, 0.2, 0.02, 1.0]]).double()
    draws = np.random.default_rng(0).beta(2, 18, 200_000)
    first = np.array([np.argmax(heights[0].numpy() < t) for t in draws[:20_000]])
    below = draws[:20_000] > 0.02
    expected = np.bincount(first[below], minlength=6) / 20_000
    expected[4] += 0.01 * (1 - below.mean())
    np.testing.assert_allclose(_probabilities(heights)[0].numpy(), expected, atol=0.01)


@pytest.mark.slow  # librosa compiles it for some seconds
def test_agrees_with_librosa_on_melodies(tunes):
    for known in tunes[:2]:
        ours = fundamental(known.audio, f_min=100.0, f_max=1600.0)
        theirs, voiced, _ = librosa.pyin(
            known.audio.samples[0].numpy(), fmin=100.0, fmax=1600.0, sr=RATE, hop_length=220
        )
        count = min(len(theirs), len(ours.hz))
        both = ours.voiced[:count].numpy() & voiced[:count]
        assert both.sum() > 0.9 * min(int(ours.voiced.sum()), voiced.sum())
        difference = cents(ours.hz[:count].numpy()[both], theirs[:count][both]).abs()
        assert float((difference < 25).double().mean()) > 0.9


def test_melodies_have_the_pitches_of_their_notes(tunes):
    right = total = 0
    for known in tunes:
        found = fundamental(known.audio)
        for start, end, pitch, _, _ in known.truth["notes"]:
            middle = found.times.sub((start + end) / 2).abs().argmin()
            if end - start < 0.12 or not bool(found.voiced[middle]):
                continue
            total += 1
            right += abs(float(found.midi[middle]) - pitch) < 0.5
    assert total > 30 and right / total > 0.9


def test_frames_and_short_input():
    assert len(fundamental(Audio(torch.zeros(1, 0), RATE)).hz) == 0
    for count in (1, 5, 219, 220, 221):
        found = fundamental(Audio(torch.ones(2, count), RATE))
        assert len(found.hz) == 1 + count // 220 and not bool(found.voiced.any())
    assert found.frame_rate == RATE / 220


def test_refusals_say_why():
    with pytest.raises(ValueError, match="NaN or infinite"):
        fundamental(Audio(torch.full((1, 100), math.nan), RATE))
    for low, high in ((0, 100), (500, 400), (60, 6000)):
        with pytest.raises(ValueError, match="quarter of the sample"):
            fundamental(Audio(torch.zeros(1, 100), RATE), f_min=low, f_max=high)
    with pytest.raises(ValueError, match="frame_rate"):
        fundamental(Audio(torch.zeros(1, 100), RATE), frame_rate=0)
