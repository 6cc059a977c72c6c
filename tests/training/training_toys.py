"""Toy data and tasks for the training tests: hundreds of steps in a second."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from latentone.audio import Audio
from latentone.hub import PretrainedModel
from latentone.training import (
    Optimization,
    Portrait,
    Preview,
    Stage,
    Task,
    TaskConfig,
    TrainConfig,
)


class ToyData:
    """Noise vectors `x (8)` and the targets of a fixed linear map; an item per index, jittered."""

    def __init__(self, items=16, *, seed=0, poison=None):
        rng = torch.Generator().manual_seed(seed)
        self.x = torch.randn(items, 8, generator=rng)
        self.mixing = torch.randn(8, 3, generator=torch.Generator().manual_seed(99))
        self.weights = [1.0] * items
        self.poison = poison
        self.drawn = []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, draw):
        self.drawn.append((draw.index, draw.offset))
        x = self.x[draw.index] * (0.5 + draw.offset)
        y = x @ self.mixing
        if draw.index == self.poison:
            y = y * float("nan")
        return {"x": x, "y": y, "ids": f"item{draw.index}"}

    def collate(self, items):
        return {
            "x": torch.stack([i["x"] for i in items]),
            "y": torch.stack([i["y"] for i in items]),
            "ids": [i["ids"] for i in items],
        }


@dataclass(frozen=True, kw_only=True)
class ToyModelConfig:
    width: int = 16


class ToyModel(PretrainedModel):
    """Two layers with dropout (global chance) and a counter (a buffer that a checkpoint keeps)."""

    config_class: ClassVar[type] = ToyModelConfig

    def __init__(self, config):
        super().__init__(config)
        self.net = nn.Sequential(
            nn.Linear(8, config.width), nn.Tanh(), nn.Dropout(0.1), nn.Linear(config.width, 3)
        )
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.calls += 1
        return self.net(x)


class ToyTask(Task):
    def __init__(self, config):
        self.config = config
        self.model = ToyModel(config.model)
        self.modules = {"model": self.model}
        self.keep_best = config.keep_best

    def optimizers(self):
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.config.lr)
        return {
            "model": Optimization(
                optimizer, "model", clip=1.0, schedule=lambda step, total: 1 - step / total / 2
            )
        }

    def step(self, batch, run):
        prediction = run.module("model")(batch["x"])
        noise = torch.randn(prediction.shape, generator=run.rng, device=run.device)
        loss = F.mse_loss(prediction + 0.01 * noise, batch["y"])
        run.backward(loss)
        run.optimize("model")
        return {"loss": loss}

    def validate(self, batch, run):
        return {"loss": F.mse_loss(run.module("model")(batch["x"]), batch["y"])}

    def preview(self, batch, run):
        sound = torch.sin(torch.arange(4000) * 0.3)[None] * 0.5
        return Preview({"sine": Audio(sound, 8000)}, {"weights": torch.rand(8, 8)})

    def portrait(self, batch, run):
        """Sounds that depend on every weight, and on the validation items."""
        sound = run.module("model")(batch["x"]).tanh().flatten().repeat(40)[None]
        return Portrait(
            {"0-toy": Audio(batch["y"].tanh().flatten().repeat(40)[None], 8000)},
            {"0-toy": Audio(sound, 8000)},
            {"latents": {"std": [float(sound.std())]}},
        )


@dataclass(frozen=True, kw_only=True)
class ToyTaskConfig(TaskConfig):
    model: ToyModelConfig = field(default_factory=ToyModelConfig)
    lr: float = 0.01
    keep_best: bool = False

    def build(self, pretrained=None):
        return ToyTask(self)


class ToyGenerator(PretrainedModel):
    """Maps noise to vectors; the GAN's first half, with batch-independent layers."""

    config_class: ClassVar[type] = ToyModelConfig

    def __init__(self, config):
        super().__init__(config)
        self.net = nn.Sequential(nn.Linear(8, config.width), nn.Tanh(), nn.Linear(config.width, 3))
        self.register_buffer("codebook", torch.zeros(3))

    def forward(self, x):
        return self.net(x)


class ToyGANTask(Task):
    """Both halves in one step: two optimisers, a frozen discriminator, a buffer that moves."""

    def __init__(self, config):
        self.model = ToyGenerator(ToyModelConfig())
        self.critic = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.modules = {"generator": self.model, "discriminator": self.critic}

    def optimizers(self):
        return {
            name: Optimization(torch.optim.Adam(self.modules[name].parameters(), lr=1e-3), name)
            for name in ("generator", "discriminator")
        }

    def step(self, batch, run):
        real, fake = batch["y"], run.module("generator")(batch["x"])
        critic = run.module("discriminator")
        critic_loss = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(fake.detach())).mean()
        run.backward(critic_loss)
        run.optimize("discriminator")
        loss = -run.frozen("discriminator")(fake).mean() + (fake - real).abs().mean()
        run.backward(loss)
        with torch.no_grad():
            mean = fake.detach().mean(0)
            if run.world > 1:
                torch.distributed.all_reduce(mean)
            self.model.codebook.lerp_(mean / run.world, 0.1)
        run.optimize("generator")
        return {"loss": loss, "critic/loss": critic_loss}

    def validate(self, batch, run):
        return {"loss": (run.module("generator")(batch["x"]) - batch["y"]).abs().mean()}


@dataclass(frozen=True, kw_only=True)
class ToyGANConfig(TaskConfig):
    def build(self, pretrained=None):
        return ToyGANTask(self)


def make_stage(task=None, **train):
    """A stage with a batch of 4 and rare validations, unless told otherwise."""
    settings = {"batch_size": 4, "validate_every": 1000, "checkpoint_every": 1000, **train}
    return Stage(task=task or ToyTaskConfig(), train=TrainConfig(**settings))


def weights_of(folder):
    return load_file(folder / "model.safetensors")


def assert_same_tensors(ours, theirs):
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
