"""Files through a codec in pieces: equal to the sound in memory, in bounded memory, atomic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from latentone.audio import Audio, audio_info, load_audio, read_tags, save_audio
from latentone.bitstream import compress, decompress, decompress_long
from latentone.codecs import GriffinLimConfig, MelCodec, MelCodecConfig
from latentone.codecs.long import reader_of
from latentone.codecs.long_transfer import loudness_of, repeated
from latentone.codecs.transfer import transfer
from latentone.dsp.mel import MelSpec
from latentone.pipeline import Pipeline
from latentone.pipeline_files import require_pieces, require_short, write_pieces
from long_trials import RATE, codecs

TRIALS = Path(__file__).parent / "long_trials.py"


def model_of(name: str) -> Pipeline:
    return Pipeline({"acoustic": codecs()[name].eval()})


def write(path: Path, seconds: float, *, rate: int = 11_025, seed: int = 0) -> Path:
    """Noise with an envelope, at a rate that is not the codec's."""
    rng = torch.Generator().manual_seed(seed)
    x = 0.1 * torch.randn(1, round(seconds * rate), generator=rng)
    save_audio(path, Audio(x * torch.linspace(0.3, 1, x.shape[-1]), rate))
    return path


def heard(y: torch.Tensor) -> torch.Tensor:
    """What a file holds of samples: peaks beyond full scale are scaled down."""
    return Audio(y, RATE).limit_peak().samples


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-5 * max(1.0, float(b.abs().max())), rtol=1e-4)


@pytest.mark.parametrize("name", ["encodec", "dac", "mel", "spectrum"])
@torch.no_grad()
def test_a_file_reconstructs_as_in_memory(name: str, tmp_path: Path) -> None:
    """21 seconds are three pieces; the whole is encoded and decoded in one."""
    model = model_of(name)
    codec = model.codec
    source = write(tmp_path / "in.wav", 21.37)
    x = codec.source.load(source)
    y = codec.decode_streams(codec.streams(x[None]))[0, :, : x.shape[-1]]
    seen: list[tuple[int, int]] = []
    written = model.reconstruct_file(
        source, tmp_path / "out.wav", tags={"a": 1}, on_step=lambda *step: seen.append(step)
    )
    made = load_audio(tmp_path / "out.wav")
    assert made.sample_rate == RATE
    assert written.num_samples == made.samples.shape[1] == x.shape[-1]
    close(made.samples, heard(y))
    close(model.reconstruct(source).samples, y)
    assert written.peak == pytest.approx(float(y.abs().max()), rel=1e-4)
    assert read_tags(tmp_path / "out.wav") == {"a": 1}
    assert seen[-1] == (21, 22) and len(seen) > 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.wav"]


