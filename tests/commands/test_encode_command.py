from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import latentone
from latentone.cli import main
from latentone.codecs import EnCodec, EnCodecConfig
from latentone.latents import LatentStore
from latentone.networks.seanet import SEANetConfig


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    torch.manual_seed(0)
    seanet = SEANetConfig(num_filters=2, latent_dim=8, ratios=(4, 2))
    config = EnCodecConfig(sample_rate=8000, seanet=seanet, num_codebooks=2, codebook_size=16)
    EnCodec(config).save_pretrained(tmp_path / "codec")
    (tmp_path / "audio").mkdir()
    chance = np.random.default_rng(0)
    for i in range(6):
        noise = 0.1 * chance.standard_normal(4000)
        soundfile.write(tmp_path / "audio" / f"{i}.wav", noise, 8000)
    (tmp_path / "audio" / "broken.wav").write_bytes(b"nothing")
    return tmp_path / "codec", tmp_path / "audio"


def test_it_encodes_says_what_it_made_and_goes_on(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codec, audio = map(str, places)
    out = tmp_path / "store"
    command = ["encode", codec, "--data", audio, "--out", str(out), "--device", "cpu"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "2 x 16 codes at 1000 Hz" in said and "failures" in said and "perplexity" in said
    store = LatentStore.open(out)
    assert len(store) == 6 and {item.split for item in store.items()} == {"train", "valid", "test"}
    assert store.description.codec.name == codec
    stamp = (out / "000000.safetensors").stat().st_mtime_ns
    assert main(command) == 0
    assert (out / "000000.safetensors").stat().st_mtime_ns == stamp


def test_wrong_requests_end_in_one_line_and_2(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codec, audio = map(str, places)
    assert main(["encode", codec, "--data", str(tmp_path / "nowhere"), "--out", "x"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert main(["encode", codec, "--data", audio, "--out", audio, "--device", "cpu"]) == 2
    assert "is no latent store" in capsys.readouterr().err


def test_help_imports_no_torch() -> None:
    code = (
        "import sys; from latentone.commands import encode; import tyro\n"
        "try: tyro.cli(encode.Args, args=['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    source = str(Path(latentone.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--data" in done.stdout and "--shard-minutes" in done.stdout
