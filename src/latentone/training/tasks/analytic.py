"""Measure a codec that has nothing to learn, as if it were trained: a floor for those that have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...codecs.base import Codec, CodecConfig
from ...hub import build_model, model_class, resolve_folder
from ..recipe import Stage, TrainConfig
from ..task import Batch, Optimization, Run, TaskConfig
from .codec import CodecTask, CodecTaskConfig

__all__ = ["AnalyticTask", "AnalyticTaskConfig", "analytic_stage"]


@dataclass(frozen=True, kw_only=True)
class AnalyticTaskConfig(TaskConfig):
    """Measuring a codec that has nothing to learn."""

    model: CodecConfig
    """The codec."""

    def build(self, pretrained: Path | None = None) -> AnalyticTask:
        """Make the codec, or take the one in a model folder."""
        if pretrained is None:
            return AnalyticTask(self, build_model(self.model, Codec))
        folder = resolve_folder(pretrained)
        return AnalyticTask(self, model_class(self.model, Codec).from_pretrained(folder))


class AnalyticTask(CodecTask):
    """Runs a codec over sound and says how near it comes; no step changes anything.

    Args:
        config: which codec.
        codec: what is measured.
    """

    def __init__(self, config: AnalyticTaskConfig, codec: Codec) -> None:
        distances = CodecTaskConfig(
            model=config.model, discriminator=None, balanced=False, mel_preset="dac"
        )
        super().__init__(distances, codec)

    def optimizers(self) -> dict[str, Optimization]:
        return {}

    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        return self.validate(batch, run)


def analytic_stage(model: CodecConfig, crop_seconds: float = 1.0) -> Stage:
    """One step and one validation."""
    train = TrainConfig(
        steps=1,
        batch_size=1,
        crop_seconds=crop_seconds,
        log_every=1,
        validate_every=1,
        validate_items=32,
        preview_every=1,
    )
    return Stage(task=AnalyticTaskConfig(model=model), train=train)
