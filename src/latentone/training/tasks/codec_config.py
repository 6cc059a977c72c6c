"""How a codec is trained, as settings: losses and their weights, the discriminator, optimisers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import nn

from ...codecs.base import Codec, CodecConfig
from ...discriminators import DiscriminatorConfig, STFTDiscriminatorConfig
from ...hub import build_model, model_class, read_weights, resolve_folder
from ...losses import AdversarialKind, Reduction
from ..task import TaskConfig

if TYPE_CHECKING:
    from .codec import CodecTask

__all__ = ["CodecLossWeights", "CodecTaskConfig", "ScheduleName"]

ScheduleName = Literal["constant", "cosine", "exponential", "linear", "inverse_power"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CodecLossWeights:
    """What each loss of the reconstruction weighs; 0 leaves it out.

    Balanced, a weight is a share of the gradient at the reconstruction, relative to the sum of
    those at work; else it is the factor in the sum.
    """

    waveform: float = 0.1
    """Mean absolute difference of samples."""
    mel: float = 1.0
    """Mel distance."""
    adversarial: float = 3.0
    """What the discriminator says."""
    feature: float = 3.0
    """Difference inside the discriminator."""
    stft: float = 0.0
    """Multi-resolution STFT distance."""

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if weight < 0:
                raise ValueError(f"the weight {name} must be 0 or more, got {weight}")
        if not any(vars(self).values()):
            raise ValueError("all weights are 0: give at least one loss a positive weight")

    def present(self) -> dict[str, float]:
        """The weights that are not 0, by name."""
        return {name: weight for name, weight in vars(self).items() if weight}


@dataclass(frozen=True, kw_only=True)
class CodecTaskConfig(TaskConfig):
    """How a codec is trained; the defaults are EnCodec's at 24 kHz."""

    model: CodecConfig
    """The codec."""
    discriminator: DiscriminatorConfig | None = field(default_factory=STFTDiscriminatorConfig)
    """What judges it; None trains on distances alone."""
    weights: CodecLossWeights = field(default_factory=CodecLossWeights)
    """Of the losses; the codec's own penalties are added outside of the balance."""
    adversarial: AdversarialKind = "hinge"
    """Form of the adversarial losses."""
    adversarial_start: float = 0.0
    """Share of all steps after which the discriminator joins."""
    discriminator_share: float = 2 / 3
    """Share of the steps, evenly spaced, at which the discriminator learns too."""
    discriminator_alone_every: int = 0
    """Instead of that share: at every n-th step, from step 0 on, the discriminator learns in the
    codec's place (RAVE, Oobleck); 0 for never."""
    balancer_decay: float = 0.999
    """Decay of the averaged gradient norms."""
    mel_preset: Literal["encodec", "dac", "hifigan"] = "encodec"
    """Which mel distance: two multi-scale ones, or HiFi-GAN's single one."""
    learning_rate: float = 3e-4
    """Of both optimisers, unless the discriminator has its own."""
    betas: tuple[float, float] = (0.5, 0.9)
    """Of both optimisers."""
    schedule: ScheduleName = "constant"
    """Of the learning rate; `linear` falls to a tenth and stays, `inverse_power` is Oobleck's."""
    discriminator_schedule: ScheduleName | None = None
    """Of the discriminator's learning rate; None takes that of the codec."""
    fall: float = 0.5
    """Steps (or below 1, share of all steps) after which the linear schedule has fallen."""
    warmup: float = 0.0
    """Steps (or below 1, share of all steps) in which the learning rate rises."""
    train_encoder: bool = True
    """False leaves encoder and codebooks as they are, so that latent stores stay valid."""
    balanced: bool = True
    """Whether weights are shares of the gradient (EnCodec), else factors of a sum (DAC)."""
    adaptive: bool = False
    """In a sum: give the discriminator's gradient `weights.adversarial` times the norm of the
    distances' (VQGAN)."""
    own: Mapping[str, float] = field(default_factory=dict)
    """Factors of the codec's own penalties by name, such as `vq/commitment`; 1 for all others, and
    0 leaves one out."""
    ramps: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By names of `own`: a first value and the steps (or below 1, share of all) in which the factor
    rises from there to that of `own`, logarithmically (RAVE's KL)."""
    stft_preset: Literal["auraloss", "octaves"] = "auraloss"
    """Which multi-resolution STFT distance."""
    a_weighted: bool = False
    """Whether that distance hears frequencies as ears do, in training and validation."""
    mid_side: bool = False
    """Whether that distance also hears the sum and the difference of two channels."""
    relative_features: bool = True
    """Whether the difference inside the discriminator is relative to its features' magnitude."""
    reduction: Reduction = "mean"
    """Over discriminators and their layers: EnCodec averages, HiFi-GAN and DAC sum."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Of both sides."""
    weight_decay: float = 0.0
    """Of AdamW, on matrices."""
    decay: float = 0.999996
    """Factor on the learning rate at each step of the exponential schedule."""
    discriminator_learning_rate: float | None = None
    """Of the discriminator; None takes that of the codec."""
    clip: float | None = None
    """Largest gradient norm of the codec; None for no limit."""
    discriminator_clip: float | None = None
    """Largest gradient norm of the discriminator; None for no limit."""
    freeze_encoder_after: float = 1.0
    """Share of all steps after which encoder and codebooks stand still (RAVE); 1 for never."""
    inner_losses: bool = False
    """Whether losses of the sound, the discriminator's too, leave out the ends of an excerpt, which
    hear what is padded (RAVE v2); the codec must know how far it hears."""
    noise_db: tuple[float, float] | None = None
    """Range of the ratio of sound to noise in dB that a codec with a switch for denoising learns
    from (SoundStream); None leaves sound clean."""

    def __post_init__(self) -> None:
        for name in ("adversarial_start", "discriminator_share", "freeze_encoder_after"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("learning_rate", "decay", "discriminator_learning_rate", "clip"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.discriminator_clip is not None and self.discriminator_clip <= 0:
            raise ValueError(f"discriminator_clip must be positive, got {self.discriminator_clip}")
        if self.weight_decay < 0 or (self.weight_decay and self.optimizer != "adamw"):
            raise ValueError(
                f"weight_decay {self.weight_decay} needs optimizer='adamw' and must not be "
                f"negative, got {self.optimizer!r}"
            )
        if self.noise_db is not None and self.noise_db[0] > self.noise_db[1]:
            raise ValueError(f"noise_db must be (lowest, highest), got {self.noise_db}")
        negative = {name: factor for name, factor in self.own.items() if factor < 0}
        if negative:
            raise ValueError(f"factors of own penalties must be 0 or more, got {negative}")
        for name, (first, steps) in self.ramps.items():
            if self.own.get(name, 0) <= 0 or first <= 0 or steps < 0:
                raise ValueError(
                    f"a ramp needs a positive factor in `own`, a positive first value and 0 steps "
                    f"or more, got {first} in {steps} to {self.own.get(name)} for {name}"
                )
        if self.discriminator_alone_every < 0 or self.discriminator_alone_every == 1:
            raise ValueError(
                "discriminator_alone_every must be 0 or at least 2, or the codec never learns, got "
                f"{self.discriminator_alone_every}"
            )
        if self.fall <= 0:
            raise ValueError(f"fall must be positive, got {self.fall}")
        if self.warmup and "inverse_power" in (self.schedule, self.discriminator_schedule):
            raise ValueError(f"inverse_power rises by itself: leave out warmup, got {self.warmup}")
        if self.adaptive and (self.balanced or not self.weights.adversarial):
            raise ValueError(
                "adaptive weighs an adversarial loss inside a sum: it needs balanced=False and a "
                "positive weight `adversarial`"
            )

    def task_class(self) -> type[CodecTask]:
        """What `build` makes."""
        from .codec import CodecTask

        return CodecTask

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
            return self.task_class()(self, build_model(self.model, Codec))
        folder = resolve_folder(pretrained)
        codec = model_class(self.model, Codec).from_pretrained(folder)
        task = self.task_class()(self, codec)
        if task.discriminator is not None:
            _load_discriminator(task.discriminator, folder)
        return task


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
