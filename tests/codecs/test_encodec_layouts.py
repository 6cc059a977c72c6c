import json
import pickle
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_encodec import make, small

from latentone.codecs import Codec, EnCodec, IdentityWaveform, encodec_24khz, encodec_48khz
from latentone.codecs.encodec_config import encodec_32khz
from latentone.config import ConfigError


def original(codec: EnCodec) -> dict[str, torch.Tensor]:
    """The state dict of a codec under the names of the first release."""
    renamed = {}
    for name, tensor in codec.state_dict().items():
        if match := re.fullmatch(r"quantizer\.codebooks\.(\d+)\.(\w+)", name):
            value = tensor.float().reshape(1) if match[2] == "inited" else tensor
            renamed[f"quantizer.vq.layers.{match[1]}._codebook.{match[2]}"] = value
            continue
        part, index, rest = re.fullmatch(r"(\w+)\.layers\.(\d+)\.(.+)", name).groups()
        if not rest.startswith("lstm"):
            transposed = part == "decoder" and int(index) in (3, 6, 9, 12)
            wrapper = "convtr" if transposed else "conv"
            head, _, parameter = re.fullmatch(r"((block\.\d\.|shortcut\.)?)(.+)", rest).groups()
            parameter = {"weight.g": "weight_g", "weight.v": "weight_v"}.get(parameter, parameter)
            inner = "" if parameter.startswith("norm.") else f"{wrapper}."
            rest = f"{head}{wrapper}.{inner}{parameter}"
        renamed[f"{part}.model.{index}.{rest}"] = tensor
    return renamed


def transformers_layout(codec: EnCodec, folder, weights="weight_g") -> None:
    """Write a codec as transformers writes it, with old or new weight norm, or folded."""
    norms = {
        "weight_g": ("weight_g", "weight_v"),
        "parametrized": ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    }
    renamed = {}
    for name, tensor in original(codec).items():
        name = name.replace(".model.", ".layers.").replace("quantizer.vq.", "quantizer.")
        name = name.replace("._codebook.", ".codebook.")
        name = re.sub(r"(convtr|conv)\.(convtr|conv|norm)\.", r"\2.", name)
        name = name.replace("convtr.", "conv.")
        if weights in norms:
            name = name.replace("weight_g", norms[weights][0]).replace(
                "weight_v", norms[weights][1]
            )
        renamed[name] = tensor
    config = codec.config
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in renamed.items()}, folder / "model.safetensors")
    data = {
        "model_type": "encodec",
        "sampling_rate": config.sample_rate,
        "num_filters": config.seanet.num_filters,
        "hidden_size": config.seanet.latent_dim,
        "codebook_size": config.codebook_size,
        "codebook_dim": config.seanet.latent_dim,
        "pad_mode": config.seanet.pad_mode,
        "target_bandwidths": [config.bandwidth(n) for n in config.codebook_choices],
    }
    (folder / "config.json").write_text(json.dumps(data))


def assert_same(codec: EnCodec, other: EnCodec) -> None:
    x = 0.2 * torch.randn(1, codec.source.channels, 3300)
    with torch.no_grad():
        assert torch.equal(codec.encode(x), other.encode(x))
        assert torch.equal(codec.quantize(codec.encode(x)), other.quantize(other.encode(x)))
        assert torch.equal(codec.decode(codec.encode(x)), other.decode(other.encode(x)))


@pytest.mark.parametrize("make_config", [encodec_24khz, encodec_48khz, encodec_32khz])
def test_original_state_dicts(make_config, tmp_path):
    codec = make(small(make_config("reflect")))
    torch.save(original(codec), tmp_path / "weights.th")
    assert_same(codec, EnCodec.from_original(tmp_path / "weights.th", codec.config))


