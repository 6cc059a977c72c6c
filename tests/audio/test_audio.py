"""Every format, rate and part reads back as written; bad files say what is wrong with them."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from latentone import audio as audio_module
from latentone.audio import (
    Audio,
    AudioError,
    AudioSource,
    audio_info,
    load_audio,
    read_blocks,
    read_tags,
    resampled_length,
    save_audio,
)


def noise(channels=2, seconds=0.5, rate=44100, seed=0):
    rng = torch.Generator().manual_seed(seed)
    samples = torch.rand(channels, round(seconds * rate), generator=rng) * 1.8 - 0.9
    return Audio(samples, rate)


def tone(channels=2, seconds=1.0, rate=48000):
    time = torch.arange(round(seconds * rate)) / rate
    pitches = 220.0 * (1 + torch.arange(channels))[:, None]
    return Audio(0.5 * torch.sin(2 * torch.pi * pitches * time), rate)


def run_python(code, *args):
    source = str(Path(audio_module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        env={"PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOSSLESS = [
    # One step of the encoding, plus the 1 - 2^(1-n) that full scale is written as.
    ("wav", "PCM_U8", 2 / 128),
    ("wav", "PCM_16", 2 / 2**15),
    ("wav", "PCM_24", 2 / 2**23),
    ("wav", "PCM_32", 2e-7),
    ("wav", "FLOAT", 0),
    ("wav", "DOUBLE", 0),
    ("flac", "PCM_S8", 2 / 128),
    ("flac", "PCM_16", 2 / 2**15),
    ("flac", "PCM_24", 2 / 2**23),
    ("aiff", "PCM_16", 2 / 2**15),
    ("aif", "FLOAT", 0),
]


@pytest.mark.parametrize(("suffix", "subtype", "step"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_lossless_formats_give_back_what_was_written(tmp_path, suffix, subtype, step, channels):
    sound, path = noise(channels), tmp_path / f"x.{suffix}"
    save_audio(path, sound, subtype=subtype)
    again = load_audio(path)
    assert again.sample_rate == 44100 and again.samples.shape == sound.samples.shape
    assert float((again.samples - sound.samples).abs().max()) <= step
    info = audio_info(path)
    assert (info.channels, info.frames, info.subtype) == (channels, 22050, subtype)
    assert info.duration == 0.5


@pytest.mark.parametrize("suffix", ["ogg", "opus", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_formats_keep_length_and_sound(tmp_path, suffix, channels):
    sound, path = tone(channels), tmp_path / f"x.{suffix}"
    sound.save(path)
    again = load_audio(path)
    assert again.samples.shape == sound.samples.shape and again.sample_rate == 48000
    error = (again.samples - sound.samples)[:, 4800:-4800]
    assert float(error.square().mean() / sound.samples.square().mean()) < 1e-3


def test_long_vorbis_is_written_in_blocks(tmp_path):
    Audio(torch.zeros(1, 3_000_000), 44100).save(tmp_path / "long.ogg")
    assert audio_info(tmp_path / "long.ogg").frames == 3_000_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_parts_equal_slices_of_the_whole(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    noise(seconds=1.0, rate=48000).limit_peak(0.5).save(path)
    whole = load_audio(path).samples
    for offset, duration in [(0.0, 0.25), (0.3, 0.001), (0.7, None), (0.9, 5.0)]:
        part = load_audio(path, offset=offset, duration=duration).samples
        start = round(offset * 48000)
        end = None if duration is None else start + round(duration * 48000)
        assert torch.equal(part, whole[:, start:end])


@pytest.mark.parametrize("source", [11025, 44100, 48000, 44101, 192000])
@pytest.mark.parametrize("target", [8000, 24000, 32000, 44100, 48000])
def test_resampled_parts_line_up_with_the_whole(tmp_path, source, target):
    path = tmp_path / "x.wav"
    noise(1, 2.5, source).save(path)
    whole = load_audio(path, sample_rate=target).samples
    assert whole.shape[1] == resampled_length(round(2.5 * source), source, target)
    assert whole.shape[1] == AudioSource(sample_rate=target, channels=1).length(path)
    for offset, duration in [(0.0, 0.1), (0.123456, 0.2), (1.51, 0.5), (2.2, None)]:
        part = load_audio(path, sample_rate=target, offset=offset, duration=duration).samples
        start = round(offset * target)
        end = None if duration is None else start + round(duration * target)
        assert part.shape == whole[:, start:end].shape
        # soxr interpolates its filter where the rates have no small ratio.
        tolerance = 1e-5 if source == 44101 else 1e-6
        torch.testing.assert_close(part, whole[:, start:end], atol=tolerance, rtol=0)


def test_long_sound_of_an_awkward_rate_does_not_drift():
    time = torch.arange(44101 * 100, dtype=torch.float64) / 44101
    x = Audio(0.5 * torch.sin(2 * torch.pi * 3000 * time)[None].float(), 44101)
    end = x.resample(24000).samples[0, -48000:-2400]
    time = (torch.arange(end.numel(), dtype=torch.float64) + 98 * 24000) / 24000
    expected = 0.5 * torch.sin(2 * torch.pi * 3000 * time)
    torch.testing.assert_close(end, expected.float(), atol=1e-5, rtol=0)


def test_resampling_keeps_pitch_and_level_and_removes_what_does_not_fit():
    time = torch.arange(48000, dtype=torch.float64) / 48000
    both = (
        torch.sin(2 * torch.pi * 1000 * time) * 0.5 + torch.sin(2 * torch.pi * 11000 * time) * 0.5
    )
    again = Audio(both[None].float(), 48000).resample(16000).samples[0]
    expected = 0.5 * torch.sin(2 * torch.pi * 1000 * time[:16000] * 3)
    torch.testing.assert_close(again[800:-800], expected[800:-800].float(), atol=1e-5, rtol=0)
    direct = soxr.resample(both.float().numpy(), 48000, 16000)
    torch.testing.assert_close(again, torch.from_numpy(direct))


def test_only_the_part_asked_for_is_read(tmp_path):
    path = tmp_path / "x.wav"
    samples = noise(1, 2.0).samples.clone()
    samples[0, 80_000] = float("nan")
    soundfile.write(path, samples[0].numpy(), 44100, subtype="FLOAT")
    assert load_audio(path, duration=1.0).duration == 1.0
    with pytest.raises(AudioError, match=r"finite samples, got NaN or infinity at 1\.814 s"):
        load_audio(path)


def test_channels_are_mapped_as_documented(tmp_path):
    stereo = noise(2)
    stereo.save(tmp_path / "stereo.wav")
    mono = load_audio(tmp_path / "stereo.wav", channels=1)
    torch.testing.assert_close(mono.samples[0], stereo.samples.mean(0))
    mono.save(tmp_path / "mono.wav")
    again = load_audio(tmp_path / "mono.wav", channels=2).samples
    assert torch.equal(again[0], again[1]) and torch.equal(again[0], mono.samples[0])
    noise(24, 0.1).save(tmp_path / "many.wav")
    assert load_audio(tmp_path / "many.wav", channels=1).channels == 1
    with pytest.raises(AudioError, match=r"many\.wav.*2 channels, got 24 channels"):
        load_audio(tmp_path / "many.wav", channels=2)
    with pytest.raises(ValueError, match="3 channels, which cannot become 2"):
        noise(3).to_stereo()
    assert torch.equal(noise(1).to_stereo().to_mono().samples, noise(1).samples)


def test_high_rates_and_many_channels(tmp_path):
    sound = noise(24, 0.1, 192_000)
    sound.save(tmp_path / "x.wav")
    assert torch.equal(load_audio(tmp_path / "x.wav").samples, sound.samples)
    with pytest.raises(ValueError, match="FLAC/PCM_24 cannot hold 24 channels at 192000 Hz"):
        sound.save(tmp_path / "x.flac")
    assert not list(tmp_path.glob(".*")) and not (tmp_path / "x.flac").exists()


def test_source_loads_for_a_codec_and_renders_back(tmp_path):
    noise(2, 0.5, 48000).save(tmp_path / "x.wav")
    source = AudioSource(sample_rate=24000, channels=1)
    x = source.load(tmp_path / "x.wav", 0.1, 0.2)
    assert x.shape == (1, 4800) and x.dtype == torch.float32
    audio = source.render(x.double().requires_grad_())
    assert audio.sample_rate == 24000 and torch.equal(audio.samples, x)
    with pytest.raises(ValueError, match=r"expected \(1, time\), got \(2, 10\)"):
        source.render(torch.zeros(2, 10))


def test_blocks_join_to_the_whole(tmp_path):
    sound = noise(2, 1.0)
    sound.save(tmp_path / "x.flac", subtype="PCM_16")
    blocks = list(read_blocks(tmp_path / "x.flac", seconds=0.3))
    assert [b.shape[1] for b in blocks] == [13230, 13230, 13230, 4410]
    assert torch.equal(torch.cat(blocks, 1), load_audio(tmp_path / "x.flac").samples)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_tags_come_back(tmp_path, suffix):
    tags = {"model": "run/generator", "seed": 7, "prompt": "süß & langsam " * 60, "x": None}
    path = tmp_path / f"x.{suffix}"
    tone().save(path, tags=tags)
    with soundfile.SoundFile(path) as file:
        software = file.software
    assert read_tags(path) == tags
    if suffix != "mp3":  # LAME puts its own name there
        assert software.startswith("latentone ")


def test_foreign_comments_are_no_tags(tmp_path):
    with soundfile.SoundFile(tmp_path / "x.wav", "w", 8000, 1) as file:
        file.comment = "recorded at home"
        file.write(np.zeros(10))
    assert read_tags(tmp_path / "x.wav") == {}


def test_tags_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="tags take more than 2000 bytes"):
        tone().save(tmp_path / "x.wav", tags={"prompt": "la " * 4000})
    tone().save(tmp_path / "x.wav", tags={"prompt": "x" * 1980})
    assert len(read_tags(tmp_path / "x.wav")["prompt"]) == 1980


def test_nothing_clips_silently(tmp_path):
    loud = Audio(tone().samples * 3, 48000)
    loud.save(tmp_path / "x.wav")
    assert torch.equal(load_audio(tmp_path / "x.wav").samples, loud.samples)
    for name, subtype in [("x.flac", None), ("x.mp3", None), ("y.wav", "PCM_16")]:
        with pytest.raises(ValueError, match=r"clips beyond full scale, and the peak is 1\.5"):
            loud.save(tmp_path / name, subtype=subtype)
    limited = loud.limit_peak()
    limited.save(tmp_path / "x.flac")
    torch.testing.assert_close(limited.samples, loud.samples / loud.peak)
    assert tone().limit_peak(0.9).peak == tone().peak


@pytest.mark.parametrize(
    ("name", "sound", "message"),
    [
        ("x.wav", Audio(torch.full((1, 9), float("nan")), 8000), "got 9 that are NaN"),
        ("x.wav", Audio(torch.zeros(1, 0), 8000), "at least one sample, got none"),
        ("x.xyz", Audio(torch.zeros(1, 9), 8000), r"expected a suffix of .*got '\.xyz'"),
        ("x.opus", Audio(torch.zeros(1, 9), 44100), "cannot hold 1 channels at 44100 Hz"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_the_old_file(tmp_path, name, sound, message):
    (tmp_path / name).write_text("old")
    with pytest.raises(ValueError, match=message):
        sound.save(tmp_path / name)
    assert (tmp_path / name).read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="WAV cannot hold 'PCM_12'; known: "):
        tone().save(tmp_path / "x.wav", subtype="PCM_12")


def test_beyond_four_gigabytes_a_wav_becomes_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr("latentone.audio.write.RIFF_LIMIT", 1000)
    sound = noise()
    sound.save(tmp_path / "x.wav")
    assert audio_info(tmp_path / "x.wav").format == "RF64"
    assert torch.equal(load_audio(tmp_path / "x.wav").samples, sound.samples)


FULL_DISK = """
import resource, signal, sys, torch
from latentone.audio import Audio
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for path in sys.argv[1:]:
    try:
        Audio(torch.rand(2, 100_000) - 0.5, 44100).save(path)
    except OSError as error:
        print("refused:", error)
