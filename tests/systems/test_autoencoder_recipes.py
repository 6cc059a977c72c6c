"""Recipes of the autoencoders: exact sizes, configs that survive JSON, one of each that trains."""

import json
from dataclasses import replace

import pytest
import torch

from latentone.codecs import Codec
from latentone.config import from_dict, to_dict
from latentone.hub import build_model
from latentone.systems import autoencoder, vae, vqvae
from latentone.testing import verify_codec
from latentone.training import fit
from latentone.training.recipe import Recipe

SYSTEMS = {"autoencoder": autoencoder, "vae": vae, "vqvae": vqvae}
PARAMETERS = {
    ("autoencoder", "debug"): 141_758,
    ("autoencoder", "small"): 1_618_290,
    ("autoencoder", "tanh"): 1_618_290,
    ("autoencoder", "sphere"): 1_618_290,
    ("autoencoder", "paper"): 14_392_930,
    ("vae", "debug"): 148_958,
    ("vae", "small"): 1_733_106,
    ("vae", "mmd"): 1_618_290,
    ("vae", "paper"): 14_622_434,
    ("vqvae", "debug"): 141_758,
    ("vqvae", "small"): 1_188_210,
    ("vqvae", "gradient"): 1_188_210 + 1024 * 64,
    ("vqvae", "rotation"): 1_188_210 + 1024 * 64,
    ("vqvae", "fsq"): 1_188_210 + 64 * 4 + 4 + 4 * 64 + 64,
    ("vqvae", "paper"): 1_084_258,
    ("vqvae", "jukebox"): 1_428_898,
}
QUICK = [("vae", "debug"), ("vqvae", "debug")]
SLOW = [
    ("autoencoder", "debug"),
    ("autoencoder", "tanh"),
    ("autoencoder", "sphere"),
    ("vae", "mmd"),
    ("vqvae", "gradient"),
    ("vqvae", "rotation"),
    ("vqvae", "fsq"),
]
VARIANTS = [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)]


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


@pytest.mark.parametrize(
    ("name", "size", "frame_rate", "vocab"),
    [
        ("autoencoder", "paper", 75, ()),
        ("vae", "small", 37.5, ()),
        ("vqvae", "small", 150, (1024,)),
        ("vqvae", "fsq", 150, (1000,)),
        ("vqvae", "paper", 250, (512,)),
        ("vqvae", "jukebox", 44_100 / 32, (2048,)),
    ],
)
def test_rates(name, size, frame_rate, vocab):
    with torch.device("meta"):
        codec = build_model(SYSTEMS[name].RECIPES[size]().codec.task.model, Codec)
    assert (codec.frame_rate, codec.vocab) == (frame_rate, vocab)


@pytest.mark.parametrize(("name", "size"), PARAMETERS)
def test_a_crop_reaches_every_scale_of_the_discriminator(name, size):
    stage = SYSTEMS[name].RECIPES[size]().codec
    judge = stage.task.discriminator
    samples = round(stage.train.crop_seconds * stage.task.model.sample_rate)
    assert judge is None or samples >= judge.min_samples


class Tones:
    """Sines of 100 to 1000 Hz in noise, 0.25 s at 8 kHz."""

    weights = (1.0,) * 16

    def __len__(self):
        return 16

    def __getitem__(self, draw):
        rng = torch.Generator().manual_seed(draw.index)
        hertz = 100 + 900 * torch.rand((), generator=rng)
        time = torch.arange(2000) / 8000 + draw.offset
        return torch.sin(2 * torch.pi * hertz * time) + 0.1 * torch.randn(2000, generator=rng)

    def collate(self, items):
        x = torch.stack(items)[:, None]
        return {"x": x, "lengths": torch.full((len(x),), 2000), "ids": ["tone"] * len(x)}


@pytest.mark.parametrize(("name", "size"), VARIANTS)
def test_it_trains_and_keeps_the_codec_contract(name, size, tmp_path):
    """The latents and weights of each recipe in the debug networks, for a few steps."""
    task = SYSTEMS[name].RECIPES[size]().codec.task
    stage = SYSTEMS[name].RECIPES["debug"]().codec
    model = replace(stage.task.model, latents=task.model.latents)
    stage = replace(stage, task=replace(stage.task, model=model, own=task.own))
    trainee = stage.task.build()
    before = {n: p.detach().clone() for n, p in trainee.codec.named_parameters()}
    data = Tones()
    train = replace(stage.train, steps=4, validate_every=4, checkpoint_every=4)
    stage = replace(stage, train=train)
    fit(stage, tmp_path / "run", data, data, task=trainee, device="cpu", progress=False)
    moved = {n for n, p in trainee.codec.named_parameters() if not torch.equal(before[n], p)}
    assert moved == set(before)
    verify_codec(trainee.codec.eval(), lengths=(1, 161, 1000))
