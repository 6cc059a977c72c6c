"""`export`: each format, kept directions of a store, what is said, refusals that write nothing."""

import sys

import pytest
import torch

from latentone.audio import Audio
from latentone.cli import main
from latentone.codecs import Autoencoder
from latentone.systems import autoencoder, dac


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    """A folder with a small causal autoencoder."""
    torch.manual_seed(0)
    config = autoencoder.RECIPES["debug"]().codec.task.model
    folder = tmp_path_factory.mktemp("codec") / "codec"
    Autoencoder(config).save_pretrained(folder)
    return folder


def export(*argv):
    return main(["export", *map(str, argv)])


def load(path):
    with pytest.warns(DeprecationWarning):
        return torch.jit.load(path)


def test_nn_tilde(codec, tmp_path, capsys):
    path = tmp_path / "voice.ts"
    assert export(codec, "--to", "nn~", "-o", path) == 0
    said = capsys.readouterr().out
    assert f"{path}: " in said and "latency" in said
    saved = Autoencoder.from_pretrained(codec)
    x = torch.randn(1, 1, 4 * saved.num_samples(1))
    with torch.no_grad():
        got = load(path).encode(x)
        torch.testing.assert_close(got, saved.encode(x), rtol=1e-4, atol=1e-5)


def test_kept_directions_of_a_store(codec, tmp_path):
    sounds, store = tmp_path / "sounds", tmp_path / "latents"
    rate = Autoencoder.from_pretrained(codec).source.sample_rate
    for i in range(4):
        Audio(0.3 * torch.randn(1, 4000), rate).save(sounds / f"{i}.wav")
    argv = ["encode", str(codec), "--data", str(sounds), "--out", str(store), "--device", "cpu"]
    assert main(argv) == 0
    more = ("--to", "nn~", "--store", store)
    assert export(codec, *more, "--dimensions", 3, "-o", tmp_path / "a.ts") == 0
    assert load(tmp_path / "a.ts").encode_params[2] == 3
    assert export(codec, *more, "--fidelity", 1.0, "-o", tmp_path / "b.ts") == 0
    assert load(tmp_path / "b.ts").encode_params[2] > 3


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "pt2"])
def test_graphs(codec, tmp_path, to):
    assert export(codec, "--to", to, "-o", tmp_path / f"voice.{to}") == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"voice.decoder.{to}", f"voice.encoder.{to}"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--to", "nn~", "-o", "a.onnx"), "ends in .ts"),
        (("--to", "pt2", "--stream", "-o", "a.pt2"), "--stream is for --to onnx"),
        (("--to", "onnx", "--store", "b", "-o", "a.onnx"), "--store is for --to nn~"),
        (("--to", "nn~", "--fidelity", "0.9", "-o", "a.ts"), "need the latents of a --store"),
    ],
)
def test_wrong_requests(codec, tmp_path, monkeypatch, capsys, more, said):
    monkeypatch.chdir(tmp_path)
    assert export(codec, *more) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_codec_that_cannot_stream_is_told_which_can(tmp_path, capsys):
    from latentone.codecs import DAC

    DAC(dac.RECIPES["debug"]().codec.task.model).save_pretrained(tmp_path / "dac")
    assert export(tmp_path / "dac", "--to", "nn~", "-o", tmp_path / "a.ts") == 2
    said = capsys.readouterr().err
    assert "centred convolution" in said and "low_latency" in said
    assert not (tmp_path / "a.ts").exists()


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(codec, tmp_path, monkeypatch, capsys, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert export(codec, "--to", "onnx", "-o", tmp_path / "a.onnx") == 2
    said = capsys.readouterr().err
    assert missing in said and "pip install 'latentone[onnx]'" in said
    assert not list(tmp_path.iterdir())
