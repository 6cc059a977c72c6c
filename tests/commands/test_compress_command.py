"""`compress` and `decompress`: sizes, sounds, priors, refusals; nothing half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from latentone.audio import Audio, load_audio, read_tags
from latentone.bitstream import split
from latentone.cli import main
from latentone.codecs import EnCodec, IdentityWaveform, IdentityWaveformConfig
from latentone.loading import load


def compress(run: Path, source: Path, out: Path, *more: str) -> bytes:
    argv = ["compress", str(run), str(source), "-o", str(out), "--device", "cpu", *more]
    assert main(argv) == 0
    return out.read_bytes()


def decompress(run: Path, stream: Path, out: Path, *more: str) -> torch.Tensor:
    argv = ["decompress", str(run), str(stream), "-o", str(out), "--device", "cpu", *more]
    assert main(argv) == 0
    return load_audio(out).samples


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen seconds at another rate, so that the codec encodes it in pieces."""
    path = tmp_path_factory.mktemp("source") / "song.wav"
    t = torch.arange(13 * 11025) / 11025
    x = 0.3 * torch.sin(2 * torch.pi * 200 * t * (1 + t / 20)) * torch.exp(-4 * (t % 0.4))
    Audio(x.repeat(2, 1), 11025).save(path)
    return path


@pytest.mark.parametrize("more", [(), ("--no-entropy",), ("--num-codebooks", "1")])
def test_what_comes_back_is_what_the_codec_decodes(
    more: tuple[str, ...],
    trained: Path,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = compress(trained, source, tmp_path / "song.lt", *more)
    said = capsys.readouterr().out
    assert f"13.00 s, {len(data)} bytes" in said
    assert ("packed" in said) == ("--no-entropy" not in more)
    heard = decompress(trained / "codec", tmp_path / "song.lt", tmp_path / "heard.wav")
    rows = 1 if "--num-codebooks" in more else None
    expected = load(trained).reconstruct(source, num_codebooks=rows).limit_peak().samples
    assert heard.shape == expected.shape == (1, 104_000)
    torch.testing.assert_close(heard, expected, atol=1e-5, rtol=1e-4)
    assert read_tags(tmp_path / "heard.wav")["decompresses"] == "song.lt"
    header, _ = split(data)
    assert header.streams["acoustic"].vocab == (16,) * (rows or 2)


def test_a_store_as_prior_is_needed_on_both_sides(
    trained: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(trained / "latents")
    stream = tmp_path / "song.lt"
    data = compress(trained, source, stream, "--prior", store)
    plain = compress(trained, source, tmp_path / "plain.lt")
    heard = decompress(trained, stream, tmp_path / "a.wav", "--prior", store)
    assert torch.equal(heard, decompress(trained, tmp_path / "plain.lt", tmp_path / "b.wav"))
    assert data != plain
    for wrong, prior in ((stream, ()), (tmp_path / "plain.lt", ("--prior", store))):
        argv = ["decompress", str(trained), str(wrong), "-o", str(tmp_path / "no.wav"), *prior]
        assert main([*argv, "--device", "cpu"]) == 2
        assert f"{wrong}: the stream was coded with the prior" in capsys.readouterr().err
    assert not (tmp_path / "no.wav").exists()


def test_another_codec_is_refused_by_name(
    trained: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compress(trained, source, tmp_path / "song.lt")
    codec = load(trained).codec
    theirs = codec.fingerprint()
    next(codec.encoder.parameters()).data.add_(0.1)
    codec.save_pretrained(tmp_path / "other")
    other = load(tmp_path / "other").codec.fingerprint()
    assert other != theirs
    argv = ["decompress", str(tmp_path / "other"), str(tmp_path / "song.lt"), "--device", "cpu"]
    assert main([*argv, "-o", str(tmp_path / "no.wav")]) == 2
    said = capsys.readouterr().err
    assert theirs[:16] in said
    assert other[:16] in said
    assert not (tmp_path / "no.wav").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["compress", "{run}", "{data}/broken.wav"], "broken.wav"),
        (["compress", "{run}", "{data}/none.wav"], "does not exist"),
        (["compress", "{run}", "{tone}", "-o", "out.wav"], "ends in .lt"),
        (["compress", "{run}", "{tone}", "--num-codebooks", "3"], "num_codebooks must be 1 to 2"),
        (["compress", "{run}", "{tone}", "--prior", "{run}/codec"], "codec"),
        (
            ["compress", "{run}", "{tone}", "--no-entropy", "--prior", "{run}/latents"],
            "--prior is for entropy coding",
        ),
        (["decompress", "{run}", "{tone}"], "`latentone compress` did not make it"),
        (["decompress", "{run}", "{run}"], "is a folder"),
        (["decompress", "{run}", "{run}/none.lt"], "none.lt"),
        (["decompress", "{run}", "{tone}", "-o", "out.lt"], "did not make it"),
    ],
)
def test_wrong_requests_are_told_in_a_line(
    argv: list[str],
    said: str,
    trained: Path,
    tones: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [text.format(run=trained, data=tones, tone=tones / "pluck a.wav") for text in argv]
    assert main([*filled, "--device", "cpu"]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_are_refused_before_the_model_is_loaded(
    trained: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = compress(trained, tones / "pluck a.wav", tmp_path / "tone.lt")
    for name, broken in {
        "cut": data[:-1],
        "flipped": data[:-1] + bytes([data[-1] ^ 1]),
        "head": data[:60] + bytes([data[60] ^ 1]) + data[61:],
        "empty": b"",
    }.items():
        (tmp_path / f"{name}.lt").write_bytes(broken)
        argv = ["decompress", "no/such/model", str(tmp_path / f"{name}.lt")]
        assert main([*argv, "-o", str(tmp_path / "no.wav")]) == 2
        assert f"{name}.lt: " in capsys.readouterr().err
    assert not (tmp_path / "no.wav").exists()


def test_only_what_needs_the_whole_sound_has_a_limit(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, packed = tmp_path / "long.wav", tmp_path / "long.lt"
    Audio(torch.zeros(1, 1201 * 50), 50).save(source)
    compress(trained, source, packed)
    codec = load(trained).codec
    config = codec.config
    seanet = replace(config.seanet, causal=False, norm="time_group_norm")
    EnCodec(replace(config, seanet=seanet)).save_pretrained(tmp_path / "grouped")
    argv = ["compress", str(tmp_path / "grouped"), str(source), "-o", str(tmp_path / "no.lt")]
    assert main([*argv, "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert "20 minutes long" in error and "time_group_norm" in error
    assert not (tmp_path / "no.lt").exists()


def test_a_continuous_codec_has_no_codes(
    tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codec = IdentityWaveform(IdentityWaveformConfig(sample_rate=8000))
    codec.save_pretrained(tmp_path / "identity")
    argv = ["compress", str(tmp_path / "identity"), str(tones / "pluck a.wav"), "--device", "cpu"]
    assert main([*argv, "-o", str(tmp_path / "no.lt")]) == 2
    assert "has a continuous codec: there are no codes to write" in capsys.readouterr().err
    assert not (tmp_path / "no.lt").exists()
