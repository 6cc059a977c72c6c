"""ONNX files against torch in onnxruntime: every family, lengths they were not made with, steps."""

import json

import onnx
import onnxruntime
import pytest
import torch

from latentone.export import export_onnx
from latentone.export.prepare import hop_length

QUICK = ["tiny"]
MORE = ["rave v1", "rave v2", "rave noise", "rave v3", "rave wasserstein", "rave discrete"]
MORE += [
    "rave recurrent",
    "rave centred",
    "encodec",
    "soundstream",
    "dac",
    "vae",
    "vqvae",
    "oobleck",
    "hifigan",
    "melgan",
]
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]


def sound(codec, rows, frames):
    shape = (rows, codec.source.channels, frames * hop_length(codec))
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(frames))


def run(path, *inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    return [torch.from_numpy(value) for value in session.run(None, feed)]


def close(got, expected, tolerance=1e-4):
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= tolerance * expected.abs().max() > 0


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_equal_to_torch(build, tmp_path, name):
    codec = build(name)
    if hasattr(codec.decoder, "noisy"):
        codec.decoder.noisy = False
    files = export_onnx(codec, tmp_path / "m.onnx")
    assert [p.name for p in files.values()] == ["m.encoder.onnx", "m.decoder.onnx"]
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    for path in files.values():
        onnx.checker.check_model(onnx.load(path), full_check=True)
    facts = metadata(files["encoder"])
    assert facts["latentone.sample_rate"] == str(codec.source.sample_rate)
    assert facts["latentone.fingerprint"] == codec.fingerprint()
    assert json.loads(facts["latentone.hop_length"]) == hop_length(codec)
    smallest = int(facts["latentone.smallest_frames"])
    for rows, frames in ((1, smallest), (2, 19), (1, 131)):
        x = sound(codec, rows, frames)
        z = codec.encode(x)
        (got,) = run(files["encoder"], x)
        if codec.vocab:
            codes = codec.quantize(z)
            assert got.dtype == torch.int64 and got.shape == codes.shape
            assert (got == codes).float().mean() > 0.98  # but for near ties
            z = codec.dequantize(got)
        else:
            close(got, z)
            z = got
        close(run(files["decoder"], got)[0], codec.decode(z))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "rave v2", "encodec"])
@torch.no_grad()
def test_steps_with_state_equal_our_own(build, tmp_path, name):
    codec, hop = build(name), hop_length(build(name))
    files = export_onnx(codec, tmp_path / "m.onnx", stream=True)
    x = sound(codec, 2, 12)
    sizes = {
        part: onnx.load(path).graph.input[1].type.tensor_type.shape.dim[1].dim_value
        for part, path in files.items()
    }
    states = {part: torch.zeros(2, size) for part, size in sizes.items()}
    encoder, decoder = codec.encoder_stream(), codec.decoder_stream()
    ours = [encoder.initial_state(2), decoder.initial_state(2)]
    for piece in (
        x[..., :hop],
        x[..., hop : 2 * hop],
        x[..., 2 * hop : 5 * hop],
        x[..., 5 * hop :],
    ):
        got, states["encoder"] = run(files["encoder"], piece, states["encoder"])
        z, ours[0] = encoder.step(piece, ours[0])
        if codec.vocab:
            assert (got == codec.quantize(z)).float().mean() > 0.98
            z = codec.dequantize(got)
        else:
            close(got, z)
        y, states["decoder"] = run(files["decoder"], got, states["decoder"])
        expected, ours[1] = decoder.step(z, ours[1])
        close(y, expected)


def test_refusals_leave_nothing(build, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="cannot stream"):
        export_onnx(build("dac"), tmp_path / "m.onnx", stream=True)
    with monkeypatch.context() as patch:
        patch.setattr("latentone.export.onnx.require_equal", _differs)
        with pytest.raises(RuntimeError, match="differs"):
            export_onnx(build("tiny"), tmp_path / "m.onnx")
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "onnxscript", None)
        with pytest.raises(ImportError, match=r"onnxscript.*latentone\[onnx\]"):
            export_onnx(build("tiny"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def _differs(end, run):
    raise RuntimeError("differs")
