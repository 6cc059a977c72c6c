"""SoundStream's recipes: exact sizes, configs that survive JSON, one that trains."""

import json

import numpy as np
import pytest
import soundfile
import torch

from latentone.codecs import Codec
from latentone.config import from_dict, load_json, to_dict
from latentone.hub import build_model
from latentone.systems.soundstream import CARD, RECIPES
from latentone.training.recipe import Recipe
from latentone.training.system import train_system

PARAMETERS = {
    "debug": 129_126,
    "small": 2_634_002,
    "24khz": 9_847_074,
    "denoising": 9_847_586,
    "paper": 9_847_074,
}


def test_every_recipe_has_a_line_on_the_card():
    assert list(RECIPES) == list(CARD.sizes) == list(PARAMETERS)


@pytest.mark.parametrize("size", RECIPES)
def test_recipes_are_json_and_have_their_size(size):
    recipe = RECIPES[size]()
    assert (recipe.system, recipe.size) == ("soundstream", size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    with torch.device("meta"):
        codec = build_model(recipe.codec.task.model, Codec)
    assert sum(p.numel() for p in codec.parameters()) == PARAMETERS[size]


def test_the_size_of_the_paper_in_closed_form():
    """Weights of figure 3's layers, with a gain and a bias for each output of a convolution."""
    total = 0

    def conv(inputs, outputs, taps):
        return inputs * outputs * taps + 2 * outputs

    def upward(inputs, outputs, taps):
        return inputs * outputs * taps + inputs + outputs  # the gains are of the input's channels

    total += conv(1, 32, 7) + conv(512, 128, 3) + conv(128, 512, 7) + conv(32, 1, 7)
    for width, stride in ((32, 2), (64, 4), (128, 5), (256, 8)):
        total += 2 * 3 * (conv(width, width, 7) + conv(width, width, 1))
        total += conv(width, 2 * width, 2 * stride) + upward(2 * width, width, 2 * stride)
    assert total == PARAMETERS["paper"]


@pytest.mark.parametrize("size", RECIPES)
def test_a_crop_is_long_enough_for_the_discriminator(size):
    stage = RECIPES[size]().codec
    samples = round(stage.train.crop_seconds * stage.task.model.sample_rate)
    assert samples >= stage.task.discriminator.min_samples


def test_one_model_for_many_rates():
    config = RECIPES["24khz"]().codec.task.model
    rates = [config.bandwidth(n) for n in config.codebook_choices]
    assert min(rates) == 0.75 and max(rates) == 18
    assert config.seanet.causal and config.seanet.hop_length == 320


@pytest.mark.slow
def test_debug_trains(tmp_path):
    """Against both kinds of judge, with noise and switch, from a folder to samples."""
    rng, time = np.random.default_rng(0), np.arange(16_000) / 8000
    (tmp_path / "in").mkdir()
    for i in range(10):
        tone = 0.4 * np.sin(2 * np.pi * rng.uniform(100, 1000) * time)
        soundfile.write(tmp_path / "in" / f"{i}.wav", tone.astype(np.float32), 8000)
    run = train_system(
        RECIPES["debug"](), tmp_path / "in", tmp_path / "run", device="cpu", progress=False
    )
    codec = Codec.from_pretrained(run / "codec")
    assert codec.config.denoising and codec.quantizer.codebooks[0].inited
    assert load_json(run / "codec" / "training" / "state.json")["status"] == "finished"
    assert codec.film.on.any() and codec.film.off.any()
