"""What happens to excerpts, against scipy and closed forms, as a function of their draws."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import freqz, hilbert, lfilter

from latentone.audio import Audio, AudioSource
from latentone.data import AudioCrops, AugmentConfig, Draw, augment, draw, scan
from latentone.data.augment import all_pass, compress, dither, level, shift_phase
from latentone.dsp import integrated_loudness

RATE = 16_000


def noise(*shape, seed=0, dtype=torch.float64):
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def drawn(x, config, seed=0):
    return augment(x, RATE, config, torch.Generator().manual_seed(seed))


def tone(hertz, decibels, count=RATE):
    time = torch.arange(count, dtype=torch.float64) / RATE
    return math.sqrt(2) * 10 ** (decibels / 20) * torch.sin(2 * torch.pi * hertz * time)[None]


@pytest.mark.parametrize("hertz", [20.0, 440.0, 2000.0])
def test_the_all_pass_is_the_recursion(hertz):
    x = noise(2, 1000)
    middle = -2 * 0.99 * math.cos(2 * math.pi * hertz / RATE)
    top, bottom = [0.99**2, middle, 1], [1, middle, 0.99**2]
    expected = lfilter(top, bottom, x.numpy())
    np.testing.assert_allclose(all_pass(x, RATE, hertz).numpy(), expected, atol=1e-9)
    impulse = torch.zeros(1, 4096, dtype=torch.float64)
    impulse[0, 0] = 1
    response = freqz(all_pass(impulse, RATE, hertz)[0].numpy(), worN=500)[1]
    np.testing.assert_allclose(np.abs(response), 1, atol=1e-9)
    assert np.ptp(np.unwrap(np.angle(response))) > 6  # phases turn by 2 pi on the way


@pytest.mark.parametrize("count", [1000, 1001])
def test_phases_turn_as_those_of_the_analytic_signal(count):
    x = noise(2, count)
    expected = np.real(hilbert(x.numpy()) * np.exp(0.7j))
    np.testing.assert_allclose(shift_phase(x, 0.7).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("decibels", [-30.0, -16.0])
def test_level_gives_the_loudness(decibels):
    x = level(noise(2, RATE), RATE, decibels)
    assert float(integrated_loudness(x, RATE)) == pytest.approx(decibels, abs=1e-6)


def test_level_stops_at_the_peak_and_leaves_silence():
    click = torch.zeros(1, RATE)
    click[0, 100] = 0.5
    click[0, 200] = -0.1
    assert float(level(click, RATE, 0.0).abs().max()) == pytest.approx(1)
    silence = torch.zeros(1, RATE)
    assert torch.equal(level(silence, RATE, -16.0), silence)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_a_compressor_divides_differences_of_level(ratio):
    x = torch.cat([tone(400, -10), tone(400, -30)], -1)
    y = compress(x, RATE, ratio)
    middles = [20 * y[:, a : a + 4000].square().mean().sqrt().log10() for a in (6000, 22_000)]
    assert float(middles[0] - middles[1]) == pytest.approx(20 / ratio, abs=0.05)
    assert y.abs().max() == pytest.approx(float(x.abs().max()))
    below = tone(400, -50)
    torch.testing.assert_close(compress(below, RATE, ratio), below)


def test_dither_is_one_step_wide():
    rng = torch.Generator().manual_seed(0)
    added = dither(torch.zeros(1, 100_000, dtype=torch.float64), 8, rng)
    step = 2 / 2**8
    assert added.abs().max() <= step / 2
    assert float(added.var()) == pytest.approx(step**2 / 12, rel=0.02)
    assert abs(float(added.mean())) < step / 100


def test_gain_stays_in_range_and_below_the_peak():
    x = noise(1, 100)
    config = AugmentConfig(gain_db=(-6.0, 3.0))
    found = [20 * math.log10(float(drawn(x, config, i)[0, 3] / x[0, 3])) for i in range(200)]
    assert -6 <= min(found) < -5.5 and 2.5 < max(found) <= 3.0001
    loud = x / x.abs().max()
    assert all(drawn(loud, config, i).abs().max() <= 1 + 1e-9 for i in range(50))


@pytest.mark.parametrize("name", ["mute", "mangle", "compress"])
def test_probabilities(name):
    x = noise(1, 400)
    quiet = AugmentConfig()
    assert torch.equal(drawn(x, quiet), x)
    changed = [not torch.equal(drawn(x, AugmentConfig(**{name: 0.3}), i), x) for i in range(400)]
    assert sum(changed) / 400 == pytest.approx(0.3, abs=0.08)
    assert not drawn(x, AugmentConfig(mute=1.0)).any()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mute": 1.5}, "mute is a probability"),
        ({"mangle_hz": (0.0, 10.0)}, "mangle_hz"),
        ({"compress_ratio": (0.5, 2.0)}, "compress_ratio"),
        ({"gain_db": (3.0, -3.0)}, "gain_db"),
        ({"dither_bits": 0}, "dither_bits"),
    ],
)
def test_refusals(setting, message):
    with pytest.raises(ValueError, match=message):
        AugmentConfig(**setting)


@pytest.fixture
def folder(tmp_path):
    x = noise(1, 5 * 8000, dtype=torch.float32)
    x[:, : 4 * 8000] *= 1e-4
    for name in ("a/long.wav", "a/other.wav", "b/one.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Audio(x, 8000).save(tmp_path / name)
    return tmp_path


def crops_of(folder, **settings):
    items = scan(folder, group_by="file").items
    return AudioCrops(folder, items, AudioSource(sample_rate=8000, channels=1), 0.5, **settings)


def test_excerpts_are_changed_by_their_draw_alone(folder):
    config = AugmentConfig(mangle=1.0, dither_bits=8)
    crops, plain = crops_of(folder, augmented=config), crops_of(folder)
    draws = [Draw(0, 0.95), Draw(0, 0.96)]
    first = [crops[d]["x"] for d in draws]
    assert all(torch.equal(crops[d]["x"], x) for d, x in zip(draws, first, strict=True))
    changes = [x - plain[d]["x"] for d, x in zip(draws, first, strict=True)]
    assert all(change.any() for change in changes) and not torch.equal(*changes)


def test_soft_excerpts_are_drawn_again(folder):
    draws = [Draw(0, d.offset) for d in draw(0, 0, 0, 1, 60, [1.0])]
    levels = {
        limit: [float(integrated_loudness(crops[d]["x"], 8000)) > -40 for d in draws]
        for limit in (None, -40.0)
        for crops in [crops_of(folder, salient_db=limit)]
    }
    assert sum(levels[None]) < 20 and sum(levels[-40.0]) > 42


def test_folders_are_equally_likely(folder):
    weights = crops_of(folder, draw_by="folder").weights
    assert weights == pytest.approx([0.5, 0.5, 1.0])
