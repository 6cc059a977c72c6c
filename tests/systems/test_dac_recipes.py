"""Recipes of DAC and Oobleck: exact sizes, configs that survive JSON, losses, one that trains."""

import json
from dataclasses import replace

import pytest
import torch

from latentone.codecs import Codec
from latentone.config import from_dict, to_dict
from latentone.hub import build_model
from latentone.systems import dac, oobleck
from latentone.testing import verify_codec
from latentone.training import fit
from latentone.training.recipe import Recipe

SYSTEMS = {"dac": dac, "oobleck": oobleck}
PARAMETERS = {
    ("dac", "debug"): 43_374,
    ("dac", "small"): 1_589_670,
    ("dac", "16khz"): 74_175_906,
    ("dac", "24khz"): 74_708_706,
    ("dac", "44khz_16kbps"): 64_213_250,
    ("dac", "44khz"): 76_651_890,
    ("dac", "paper"): 76_651_890,
    ("oobleck", "debug"): 12_446,
    ("oobleck", "small"): 1_384_509,
    ("oobleck", "paper"): 156_112_514,
}


def test_every_recipe_has_a_line_on_the_card():
    for name, system in SYSTEMS.items():
        sizes = [size for of, size in PARAMETERS if of == name]
        assert list(system.RECIPES) == list(system.CARD.sizes) == sizes


@pytest.mark.parametrize(("name", "size"), PARAMETERS)
def test_recipes_are_json_and_have_their_size(name, size):
    recipe = SYSTEMS[name].RECIPES[size]()
    assert (recipe.system, recipe.size) == (name, size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    with torch.device("meta"):
        codec = build_model(recipe.codec.task.model, Codec)
    assert sum(p.numel() for p in codec.parameters()) == PARAMETERS[name, size]


@pytest.mark.parametrize(("name", "size"), PARAMETERS)
def test_a_crop_reaches_every_scale_of_the_discriminator(name, size):
    stage = SYSTEMS[name].RECIPES[size]().codec
    samples = round(stage.train.crop_seconds * stage.task.model.sample_rate)
    assert samples >= stage.task.discriminator.min_samples


@pytest.mark.parametrize(
    ("name", "size", "channels", "frame_rate", "rows"),
    [
        ("dac", "small", 1, 37.5, 4),
        ("dac", "16khz", 1, 50, 12),
        ("dac", "24khz", 1, 75, 32),
        ("dac", "44khz", 1, 44_100 / 512, 9),
        ("dac", "44khz_16kbps", 1, 44_100 / 512, 18),
        ("oobleck", "small", 1, 37.5, 32),
        ("oobleck", "paper", 2, 44_100 / 2048, 64),
    ],
)
def test_rates(name, size, channels, frame_rate, rows):
    with torch.device("meta"):
        codec = build_model(SYSTEMS[name].RECIPES[size]().codec.task.model, Codec)
    assert (codec.source.channels, codec.frame_rate) == (channels, frame_rate)
    assert (len(codec.vocab) or codec.latent_dim) == rows


@pytest.mark.parametrize("size", ["16khz", "24khz", "44khz_16kbps", "44khz"])
def test_published_losses_of_dac(size):
    stage = dac.RECIPES[size]().codec
    task = stage.task
    assert task.weights.present() == {"mel": 15, "adversarial": 1, "feature": 2}
    assert task.own == {"vq/commitment": 0.25, "vq/codebook": 1} and not task.balanced
    assert (task.learning_rate, task.betas, task.decay) == (1e-4, (0.8, 0.99), 0.999996)
    assert (task.optimizer, task.schedule) == ("adamw", "exponential")
    assert task.model.quantizer_dropout == 0.5
    assert (stage.train.batch_size, stage.train.steps) == (72, 400_000)
    with torch.device("meta"):
        judge = task.discriminator.build(1)
    assert sum(p.numel() for p in judge.parameters()) == 42_519_760


def test_published_losses_of_oobleck():
    stage = oobleck.RECIPES["paper"]().codec
    task = stage.task
    assert task.weights.present() == {"stft": 1, "adversarial": 0.1, "feature": 5}
    assert task.own == {"latent/kl": 2e-4} and task.mid_side and not task.balanced
    assert task.discriminator_learning_rate == 2 * task.learning_rate == 3e-4
    assert round(stage.train.crop_seconds * 44_100) == 65_536
    assert (stage.train.ema_decay, stage.train.ema_power) == (0.9999, 0.75)
    assert task.a_weighted and task.discriminator_alone_every == 2
    with torch.device("meta"):
        built = task.build()
    assert [built.discriminator_learns_at(step) for step in range(4)] == [True, False] * 2
    for optimization in built.optimizers().values():
        assert optimization.schedule(200_000, 10**6) == pytest.approx(0.5**0.5)


def test_published_data_of_dac():
    train = dac.RECIPES["paper"]().codec.train
    assert (train.draw_by, train.salient_db) == ("folder", -40)
    assert train.augment.level_db == -16 and train.augment.phase


class Tones:
    """Sines of 100 to 1000 Hz in noise, 0.25 s at 8 kHz."""

    weights = (1.0,) * 16

    def __init__(self, channels):
        self.channels = channels

    def __len__(self):
        return 16

    def __getitem__(self, draw):
        rng = torch.Generator().manual_seed(draw.index)
        hertz = 100 + 900 * torch.rand(self.channels, 1, generator=rng)
        time = torch.arange(2000) / 8000 + draw.offset
        sines = torch.sin(2 * torch.pi * hertz * time)
        return 0.5 * sines + 0.1 * torch.randn(self.channels, 2000, generator=rng)

    def collate(self, items):
        x = torch.stack(items)
        return {"x": x, "lengths": torch.full((len(x),), 2000), "ids": ["tone"] * len(x)}


@pytest.mark.parametrize("name", SYSTEMS)
def test_debug_trains_and_keeps_the_codec_contract(name, tmp_path):
    stage = SYSTEMS[name].RECIPES["debug"]().codec
    trainee = stage.task.build()
    before = {n: p.detach().clone() for n, p in trainee.codec.named_parameters()}
    data = Tones(trainee.codec.source.channels)
    stage = replace(stage, train=replace(stage.train, steps=6))
    fit(stage, tmp_path / "run", data, data, task=trainee, device="cpu", progress=False)
    moved = {n for n, p in trainee.codec.named_parameters() if not torch.equal(before[n], p)}
    assert moved == set(before)
    verify_codec(trainee.codec.eval(), lengths=(1, 159, 160, 161, 2000))
    assert type(Codec.from_pretrained(tmp_path / "run")) is type(trainee.codec)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_few_steps_bring_the_sound_nearer(name):
    torch.manual_seed(0)
    trainee = SYSTEMS[name].RECIPES["debug"]().codec.task.build()
    codec = trainee.codec.train()
    time = torch.arange(2000) / 8000
    hertz = torch.linspace(200, 900, 4 * codec.source.channels).view(4, -1, 1)
    batch = {"x": 0.5 * torch.sin(2 * torch.pi * hertz * time)}
    adam, distances = torch.optim.Adam(codec.parameters(), 1e-2), []
    for _ in range(25):
        output = codec(batch)
        distances.append(trainee.mel(output.reconstruction, batch["x"]))
        (distances[-1] + 0.01 * sum(output.losses.values())).backward()
        adam.step()
        adam.zero_grad()
    assert distances[-1] < 0.7 * distances[0]
