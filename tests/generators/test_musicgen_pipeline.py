"""A MusicGen folder of transformers makes the same sound here, from the command line too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from musicgen_peer import build_peer, peer_tokens, save_peer

from latentone.audio import load_audio, read_tags
from latentone.cli import main
from latentone.loading import load

PROMPT = "slow piano and bass"
FRAMES = 30


@pytest.fixture(scope="module")
def peer() -> Any:
    model = build_peer()
    torch.manual_seed(1)
    for layer in model.audio_encoder.quantizer.layers:  # zeros as made: any code would do
        layer.codebook.embed.normal_()
    return model


@pytest.fixture(scope="module")
def folder(peer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_peer(peer, tmp_path_factory.mktemp("musicgen"))
    (folder / "README.md").write_text("---\ntags: [music]\nlicense: cc-by-nc-4.0\n---\n# A card\n")
    return folder


def test_the_same_sound_as_the_peer(peer: Any, folder: Path) -> None:
    music = load(folder)
    assert music.licence == "cc-by-nc-4.0"
    assert music.text_condition == "text"
    ours = music.generate(PROMPT, duration=FRAMES / 50, temperature=0, guidance_scale=1)
    expected = peer.generate(**peer_tokens([PROMPT]), max_length=FRAMES + 4, max_new_tokens=None)
    assert ours.samples.shape == (1, FRAMES * 16) == tuple(expected[0].shape)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(ours.samples, expected[0], rtol=1e-4, atol=1e-5)


def test_generate_from_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.wav"
    argv = ["generate", str(folder), "--prompt", PROMPT, "--duration", "0.5", "--seed", "3"]
    assert main([*argv, "-o", str(out)]) == 0
    told = capsys.readouterr().err
    assert "licence of the weights" in told and "cc-by-nc-4.0" in told
    assert load_audio(out).samples.shape == (1, 400)
    tags = read_tags(out)
    assert tags["licence"] == "cc-by-nc-4.0"
    assert (tags["prompt"], tags["seed"], tags["model"]) == (PROMPT, 3, str(folder))


def test_saved_as_our_own_layout_it_needs_nothing_else(folder: Path, tmp_path: Path) -> None:
    music = load(folder)
    music.save_pretrained(tmp_path / "own")
    again = load(tmp_path / "own")
    assert again.licence == "cc-by-nc-4.0"
    expected = music.generate(PROMPT, duration=0.2, seed=0).samples
    assert torch.equal(again.generate(PROMPT, duration=0.2, seed=0).samples, expected)
