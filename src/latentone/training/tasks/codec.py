"""Train a codec: distances in time and mel, a discriminator that listens, one balanced gradient.

The recipe of Defossez et al., "High Fidelity Neural Audio Compression", 2022, section 3.4, for any
codec whose forward pass gives a reconstruction. Differs: the discriminator is updated at evenly
spaced steps, a share of all, where the paper throws a die, and it may join late.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ...codecs.base import Codec, CodecConfig, CodecOutput
from ...discriminators import MultiScaleSTFTDiscriminator, STFTDiscriminatorConfig
from ...dsp.distances import MultiResolutionSTFT, MultiScaleMel, si_sdr
from ...hub import build_model, model_class, read_weights, resolve_folder
from ...losses import (
    AdversarialKind,
    Balancer,
    discriminator_loss,
    feature_matching,
    generator_loss,
)
from ..schedules import constant, cosine
from ..task import Batch, Optimization, Preview, Run, Task, TaskConfig

__all__ = ["CodecLossWeights", "CodecTask", "CodecTaskConfig"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CodecLossWeights:
    """Shares of the gradient at the reconstruction, relative to the sum of those at work."""

    waveform: float = 0.1
    """Mean absolute difference of samples."""
    mel: float = 1.0
    """Multi-scale mel distance."""
    adversarial: float = 3.0
    """What the discriminator says."""
    feature: float = 3.0
    """Difference inside the discriminator."""

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if weight <= 0:
                raise ValueError(f"the weight {name} must be positive, got {weight}")


@dataclass(frozen=True, kw_only=True)
class CodecTaskConfig(TaskConfig):
    """How a codec is trained; the defaults are EnCodec's at 24 kHz."""

    model: CodecConfig
    """The codec."""
    discriminator: STFTDiscriminatorConfig | None = field(default_factory=STFTDiscriminatorConfig)
    """What judges it; None trains on distances alone."""
    weights: CodecLossWeights = field(default_factory=CodecLossWeights)
    """Shares of the losses; the codec's own penalties are added outside of the balance."""
    adversarial: AdversarialKind = "hinge"
    """Form of the adversarial losses."""
    adversarial_start: float = 0.0
    """Share of all steps after which the discriminator joins."""
    discriminator_share: float = 2 / 3
    """Share of the steps, evenly spaced, at which the discriminator learns too."""
    balancer_decay: float = 0.999
    """Decay of the averaged gradient norms."""
    mel_preset: Literal["encodec", "dac"] = "encodec"
    """Which multi-scale mel distance."""
    learning_rate: float = 3e-4
    """Of both optimisers (Adam)."""
    betas: tuple[float, float] = (0.5, 0.9)
    """Of Adam."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the learning rate."""
    warmup: float = 0.0
    """Steps (or below 1, share of all steps) in which the learning rate rises."""
    train_encoder: bool = True
    """False leaves encoder and codebooks as they are, so that latent stores stay valid."""

    def __post_init__(self) -> None:
        for name in ("adversarial_start", "discriminator_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")

    def build(self, pretrained: Path | None = None) -> CodecTask:
        """Make the task with fresh weights, or go on from a model folder.

        A codec that is fine-tuned keeps its own config. Its discriminator comes from
        `training/discriminator.safetensors` in that folder; without this file a fresh one starts,
        with a warning.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: the folder holds another kind of codec, or a discriminator of other sizes.
        """
        if pretrained is None:
            return CodecTask(self, build_model(self.model, Codec))
        folder = resolve_folder(pretrained)
        task = CodecTask(self, model_class(self.model, Codec).from_pretrained(folder))
        if task.discriminator is not None:
            _load_discriminator(task.discriminator, folder)
        return task


