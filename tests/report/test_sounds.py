"""Spectrograms and embedded sounds, against what is known of the signals."""

from __future__ import annotations

import io
from base64 import b64decode
from math import log2

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from latentone.audio import Audio
from latentone.metrics.levels import measure
from latentone.report.sounds import LOWEST_HZ, ROWS, embed, spectrogram

RATE = 16000


def sine(hz: float, seconds: float = 1.0, level: float = 1.0, channels: int = 1) -> Audio:
    t = torch.arange(round(seconds * RATE)) / RATE
    return Audio((level * torch.sin(2 * torch.pi * hz * t)).repeat(channels, 1), RATE)


@pytest.mark.parametrize("hz", [100.0, 440.0, 3000.0, 7000.0])
def test_a_sine_lights_the_row_of_its_frequency(hz: float) -> None:
    rows = spectrogram(sine(hz)).mean(1)
    found = LOWEST_HZ * 2 ** ((int(rows.argmax()) + 0.5) / ROWS * log2(RATE / 2 / LOWEST_HZ))
    assert abs(found - hz) <= max(RATE / 2048, 0.03 * hz)  # a bin, or a row
    assert rows.max() - rows[[5, -1]].max() > 40  # dB above what is far away


def test_rows_hold_power_density() -> None:
    """White noise is level over frequency: all rows alike, narrow and wide."""
    torch.manual_seed(0)
    rows = spectrogram(Audio(0.1 * torch.randn(1, 10 * RATE), RATE))
    power = (10 ** (rows / 10)).mean(1)
    assert 10 * torch.log10(power.max() / power.min()) < 1.5


def test_levels_of_known_signals() -> None:
    levels = measure(sine(1000.0, level=0.5, channels=2))
    assert levels.peak_db == pytest.approx(-6.02, abs=0.01)
    assert levels.rms_db == pytest.approx(-9.03, abs=0.01)
    assert levels.centroid_hz == pytest.approx(1000, rel=0.01)
    assert (levels.clipped, levels.silent, levels.problems()) == (0.0, 0.0, ())


def test_silence_and_clipping_are_named() -> None:
    silence = measure(Audio(torch.zeros(1, RATE), RATE))
    assert silence.silent == 1.0
    assert silence.problems() == ("silent throughout",)
    loud = Audio((4 * sine(201.7).samples).clamp(-1, 1), RATE)
    assert measure(loud).clipped == pytest.approx(2 / torch.pi * np.arccos(0.25), abs=0.01)
    assert "clipped" in measure(loud).problems()[0]
    half = Audio(torch.cat([sine(200.0).samples, torch.zeros(1, 2 * RATE)], dim=1), RATE)
    assert half and measure(half).silent == pytest.approx(2 / 3, abs=0.02)
    assert "silence" in measure(half).problems()[0]


@pytest.mark.parametrize("samples", [1, 7, 300])
def test_the_shortest_sounds_are_measured(samples: int) -> None:
    sound = embed(Audio(0.1 * torch.ones(1, samples), RATE), title="click")
    assert sound.seconds == samples / RATE


@pytest.mark.parametrize("channels", [1, 2])
def test_embedded_audio_and_picture_can_be_read_back(channels: int) -> None:
    audio = sine(440.0, seconds=0.7, level=0.5, channels=channels)
    sound = embed(audio, title="a", seconds=0.5)
    kind, _, data = sound.audio.partition(";base64,")
    assert kind == "data:audio/flac"
    samples, rate = soundfile.read(io.BytesIO(b64decode(data)), always_2d=True)
    assert (rate, samples.shape) == (RATE, (8000, channels))
    np.testing.assert_allclose(samples.T, audio.samples[:, :8000].numpy(), atol=2**-15)
    kind, _, data = sound.picture.partition(";base64,")
    assert kind == "data:image/png"
    assert Image.open(io.BytesIO(b64decode(data))).size[1] == ROWS
    assert sound.seconds == 0.5
    small = embed(audio, title="a", lossless=False).audio
    assert small.startswith("data:audio/ogg;base64,T2dn")  # OggS
