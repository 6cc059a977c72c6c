"""Health of adversarial trainings: the numbers, and the cases by name, each provoked."""

import logging
from dataclasses import dataclass

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from latentone.audio import AudioSource
from latentone.codecs import Codec, CodecConfig, CodecOutput
from latentone.discriminators import Discriminator, DiscriminatorConfig, Judgement
from latentone.training.health import HealthWatch, diagnose, judge_health, variety
from latentone.training.score_picture import score_picture
from latentone.training.tasks import CodecLossWeights, CodecTaskConfig

SAMPLES, ITEMS = 64, 8


@dataclass(frozen=True, kw_only=True)
class SmallConfig(CodecConfig):
    hearing: float = 1.0
    """What reaches the decoder of each latent."""


class SmallCodec(Codec):
    """A linear codec of one frame: what it says is what its two matrices let through."""

    config_class = SmallConfig
    frame_rate = 125.0

    def __init__(self, config):
        super().__init__(config)
        self.source = AudioSource(sample_rate=8000, channels=1)
        self.down = nn.Linear(SAMPLES, 16)
        self.up = nn.Linear(16, SAMPLES)

    @property
    def latent_dim(self):
        return 16

    def num_frames(self, num_samples):
        return 1

    def num_samples(self, num_frames):
        return SAMPLES

    def encode(self, x):
        return self.down(x[:, 0])[..., None]

    def decode(self, latents, conditions=None, gain=None, rng=None):
        return self.up(self.config.hearing * latents[..., 0])[:, None]

    def forward(self, batch):
        latents = self.encode(batch["x"])
        return CodecOutput({}, {}, latents, self.decode(latents))

    def encode_path(self):
        return {}, [self.down]


@dataclass(frozen=True, kw_only=True)
class DenseConfig(DiscriminatorConfig):
    squash: bool = False
    """Whether scores pass a sigmoid, which is flat where the judge is sure."""

    def build(self, channels=1):
        return Dense(self, channels)

    @property
    def min_samples(self):
        return SAMPLES


class Dense(Discriminator):
    def __init__(self, config, channels):
        super().__init__(config, channels)
        self.hidden, self.score = nn.Linear(SAMPLES, 32), nn.Linear(32, 1)

    def forward(self, x):
        h = nn.functional.leaky_relu(self.hidden(x[:, 0]), 0.2)
        score = self.score(h)
        return Judgement([score.sigmoid() if self.config.squash else score], [[h]])


class Steps:
    """The least of a trainer."""

    rank, world = 0, 1
    device = torch.device("cpu")

    def __init__(self, task, total_steps=200):
        self.task, self.step, self.total_steps = task, 0, total_steps
        self.optimizations = task.optimizers()

    def module(self, name):
        return self.task.modules[name]

    def frozen(self, name):
        def call(*args):
            module = self.task.modules[name]
            module.requires_grad_(False)
            try:
                return module(*args)
            finally:
                module.requires_grad_(True)

        return call

    def backward(self, loss):
        loss.backward()

    def optimize(self, name):
        optimizer = self.optimizations[name].optimizer
        optimizer.step()
        optimizer.zero_grad()


def trained(steps=200, every=20, patience=2, **changes):
    """A task after some steps against a judge, and its watch."""
    settings = {
        "model": SmallConfig(),
        "discriminator": DenseConfig(),
        "weights": CodecLossWeights(waveform=1.0, mel=0, adversarial=0.05, feature=0),
        "balanced": False,
        "mel_preset": "hifigan",
        "discriminator_share": 1.0,
        "learning_rate": 3e-3,
    }
    torch.manual_seed(0)
    task = CodecTaskConfig(**{**settings, **changes}).build()
    task.watch = HealthWatch(every, patience)
    run, rng = Steps(task, steps), torch.Generator().manual_seed(0)
    basis = torch.randn(4, SAMPLES, generator=rng)
    for _ in range(steps):
        x = 0.5 * torch.randn(ITEMS, 4, generator=rng) @ basis
        task.step({"x": x[:, None]}, run)
        run.step += 1
    return task


def test_success(caplog):
    with caplog.at_level(logging.WARNING):
        task = trained()
    found = diagnose(task.watch.history, patience=2)
    assert found.is_healthy and found.ailment == "success", found
    last = task.watch.history[-1]
    assert 0.3 < last["judge/right"] < 0.95 and last["variety"] > 0.7
    assert not caplog.records


def test_mode_collapse(caplog):
    """A decoder that is deaf to its latents learns one sound for everything."""
    with caplog.at_level(logging.WARNING):
        task = trained(model=SmallConfig(hearing=0.0))
    found = diagnose(task.watch.history, patience=2)
    assert found.ailment == "mode collapse" and not found.is_healthy, found
    assert "adversarial_start" in found.advice and "`own`" in found.advice
    assert sum("mode collapse" in r.getMessage() for r in caplog.records) == 1


