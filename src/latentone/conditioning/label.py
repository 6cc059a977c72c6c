"""Labels from fixed lists: genre, instrument, key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from .base import Condition, Conditioner, ConditionerConfig

__all__ = ["LabelConditioner", "LabelConfig"]


@dataclass(frozen=True, kw_only=True)
class LabelConfig(ConditionerConfig):
    """Any number of fields, each with a list of labels."""

    fields: dict[str, tuple[str, ...]]
    """Field -> the labels it may have; none = those that the items of a training have, sorted."""

    def __post_init__(self) -> None:
        if not self.fields:
            raise ValueError("labels need at least one field")
        for name, labels in self.fields.items():
            if len(set(labels)) != len(labels):
                raise ValueError(f"field {name!r} needs labels, each one once, got {labels}")

    @property
    def open(self) -> bool:
        return not all(self.fields.values())

    def learned(self, raw: Sequence[Any]) -> Self:
        """This config with the labels that the items have in its open fields.

        Raises:
            ValueError: not one item has a label of an open field, or one has something else there.
        """
        found = {name: labels or _labels(name, raw) for name, labels in self.fields.items()}
        return replace(self, fields=found)

    def build(self, dim: int) -> LabelConditioner:
        return LabelConditioner(self, dim)


def _labels(field: str, raw: Sequence[Any]) -> tuple[str, ...]:
    values = [value.get(field) if isinstance(value, Mapping) else value for value in raw]
    present = [value for value in values if value is not None]
    if not present:
        raise ValueError(f"not one item has a label of the field {field!r}")
    for value in present:
        if not isinstance(value, str | int | float):
            raise ValueError(f"field {field!r} must hold one label, got {value!r}")
    return tuple(sorted({str(value) for value in present}))


class LabelConditioner(Conditioner):
    """One vector: the sum over fields of the label's embedding, or of the field's null.

    A raw value is a mapping from field to label, with fields left out or None where they are
    missing; a lone label will do when there is one field.
    """

    kind = "vector"

    def __init__(self, config: LabelConfig, dim: int) -> None:
        super().__init__()
        if config.open:
            empty = [name for name, labels in config.fields.items() if not labels]
            raise ValueError(f"field {empty[0]!r} has no labels yet: use `learned` first")
        self.config = config
        embeddings = [nn.Embedding(len(labels), dim) for labels in config.fields.values()]
        for embedding in embeddings:
            nn.init.normal_(embedding.weight, std=dim**-0.5)
        self.embeddings = nn.ModuleList(embeddings)
        self.null = nn.Parameter(torch.zeros(len(config.fields), dim))

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        rows = [self._indices(value) for value in raw]
        index = torch.tensor(rows, dtype=torch.int64).view(len(rows), len(self.config.fields))
        return {"index": index.clamp_min(0), "present": index >= 0}

    def _indices(self, value: Any) -> list[int]:
        fields = self.config.fields
        if value is None:
            return [-1] * len(fields)
        if not isinstance(value, Mapping):
            if len(fields) != 1:
                raise ValueError(f"labels are a mapping over {sorted(fields)}, got {value!r}")
            value = {next(iter(fields)): value}
        unknown = sorted(set(value) - set(fields))
        if unknown:
            raise ValueError(f"unknown label field {unknown[0]!r}; known: {sorted(fields)}")
        return [self._index(name, value.get(name)) for name in fields]

    def _index(self, field: str, label: Any) -> int:
        labels = self.config.fields[field]
        if label is None:
            return -1
        label = str(label)
        if label not in labels:
            near = difflib.get_close_matches(label, labels, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown {field} {label!r}; known: {', '.join(labels)}{hint}")
        return labels.index(label)

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        index, present = prepared["index"], prepared["present"]
        columns = [embed(index[:, i]) for i, embed in enumerate(self.embeddings)]
        value = torch.where(present[..., None], torch.stack(columns, dim=1), self.null)
        return Condition(value.sum(1), present.any(1))