"""


def test_a_full_disk_is_an_error_and_keeps_the_old_files(tmp_path):
    paths = [tmp_path / f"x.{suffix}" for suffix in ("wav", "flac", "ogg", "mp3", "aiff")]
    for path in paths:
        tone(seconds=0.1).save(path)
    before = [path.read_bytes() for path in paths]
    output = run_python(FULL_DISK, *paths)
    assert output.count("refused:") == len(paths) and all(str(path) in output for path in paths)
    assert [path.read_bytes() for path in paths] == before
    assert len(list(tmp_path.iterdir())) == len(paths)


def test_bad_files_are_named_with_a_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an audio file"):
        load_audio(tmp_path / "none.wav")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("these are words, and no music\n" * 100)
    (tmp_path / "bytes.flac").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "headerless.raw").write_bytes(b"\0" * 1000)
    soundfile.write(tmp_path / "hollow.wav", np.zeros(0), 8000)
    for name, message in [
        ("", "got a folder"),
        ("empty.wav", "got an empty file"),
        ("text.mp3", "expected an audio file that libsndfile reads"),
        ("bytes.flac", "expected an audio file that libsndfile reads"),
        ("headerless.raw", "expected an audio file that libsndfile reads"),
        ("hollow.wav", "expected at least one sample, got a header without samples"),
    ]:
        for read in (audio_info, load_audio, read_tags, lambda p: next(read_blocks(p))):
            with pytest.raises(AudioError, match=message) as caught:
                read(tmp_path / name)
            assert str(tmp_path / name) in str(caught.value)
            assert caught.value.path == tmp_path / name


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "aiff"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    path = tmp_path / f"x.{suffix}"
    noise(2, 2.0, 48000).limit_peak(0.5).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(AudioError):
        load_audio(path)


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_truncated_ogg_keeps_its_whole_pages(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    noise(2, 4.0, 48000).limit_peak(0.5).save(path)
    complete = load_audio(path).samples
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    cut = load_audio(path).samples
    assert 0 < cut.shape[1] < complete.shape[1]
    assert torch.equal(cut, complete[:, : cut.shape[1]])


def test_a_wav_written_to_a_pipe_is_not_called_truncated(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros(1000), 8000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert load_audio(path).samples.shape == (1, 1000)


def test_corruption_inside_a_flac_is_found(tmp_path):
    path = tmp_path / "x.flac"
    noise(2, 2.0).save(path, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = b"\0" * 20_000
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"corrupt|truncated"):
        load_audio(path)


def test_errors_survive_the_way_back_from_a_worker():
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "sound", "noise")))
    assert str(error) == "a.wav: expected sound, got noise" and error.path == Path("a.wav")


def test_one_sample_and_silence_are_sound(tmp_path):
    for samples in (torch.full((1, 1), 0.25), torch.zeros(2, 500)):
        Audio(samples, 8000).save(tmp_path / "x.wav")
        assert torch.equal(load_audio(tmp_path / "x.wav").samples, samples)
        assert (
            load_audio(tmp_path / "x.wav", sample_rate=24000).samples.shape[1]
            == 3 * (samples.shape[1])
        )


def test_offsets_and_durations_out_of_range_are_refused(tmp_path):
    tone(seconds=0.5).save(tmp_path / "x.wav")
    with pytest.raises(AudioError, match=r"an offset below its 0\.5 s, got 0\.5 s"):
        load_audio(tmp_path / "x.wav", offset=0.5)
    for bad in ({"offset": -1.0}, {"offset": float("nan")}, {"duration": 0.0}, {"duration": -1.0}):
        with pytest.raises(ValueError, match=r"offset must be|duration must hold"):
            load_audio(tmp_path / "x.wav", **bad)


@pytest.mark.parametrize(
    "samples", [torch.zeros(9), torch.zeros(0, 9), torch.zeros(1, 9, dtype=torch.float64)]
)
def test_audio_refuses_other_shapes_and_types(samples):
    with pytest.raises(ValueError, match=r"float32 \(channels, time\)"):
        Audio(samples, 8000)


def test_normalize_reaches_the_loudness_and_refuses_silence():
    meter = pytest.importorskip("pyloudnorm").Meter(48000, filter_class="DeMan")
    quiet = Audio(tone(seconds=2.0).samples * 0.01, 48000).normalize(lufs=-18)
    assert meter.integrated_loudness(quiet.samples.double().numpy().T) == pytest.approx(
        -18, abs=1e-4
    )
    with pytest.raises(ValueError, match="cannot bring silence to -18 LUFS"):
        Audio(torch.zeros(1, 48000), 48000).normalize(lufs=-18)


TEN_HOURS = """
import resource, sys
from latentone.audio import AudioSource, load_audio, read_blocks
from latentone.data import inspect_folder
from pathlib import Path
path = Path(sys.argv[1])
source = AudioSource(sample_rate=24000, channels=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert source.length(path) == 36000 * 24000
assert source.load(path, 35990.0, 2.0).shape == (1, 48000)
report = inspect_folder(path.parent)
assert report.hours == 10.0 and report.files[0].silence == 1.0, report
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_ten_hours_take_constant_memory(tmp_path):
    path = tmp_path / "long.wav"
    rate, seconds = 2000, 36000
    soundfile.write(path, np.zeros(1), rate, subtype="PCM_16")
    data = bytearray(path.read_bytes()[:44])
    size = rate * seconds * 2
    data[4:8], data[40:44] = (36 + size).to_bytes(4, "little"), size.to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(data)
        file.truncate(44 + size)  # a sparse file: nothing but zeros, and no room on the disk
    kilobytes = int(run_python(TEN_HOURS, path))
    assert kilobytes < 150_000, "decoded at once it would take 288 000"
