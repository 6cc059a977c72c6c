"""`play`: files through the block path, the benchmark, refusals; `info` tells the latency."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from latentone.audio import Audio, load_audio, read_tags
from latentone.cli import main
from latentone.codecs import RAVE, IdentityWaveform, IdentityWaveformConfig
from latentone.codecs.rave_config import RAVEConfig
from latentone.live import Controls, LiveCodec
from latentone.networks.rave_v2 import RAVEv2Config


def save_rave(folder: Path, *, causal: bool) -> RAVE:
    """8 kHz, 16 samples per frame, with channels of noise."""
    torch.manual_seed(0)
    network = RAVEv2Config(capacity=4, ratios=(2, 2), dilations=((1,), (1,)), causal=causal)
    config = RAVEConfig(
        sample_rate=8000,
        num_bands=4,
        attenuation_db=60,
        latent_dim=4,
        noise_channels=4,
        network=network,
    )
    codec = RAVE(config).eval()
    codec.save_pretrained(folder)
    return codec


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_rave(tmp_path / "model", causal=True)
    return tmp_path / "model"


def play(model: Path, source: Path, out: Path, *more: str) -> torch.Tensor:
    argv = ["play", str(model), "--input", str(source), "--output", str(out), *more]
    assert main(argv) == 0
    return load_audio(out).samples


def test_a_file_goes_through_the_block_path(
    model: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tones / "pluck a.wav", tmp_path / "out.wav"
    flags = ("--bias", "0:1.5", "--scale", "1:0", "--mix", "0.5", "--gain-db", "-3")
    y = play(model, source, out, "--block", "64", "--seed", "5", *flags)
    said = capsys.readouterr().out
    controls = Controls(bias={0: 1.5}, scale={1: 0}, mix=0.5, gain_db=-3)
    live = LiveCodec(RAVE.from_pretrained(model), block=64, controls=controls)
    torch.manual_seed(5)
    expected = Audio(live.render(load_audio(source).samples), 8000).limit_peak().samples
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=0)
    assert f"{live.latency_ms:.1f} ms" in said and "times real time" in said
    tags = read_tags(out)
    assert (tags["plays"], tags["block"], tags["decoder_seed"]) == ("pluck a.wav", 64, 5)
    assert (tags["bias"], tags["mix"], tags["gain_db"]) == (["0:1.5"], 0.5, -3.0)
    assert torch.equal(play(model, source, out, "--block", "64", "--seed", "5", *flags), y)
    other = play(model, source, out, "--block", "64", "--seed", "6", *flags)
    assert (other - y).abs().max() > 1e-5


def test_the_waveform_comes_back(tones: Path, tmp_path: Path) -> None:
    codec = IdentityWaveform(IdentityWaveformConfig(sample_rate=8000))
    codec.save_pretrained(tmp_path / "identity")
    source = tones / "pluck b.wav"
    for more in ((), ("--block", "100")):
        y = play(tmp_path / "identity", source, tmp_path / "out.wav", *more)
        torch.testing.assert_close(y, load_audio(source).samples)


def test_the_benchmark_as_a_table_and_as_json(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", str(model), "--benchmark", "--seconds", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "on one thread" in text
    for block in ("64", "128", "256", "512"):
        assert any(line.split()[:1] == [block] for line in text.splitlines())
    argv = ["play", str(model), "--benchmark", "--json", "--block", "32", "--seconds", "0.1"]
    assert main(argv) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["blocks"]
    assert (found["threads"], row["block"], row["block_ms"], row["blocks"]) == (1, 32, 4.0, 25)
    delay = LiveCodec(RAVE.from_pretrained(model), block=32).latency_ms
    assert row["delay_ms"] == pytest.approx(delay)
    assert row["latency_ms"] == pytest.approx(delay + row["median_ms"])


def test_info_tells_the_latency_or_what_is_in_the_way(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(model)]) == 0
    latency = RAVE.from_pretrained(model).config.latency_ms
    assert f"live {latency:.1f} ms" in " ".join(capsys.readouterr().out.split())
    save_rave(tmp_path / "centred", causal=False)
    assert main(["info", str(tmp_path / "centred")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "cannot stream: encoder.network.0: a centred convolution sees the future" in text


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "name a MODEL"),
        (["{model}", "--block", "0"], "--block must be at least 1"),
        (["{model}", "--json"], "--benchmark"),
        (["{model}", "--output", "o.wav"], "--input"),
        (["{model}", "--input", "{tone}", "--output", "o.xyz"], "suffix"),
        (["{model}", "--benchmark", "--input", "{tone}"], "plays noise"),
        (["{model}", "--bias", "9:1"], "the codec has 0 to 3"),
        (["{model}", "--bias", "0"], "expected DIM:VALUE"),
        (["{model}", "--mix", "2"], "mix must be 0 to 1"),
        (["{model}", "--num-codebooks", "2"], "no codebooks"),
        (["{centred}"], "cannot stream: encoder.network.0: a centred convolution"),
        (["{centred}", "--benchmark"], "train rave --size low_latency"),
    ],
)
def test_wrong_requests_are_told_in_a_line(
    argv: list[str],
    said: str,
    model: Path,
    tones: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_rave(tmp_path / "centred", causal=False)
    names = {"model": model, "tone": tones / "pluck a.wav", "centred": tmp_path / "centred"}
    assert main(["play", *(text.format(**names) for text in argv)]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "o.wav").exists()


def test_typed_lines_turn_what_plays(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from latentone.commands.play import _listen

    live = LiveCodec(RAVE.from_pretrained(model), block=16)
    _listen(live, ["bias 1 2\n", "\n", "bias 9 1\n", "mix 0.5\n"])
    assert live.controls == Controls(bias={1: 2.0}, mix=0.5)
    assert "the codec has 0 to 3" in capsys.readouterr().out
