"""The codecs of mel pictures: published sizes, configs that survive JSON, ones that train."""

import json
import math
from dataclasses import replace

import pytest
import torch

from latentone.audio import Audio
from latentone.codecs.base import Codec
from latentone.codecs.mel import MelCodec
from latentone.codecs.mel_vae import MelVAE
from latentone.codecs.vqgan import VQGAN
from latentone.config import from_dict, to_dict
from latentone.hub import build_model
from latentone.systems import mel_vae, vqgan
from latentone.testing import verify_codec
from latentone.training import fit
from latentone.training.recipe import Recipe
from latentone.training.system import train_system
from latentone.training.tasks.spectrogram import SpectrogramTask, SpectrogramTaskConfig

SYSTEMS = {"mel_vae": mel_vae, "vqgan": vqgan}
PARAMETERS = {
    "mel_vae": {"debug": 61_239, "small": 1_534_465, "vocoder": 1_271_810, "paper": 55_376_873},
    "vqgan": {"debug": 63_057, "small": 1_754_041, "paper": 72_137_089},
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


def test_the_paper_sizes_are_those_of_diffusers():
    diffusers = pytest.importorskip("diffusers")

    def count(make, widths, attention):
        down, up = ["DownEncoderBlock2D"] * len(widths), ["UpDecoderBlock2D"] * len(widths)
        if attention:
            down[-1], up[0] = "AttnDownEncoderBlock2D", "AttnUpDecoderBlock2D"
        with torch.device("meta"):
            model = make(
                in_channels=1,
                out_channels=1,
                down_block_types=tuple(down),
                up_block_types=tuple(up),
                block_out_channels=widths,
                layers_per_block=2,
            )
        return sum(p.numel() for p in model.parameters())

    def kl(**settings):
        return diffusers.AutoencoderKL(latent_channels=8, **settings)

    def vq(**settings):
        return diffusers.VQModel(latent_channels=256, num_vq_embeddings=1024, **settings)

    assert count(kl, (128, 256, 512), False) == PARAMETERS["mel_vae"]["paper"]
    assert count(vq, (128, 128, 256, 256, 512), True) == PARAMETERS["vqgan"]["paper"]


@pytest.mark.parametrize(
    ("name", "size", "rate", "shape", "vocab"),
    [
        ("mel_vae", "small", 25, (8, 16), ()),
        ("vqgan", "debug", 15.625, (4,), (32,) * 4),
        ("vqgan", "small", 12.5, (8,), (512,) * 8),
        ("vqgan", "paper", 22_050 / 4096, (5,), (1024,) * 5),
    ],
)
def test_rates(name, size, rate, shape, vocab):
    codec = build_model(SYSTEMS[name].RECIPES[size]().codec.task.model, Codec)
    spec = codec.latent
    assert (spec.frame_rate, spec.shape, spec.vocab) == (rate, shape, vocab)


@pytest.mark.parametrize(("name", "size"), CASES)
def test_a_crop_is_wide_enough_for_the_judge(name, size):
    stage = SYSTEMS[name].RECIPES[size]().codec
    model, judge = stage.task.model, stage.task.discriminator
    samples = round(stage.train.crop_seconds * model.mel.sample_rate)
    if isinstance(stage.task, SpectrogramTaskConfig):
        assert judge.bands == model.mel.n_mels
        assert samples // model.mel.hop_length >= judge.min_samples
    else:
        assert samples >= judge.min_samples


def test_the_vocoder_is_for_the_pictures_of_small_and_paper():
    make = mel_vae.RECIPES
    vocoder = build_model(make["vocoder"]().codec.task.model, Codec)
    codec = MelVAE(make["small"]().codec.task.model)
    joined = codec.with_vocoder(vocoder)
    assert isinstance(vocoder, MelCodec) and joined.latent == codec.latent
    assert make["small"]().codec.task.model.mel == make["paper"]().codec.task.model.mel
    with torch.no_grad():
        assert joined.decode(torch.zeros(1, 128, 3)).shape == (1, 1, 3 * 640)


class Tones:
    """Sines of 100 to 1000 Hz in noise, 0.5 s at 8 kHz."""

    weights = (1.0,) * 16

    def __len__(self):
        return 16

    def __getitem__(self, draw):
        rng = torch.Generator().manual_seed(draw.index)
        hertz = 100 + 900 * torch.rand((), generator=rng)
        time = torch.arange(4000) / 8000 + draw.offset
        return torch.sin(2 * torch.pi * hertz * time) + 0.1 * torch.randn(4000, generator=rng)

    def collate(self, items):
        x = torch.stack(items)[:, None]
        return {"x": x, "lengths": torch.full((len(x),), 4000), "ids": ["tone"] * len(x)}


def records(folder):
    lines = (folder / "training" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", SYSTEMS)
def test_debug_trains_every_weight_and_keeps_the_codec_contract(name, tmp_path):
    stage = SYSTEMS[name].RECIPES["debug"]().codec
    trainee = stage.task.build()
    assert isinstance(trainee, SpectrogramTask)
    modules = (trainee.codec, trainee.discriminator)
    before = [{n: p.detach().clone() for n, p in m.named_parameters()} for m in modules]
    data = Tones()
    train = replace(stage.train, steps=20, validate_every=10)
    stage = replace(stage, train=train)
    fit(stage, tmp_path / "run", data, data, task=trainee, device="cpu", progress=False)
    for module, old in zip(modules, before, strict=True):
        stood = [n for n, p in module.named_parameters() if torch.equal(old[n], p)]
        assert stood == []
    logs = records(tmp_path / "run")
    start = next(log["train"]["loss"] for log in logs if "train" in log)
    assert max(log["valid"]["loss"] for log in logs if "valid" in log) < 0.7 * start
    late = [log["train"] for log in logs if "train" in log][-1]
    assert {"discriminator", "adversarial", "gradient/judge"} <= late.keys()
    verify_codec(trainee.codec.eval(), lengths=(1, 513, 1000))


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_leaves_a_codec_and_sounds(name, tmp_path):
    sounds, run = tmp_path / "sounds", tmp_path / "run"
    time = torch.arange(6000) / 8000
    for i in range(12):
        wave = 0.4 * torch.sin(2 * math.pi * 150 * (i + 1) * time)
        Audio(wave[None], 8000).save(sounds / f"tone{i}.wav")
    train_system(SYSTEMS[name].RECIPES["debug"](), sounds, run, device="cpu", progress=False)
    codec = Codec.from_pretrained(run / "codec")
    assert isinstance(codec, MelVAE if name == "mel_vae" else VQGAN)
    assert list((run / "samples").glob("*.reconstruction.flac"))


# The task.


class Plain:
    """The least that a task needs of a trainer."""

    step, total_steps, rank, world, rng = 9, 10, 0, 1, None

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
        self.optimizations[name].optimizer.zero_grad()


def task_of(**changes):
    torch.manual_seed(0)
    return replace(vqgan.debug_codec().task, **changes).build()


def tones(count=3, samples=4000):
    time = torch.arange(samples) / 8000
    hertz = torch.linspace(200, 900, count)[:, None, None]
    return 0.5 * torch.sin(2 * math.pi * hertz * time)


def test_the_loss_is_the_difference_of_pixels_and_the_judge_sees_pictures():
    task = task_of()
    x = tones()
    task.codec({"x": x, "rng": torch.Generator().manual_seed(0)})  # places the codes
    task.codec.quantizer.eval()
    picture, real = task.codec({"x": x}).reconstruction, task.codec.target(x)
    judged = task.discriminator(picture)
    logs = task.step({"x": x}, Plain(task))
    torch.testing.assert_close(logs["loss"], (picture - real).abs().mean())
    torch.testing.assert_close(logs["adversarial"], -judged.scores[0].mean())
    torch.testing.assert_close(logs["judge/real"], task.discriminator(real).scores[0].mean())


def test_the_adversary_gets_its_share_of_the_gradient():
    task = task_of()
    real, fake = task.codec.target(tones()), torch.randn(3, 16, 32).requires_grad_()
    losses = {
        "mel": task.mel(fake, real),
        "adversarial": -task.discriminator(fake).scores[0].mean(),
    }
    pixels, adversary = (
        torch.autograd.grad(x, fake, retain_graph=True)[0] for x in losses.values()
    )
    total, _ = task._gradient(losses, fake)
    weight = pixels.norm() / (adversary.norm() + 1e-4)
    torch.testing.assert_close(total, pixels + 0.8 * weight * adversary)
    assert 0.7 < (total - pixels).norm() / pixels.norm() < 0.8


@torch.no_grad()
def test_padding_is_not_heard_in_validation():
    task = task_of()
    task.codec.eval()
    x = tones(2)
    padded = torch.cat([x[1:, :, :2500], torch.zeros(1, 1, 1500)], dim=-1)
    batch = {"x": torch.cat([x[:1], padded]), "lengths": torch.tensor([4000, 2500])}
    logs = task.validate(batch, Plain(task))
    alone = [task.validate({"x": one}, Plain(task)) for one in (x[:1], x[1:, :, :2500])]
    torch.testing.assert_close(logs["loss"], (alone[0]["loss"] + alone[1]["loss"]) / 2)


@torch.no_grad()
def test_previews_are_sounds():
    task = task_of()
    task.codec.eval()
    batch = {"x": tones(2), "lengths": torch.tensor([4000, 2500])}
    sounds = task.preview(batch, Plain(task)).audio
    assert {k: v.samples.shape[-1] for k, v in sounds.items()} == {
        "0/original": 4000,
        "0/reconstruction": 4000,
        "1/original": 2500,
        "1/reconstruction": 2500,
    }
    shown = task.portrait(batch, Plain(task)).sounds
    assert [sound.samples.shape[-1] for sound in shown.values()] == [4000, 2500]
    again = task.preview(batch, Plain(task)).audio
    assert torch.equal(sounds["0/reconstruction"].samples, again["0/reconstruction"].samples)


def test_distances_of_samples_are_refused():
    task = vqgan.debug_codec().task
    with pytest.raises(ValueError, match="pictures have no samples"):
        replace(task, weights=replace(task.weights, waveform=1.0))
    with pytest.raises(ValueError, match="pictures have no samples"):
        replace(task, noise_db=(0.0, 10.0))
