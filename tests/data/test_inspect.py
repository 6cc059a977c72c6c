"""What inspect_folder says is what was put into the folder."""

import math
from pathlib import Path

import pytest
import soundfile
import torch

from latentone.audio import Audio, load_audio
from latentone.data import inspect_folder

SONIC_PI = Path(__file__).parents[3] / "shared" / "data" / "sonic_pi"
RATE = 8000


def noise(seconds=1.0, channels=1, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return 0.5 * (2 * torch.rand(channels, round(seconds * RATE), generator=rng) - 1)


def save(path, samples, rate=RATE, subtype=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Audio(samples, rate).save(path, subtype=subtype)


def names(files):
    return [file.path for file in files]


def test_hours_rates_channels_formats(tmp_path):
    save(tmp_path / "a.wav", noise(1.0))
    save(tmp_path / "b" / "c.flac", noise(2.0, 2), 4000)
    save(tmp_path / "d.flac", noise(0.5, 2, 1))
    seen = []
    report = inspect_folder(tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    assert report.hours * 3600 == pytest.approx(1 + 4 + 0.5)
    assert report.rates == {8000: 2, 4000: 1} and report.channels == {2: 2, 1: 1}
    assert report.formats == {"FLAC PCM_24": 2, "WAV FLOAT": 1}
    assert names(report.too_short) == ["d.flac"] and seen == [(1, 3), (2, 3), (3, 3)]
    assert names(inspect_folder(tmp_path, shortest=2.0).too_short) == ["a.wav", "d.flac"]


def test_levels_and_silence(tmp_path):
    save(tmp_path / "silent.wav", torch.zeros(1, RATE))
    save(tmp_path / "hiss.wav", noise() * 1e-3)
    save(tmp_path / "square.wav", torch.full((1, RATE), 0.5))
    half = torch.cat([noise(0.5), torch.zeros(1, RATE // 2)], 1)
    save(tmp_path / "half.wav", half)
    report = inspect_folder(tmp_path)
    assert names(report.silent) == ["hiss.wav", "silent.wav"]
    files = {file.path: file for file in report.files}
    assert files["silent.wav"].rms_db == -math.inf and files["silent.wav"].silence == 1
    assert files["square.wav"].rms_db == pytest.approx(20 * math.log10(0.5))
    assert files["square.wav"].peak == 0.5 and files["square.wav"].silence == 0
    assert files["half.wav"].silence == pytest.approx(0.5)
    assert report.silence_hours * 3600 == pytest.approx(2.5)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_clipping_is_runs_at_full_scale(tmp_path, subtype, monkeypatch):
    monkeypatch.setattr("latentone.data.inspect.BLOCK_SAMPLES", 1000)
    loud = (noise(channels=2) * 8).clamp(-1, 1)
    loud[(loud.abs() > 0.98) & (loud.abs() < 1)] = 0.5
    single = noise()
    single[0, [100, 200, 201, 300]] = torch.tensor([1.0, 1.0, 1.0, -1.0])
    save(tmp_path / "clipped.wav", loud, subtype=subtype)
    save(tmp_path / "touching.wav", single, subtype=subtype)
    report = inspect_folder(tmp_path)
    assert names(report.clipping) == ["clipped.wav"]
    full = loud.abs() >= 1
    runs = (full[:, :-2] & full[:, 1:-1] & full[:, 2:]).sum()
    assert report.clipping[0].clipped == runs > 1000


def test_duplicates_are_found_by_sound_across_formats(tmp_path, monkeypatch):
    monkeypatch.setattr("latentone.data.inspect.BLOCK_SAMPLES", 1700)
    sound = noise()
    steps = (sound[0].numpy() * 32000).astype("int16")
    soundfile.write(tmp_path / "a.wav", steps, RATE)
    soundfile.write(tmp_path / "copy.flac", steps, RATE)
    sound = load_audio(tmp_path / "a.wav").samples
    Audio(sound, RATE).save(tmp_path / "tagged.wav", tags={"title": "other"})
    save(tmp_path / "other rate.wav", sound, 2 * RATE)
    save(tmp_path / "stereo.wav", sound.repeat(2, 1))
    save(tmp_path / "almost.wav", sound.roll(1, 1))
    save(tmp_path / "silence 1.wav", torch.zeros(1, 100))
    save(tmp_path / "silence 2.wav", torch.zeros(1, 100))
    report = inspect_folder(tmp_path)
    assert [names(same) for same in report.duplicates] == [["a.wav", "copy.flac", "tagged.wav"]]


def test_what_is_broken_is_listed_with_reasons(tmp_path):
    save(tmp_path / "good.wav", noise())
    save(tmp_path / "one sample.wav", torch.full((1, 1), 0.5))
    save(tmp_path / "wide.wav", noise(0.1, 24), 192_000)
    save(tmp_path / "cut.mp3", noise(4.0), 8000)
    cut = (tmp_path / "cut.mp3").read_bytes()
    (tmp_path / "cut.mp3").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "words.flac").write_text("words")
    soundfile.write(tmp_path / "nan.wav", [0.1, math.nan, 0.2], RATE, subtype="FLOAT")
    report = inspect_folder(tmp_path)
    assert names(report.files) == ["good.wav", "one sample.wav", "wide.wav"]
    reasons = {failure.path: failure.reason for failure in report.failures}
    assert sorted(reasons) == ["cut.mp3", "nan.wav", "words.flac"]
    assert "truncated" in reasons["cut.mp3"] and "NaN" in reasons["nan.wav"]
    assert report.files[2].info.channels == 24


def test_the_description_counts(tmp_path):
    save(tmp_path / "a.wav", noise())
    save(tmp_path / "b.wav", noise())
    (tmp_path / "c.wav").touch()
    text = inspect_folder(tmp_path).describe()
    for line in (
        "2 files, 0.03 minutes",
        "rates       8000 Hz (2)",
        "formats     WAV FLOAT (2)",
        "duplicates  1 copies of 1 sounds",
        "unreadable  1 files",
    ):
        assert line in text.splitlines()


def test_a_folder_without_audio_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no audio"):
        inspect_folder(tmp_path)


@pytest.mark.skipif(not SONIC_PI.is_dir(), reason="the Sonic Pi recordings are not here")
@pytest.mark.slow
def test_real_recordings():
    report = inspect_folder(SONIC_PI)
    assert len(report.files) == 195 and not report.failures and not report.duplicates
    assert report.hours * 3600 == pytest.approx(399, abs=1) and len(report.too_short) == 109
