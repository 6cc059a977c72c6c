"""The recipes of what judges: sizes, JSON, and a training that goes on where it was killed."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from latentone.audio import Audio
from latentone.cli import main
from latentone.config import from_dict, load_json, to_dict
from latentone.data import Manifest
from latentone.embeddings import Head, TrainedEmbedding, embed_files
from latentone.hub import build_model
from latentone.systems import classifier, joint
from latentone.training import Recipe, ResumeError
from latentone.training import embedding_stage as stage_module
from latentone.training.embedding_stage import judge_embedding, train_embedding

SYSTEMS = {"classifier": classifier, "joint": joint}
SIZES = {
    ("classifier", "debug"): 468,
    ("classifier", "small"): 463_780,
    ("classifier", "paper"): 3_662_724,
    ("joint", "debug"): 8_003,
    ("joint", "small"): 974_627,
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_recipe_has_a_line_on_the_card_and_is_json(system):
    module = SYSTEMS[system]
    assert list(module.RECIPES) == list(module.CARD.sizes)
    for size, make in module.RECIPES.items():
        recipe = make()
        assert (recipe.system, recipe.size) == (system, size)
        assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe


@pytest.mark.parametrize("system, size", SIZES)
def test_parameter_counts(system, size):
    config = SYSTEMS[system].RECIPES[size]().embedding.task.model
    if system == "classifier":
        config = replace(config, heads={"tags": Head(classes=("a", "b"))})
    with torch.device("meta"):
        model = build_model(config, TrainedEmbedding)
    assert sum(p.numel() for p in model.parameters()) == SIZES[system, size]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    torch.manual_seed(0)
    for i in range(24):
        name, hertz = ("low", 200) if i % 2 else ("high", 1600)
        wave = 0.4 * torch.sin(2 * torch.pi * hertz * torch.arange(6000) / 8000)
        wave = wave + 0.02 * torch.randn(6000)
        Audio(wave[None], 8000).save(folder / f"{name}{i}.wav")
        facts = {"caption": f"a {name} tone", "role": name, "group": f"{i}", "instruments": [name]}
        (folder / f"{name}{i}.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_killed_training_ends_as_one_that_was_not(system, sounds, tmp_path, monkeypatch):
    recipe = SYSTEMS[system].RECIPES["debug"]()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = {"device": "cpu", "progress": False, "on_event": lambda text: None}
    train_embedding(recipe, sounds, whole, **options)

    class Killed(Exception):
        pass

    from latentone.training.trainee import Trainee

    step = Trainee.step

    def stops(self, batches):
        if self.run.step == 8:
            raise Killed
        step(self, batches)

    monkeypatch.setattr(Trainee, "step", stops)
    with pytest.raises(Killed):
        train_embedding(recipe, sounds, killed, **options)
    monkeypatch.undo()
    train_embedding(recipe, sounds, killed, **options)
    one, two = (load_file(f / "embedding" / "model.safetensors") for f in (whole, killed))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert load_json(whole / "metrics.json") == load_json(killed / "metrics.json")
    with pytest.raises(ResumeError, match="weight_decay"):
        task = replace(recipe.embedding.task, weight_decay=0.5)
        other = replace(recipe, embedding=replace(recipe.embedding, task=task))
        train_embedding(other, sounds, killed, **options)


def test_it_learns_what_can_be_heard_and_says_so(sounds, tmp_path, capsys):
    command = ["train", "classifier", "--size", "debug", "--data", str(sounds), "--steps", "60"]
    command += ["--embedding.task.learning-rate", "0.01"]
    assert main([*command, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "role accuracy: 1 (of" in said and "held-out recordings (test)" in said
    manifest = Manifest.load(tmp_path / "run" / "manifest.json")
    model = TrainedEmbedding.from_pretrained(tmp_path / "run" / "embedding")
    assert set(model.config.heads) == {"instrument", "role"}
    test = manifest.split("test")
    found = embed_files(model, [sounds / item.path for item in test])
    answers = model.posteriors(found.vectors)["role"].argmax(1)
    truth = [model.config.heads["role"].classes.index(i.metadata["role"]) for i in test]
    assert answers.tolist() == [truth[f] for f in found.file.tolist()]


def test_fine_tuning_starts_from_the_other_run(sounds, tmp_path):
    recipe = joint.RECIPES["debug"]()
    options = {"device": "cpu", "progress": False, "on_event": lambda text: None}
    train_embedding(recipe, sounds, tmp_path / "one", **options)
    stage = replace(recipe.embedding, train=replace(recipe.embedding.train, steps=1))
    stage = replace(stage, task=replace(stage.task, learning_rate=1e-9, weight_decay=0.0))
    tuned = replace(recipe, embedding=stage)
    train_embedding(tuned, sounds, tmp_path / "two", embedding_from=tmp_path / "one", **options)
    one, two = (load_file(tmp_path / f / "embedding" / "model.safetensors") for f in ("one", "two"))
    for name in one:
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6)


def test_a_system_without_an_embedding_is_refused(sounds, tmp_path):
    with pytest.raises(ValueError, match="has no embedding to train"):
        train_embedding(Recipe(system="toy", size="debug"), sounds, tmp_path / "run")


def test_figures_are_written_for_what_can_be_read(sounds, tmp_path):
    recipe = classifier.RECIPES["debug"]()
    options = {"device": "cpu", "progress": False, "on_event": lambda text: None}
    run = train_embedding(recipe, sounds, tmp_path / "run", **options)
    manifest = Manifest.load(run / "manifest.json")
    gone = manifest.split("test")[0]
    broken = replace(
        manifest,
        items=tuple(replace(i, path="gone.wav") if i == gone else i for i in manifest.items),
    )
    result = judge_embedding(broken, run, device="cpu")
    assert result["items"] == len(manifest.split("test")) - 1
    assert next(iter(result["failures"])).endswith("gone.wav")
    assert load_json(run / "metrics.json") == result
    assert stage_module.EMBEDDING == "embedding"
