"""A folder of sound becomes a system; every step goes on where it stopped."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import latentone
from latentone.audio import Audio
from latentone.codecs import EnCodecConfig
from latentone.conditioning import ByteTextConfig
from latentone.config import from_dict, load_json
from latentone.discriminators import STFTDiscriminatorConfig
from latentone.generators import AutoregressiveConfig
from latentone.latents.writer import ShardWriter
from latentone.networks.seanet import SEANetConfig
from latentone.networks.transformer import TransformerConfig
from latentone.training import Recipe, ResumeError, Stage, TrainConfig, system
from latentone.training.ledger import Ledger
from latentone.training.run import FabricRun
from latentone.training.samples import fresh_samples
from latentone.training.system import train_system
from latentone.training.tasks.codec import CodecTaskConfig
from latentone.training.tasks.language_model import LanguageModelConfig

RATE = 8000


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    names = ("oboe", "viola", "harp", "bell", "drum", "choir", "lute", "horn", "flute", "organ")
    for i, name in enumerate(names):
        time = torch.arange(RATE) / RATE
        tone = 0.4 * torch.sin(2 * torch.pi * (200 + 60 * i) * time) * torch.exp(-2 * time)
        Audio(tone[None], RATE).save(folder / f"{name}.wav")
        (folder / f"{name}.txt").write_text(f"a {name} of {200 + 60 * i} hertz")
    return folder


def make_recipe(**generator):
    codec = EnCodecConfig(
        sample_rate=RATE,
        seanet=SEANetConfig(num_filters=4, latent_dim=8, ratios=(8, 8), num_lstm_layers=0),
        num_codebooks=2,
        codebook_size=16,
    )
    judge = STFTDiscriminatorConfig(filters=4, n_ffts=(256, 64))
    network = TransformerConfig(dim=16, num_layers=1, num_heads=2, ffn_dim=32)
    text = ByteTextConfig(dim=16, num_layers=1, num_heads=2, **generator)
    train = {"batch_size": 4, "crop_seconds": 0.5, "checkpoint_every": 3, "validate_every": 3}
    return Recipe(
        system="toy",
        size="debug",
        codec=Stage(
            task=CodecTaskConfig(model=codec, discriminator=judge, learning_rate=1e-3),
            train=TrainConfig(steps=6, **train),
        ),
        generator=Stage(
            task=LanguageModelConfig(
                model=AutoregressiveConfig(network=network, conditioners={"text": text}),
                fields={"text": "caption"},
                preview_seconds=0.2,
            ),
            train=TrainConfig(steps=6, **train),
        ),
    )


def train(recipe, sounds, run, **settings):
    return train_system(recipe, sounds, run, device="cpu", progress=False, **settings)


@pytest.fixture(scope="module")
def trained(sounds, tmp_path_factory):
    events = []
    run = tmp_path_factory.mktemp("runs") / "run"
    train(make_recipe(), sounds, run, on_event=events.append)
    assert [e for e in events if e.startswith("step ")] and len(events) == 6
    return run


def test_a_run_folder_holds_all_that_was_made(trained, sounds):
    recipe = from_dict(Recipe, load_json(trained / "recipe.json"))
    assert recipe == make_recipe()
    splits = {item["split"] for item in load_json(trained / "manifest.json")["items"]}
    assert splits == {"train", "valid", "test"}
    assert (trained / "test_items.txt").read_text().split()
    for part in ("codec", "generator"):
        state = load_json(trained / part / "training" / "state.json")
        assert state["status"] == "finished" and state["step"] == 6
    assert (trained / "codec" / "training" / "discriminator.safetensors").exists()
    samples = fresh_samples(trained)
    assert samples is not None and samples.split == "test"
    files = [f for pair in samples.held_out for f in (pair.original, pair.reconstruction)]
    files += [generation.file for generation in samples.generations]
    assert samples.held_out and samples.generations
    assert all((trained / "samples" / file).exists() for file in files)


def test_the_generator_is_fitted_to_the_store(trained):
    music = latentone.load(trained)
    assert music.generator.latent == music.codec.latent
    assert music.generator.config.window_frames == round(0.5 * RATE / 64)
    sound = music.generate("a bell", duration=0.3, seed=1)
    assert sound.samples.shape == (1, round(0.3 * RATE))


def test_repeating_changes_nothing(trained, sounds, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    before = {p: p.stat().st_mtime_ns for p in trained.rglob("*.safetensors")}
    monkeypatch.setattr(FabricRun, "__init__", refuse)
    train(make_recipe(), sounds, trained)
    assert before == {p: p.stat().st_mtime_ns for p in trained.rglob("*.safetensors")}


class Killed(BaseException):
    """Stands for a kill: nothing in between may catch it."""


def test_a_kill_in_every_step_is_made_good(trained, sounds, tmp_path, monkeypatch):
    def die(*args):
        raise Killed

    checkpoint, run = Ledger.checkpoint, tmp_path / "run"

    def die_in(part):
        def save_and_die(self):
            checkpoint(self)
            if self.run_dir.name == part:
                die()

        return save_and_die

    kills = [(Ledger, "checkpoint", die_in("codec")), (ShardWriter, "commit", die),
             (Ledger, "checkpoint", die_in("generator"))]  # fmt: skip
    for kill in kills:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(*kill)
            train(make_recipe(), sounds, run)
    train(make_recipe(), sounds, run)
    for part in ("codec", "generator"):
        ours = load_file(run / part / "model.safetensors")
        for name, tensor in load_file(trained / part / "model.safetensors").items():
            assert torch.equal(ours[name], tensor), (part, name)


def test_another_system_data_or_setting_is_refused(trained, sounds, tmp_path):
    recipe = make_recipe()
    with pytest.raises(ResumeError, match="`system` = 'toy'"):
        train(replace(recipe, system="other"), sounds, trained)
    with pytest.raises(ResumeError, match="was begun on"):
        train(recipe, tmp_path, trained)
    task = replace(recipe.codec.task, learning_rate=0.5)
    with pytest.raises(ResumeError, match=r"`task.learning_rate` = 0.001, and now it is 0.5"):
        train(replace(recipe, codec=replace(recipe.codec, task=task)), sounds, trained)


def test_steps_run_alone_and_say_what_they_miss(trained, sounds, tmp_path):
    recipe = make_recipe()
    with pytest.raises(FileNotFoundError, match="no trained codec"):
        train(recipe, sounds, tmp_path / "a", steps=("encode",))
    with pytest.raises(ValueError, match="steps must be some of"):
        train(recipe, sounds, tmp_path / "b", steps=("decode",))
    with pytest.raises(ValueError, match="no generator to train"):
        train(replace(recipe, generator=None), sounds, tmp_path / "c", steps=("generator",))
    run = train(recipe, sounds, tmp_path / "d", steps=("encode",), codec_from=trained)
    assert (run / "latents" / "dataset.json").exists() and not (run / "generator").exists()
    ours, theirs = (load_file(r / "codec" / "model.safetensors") for r in (run, trained))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_fine_tuning_takes_the_discriminator_along(trained, sounds, tmp_path, monkeypatch):
    built = []
    build = CodecTaskConfig.build

    def spy(self, pretrained=None):
        task = build(self, pretrained)
        built.append({k: v.clone() for k, v in task.discriminator.state_dict().items()})
        return task

    monkeypatch.setattr(CodecTaskConfig, "build", spy)
    train(make_recipe(), sounds, tmp_path / "run", steps=("codec",), codec_from=trained)
    kept = load_file(trained / "codec" / "training" / "discriminator.safetensors")
    assert all(torch.equal(built[0][name], kept[name]) for name in kept)


def test_a_codec_alone_computes_no_latents(monkeypatch, sounds, tmp_path):
    stages = []
    monkeypatch.setattr(system, "fit", lambda stage, *a, **k: stages.append(stage))
    recipe = replace(make_recipe(), generator=None)
    run = train(recipe, sounds, tmp_path / "run")
    assert stages == [recipe.codec] and not (run / "latents").exists()


def test_minutes_are_halved(monkeypatch, sounds, tmp_path):
    stages = []
    monkeypatch.setattr(system, "fit", lambda stage, *a, **k: stages.append(stage))
    train(make_recipe(), sounds, tmp_path / "run", steps=("codec",), minutes=7)
    recipe = make_recipe().within("codec", 5).within("generator", 5)
    assert stages[0].train.minutes == 7 and stages[0].train.steps is None
    assert recipe.codec.train.minutes == recipe.generator.train.minutes == 5


def test_a_condition_that_cannot_be_read_is_named_before_training(trained, sounds, tmp_path):
    with pytest.raises(ValueError, match=r"\.wav has an unusable 'text'.*at most 4 bytes"):
        train(
            make_recipe(max_bytes=4),
            sounds,
            tmp_path / "run",
            codec_from=trained,
            steps=("encode", "generator"),
        )
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["system"] == "toy"
