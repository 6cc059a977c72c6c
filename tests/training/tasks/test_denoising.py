"""Noise for a switch: its level, its colour, and what the codec is asked for."""

from dataclasses import replace

import pytest
import torch
from codec_trials import Trainer, TrialConfig, tones

from latentone.systems.soundstream import debug_codec
from latentone.training.tasks import CodecTaskConfig
from latentone.training.tasks.denoising import coloured_noise, noisy_batch


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_target_is_clean_where_the_switch_is_on():
    batch = tones(batch=64)
    noisy, target = noisy_batch(batch, (10.0, 10.0), rng())
    on = noisy["denoise"] == 1
    assert 16 < on.sum() < 48 and set(noisy["denoise"].tolist()) == {0.0, 1.0}
    assert torch.equal(target[on], batch["x"][on])
    assert torch.equal(target[~on], noisy["x"][~on])
    assert not torch.equal(noisy["x"][on], target[on])
    assert noisy["lengths"] is batch["lengths"] and torch.equal(batch["x"], tones(batch=64)["x"])


def test_the_ratio_is_as_asked():
    batch = tones(batch=200)
    noisy, _ = noisy_batch(batch, (-5.0, 15.0), rng())
    noise = noisy["x"] - batch["x"]
    powers = [x.square().mean((1, 2)) for x in (batch["x"], noise)]
    ratios = 10 * (powers[0] / powers[1]).log10()
    assert ratios.min() == pytest.approx(-5, abs=0.5) and ratios.max() == pytest.approx(15, abs=0.5)
    assert ratios.mean() == pytest.approx(5, abs=1)


def test_the_noise_lies_between_white_and_brown():
    noise = coloured_noise(torch.zeros(200, 1, 4096), rng())
    power = torch.fft.rfft(noise).abs().square()[:, 0]
    low, high = power[:, 16:32].mean(1), power[:, 1024:2048].mean(1)
    slopes = -(high / low).log2() / 6  # six octaves apart
    assert slopes.min() == pytest.approx(0, abs=0.2) and slopes.max() == pytest.approx(2, abs=0.2)


def test_silence_and_chance():
    batch = {"x": torch.zeros(2, 1, 100)}
    noisy, target = noisy_batch(batch, (0.0, 0.0), rng())
    assert not noisy["x"].any() and not target.any()
    one, two, other = (noisy_batch(tones(), (0.0, 9.0), rng(s))[0]["x"] for s in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_a_codec_with_a_switch_learns_both_settings():
    config = replace(debug_codec().task, adversarial_start=1.0)
    torch.manual_seed(0)
    task = config.build()
    run = Trainer(task)
    run.go(tones(batch=8), 2)
    assert run.kept["codec"]["film.on"].any() and run.kept["codec"]["film.off"].any()


def test_refusals():
    with pytest.raises(ValueError, match="denoising=True"):
        CodecTaskConfig(model=TrialConfig(), noise_db=(0.0, 1.0)).build()
    with pytest.raises(ValueError, match="lowest, highest"):
        CodecTaskConfig(model=TrialConfig(), noise_db=(2.0, 1.0))
