"""The smallest codec and discriminator, and trainings of them that go well or wrong."""

from dataclasses import dataclass

import torch
from torch import nn

from latentone.audio import AudioSource
from latentone.codecs import Codec, CodecConfig, CodecOutput
from latentone.discriminators import Discriminator, DiscriminatorConfig, Judgement
from latentone.training.health import HealthWatch
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


def small_task(**changes):
    """A task in which a judge says little against a linear codec."""
    settings = {
        "model": SmallConfig(),
        "discriminator": DenseConfig(),
        "weights": CodecLossWeights(waveform=1.0, mel=0, adversarial=0.05, feature=0),
        "balanced": False,
        "mel_preset": "hifigan",
        "discriminator_share": 1.0,
        "learning_rate": 3e-3,
    }
    return CodecTaskConfig(**{**settings, **changes})


DEAF = {"model": SmallConfig(hearing=0.0)}
"""A decoder that is deaf to its latents learns one sound for everything."""
SURE = {
    "discriminator": DenseConfig(squash=True),
    "discriminator_learning_rate": 0.3,
    "learning_rate": 1e-6,
    "adversarial": "least_squares",
}
"""A judge that learns far faster is soon sure of itself, and a sigmoid is flat there."""
WILD = {"learning_rate": 1e30}
"""Steps that no number can hold."""


def trained(steps=200, every=20, patience=2, **changes):
    """A task after some steps against a judge, and its watch."""
    torch.manual_seed(0)
    task = small_task(**changes).build()
    task.watch = HealthWatch(every, patience)
    run, rng = Steps(task, steps), torch.Generator().manual_seed(0)
    basis = torch.randn(4, SAMPLES, generator=rng)
    for _ in range(steps):
        x = 0.5 * torch.randn(ITEMS, 4, generator=rng) @ basis
        task.step({"x": x[:, None]}, run)
        run.step += 1
    return task


class Mixtures:
    """What `trained` trains on, an item a draw."""

    weights = (1.0,) * 16

    def __init__(self):
        rng = torch.Generator().manual_seed(0)
        self.basis = torch.randn(4, SAMPLES, generator=rng)

    def __len__(self):
        return len(self.weights)

    def __getitem__(self, draw):
        rng = torch.Generator().manual_seed(int(draw.offset * 2**53))
        return 0.5 * torch.randn(1, 4, generator=rng) @ self.basis

    def collate(self, items):
        lengths = torch.full((len(items),), SAMPLES)
        ids = [f"folder/mix {i}.wav" for i in range(len(items))]
        return {"x": torch.stack(items), "lengths": lengths, "ids": ids}
