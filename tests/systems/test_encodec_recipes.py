"""EnCodec's recipes: sizes as published, configs that survive JSON, one that trains."""

import json

import pytest
import torch

from latentone.codecs import Codec
from latentone.config import from_dict, to_dict
from latentone.discriminators import MultiScaleSTFTDiscriminator
from latentone.hub import build_model
from latentone.systems.encodec import CARD, RECIPES
from latentone.training.recipe import Recipe

PARAMETERS = {
    "debug": 141_758,
    "small": 3_953_138,
    "16khz": 56_819_138,
    "24khz": 14_851_810,
    "32khz": 56_884_674,
    "48khz": 14_856_294,
    "paper": 14_851_810,
}


def test_every_recipe_has_a_line_on_the_card():
    assert list(RECIPES) == list(CARD.sizes) == list(PARAMETERS)


@pytest.mark.parametrize("size", RECIPES)
def test_recipes_are_json_and_have_their_size(size):
    recipe = RECIPES[size]()
    assert (recipe.system, recipe.size) == ("encodec", size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    with torch.device("meta"):
        codec = build_model(recipe.codec.task.model, Codec)
    assert sum(p.numel() for p in codec.parameters()) == PARAMETERS[size]


@pytest.mark.parametrize("size", RECIPES)
def test_a_crop_reaches_every_scale_of_the_discriminator(size):
    stage = RECIPES[size]().codec
    samples = round(stage.train.crop_seconds * stage.task.model.sample_rate)
    assert samples >= max(stage.task.discriminator.n_ffts)
    segments = stage.task.model.segments
    assert segments is None or samples <= segments.length


@pytest.mark.parametrize(
    ("size", "rate", "channels", "frame_rate", "kbps"),
    [
        ("small", 24_000, 1, 37.5, 1.5),
        ("16khz", 16_000, 1, 50, 2.2),
        ("24khz", 24_000, 1, 75, 24),
        ("32khz", 32_000, 1, 50, 2.2),
        ("48khz", 48_000, 2, 150, 24),
    ],
)
def test_rates(size, rate, channels, frame_rate, kbps):
    config = RECIPES[size]().codec.task.model
    assert (config.sample_rate, config.seanet.channels) == (rate, channels)
    assert config.frame_rate == frame_rate
    assert config.bandwidth(config.num_codebooks) == pytest.approx(kbps)


def test_discriminators_have_the_published_sizes():
    counts = {}
    for size in ("24khz", "48khz"):
        task = RECIPES[size]().codec.task
        judge = MultiScaleSTFTDiscriminator(task.discriminator, task.model.seanet.channels)
        counts[size] = sum(p.numel() for p in judge.parameters())
    assert counts == {"24khz": 472_490, "48khz": 481_130}
