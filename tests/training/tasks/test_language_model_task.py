"""The language model task: one loss, decay on matrices alone, previews under conditions."""

from dataclasses import replace

import pytest
import torch

from latentone.audio import Audio
from latentone.codecs import EnCodecConfig
from latentone.conditioning import ByteTextConfig
from latentone.config import ConfigError, from_dict, to_dict
from latentone.data import Draw
from latentone.generators import Autoregressive, AutoregressiveConfig
from latentone.networks.transformer import TransformerConfig
from latentone.spec import LatentSpec
from latentone.training import Stage, TaskConfig, TrainConfig, fit
from latentone.training.tasks.language_model import LanguageModelConfig

SPEC = LatentSpec(kind="discrete", shape=(2,), vocab=(8, 8), frame_rate=50.0, fingerprint="ab" * 8)
MODEL = AutoregressiveConfig(
    latent=SPEC,
    network=TransformerConfig(dim=16, num_layers=1, num_heads=2, ffn_dim=32),
    conditioners={"text": ByteTextConfig(dim=16, num_layers=1, num_heads=2)},
)
CONFIG = LanguageModelConfig(model=MODEL, learning_rate=1e-2, preview_seconds=0.2)


class Melodies:
    """Codes that count upwards: easy to learn, and told apart by their captions."""

    weights = (1.0, 1.0)

    def __init__(self, conditioner):
        self.conditioner = conditioner

    def __len__(self):
        return 2

    def __getitem__(self, draw: Draw):
        codes = (torch.arange(16) * (draw.index + 1) + int(draw.offset * 8)) % 8
        return draw.index, torch.stack([codes, (codes + 3) % 8])

    def collate(self, items):
        captions = [("slow", "fast")[index] for index, _ in items]
        return {
            "codes": torch.stack([codes for _, codes in items]),
            "lengths": torch.full((len(items),), 16),
            "conditions": {"text": self.conditioner.prepare(captions)},
            "ids": captions,
        }


def test_it_learns_to_continue_and_plays_what_it_learned(tmp_path):
    torch.manual_seed(0)
    task = CONFIG.build()
    played = []

    def decode(codes):
        played.append(codes)
        return Audio(torch.zeros(1, 400) + 0.1, 8000)

    task.decode, task.preview_conditions = decode, {"text": ["slow", "fast"]}
    data = Melodies(task.generator.conditioners["text"])
    train = TrainConfig(steps=80, batch_size=8, validate_every=40)
    run = fit(Stage(task=CONFIG, train=train), tmp_path, data, data, task=task, device="cpu",
              progress=False)  # fmt: skip
    model = Autoregressive.from_pretrained(run)
    batch = data.collate([data[Draw(i, 0.0)] for i in (0, 1)])
    with torch.no_grad():
        assert float(model.loss(batch)["loss"]) < 1.2  # log 8 = 2.08 knows nothing
    # two generations and the two held-out originals, at each of two previews
    assert [tuple(codes.shape) for codes in played] == [(2, 10), (2, 10), (2, 16), (2, 16)] * 2


def test_decay_is_for_matrices():
    groups = CONFIG.build().optimizers()["generator"].optimizer.param_groups
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
    assert all(p.dim() > 1 for p in groups[0]["params"])
    assert groups[1]["params"] and all(p.dim() <= 1 for p in groups[1]["params"])


def test_it_is_fitted_to_a_store_and_round_trips():
    open_ended = replace(CONFIG, model=replace(MODEL, latent=None), fields={"text": "caption"})
    fitted = open_ended.fitted(SPEC, 30)
    assert fitted.model.latent == SPEC and fitted.model.window_frames == 30
    assert dict(fitted.conditions()) == {"text": "caption"}
    assert from_dict(TaskConfig, to_dict(fitted)) == fitted
    data = to_dict(fitted)
    data["model"]["network"]["dim"] = "wide"
    with pytest.raises(ConfigError, match=r"model\.network\.dim"):
        from_dict(TaskConfig, data)


def test_fine_tuning_takes_the_weights_and_refuses_other_latents(tmp_path):
    task = CONFIG.build()
    task.model.save_pretrained(tmp_path)
    again = CONFIG.build(tmp_path)
    for name, tensor in task.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])
    other = replace(SPEC, fingerprint="cd" * 8)
    with pytest.raises(ValueError, match=r"abababab.*cdcdcdcd"):
        replace(CONFIG, model=replace(MODEL, latent=other)).build(tmp_path)


def test_a_model_without_a_likelihood_is_refused():
    with pytest.raises(ValueError, match="EnCodec is no generator"):
        LanguageModelConfig(model=EnCodecConfig()).build()
    with pytest.raises(ValueError, match="clip must be positive"):
        LanguageModelConfig(model=MODEL, clip=0)