def test_published_original_files_need_no_config(tmp_path):
    torch.manual_seed(0)
    codec = EnCodec(encodec_24khz("reflect")).eval()
    names = original(codec)
    assert "encoder.model.0.conv.conv.weight_g" in names
    assert "decoder.model.3.convtr.convtr.weight_v" in names
    assert "encoder.model.1.shortcut.conv.conv.bias" in names
    assert "encoder.model.13.lstm.weight_ih_l0" in names
    assert "quantizer.vq.layers.31._codebook.embed_avg" in names
    torch.save({"best_state": names}, tmp_path / "export.th")
    found = Codec.from_pretrained(tmp_path / "export.th")
    assert isinstance(found, EnCodec) and found.config == codec.config
    state = found.state_dict()
    assert all(torch.equal(state[name], t) for name, t in codec.state_dict().items())


def test_an_original_file_of_unknown_shape_asks_for_its_config(tmp_path):
    torch.save(original(make(small(encodec_24khz()))), tmp_path / "weights.th")
    with pytest.raises(ValueError, match=r"fit no published EnCodec.*from_original"):
        EnCodec.from_pretrained(tmp_path / "weights.th")


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_pickled_objects_are_refused_unread(tmp_path):
    torch.save({"encoder": Payload()}, tmp_path / "objects.th")
    (tmp_path / "plain.th").write_bytes(pickle.dumps(Payload(), protocol=2))
    (tmp_path / "empty.th").write_bytes(b"")
    for name in ("objects", "plain", "empty"):
        with pytest.raises(ValueError, match=r"more than tensors.*refused"):
            EnCodec.from_pretrained(tmp_path / f"{name}.th")
    torch.save({"encoder": {"deep": torch.zeros(1)}}, tmp_path / "nested.th")
    with pytest.raises(ValueError, match="flat state dict"):
        EnCodec.from_pretrained(tmp_path / "nested.th")
    torch.save({"lm.weight": torch.zeros(1)}, tmp_path / "other.th")
    with pytest.raises(ValueError, match=r"`lm\.weight` is no weight of an EnCodec"):
        EnCodec.from_original(tmp_path / "other.th", small(encodec_24khz()))


@pytest.mark.parametrize("weights", ["weight_g", "parametrized"])
def test_transformers_folders_with_either_weight_norm(weights, tmp_path):
    codec = make(small(encodec_24khz("reflect")))
    transformers_layout(codec, tmp_path / "hub", weights)
    found = Codec.from_pretrained(tmp_path / "hub")
    assert found.config.num_codebooks == 4 and found.config.codebook_choices == (1, 4)
    assert_same(codec, found)
    assert_same(codec, Codec.from_pretrained(found.save_pretrained(tmp_path / "ours")))


def test_folded_weights_are_split_again(tmp_path):
    codec = make(small(encodec_24khz("reflect")))
    transformers_layout(codec, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    for name in [n for n in weights if n.endswith("weight_g")]:
        g, v = weights.pop(name), weights.pop(name[:-1] + "v")
        weights[name[: -len("_g")]] = v * (g / v.norm(dim=(1, 2), keepdim=True))
    save_file(weights, tmp_path / "model.safetensors")
    found = EnCodec.from_pretrained(tmp_path)
    x = 0.2 * torch.randn(1, 1, 3300)
    with torch.no_grad():
        torch.testing.assert_close(found.encode(x), codec.encode(x))


def test_what_does_not_fit_is_named(tmp_path):
    codec = make(small(encodec_24khz("reflect")))
    transformers_layout(codec, tmp_path)
    path = tmp_path / "config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"trim_right_ratio": 0.5}))
    with pytest.raises(ConfigError, match=r"`trim_right_ratio` must be 1.0, got 0.5"):
        EnCodec.from_pretrained(tmp_path)
    path.write_text(json.dumps(data | {"num_filters": 8}))
    with pytest.raises(ValueError, match="do not fit its config"):
        EnCodec.from_pretrained(tmp_path)
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="no latentone config"):
        IdentityWaveform.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pickle.*refused"):
        EnCodec.from_pretrained(tmp_path)
