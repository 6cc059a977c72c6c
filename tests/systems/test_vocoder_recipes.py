"""The mel codecs' recipes: sizes as published, configs that survive JSON, ones that train."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from latentone.audio import Audio
from latentone.codecs.base import Codec
from latentone.codecs.mel import MelCodec
from latentone.codecs.spectrum import SpectrumCodec
from latentone.codecs.waveform import MuLawWaveform
from latentone.config import from_dict, to_dict
from latentone.hub import build_model
from latentone.systems import gansynth_spectrum, hifigan, mel, melgan, waveform
from latentone.testing import verify_codec
from latentone.training.recipe import Recipe
from latentone.training.system import train_system

SYSTEMS = {
    "hifigan": hifigan,
    "melgan": melgan,
    "mel": mel,
    "gansynth_spectrum": gansynth_spectrum,
    "waveform": waveform,
}
PARAMETERS = {
    "hifigan": {
        "debug": 5_706,
        "small": 1_464_322,
        "v3": 1_464_322,
        "v2": 928_514,
        "v1": 13_936_130,
        "paper": 13_936_130,
    },
    "melgan": {"debug": 5_258, "small": 1_141_026, "paper": 4_266_050},
    "mel": dict.fromkeys(("debug", "small", "classic", "paper"), 0),
    "gansynth_spectrum": dict.fromkeys(("debug", "small", "low", "paper"), 0),
    "waveform": dict.fromkeys(("debug", "small", "stereo", "paper"), 0),
}
CASES = [(name, size) for name, module in SYSTEMS.items() for size in module.RECIPES]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_recipe_has_a_line_on_the_card(name):
    module = SYSTEMS[name]
    assert list(module.RECIPES) == list(module.CARD.sizes) == list(PARAMETERS[name])


@pytest.mark.parametrize(("name", "size"), CASES)
def test_recipes_are_json_and_have_their_size(name, size):
    recipe = SYSTEMS[name].RECIPES[size]()
    assert (recipe.system, recipe.size) == (name, size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    with torch.device("meta"):
        codec = build_model(recipe.codec.task.model, Codec)
    assert sum(p.numel() for p in codec.parameters()) == PARAMETERS[name][size]


def test_discriminators_have_the_published_sizes():
    with torch.device("meta"):
        judges = {
            name: SYSTEMS[name].RECIPES["paper"]().codec.task.discriminator.build()
            for name in ("hifigan", "melgan")
        }
    counts = {name: sum(p.numel() for p in judge.parameters()) for name, judge in judges.items()}
    assert counts == {"hifigan": 70_724_591, "melgan": 16_924_086}


@pytest.mark.parametrize("name", ["hifigan", "melgan"])
def test_a_crop_is_a_whole_number_of_frames_and_reaches_every_judge(name):
    for make in SYSTEMS[name].RECIPES.values():
        stage = make().codec
        spec = stage.task.model.mel
        samples = round(stage.train.crop_seconds * spec.sample_rate)
        assert samples >= max(stage.task.discriminator.min_samples, spec.n_fft)
        assert samples in (8192, 4000)


def test_losses_are_those_of_the_papers():
    task = hifigan.RECIPES["paper"]().codec.task
    assert task.weights.present() == {"mel": 45.0, "adversarial": 1.0, "feature": 2.0}
    assert task.decay**hifigan.STEPS_OF_AN_EPOCH == pytest.approx(0.999)
    weights = melgan.RECIPES["paper"]().codec.task.weights.present()
    assert weights == {"adversarial": 1.0, "feature": pytest.approx(8 / 3)}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    time = torch.arange(6000) / 8000
    for i in range(12):
        wave = 0.4 * torch.sin(2 * math.pi * 150 * (i + 1) * time)
        Audio(wave[None], 8000).save(folder / f"tone{i}.wav")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_debug_trains_and_what_it_leaves_is_a_codec(name, sounds, tmp_path):
    recipe = SYSTEMS[name].RECIPES["debug"]()
    train_system(recipe, sounds, tmp_path, device="cpu", progress=False)
    codec = Codec.from_pretrained(tmp_path / "codec")
    kinds = {"gansynth_spectrum": SpectrumCodec, "waveform": MuLawWaveform}
    assert isinstance(codec, kinds.get(name, MelCodec))
    verify_codec(codec, lengths=(1, 127, 1000))
    if PARAMETERS[name]["debug"]:
        torch.manual_seed(recipe.codec.train.seed)
        fresh = build_model(recipe.codec.task.model, Codec).state_dict()
        trained = load_file(tmp_path / "codec" / "model.safetensors")
        assert trained.keys() == fresh.keys()
        assert all(tensor.isfinite().all() for tensor in trained.values())
    lines = (tmp_path / "codec" / "training" / "metrics.jsonl").read_text().splitlines()
    assert any("valid" in line and "si_sdr" in line for line in lines)


@pytest.mark.parametrize("name", ["hifigan", "melgan"])
def test_every_weight_learns(name):
    task = SYSTEMS[name].RECIPES["debug"]().codec.task.build()
    before = {k: v.clone() for k, v in task.codec.state_dict().items()}
    run = Plain(task)
    time = torch.arange(4000) / 8000
    hertz = torch.tensor([200.0, 500.0, 900.0])[:, None, None]
    for _ in range(2):
        logs = task.step({"x": 0.5 * torch.sin(2 * math.pi * hertz * time)}, run)
        run.step += 1
    assert {"loss", "adversarial", "feature", "discriminator"} <= logs.keys()
    after = task.codec.state_dict()
    assert not [k for k in before if torch.equal(before[k], after[k])]


class Plain:
    """The least that a task needs of a trainer."""

    step, total_steps, rank, world = 0, 10, 0, 1

    def __init__(self, task):
        self.task, self.optimizations = task, task.optimizers()

    def module(self, name):
        return self.task.modules[name]

    def frozen(self, name):
        def call(x):
            module = self.task.modules[name].requires_grad_(False)
            try:
                return module(x)
            finally:
                module.requires_grad_(True)

        return call

    def backward(self, loss):
        loss.backward()

    def optimize(self, name):
        self.optimizations[name].optimizer.step()
        self.optimizations[name].optimizer.zero_grad()
