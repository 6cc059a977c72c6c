"""`transfer`: length, loudness, latents moved, two sounds, provenance, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentone.audio import Audio, load_audio, read_tags
from latentone.cli import main
from latentone.codecs import IdentityWaveform, IdentityWaveformConfig
from latentone.codecs.transfer import transfer
from latentone.dsp.loudness import integrated_loudness
from latentone.loading import load


def run_transfer(run: Path, source: Path, out: Path, *more: str) -> torch.Tensor:
    argv = ["transfer", str(run), str(source), "-o", str(out), "--device", "cpu", *more]
    assert main(argv) == 0
    return load_audio(out).samples


def test_as_long_and_as_loud_as_the_input(trained: Path, tones: Path, tmp_path: Path) -> None:
    source = tmp_path / "quiet.wav"
    x = load_audio(tones / "pluck a.wav").samples / 30  # so that no peak is scaled down
    Audio(x, 8000).save(source)
    y = run_transfer(trained, source, tmp_path / "out.wav")
    assert y.shape == x.shape
    gap = integrated_loudness(y, 8000) - integrated_loudness(x, 8000)
    assert abs(float(gap)) < 1e-2
    assert read_tags(tmp_path / "out.wav")["transfers"] == "quiet.wav"


def heard(y: torch.Tensor) -> torch.Tensor:
    """What a file holds of samples: peaks beyond full scale are scaled down."""
    return Audio(y, 8000).limit_peak().samples


def test_flags_reach_the_function_and_the_tags(trained: Path, tones: Path, tmp_path: Path) -> None:
    a, b, out = tones / "pluck a.wav", tones / "pluck h.wav", tmp_path / "out.wav"
    codec = load(trained).codec
    sounds = [codec.source.load(path) for path in (a, b)]
    plain = run_transfer(trained, a, out, "--no-match-loudness")
    torch.testing.assert_close(plain, heard(transfer(codec, sounds[0], loudness=False)))
    moved = ("--bias", "0:1.5", "--bias", "3:-2", "--scale", "1:0", "--num-codebooks", "1")
    y = run_transfer(trained, a, out, *moved, "--no-match-loudness")
    expected = transfer(
        codec, sounds[0], bias={0: 1.5, 3: -2}, scale={1: 0}, num_codebooks=1, loudness=False
    )
    torch.testing.assert_close(y, heard(expected))
    assert (y - plain).abs().max() > 1e-6
    tags = read_tags(out)
    assert (tags["bias"], tags["scale"]) == (["0:1.5", "3:-2"], ["1:0"])
    assert "amount" not in tags
    for more, wanted in (
        ((), {"amount": 0.5}),
        (("--amount", "1.5"), {"amount": 1.5}),
        (("--mix", "0.25"), {"mix": 0.25}),
        (("--mix", "0.25", "--amount", "-0.5"), {"mix": 0.25, "amount": -0.5}),
    ):
        y = run_transfer(trained, a, out, "--with", str(b), "--no-match-loudness", *more)
        torch.testing.assert_close(y, heard(transfer(codec, *sounds, loudness=False, **wanted)))
        tags = read_tags(out)
        assert tags["with"] == "pluck h.wav"
        assert {name: tags[name] for name in ("amount", "mix") if name in tags} == wanted


def test_a_continuous_codec(tones: Path, tmp_path: Path) -> None:
    codec = IdentityWaveform(IdentityWaveformConfig(sample_rate=8000))
    codec.save_pretrained(tmp_path / "identity")
    x = load_audio(tones / "pluck a.wav").samples
    more = ("--scale", "0:-0.5", "--no-match-loudness", "--seed", "3")
    y = run_transfer(tmp_path / "identity", tones / "pluck a.wav", tmp_path / "out.wav", *more)
    torch.testing.assert_close(y, -x / 2)
    assert read_tags(tmp_path / "out.wav")["decoder_seed"] == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--bias", "0"), "--bias: expected DIM:VALUE, such as 0:1.5, got '0'"),
        (("--scale", "a:1"), "--scale: expected DIM:VALUE"),
        (("--bias", "0:1", "--bias", "0:2"), "latent channel 0 is there twice"),
        (("--bias", "8:1"), "bias of the latent channel 8: the codec has 0 to 7"),
        (("--bias", "0:nan"), "not finite"),
        (("--amount", "0.5"), "--with"),
        (("--mix", "0.5"), "--with"),
        (("--with", "{data}/broken.wav"), "broken.wav"),
        (("--with", "{data}/pluck b.wav", "--mix", "2"), "a mix of 0 to 1"),
        (("-o", "out.xyz"), "suffix"),
    ],
)
def test_wrong_requests_are_told_in_a_line(
    more: tuple[str, ...],
    said: str,
    trained: Path,
    tones: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["transfer", str(trained), str(tones / "pluck a.wav"), "--device", "cpu"]
    assert main([*argv, *(text.format(data=tones) for text in more)]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
