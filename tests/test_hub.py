"""A model folder is config.json and model.safetensors; everything else is refused."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from latentone.config import ConfigError
from latentone.hub import PretrainedModel


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    sizes: tuple[int, ...] = (3, 2)


class Toy(PretrainedModel):
    config_class = ToyConfig

    def __init__(self, config):
        super().__init__(config)
        self.linear = nn.Linear(*config.sizes)


class OtherToy(Toy):
    pass


def test_round_trip_is_exact(tmp_path):
    model = Toy(ToyConfig(sizes=(4, 5)))
    model.save_pretrained(tmp_path / "m")
    again = Toy.from_pretrained(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert again.config == model.config and type(again.config.sizes) is tuple
    assert not again.training
    for (name, ours), (_, theirs) in zip(
        model.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert torch.equal(ours, theirs), name


def test_a_base_class_finds_the_saved_class(tmp_path):
    OtherToy(ToyConfig()).save_pretrained(tmp_path / "m")
    assert type(Toy.from_pretrained(tmp_path / "m")) is OtherToy


def test_another_class_is_refused_by_name(tmp_path):
    Toy(ToyConfig()).save_pretrained(tmp_path / "m")
    with pytest.raises(ValueError, match="holds a Toy, expected OtherToy"):
        OtherToy.from_pretrained(tmp_path / "m")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    Toy(ToyConfig()).save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    data = json.loads(path.read_text())
    data["config"]["sizes"] = [3, 7]
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="do not fit its config"):
        Toy.from_pretrained(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"sizes": [3, 2], "depth": 1}}, r"ToyConfig\.depth` is not a field"),
        ({"config": {"sizes": "3"}}, r"ToyConfig\.sizes` must be a list"),
        ({"format_version": 9}, "format_version"),
        ({"model_type": None}, "holds a None"),
    ],
)
def test_a_wrong_config_names_the_field(tmp_path, change, message):
    Toy(ToyConfig()).save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        Toy.from_pretrained(tmp_path / "m")


def test_a_foreign_config_is_no_latentone_config(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["X"]}')
    with pytest.raises(ConfigError, match="no latentone config"):
        Toy.from_pretrained(tmp_path)


def test_a_pickle_is_refused_with_the_reason(tmp_path):
    model = Toy(ToyConfig())
    model.save_pretrained(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pickle can run any code"):
        Toy.from_pretrained(tmp_path / "m")
    torch.save(model.state_dict(), tmp_path / "m" / "model.safetensors")
    with pytest.raises(ValueError, match="it is a pickle, which is refused"):
        Toy.from_pretrained(tmp_path / "m")


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_truncated_weights_are_refused(tmp_path, keep):
    Toy(ToyConfig()).save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        Toy.from_pretrained(tmp_path / "m")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        Toy.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        Toy.from_pretrained(tmp_path)
