"""A codec whose gradients can be followed, and the least of a trainer to train it."""

from dataclasses import dataclass

import torch
from torch import nn

from latentone.audio import AudioSource
from latentone.codecs import Codec, CodecConfig, CodecOutput

__all__ = ["Trainer", "TrialCodec", "TrialConfig", "tones"]


@dataclass(frozen=True, kw_only=True)
class TrialConfig(CodecConfig):
    channels: int = 1


class TrialCodec(Codec):
    """y = up * (down * x), a gain for each channel, with two penalties on `down`."""

    config_class = TrialConfig
    frame_rate = 8000.0
    latent_dim = 1

    def __init__(self, config):
        super().__init__(config)
        self.source = AudioSource(sample_rate=8000, channels=config.channels)
        self.down = nn.Conv1d(config.channels, config.channels, 1, bias=False)
        self.up = nn.Conv1d(config.channels, config.channels, 1, bias=False)
        for layer, gain in ((self.down, 1.0), (self.up, 0.5)):
            nn.init.dirac_(layer.weight)
            layer.weight.data.mul_(gain)

    def num_frames(self, num_samples):
        return num_samples

    def num_samples(self, num_frames):
        return num_frames

    def encode(self, x):
        return self.down(x)

    def decode(self, latents, conditions=None, gain=None, rng=None):
        return self.up(latents)

    def forward(self, batch):
        latents = self.encode(batch["x"])
        losses = {
            "trial/size": self.down.weight.square().sum(),
            "trial/sum": self.down.weight.sum(),
        }
        return CodecOutput(losses, {}, latents, self.decode(latents))

    def encode_path(self):
        return {}, [self.down]


class Trainer:
    """Steps optimisers as `FabricRun` does; `kept` holds the gradients of the last step."""

    rank = 0
    device = torch.device("cpu")

    def __init__(self, task, total_steps=100, world=1):
        self.task, self.step, self.total_steps, self.world = task, 0, total_steps, world
        self.rng = torch.Generator().manual_seed(0)
        self.optimizations = task.optimizers()
        self.kept = {}

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
        assert loss.isfinite(), "the real trainer stops here"
        loss.backward()

    def optimize(self, name):
        optimizer = self.optimizations[name].optimizer
        module = self.task.modules[name]
        self.kept[name] = {n: p.grad for n, p in module.named_parameters()}
        optimizer.step()
        optimizer.zero_grad()

    def go(self, batch, steps):
        logs = []
        for _ in range(steps):
            logs.append(self.task.step(batch, self))
            self.step += 1
        return logs


def tones(batch=4, samples=2048, channels=1):
    time = torch.arange(samples) / 8000
    hertz = torch.linspace(200, 900, batch)[:, None, None]
    phase = torch.arange(channels)[:, None]
    x = 0.5 * torch.sin(2 * torch.pi * hertz * time + phase)
    return {"x": x.contiguous(), "lengths": torch.full((batch,), samples)}
