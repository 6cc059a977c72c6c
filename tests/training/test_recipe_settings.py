"""Settings that a stage would not read are refused before anything starts."""

import json
from dataclasses import replace

import pytest

from latentone.config import ConfigError, from_dict, to_dict
from latentone.data import AugmentConfig
from latentone.systems.classifier import RECIPES as CLASSIFIER
from latentone.systems.dac import RECIPES as DAC
from latentone.systems.musicgen import RECIPES as MUSICGEN
from latentone.training.recipe import Recipe

AUGMENT = AugmentConfig(mute=0.1)


@pytest.mark.parametrize(
    ("recipe", "stage", "changes", "message"),
    [
        (CLASSIFIER, "embedding", {"augment": AUGMENT}, r"^augment .*embedding\.train\.augment"),
        (CLASSIFIER, "embedding", {"salient_db": -40.0}, r"leave out embedding\.train\.salient_db"),
        (MUSICGEN, "generator", {"augment": AUGMENT}, r"the generator would not .*train\.augment"),
        (
            MUSICGEN,
            "generator",
            {"augment": AUGMENT, "salient_db": -40.0},
            "^augment and salient_db change",
        ),
    ],
)
def test_only_a_codec_hears_other_excerpts(recipe, stage, changes, message):
    recipe = recipe["debug"]()
    kept = getattr(recipe, stage)
    with pytest.raises(ValueError, match=message):
        replace(recipe, **{stage: replace(kept, train=replace(kept.train, **changes))})


def test_a_recipe_file_that_asks_for_it_is_refused():
    data = json.loads(json.dumps(to_dict(MUSICGEN["debug"]())))
    data["generator"]["train"]["salient_db"] = -40.0
    with pytest.raises((ConfigError, ValueError), match=r"leave out generator\.train\.salient_db"):
        from_dict(Recipe, data)


def test_a_codec_may():
    assert DAC["paper"]().codec.train.of_sound == ["augment", "salient_db"]
    codec = MUSICGEN["debug"]().codec
    changed = replace(codec, train=replace(codec.train, augment=AUGMENT))
    assert replace(MUSICGEN["debug"](), codec=changed).codec == changed
