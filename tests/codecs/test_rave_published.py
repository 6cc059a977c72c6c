"""The config of a published checkpoint, told by the sizes of its tensors."""

from dataclasses import replace

import pytest
import torch

from latentone.codecs import Codec
from latentone.codecs.rave import RAVE
from latentone.codecs.rave_config import RAVEConfig, rave_discrete, rave_raspberry, rave_v2
from latentone.codecs.rave_published import CONFIGS, is_published, published_config
from latentone.networks.rave_v1 import EncoderV1


def published(model):
    """The state dict of a RAVE under names whose ends and order are those of the published code."""
    state = {"pqmf.hk": torch.zeros(1)}
    head = list(model.encoder.network.state_dict().items())
    if isinstance(model.encoder.network, EncoderV1):
        count = model.encoder.bottleneck.expansion
        head[-count:] = [(head[-1][0], torch.cat([tensor for _, tensor in head[-count:]]))]
    for prefix, layers in (
        ("encoder.encoder.net", head),
        ("decoder.net", model.decoder.network.state_dict().items()),
    ):
        for i, (name, tensor) in enumerate(layers):
            kind = name.rsplit(".", 1)[-1]
            kind = {"g": "weight_g", "v": "weight_v"}.get(kind, kind)
            if kind not in ("statistics", "counts"):
                state[f"{prefix}.{i}.{kind}"] = tensor.flatten(1) if kind == "alpha" else tensor
    return state


def on_meta(config):
    with torch.device("meta"):
        return published(RAVE(config))


@pytest.fixture(scope="module")
def raspberry():
    torch.manual_seed(0)
    return RAVE(rave_raspberry()).eval()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_named_config_is_found_by_its_sizes(name, tmp_path):
    state = on_meta(CONFIGS[name]())
    assert is_published(state)
    assert published_config(state, tmp_path / "last.ckpt") == CONFIGS[name]()


@pytest.mark.parametrize("make", [rave_discrete, lambda: replace(rave_v2(), latent_dim=7)])
def test_other_sizes_fit_none(make, tmp_path):
    with pytest.raises(ValueError, match=r"fit none of rave_v1\(\), .* give the config"):
        published_config(on_meta(make()), tmp_path / "last.ckpt")


def test_two_that_fit_are_named(monkeypatch, tmp_path):
    monkeypatch.setitem(CONFIGS, "twin()", rave_raspberry)
    with pytest.raises(ValueError, match=r"fit rave_raspberry\(\) and twin\(\); expected exactly"):
        published_config(on_meta(rave_raspberry()), tmp_path / "last.ckpt")


def test_a_file_is_read_without_a_config(raspberry, tmp_path):
    folder = tmp_path / "training" / "version_0" / "checkpoints"
    folder.mkdir(parents=True)
    path = folder / "last.ckpt"
    torch.save({"state_dict": published(raspberry), "epoch": 3}, path)
    found = Codec.from_pretrained(path)
    assert isinstance(found, RAVE) and found.config == rave_raspberry() and not found.training
    x = 0.1 * torch.randn(1, 1, 8 * 2048, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        z = raspberry.encode(x)
        assert z.std() > 0 and torch.equal(found.encode(x), z)
        assert torch.equal(found.decode(z), raspberry.decode(z))
    settings = tmp_path / "training" / "config.gin"
    settings.write_text("# Macros:\nCAPACITY = 16\nSAMPLING_RATE = 48000\n")
    assert Codec.from_pretrained(path).config == replace(rave_raspberry(), sample_rate=48_000)
    settings.write_text("SAMPLING_RATE = 48000\n\ncc.get_padding.mode = 'causal'\n")
    with pytest.raises(ValueError, match=r"is causal, says .*config\.gin"):
        Codec.from_pretrained(path)


def test_other_checkpoints_are_not_taken(tmp_path):
    path = tmp_path / "last.ckpt"
    for data in ({"weights": 1}, {"state_dict": {"encoder.weight": torch.zeros(1)}}):
        torch.save(data, path)
        assert RAVE.read_foreign(path) is None
    torch.save({"state_dict": RAVEConfig()}, path)
    with pytest.raises(ValueError, match="more than tensors"):
        RAVE.read_foreign(path)
    assert RAVE.read_foreign(tmp_path) is None
