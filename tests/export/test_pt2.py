"""`.pt2` files against the codec, loaded in a process without latentone."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from latentone.codecs import Autoencoder, MelCodec, MelCodecConfig, SpectrumCodec, SpectrumConfig
from latentone.codecs.encodec import EnCodec
from latentone.codecs.mel_vae import MelVAE
from latentone.export import export_pt2
from latentone.export.ends import both_ends, paths, require_equal
from latentone.export.prepare import hop_length
from latentone.systems import encodec, mel_vae
from latentone.testing import verify_export

QUICK = ["tiny"]
MORE = ["rave v1", "rave v2", "rave noise", "rave v3", "rave wasserstein", "rave discrete"]
MORE += [
    "rave recurrent",
    "rave spherical",
    "rave centred",
    "encodec",
    "encodec small",
    "soundstream",
    "vae",
    "vqvae",
    "dac",
    "oobleck",
    "hifigan",
    "melgan",
]
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]

HOST = """
import json, sys
sys.modules["latentone"] = None
import torch
for path in sys.argv[1:]:
    facts = {"latentone.json": ""}
    program = torch.export.load(path, extra_files=facts).module()
    inputs = torch.load(path + ".in")
    with torch.no_grad():
        torch.save([program(x)[0] for x in inputs], path + ".out")
    print(json.loads(facts["latentone.json"])["latentone.hop_length"])
"""


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_equal_without_latentone(build, tmp_path, name):
    codec, hop = build(name), hop_length(build(name))
    if hasattr(codec.decoder, "noisy"):
        codec.decoder.noisy = False
    files = export_pt2(codec, tmp_path / "m.pt2")
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    rng = torch.Generator().manual_seed(0)
    sounds = [
        0.3 * torch.randn(rows, codec.source.channels, frames * hop, generator=rng)
        for rows, frames in ((1, 19), (3, 40), (1, 131))
    ]
    latents = [codec.encode(x) for x in sounds]
    codes = [codec.quantize(z) for z in latents] if codec.vocab else latents
    torch.save(sounds, f"{files['encoder']}.in")
    torch.save(codes, f"{files['decoder']}.in")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HOST, *map(str, files.values())],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(hop)] * 2
    for got, expected in zip(torch.load(f"{files['encoder']}.out"), codes, strict=True):
        if codec.vocab:
            assert got.dtype == torch.int64 and (got == expected).float().mean() > 0.98
        else:
            close(got, expected)
    for got, given in zip(torch.load(f"{files['decoder']}.out"), codes, strict=True):
        z = codec.dequantize(given) if codec.vocab else given
        close(got, codec.decode(z))


def close(got, expected, tolerance=1e-5):
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= tolerance * expected.abs().max() > 0


def test_what_one_graph_cannot_hold_is_refused(tmp_path):
    levelled = replace(encodec.RECIPES["debug"]().codec.task.model, normalize=True)
    with pytest.raises(ValueError, match="gain"):
        export_pt2(EnCodec(levelled), tmp_path / "m.pt2")
    with pytest.raises(ValueError, match="Griffin-Lim"):
        export_pt2(MelCodec(MelCodecConfig()), tmp_path / "m.pt2")
    with pytest.raises(ValueError, match="Griffin-Lim"):
        export_pt2(MelVAE(mel_vae.RECIPES["debug"]().codec.task.model), tmp_path / "m.pt2")
    with pytest.raises(ValueError, match="SpectrumCodec has no network"):
        export_pt2(SpectrumCodec(SpectrumConfig()), tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


def test_a_wrong_result_is_found(build):
    encoder, _ = both_ends(build("tiny"), "scan")
    require_equal(encoder, encoder.truth)
    for broken in (lambda x: (1.001 * encoder.truth(x)[0],), lambda x: (x,)):
        with pytest.raises(RuntimeError, match="encoder that was written"):
            require_equal(encoder, broken)
    with pytest.raises(RuntimeError, match="does not run on 2 frames: no such file"):
        require_equal(encoder, stop)


def stop(*inputs):
    raise RuntimeError("\x1b[1mno such file\x1b[m\nof a library")


def test_paths():
    assert paths("a/b.c.onnx")["decoder"].as_posix() == "a/b.c.decoder.onnx"


class Undecided(Autoencoder):
    """Its way depends on what it hears, which no graph can say."""

    def encode(self, x):
        return super().encode(x if x.sum() > 0 else -x)


def test_what_torch_cannot_write_is_said(build, tmp_path):
    codec = Undecided(build("tiny").config).eval()
    with pytest.raises(RuntimeError, match="cannot write the encoder of this Undecided"):
        export_pt2(codec, tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())
    with pytest.raises(AssertionError, match=r"export to pt2: .*Undecided"):
        verify_export(codec, ["pt2"])


def test_the_contract_for_new_codecs(build):
    verify_export(build("tiny").train(), ["nn~"])
