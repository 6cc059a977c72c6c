"""DAC: files of the first release, and those that are refused."""

import pickle

import pytest
import torch
from dac_models import make, noise, small

from latentone.codecs import DAC, Codec, DACConfig
from latentone.codecs.dac_layouts import split_folded
from latentone.config import ConfigError


def original(codec: DAC) -> dict[str, torch.Tensor]:
    """The state dict of a codec under the names of the first release."""
    renamed = {}
    for name, tensor in codec.state_dict().items():
        if name.startswith("quantizer.code_use"):
            continue
        name = name.replace("weight.g", "weight_g").replace("weight.v", "weight_v")
        name = name.replace("quantizer.codebooks.", "quantizer.quantizers.")
        name = name.replace(".entries", ".codebook.weight")
        name = name.replace("decoder.layers.", "decoder.model.").replace(".layers.", ".block.")
        renamed[name] = tensor
    return renamed


def kwargs(config: DACConfig) -> dict[str, object]:
    network = config.network
    return {
        "encoder_dim": network.encoder_width,
        "encoder_rates": list(network.strides),
        "latent_dim": network.latent_dim,
        "decoder_dim": network.decoder_width * network.multiples[-1],
        "decoder_rates": list(network.strides[::-1]),
        "n_codebooks": config.num_codebooks,
        "codebook_size": config.codebook_size,
        "codebook_dim": config.code_dim,
        "quantizer_dropout": config.quantizer_dropout,
        "sample_rate": config.sample_rate,
    }


def test_original_files(tmp_path):
    codec = make(small((2, 5, 3)))
    state = original(codec)
    for name in (
        "encoder.block.0.weight_g",
        "encoder.block.1.block.0.block.0.alpha",
        "encoder.block.3.block.2.block.3.weight_v",
        "encoder.block.3.block.4.bias",
        "encoder.block.4.alpha",
        "encoder.block.5.weight_v",
        "decoder.model.1.block.1.weight_g",
        "decoder.model.3.block.4.block.1.bias",
        "decoder.model.5.weight_v",
        "quantizer.quantizers.3.in_proj.weight_g",
        "quantizer.quantizers.0.codebook.weight",
    ):
        assert name in state
    data = {"state_dict": state, "metadata": {"kwargs": kwargs(codec.config)}}
    torch.save(data, tmp_path / "weights.pth")
    found = Codec.from_pretrained(tmp_path / "weights.pth")
    assert isinstance(found, DAC) and found.config == codec.config
    x = noise(codec, 1, 20)
    with torch.no_grad():
        assert torch.equal(found.encode(x), codec.encode(x))
        z = codec.dequantize(codec.quantize(codec.encode(x)))
        assert torch.equal(found.dequantize(found.quantize(found.encode(x))), z)
        assert torch.equal(found.decode(z), codec.decode(z))
    again = Codec.from_pretrained(found.save_pretrained(tmp_path / "ours"))
    assert again.fingerprint() == codec.fingerprint()


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_pickled_objects_are_refused_unread(tmp_path):
    torch.save({"state_dict": Payload()}, tmp_path / "objects.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Payload(), protocol=2))
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "stop.pth").write_bytes(b"\x80\x02.")
    (tmp_path / "text.pth").write_bytes(b"hello, this is no checkpoint")
    (tmp_path / "noise.pth").write_bytes(bytes(range(256)))
    for name in ("objects", "plain", "empty", "stop", "text", "noise"):
        with pytest.raises(ValueError, match=r"more than tensors.*refused"):
            Codec.from_pretrained(tmp_path / f"{name}.pth")


def test_a_filter_of_zeros_stays_one():
    parts = split_folded("a.weight", torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]]]))
    v, g = parts["a.weight.v"], parts["a.weight.g"]
    weight = g * v / v.norm(dim=(1, 2), keepdim=True)
    assert torch.equal(weight, torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]]]))


def test_original_files_that_do_not_fit_are_named(tmp_path):
    codec = make(small())
    path, given = tmp_path / "weights.pth", kwargs(codec.config)

    def save(state=None, **changes):
        data = {"state_dict": state or original(codec), "metadata": {"kwargs": given | changes}}
        torch.save(data, path)

    save(decoder_rates=[2, 4, 8])
    with pytest.raises(ConfigError, match=r"strides must be \(8, 4, 2\).*got \(2, 4, 8\)"):
        DAC.from_original(path)
    save(decoder_dim=33)
    with pytest.raises(ConfigError, match="multiple of 8, got 33"):
        DAC.from_original(path)
    save(codebook_dim=[4, 4, 8, 8])
    with pytest.raises(ConfigError, match="same for all codebooks"):
        DAC.from_original(path)
    save(n_codebooks=5)
    with pytest.raises(ValueError, match="do not fit its config"):
        DAC.from_original(path)
    save({**original(codec), "encoder.lstm.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"`encoder\.lstm\.weight` is no weight of a DAC"):
        DAC.from_original(path)
    torch.save({"state_dict": original(codec)}, path)
    with pytest.raises(ValueError, match=r"`state_dict` and `metadata\.kwargs`"):
        DAC.from_original(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(ValueError, match="must hold a dictionary, got Tensor"):
        DAC.from_original(path)