@pytest.mark.parametrize("name", ["encodec", "rave", "segments"])
@torch.no_grad()
def test_a_file_transfers_as_in_memory(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    codec = model.codec
    source = write(tmp_path / "a.wav", 13.3)
    other = write(tmp_path / "b.wav", 3.1, seed=1)
    x, second = codec.source.load(source), codec.source.load(other)
    how = {"amount": 0.4, "mix": 0.3, "bias": {1: 0.5}, "scale": {0: 2.0}}
    for given, loudness in (({}, True), (how, False), (how, True)):
        both = (x, second) if "mix" in given else (x,)
        rng = torch.Generator().manual_seed(3)
        y = transfer(codec, *both, loudness=loudness, rng=rng, **given)
        files = (other,) if "mix" in given else ()
        model.transfer_file(
            source, tmp_path / "out.wav", *files, seed=3, loudness=loudness, **given
        )
        close(load_audio(tmp_path / "out.wav").samples, heard(y))
        in_memory = model.transfer(source, *files, seed=3, loudness=loudness, **given)
        close(in_memory.samples, y)


def test_loudness_is_matched_and_peaks_scaled_down(tmp_path: Path) -> None:
    model = model_of("dac")
    codec = model.codec
    source = write(tmp_path / "in.wav", 12)
    model.transfer_file(source, tmp_path / "out.flac")
    levels = [
        loudness_of(codec, reader_of(x), x.shape[-1])
        for x in (codec.source.load(source), load_audio(tmp_path / "out.flac").samples)
    ]
    assert levels[1] == pytest.approx(levels[0], abs=0.01)
    pieces = iter([torch.full((1, 9), 0.5), torch.full((1, 4), -4.0)])
    written = write_pieces(tmp_path / "loud.wav", pieces, codec, 13)
    assert written.peak == 4.0
    y = load_audio(tmp_path / "loud.wav").samples
    assert torch.equal(y, torch.tensor([[0.125] * 9 + [-1.0] * 4]))


@pytest.mark.parametrize("name", ["encodec", "segments", "dac"])
@torch.no_grad()
def test_a_stream_decompresses_in_pieces(name: str) -> None:
    codec = codecs()[name].eval()
    x = 0.2 * torch.randn(1, 25 * RATE + 7, generator=torch.Generator().manual_seed(0))
    data = compress(codec, x, entropy=False)
    pieces = list(decompress_long(codec, data))
    assert len(pieces) > 2
    close(torch.cat(pieces, dim=-1), decompress(codec, data))


def test_what_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    model = model_of("encodec")
    source = write(tmp_path / "in.wav", 25)
    out = tmp_path / "out.wav"
    out.write_bytes(b"before")

    def stop(done: int, total: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.reconstruct_file(source, out, on_step=stop)
    for how, said in (
        ({"num_codebooks": 9}, "num_codebooks must be 1 to 2"),
        ({"tags": {"x": "y" * 3000}}, "tags take more than"),
    ):
        with pytest.raises(ValueError, match=said):
            model.reconstruct_file(source, out, **how)
    with pytest.raises(ValueError, match="latent channel 99"):
        model.transfer_file(source, out, bias={99: 1.0})
    with pytest.raises(ValueError, match="need another sound"):
        model.transfer_file(source, out, mix=0.5)
    broken = source.with_name("broken.wav")
    broken.write_bytes(source.read_bytes()[:-50_000])
    with pytest.raises(ValueError, match="truncated"):
        model.reconstruct_file(broken, out)
    broken.unlink()
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.wav"]


def test_the_limit_is_for_what_needs_the_whole_and_names_it(tmp_path: Path) -> None:
    mel = MelSpec(sample_rate=RATE, n_fft=256, hop_length=64, n_mels=16)
    searched = MelCodec(MelCodecConfig(mel=mel, decoder=GriffinLimConfig()))
    with pytest.raises(ValueError, match=r"song is 21 minutes long.*Griffin-Lim.*at most 20"):
        require_pieces(searched, 1260, "song")
    require_pieces(searched, 1260, "song", decode=False)
    require_pieces(searched, 1199, "song")
    require_pieces(codecs()["encodec"], 1e6, "song")
    with pytest.raises(ValueError, match="since it is held whole"):
        require_short(1260, "song")
    source = tmp_path / "long.wav"
    save_audio(source, Audio(torch.zeros(1, 1201 * 100), 100), subtype="PCM_16")
    with pytest.raises(ValueError, match=r"20 minutes long.*Griffin-Lim"):
        Pipeline({"acoustic": searched}).reconstruct_file(source, tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_a_sound_repeats_from_its_beginning() -> None:
    x = torch.arange(5.0)[None]
    read = repeated(reader_of(x), 5)
    assert read(3, 9).tolist() == [[3, 4, 0, 1, 2, 3, 4, 0, 1]]
    assert read(10, 2).tolist() == [[0, 1]]


def trial(name: str, job: str, minutes: float, folder: Path) -> dict[str, float]:
    argv = [sys.executable, str(TRIALS), name, job, str(minutes), str(folder)]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def grown(name: str, job: str, minutes: tuple[float, float], folder: Path) -> float:
    """MB that the longer of two sounds takes more than the shorter, in processes of their own."""
    short, long = (trial(name, job, count, folder) for count in minutes)
    assert (short["made"], long["made"]) == (60 * minutes[0], 60 * minutes[1])
    return long["peak"] - short["peak"]


def test_ten_minutes_take_the_memory_of_one(tmp_path: Path) -> None:
    assert grown("encodec", "reconstruct", (1, 10), tmp_path) < 12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("encodec", "reconstruct"),
        ("segments", "reconstruct"),
        ("dac", "reconstruct"),
        ("rave", "reconstruct"),
        ("mel", "reconstruct"),
        ("spectrum", "transfer"),
        ("encodec", "transfer"),
    ],
)
def test_an_hour_takes_the_memory_of_two_minutes(name: str, job: str, tmp_path: Path) -> None:
    """Held whole, the sound alone would take 110 MB more, and what a codec makes of it yet more."""
    assert grown(name, job, (2, 60), tmp_path) < 25


@pytest.mark.slow
def test_an_hour_of_codes_is_all_that_compression_holds(tmp_path: Path) -> None:
    assert grown("encodec", "compress", (2, 60), tmp_path) < 40
    assert audio_info(tmp_path / "out.wav").frames == 3600 * RATE