class CodecTask(Task):
    """A codec, what judges it, and the balance of its losses.

    Args:
        config: settings.
        codec: what is trained, with fresh or trained weights.
    """

    def __init__(self, config: CodecTaskConfig, codec: Codec) -> None:
        self.config = config
        self.model = self.codec = codec.train()
        rate, channels = codec.source.sample_rate, codec.source.channels
        self.mel = MultiScaleMel(rate, config.mel_preset)
        self.stft = MultiResolutionSTFT()
        self.balancer = Balancer(vars(config.weights), decay=config.balancer_decay)
        self.modules = {
            "codec": codec,
            "balancer": self.balancer,
            "distances": nn.ModuleList([self.mel, self.stft]),
        }
        self.discriminator: MultiScaleSTFTDiscriminator | None = None
        if config.discriminator is not None:
            self.discriminator = MultiScaleSTFTDiscriminator(config.discriminator, channels)
            self.modules["discriminator"] = self.discriminator
        self.fixed: list[nn.Module] = [] if config.train_encoder else codec.encode_path()[1]
        for module in self.fixed:
            module.requires_grad_(False)

    def optimizers(self) -> dict[str, Optimization]:
        config = self.config
        make = {"constant": constant, "cosine": cosine}[config.schedule]
        optimizers: dict[str, Optimization] = {}
        for name in ("codec", "discriminator"):
            if name in self.modules:
                parameters = [p for p in self.modules[name].parameters() if p.requires_grad]
                adam = torch.optim.Adam(parameters, lr=config.learning_rate, betas=config.betas)
                optimizers[name] = Optimization(adam, name, schedule=make(warmup=config.warmup))
        return optimizers

    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        for module in self.fixed:
            module.eval()  # or codebooks would go on moving
        config, real = self.config, batch["x"]
        output = run.module("codec")(batch)
        fake = _reconstruction(output).float()
        adversarial = self.adversarial_at(run.step, run.total_steps)
        logs = {}

        # The discriminator's half: tell real sound from the codec's.
        if adversarial and self.discriminator_learns_at(run.step):
            judged = run.module("discriminator")(torch.cat([real, fake.detach()]))
            of_real, of_fake = judged.split(len(real))
            loss = discriminator_loss(of_real.scores, of_fake.scores, config.adversarial)
            run.backward(loss)
            run.optimize("discriminator")
            logs["discriminator"] = loss

        # The codec's half: sound right, and be taken for real.
        heard = fake.detach().requires_grad_()
        losses = {"waveform": (heard - real).abs().mean(), "mel": self.mel(heard, real)}
        if adversarial:
            judge = run.frozen("discriminator")
            of_real, of_fake = judge(real), judge(heard)
            losses["adversarial"] = generator_loss(of_fake.scores, config.adversarial)
            losses["feature"] = feature_matching(of_real.features, of_fake.features)
        # The gradient of sum(fake * g) with respect to fake is g: one backward pass takes the
        # balanced gradient into the codec, together with those of its own penalties.
        gradient = self.balancer(losses, heard)
        run.backward((fake * gradient).sum() + _sum(output.losses, like=fake))
        run.optimize("codec")
        logs = {"loss": losses.pop("mel"), **losses, **logs, **output.losses, **output.metrics}
        return {name: value.detach() for name, value in logs.items()}

    def adversarial_at(self, step: int, total_steps: int) -> bool:
        """Whether the discriminator takes part in this step."""
        late_enough = step >= self.config.adversarial_start * total_steps
        return self.discriminator is not None and late_enough

    def discriminator_learns_at(self, step: int) -> bool:
        """Whether the discriminator is updated at this step: the same on all ranks."""
        share = self.config.discriminator_share
        return int((step + 1) * share) > int(step * share)

    def validate(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        """Distances of each item without its padding; `loss` is the mel distance, as in `step`."""
        output = run.module("codec")(batch)
        pairs = _valid_pairs(_reconstruction(output).float(), batch)
        logs = {
            "loss": torch.stack([self.mel(fake, real) for fake, real in pairs]).mean(),
            "stft": torch.stack([self.stft(fake, real) for fake, real in pairs]).mean(),
            "waveform": torch.stack([(fake - real).abs().mean() for fake, real in pairs]).mean(),
        }
        ratios = [si_sdr(fake, real).mean() for fake, real in pairs if bool(real.any())]
        if ratios:  # the ratio says nothing of silence
            logs["si_sdr"] = torch.stack(ratios).mean()
        return {**logs, **output.losses, **output.metrics}

    def preview(self, batch: Batch, run: Run) -> Preview:
        """Each item's original and reconstruction."""
        output = run.module("codec")(batch)
        render = self.codec.source.render
        audio = {}
        for i, (fake, real) in enumerate(_valid_pairs(_reconstruction(output), batch)):
            audio[f"{i}/original"] = render(real)
            audio[f"{i}/reconstruction"] = render(fake)
        return Preview(audio, {})


def _reconstruction(output: CodecOutput) -> Tensor:
    if output.reconstruction is None:
        raise TypeError("this codec's forward pass gives no reconstruction to compare with")
    return output.reconstruction


def _valid_pairs(fake: Tensor, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Reconstruction and original `(C, length)` of each item."""
    real = batch["x"]
    lengths = batch.get("lengths", torch.full((len(real),), real.shape[-1]))
    rows = zip(fake, real, lengths.tolist(), strict=True)
    return [(f[:, :length], r[:, :length]) for f, r, length in rows]


def _sum(losses: dict[str, Tensor], like: Tensor) -> Tensor:
    return sum(losses.values(), start=like.new_zeros(()))


def _load_discriminator(discriminator: nn.Module, folder: Path) -> None:
    name = "training/discriminator.safetensors"
    if not (folder / name).exists():
        logger.warning("%s is missing: the discriminator starts afresh", folder / name)
        return
    try:
        discriminator.load_state_dict(read_weights(folder, name), strict=True)
    except RuntimeError as error:
        raise ValueError(
            f"the discriminator in {folder / name} has other sizes than the recipe's: give the "
            f"sizes it was trained with, or remove the file to start afresh ({error})"
        ) from error
