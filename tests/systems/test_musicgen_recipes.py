"""MusicGen's recipes: published sizes against transformers, configs that survive JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from latentone.codecs import Codec
from latentone.conditioning import ByteTextConfig
from latentone.config import from_dict, to_dict
from latentone.generators import Autoregressive
from latentone.hub import build_model
from latentone.spec import LatentSpec
from latentone.systems.musicgen import CARD, RECIPES, published_network
from latentone.training.recipe import Recipe
from latentone.training.tasks.language_model import LanguageModelConfig

DECODERS = {"300m": 419_584_000, "1.5b": 1_837_556_736, "3.3b": 3_255_382_016}


def test_every_recipe_has_a_line_on_the_card() -> None:
    assert list(RECIPES) == list(CARD.sizes)


@pytest.mark.parametrize("size", RECIPES)
def test_recipes_are_json_and_their_parts_fit(size: str) -> None:
    recipe = RECIPES[size]()
    assert (recipe.system, recipe.size) == ("musicgen", size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    assert recipe.codec is not None and recipe.generator is not None
    task = recipe.generator.task
    assert isinstance(task, LanguageModelConfig)
    with torch.device("meta"):
        codec = build_model(recipe.codec.task.model, Codec)
        latent = LatentSpec(
            kind="discrete",
            shape=(len(codec.vocab),),
            vocab=codec.vocab,
            frame_rate=codec.frame_rate,
            fingerprint="0" * 64,
        )
        frames = round(recipe.generator.train.crop_seconds * codec.frame_rate)
        if size in ("debug", "small"):
            model = Autoregressive(task.model.fitted(latent, frames))
            total = sum(p.numel() for p in model.parameters())
            assert total == {"debug": 41_264, "small": 9_386_752}[size]
    assert len(codec.vocab) == 4
    if size not in ("debug", "small"):
        assert (frames, codec.frame_rate, codec.vocab) == (1500, 50, (2048,) * 4)


@pytest.mark.parametrize("size", DECODERS)
def test_published_sizes_are_those_of_transformers(size: str) -> None:
    transformers = pytest.importorskip("transformers", reason="the peer of this count")
    network = published_network(size)
    spec = LatentSpec(
        kind="discrete", shape=(4,), vocab=(2048,) * 4, frame_rate=50.0, fingerprint="0" * 64
    )
    with torch.device("meta"):
        peer = transformers.MusicgenForCausalLM(
            transformers.MusicgenDecoderConfig(
                hidden_size=network.dim,
                num_hidden_layers=network.num_layers,
                num_attention_heads=network.num_heads,
                ffn_dim=network.ffn_dim,
            )
        )
        task = RECIPES[size]().generator.task  # type: ignore[union-attr]
        assert isinstance(task, LanguageModelConfig)
        # any conditioner will do: those of text are not part of the published count
        model = Autoregressive(
            replace(task.model, latent=spec, conditioners={"text": ByteTextConfig()})
        )
    theirs = sum(p.numel() for p in peer.parameters())
    ours = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("conditioners."))
    assert ours == theirs == DECODERS[size]