def test_vanished_generator_gradient(caplog):
    """A judge that learns far faster is soon sure of itself, and a sigmoid is flat there."""
    with caplog.at_level(logging.WARNING):
        task = trained(
            discriminator=DenseConfig(squash=True),
            discriminator_learning_rate=0.3,
            learning_rate=1e-6,
            adversarial="least_squares",
        )
    found = diagnose(task.watch.history, patience=2)
    assert found.ailment == "vanished generator gradient", (found, task.watch.history[-1])
    assert "discriminator_share" in found.advice and "fell from" in found.sign
    assert "vanished generator gradient" in caplog.text


def test_nan(caplog):
    with caplog.at_level(logging.WARNING):
        task = trained(learning_rate=1e30, steps=20, every=5)
    found = diagnose(task.watch.history)
    assert found.ailment == "nan" and "learning rate" in found.advice
    assert sum("no finite number" in r.getMessage() for r in caplog.records) == 1


def test_codebook_collapse():
    found = diagnose([{"vq/use": 0.9}, {"vq/use": 0.01}])
    assert found.ailment == "codebook collapse" and "1.00% of the codes" in str(found)


def test_a_sign_must_last():
    good, bad = {"variety": 0.9}, {"variety": 0.001}
    assert diagnose([good, bad, bad], patience=3).is_healthy
    assert diagnose([bad, bad], patience=3).is_healthy
    assert diagnose([bad, bad, bad], patience=3).ailment == "mode collapse"
    assert diagnose([good, bad]).ailment == "mode collapse"


def test_the_watch_averages_each_stretch_and_waits_for_a_sign_to_last():
    watch = HealthWatch(every=2, patience=3)
    found = []
    for value in (0.5, 0.7, 0.0, 0.02, 0.0, 0.0, 0.0, 0.0):
        found.append(watch.see({"variety": torch.tensor(value)}))
    means = [round(past["variety"], 6) for past in watch.history]
    assert means == [0.6, 0.01, 0.0, 0.0]
    assert [f.ailment if f else None for f in found[1::2]] == [
        *("success", "success", "success", "mode collapse")
    ]
    assert found[0::2] == [None] * 4


def test_a_small_gradient_is_no_harm_while_the_judge_is_unsure():
    history = [{"gradient/judge": 1.0, "judge/right": 1.0}]
    unsure = {"gradient/judge": 1e-6, "judge/right": 0.6}
    assert diagnose([*history, unsure]).is_healthy
    sure = {"gradient/judge": 1e-6, "judge/right": 1.0}
    assert diagnose([*history, sure]).ailment == "vanished generator gradient"
    assert diagnose([*history, {"gradient/judge": 0.1, "judge/right": 1.0}]).is_healthy


def test_how_often_the_judge_is_right_is_the_area_under_the_curve():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(300, generator=rng) + 0.5
    fake = torch.randn(200, generator=rng).round(decimals=1)
    found = judge_health([real], [fake])
    truth = [1] * 300 + [0] * 200
    expected = roc_auc_score(truth, torch.cat([real, fake]).numpy())
    assert found["judge/right"] == pytest.approx(expected, abs=1e-5)
    assert found["judge/real"] == pytest.approx(real.mean().item())
    assert found["judge/fake_std"] == pytest.approx(fake.std(unbiased=False).item())
    assert found["judge/fake_p90"] == pytest.approx(fake.quantile(0.9).item())


def test_discriminators_count_alike():
    high, low = torch.ones(1000), torch.zeros(3)
    found = judge_health([high, low], [low, high])
    assert found["judge/right"] == pytest.approx(0.5)
    assert found["judge/real"] == found["judge/fake"] == pytest.approx(0.5)
    same = torch.zeros(10)
    assert judge_health([same], [same])["judge/right"] == 0.5


def test_variety():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(6, 1, 128, generator=rng)
    assert variety(real, real) == pytest.approx(1)
    assert variety(real.roll(1, 0), real) == pytest.approx(1, rel=1e-5)
    assert variety(real[:1].expand(6, 1, 128), real) == pytest.approx(0, abs=1e-5)
    assert variety(0.25 * real, real) == pytest.approx(1, rel=1e-5)  # quiet is not alike
    loud = real + 100 * real[:1]
    assert variety(loud, real) < 0.05
    silence = torch.zeros_like(real)
    assert variety(silence, real) == 0 and variety(real, silence).isfinite()


def test_the_picture_shows_who_scores_higher():
    real, fake = torch.full((100,), 1.0), torch.full((50,), -1.0)
    picture = score_picture([real], [fake], height=10, width=20)
    inked = (picture < 1).any(0)
    assert inked[:, 0].all() and inked[:, -1].all() and not inked[:, 1:-1].any()
    assert picture[2, 0, -1] > picture[0, 0, -1]  # real is blue
    assert picture[0, 0, 0] > picture[2, 0, 0]  # generated is orange
    assert score_picture([real], [real], height=10, width=20).isfinite().all()


def test_refusals():
    with pytest.raises(ValueError, match="got 0"):
        diagnose([])
    with pytest.raises(ValueError, match="every and patience"):
        HealthWatch(0)
