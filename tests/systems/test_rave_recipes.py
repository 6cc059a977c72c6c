"""RAVE's recipes: sizes as published, configs that survive JSON, one that trains in two phases."""

import json

import pytest
import torch

from latentone.audio import Audio
from latentone.codecs import Codec
from latentone.config import from_dict, to_dict
from latentone.hub import build_model
from latentone.systems.rave import CARD, RAVE, RECIPES
from latentone.testing import verify_codec
from latentone.training.recipe import Recipe
from latentone.training.system import train_system

PARAMETERS = {  # encoder, decoder
    "debug": (23_560, 23_192),
    "small": (3_945_904, 3_816_608),
    "low_latency": (394_304, 385_824),
    "raspberry": (426_720, 971_201),
    "onnx": (1_374_656, 3_417_969),
    "v1": (4_834_176, 12_778_193),
    "v2": (16_056_928, 15_479_072),
    "v2_causal": (16_056_928, 15_479_072),
    "v2_spectral": (16_056_928, 15_479_072),
    "v2_small": (3_945_904, 3_816_608),
    "v2_raw": (7_403_328, 10_477_954),
    "v3": (16_067_008, 15_489_152),
    "discrete": (14_287_328, 14_889_248),
    "hybrid": (3_001_312, 15_677_216),
    "wasserstein": (14_950_768, 15_552_800),
    "spherical": (14_950_768, 14_962_976),
    "paper": (4_834_176, 12_778_193),
}


def test_every_recipe_has_a_line_on_the_card():
    assert list(RECIPES) == list(CARD.sizes) == list(PARAMETERS)


@pytest.mark.parametrize("size", RECIPES)
def test_recipes_are_json_and_have_their_size(size):
    recipe = RECIPES[size]()
    assert (recipe.system, recipe.size) == ("rave", size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    task = recipe.codec.task
    with torch.device("meta"):
        codec = build_model(task.model, Codec)
        judge = task.discriminator.build(task.model.channels)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (codec.encoder, codec.decoder)]
    assert tuple(sizes) == PARAMETERS[size]
    samples = round(recipe.codec.train.crop_seconds * task.model.sample_rate)
    assert samples >= judge.config.min_samples
    assert samples % task.model.hop_length == 0
    published_v2 = size.startswith(("v2", "v3", "discrete", "hybrid", "wasserstein", "spherical"))
    assert task.inner_losses == published_v2
    if published_v2:
        inner = codec.inner(samples)
        assert samples / 2 < inner.stop - inner.start >= judge.config.min_samples


@pytest.mark.parametrize("size", RECIPES)
def test_the_encoder_stands_still_when_the_judge_joins(size):
    task = RECIPES[size]().codec.task
    assert 0 < task.adversarial_start == task.freeze_encoder_after < 1
    assert not task.balanced


@pytest.mark.parametrize(
    ("size", "frame_rate"),
    [("v1", 21.533), ("v2", 21.533), ("v2_small", 86.133), ("discrete", 43.066)],
)
def test_rates(size, frame_rate):
    assert RECIPES[size]().codec.task.model.frame_rate == pytest.approx(frame_rate, abs=1e-3)


@pytest.mark.parametrize("size", ["v1", "v2", "v2_spectral", "v2_small", "v3", "discrete"])
def test_published_schedules(size):
    """The codec's rate is at a tenth when the judge joins; the judge's stays."""
    stage = RECIPES[size]().codec
    task, steps = stage.task, stage.train.steps
    joins = round(task.adversarial_start * steps)
    with torch.device("meta"):
        built = task.build()
    codec, judge = (built.optimizers()[name].schedule for name in ("codec", "discriminator"))
    assert codec(0, steps) == 1 and codec(joins // 2, steps) == pytest.approx(0.55, abs=1e-3)
    assert codec(joins, steps) == codec(steps - 1, steps) == pytest.approx(0.1)
    assert judge(0, steps) == judge(steps - 1, steps) == 1
    kl = [built.own_at("latent/kl", step, steps) for step in (0, 10_000, 20_000, steps)]
    if size in ("v2", "v3", "v2_spectral"):
        assert kl == pytest.approx([2e-6, (2e-6 * 0.1) ** 0.5, 0.1, 0.1])
    every = 2 if size in ("v1", "v2_small") else 4
    learns = [step for step in range(12) if built.discriminator_learns_at(step)]
    assert learns == list(range(0, 12, every))


class PlainRun:
    """The least that a task needs of a trainer."""

    rank, world, device = 0, 1, torch.device("cpu")

    def __init__(self, task, total_steps):
        self.task, self.step, self.total_steps = task, 0, total_steps
        self.rng = torch.Generator().manual_seed(0)
        self.optimizations = task.optimizers()

    def module(self, name):
        return self.task.modules[name]

    def frozen(self, name):
        return self.task.modules[name]

    def backward(self, loss):
        loss.backward()

    def optimize(self, name):
        self.optimizations[name].optimizer.step()
        for optimization in self.optimizations.values():
            optimization.optimizer.zero_grad()


def tones(seconds=0.512, count=4):
    time = torch.arange(round(8_000 * seconds)) / 8_000
    hertz = torch.linspace(200, 900, count)[:, None, None]
    return 0.4 * torch.sin(2 * torch.pi * hertz * time)


def test_two_phases_train_what_they_should():
    torch.manual_seed(0)
    task = RECIPES["debug"]().codec.task.build()
    run, batch = PlainRun(task, total_steps=48), {"x": tones()}
    kept, logs = [], []
    for _ in range(30):
        logs.append(task.step(batch, run))
        run.step += 1
        ends = (task.codec.encoder, task.codec.decoder)
        kept.append([torch.cat([p.detach().flatten() for p in end.parameters()]) for end in ends])
    assert logs[23]["distance/full"] < 0.8 * logs[0]["distance/full"]
    assert "adversarial" not in logs[23] and "adversarial" in logs[25]
    assert "discriminator" in logs[24] and "adversarial" not in logs[24]
    assert torch.equal(kept[24][1], kept[23][1]) and not torch.equal(kept[25][1], kept[24][1])
    assert not torch.equal(kept[0][0], kept[23][0])
    assert torch.equal(kept[23][0], kept[29][0]) and not torch.equal(kept[23][1], kept[29][1])


@pytest.mark.slow
def test_debug_trains_and_what_it_leaves_is_a_codec(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for i in range(12):
        Audio(tones(0.75, 12)[i], 8_000).save(folder / f"tone{i}.wav")
    run = tmp_path / "run"
    train_system(RECIPES["debug"](), folder, run, device="cpu", progress=False)
    codec = Codec.from_pretrained(run / "codec")
    assert isinstance(codec, RAVE)
    verify_codec(codec, lengths=(1, 127, 1000))
