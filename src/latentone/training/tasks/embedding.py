"""Train an embedding on excerpts and what is said of them: one loss, one optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from ...data import Item
from ...embeddings.trained import TrainedEmbedding, TrainedEmbeddingConfig
from ...hub import build_model, model_class, resolve_folder
from ..optimizers import adamw
from ..schedules import cosine
from ..task import Batch, Optimization, Run, Task, TaskConfig

__all__ = ["EmbeddingTask", "EmbeddingTaskConfig"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingTaskConfig(TaskConfig):
    """How a classifier or a joint embedding is trained."""

    model: TrainedEmbeddingConfig
    """The embedding; classes that it leaves open are those of the training items."""
    learning_rate: float = 1e-3
    """At the end of the warm-up."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Of AdamW."""
    weight_decay: float = 0.05
    """On matrices; biases, gains and other vectors are left alone."""
    warmup: float = 0.03
    """Steps (or below 1, share of all steps) in which the learning rate rises."""
    floor: float = 0.02
    """Share of the learning rate that is left at the end."""
    clip: float = 5.0
    """Largest gradient norm."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def fitted_to(self, items: Sequence[Item]) -> Self:
        """These settings for a collection."""
        return replace(self, model=self.model.fitted_to(items))

    def build(self, pretrained: Path | None = None) -> EmbeddingTask:
        """Make the task with fresh weights, or go on from a model folder.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: the folder holds another class, or one with other classes or sizes.
        """
        if pretrained is None:
            fresh: Any = build_model(self.model, TrainedEmbedding)
            return EmbeddingTask(self, fresh)
        folder = resolve_folder(pretrained)
        kind: Any = model_class(self.model, TrainedEmbedding)
        model = kind.from_pretrained(folder)
        if model.config != self.model:
            raise ValueError(
                f"{folder} holds an embedding with other settings or classes than this recipe on "
                "this data: give its recipe and data of the same classes, or train anew"
            )
        return EmbeddingTask(self, model)


class EmbeddingTask(Task):
    """A trained embedding and its loss.

    Args:
        config: settings.
        embedding: gives losses when it is called with targets.
    """

    keep_best = True

    def __init__(self, config: EmbeddingTaskConfig, embedding: TrainedEmbedding) -> None:
        self.config = config
        self.model = self.embedding = embedding.train()
        self.modules: dict[str, nn.Module] = {"embedding": embedding}

    def optimizers(self) -> dict[str, Optimization]:
        config = self.config
        adam = adamw(
            self.embedding,
            learning_rate=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        schedule = cosine(warmup=config.warmup, floor=config.floor)
        return {"embedding": Optimization(adam, "embedding", clip=config.clip, schedule=schedule)}

    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = run.module("embedding")(batch["x"], batch["targets"])
        run.backward(losses["loss"])
        run.optimize("embedding")
        return losses

    def validate(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = run.module("embedding")(batch["x"], batch["targets"])
        return losses
