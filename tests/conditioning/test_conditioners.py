"""Conditioners: values, missing values, refusals, gradients whatever is missing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from latentone.conditioning import (
    ByteTextConfig,
    Conditioner,
    ConditionerConfig,
    LabelConfig,
    NumberConfig,
)
from latentone.config import from_dict, to_dict

LABELS = LabelConfig(fields={"genre": ("ambient", "techno"), "key": ("C", "D", "E")})
TEMPO = NumberConfig(low=40, high=240, scale="log")
TEXT = ByteTextConfig(dim=16, num_layers=1, num_heads=2, max_bytes=40)
CASES: list[tuple[ConditionerConfig, list[Any]]] = [
    (LABELS, [{"genre": "techno", "key": "D"}, {"key": "E"}, None]),
    (TEMPO, [60, 120.5, None]),
    (TEXT, ["slow piano", "drums, déjà vu", None]),
]
IDS = ["label", "number", "text"]


def build(config: ConditionerConfig, seed: int = 0) -> Conditioner:
    torch.manual_seed(seed)
    conditioner = config.build(8)
    for parameter in conditioner.parameters():  # nulls begin at zero
        torch.nn.init.normal_(parameter)
    return conditioner.eval()


@pytest.mark.parametrize(("config", "raw"), CASES, ids=IDS)
def test_batch_is_its_items(config: ConditionerConfig, raw: list[Any]) -> None:
    conditioner = build(config)
    both = conditioner(conditioner.prepare(raw))
    for item, value in enumerate(raw):
        alone = conditioner(conditioner.prepare([value]))
        there = both.value[item : item + 1]
        if conditioner.kind == "sequence":
            there = there[:, : alone.value.shape[1]]
            assert not both.mask[item, alone.value.shape[1] :].any()
        torch.testing.assert_close(there, alone.value)


@pytest.mark.parametrize(("config", "raw"), CASES, ids=IDS)
def test_missing_is_the_null_and_nothing_else(config: ConditionerConfig, raw: list[Any]) -> None:
    conditioner = build(config)
    null = conditioner.null.detach()
    value, mask = conditioner(conditioner.prepare([None, raw[0]]))
    first = value[0] if conditioner.kind == "vector" else value[0, 0]
    torch.testing.assert_close(first, null.sum(0) if null.dim() == 2 else null)
    assert not mask[0].any()
    assert mask[1].any()
    assert not torch.allclose(value[0], value[1])


@pytest.mark.parametrize(("config", "raw"), CASES, ids=IDS)
def test_dropping_equals_missing(config: ConditionerConfig, raw: list[Any]) -> None:
    conditioner = build(config)
    prepared = conditioner.prepare([raw[0], raw[1]])
    dropped = conditioner(conditioner.drop(prepared, torch.tensor([True, False])))
    expected = conditioner(conditioner.prepare([None, raw[1]]))
    torch.testing.assert_close(dropped.value, expected.value)
    assert torch.equal(dropped.mask, expected.mask)


@pytest.mark.parametrize(("config", "raw"), CASES, ids=IDS)
@pytest.mark.parametrize("missing", [True, False])
def test_every_parameter_takes_part(
    config: ConditionerConfig, raw: list[Any], missing: bool
) -> None:
    conditioner = build(config)
    prepared = conditioner.prepare([None] * 2 if missing else raw[:2])
    conditioner(prepared).value.square().sum().backward()
    for name, parameter in conditioner.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("config", "raw"), CASES, ids=IDS)
def test_configs_survive_json(config: ConditionerConfig, raw: list[Any]) -> None:
    assert from_dict(ConditionerConfig, to_dict(config)) == config  # type: ignore[type-abstract]


def test_label_fields_add_up() -> None:
    conditioner = build(LABELS)
    genre, key = (e.weight for e in conditioner.embeddings)
    value = conditioner(conditioner.prepare([{"genre": "techno", "key": "E"}])).value
    torch.testing.assert_close(value[0], genre[1] + key[2])
    value = conditioner(conditioner.prepare([{"genre": "techno", "key": None}])).value
    torch.testing.assert_close(value[0], genre[1] + conditioner.null[1])


def test_a_lone_field_takes_a_lone_label() -> None:
    conditioner = build(LabelConfig(fields={"genre": ("ambient", "techno")}))
    assert conditioner.prepare(["techno"])["index"].tolist() == [[1]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"genre": "tecno"},
            "unknown genre 'tecno'; known: ambient, techno; did you mean 'techno'",
        ),
        ({"mood": "sad"}, r"unknown label field 'mood'; known: \['genre', 'key'\]"),
        ("techno", "mapping over"),
    ],
)
def test_unknown_labels_name_the_known(raw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(LABELS).prepare([raw])


def test_labels_must_be_distinct() -> None:
    with pytest.raises(ValueError, match="each one once"):
        LabelConfig(fields={"genre": ("a", "a")})


def test_log_scale_counts_ratios() -> None:
    conditioner = build(TEMPO)
    place = conditioner.prepare([40, 240, (40 * 240) ** 0.5])["place"]
    torch.testing.assert_close(place, torch.tensor([0.0, 1.0, 0.5]))


def test_no_two_numbers_look_alike() -> None:
    conditioner = build(NumberConfig(low=0, high=1))
    value = conditioner(conditioner.prepare([i / 200 for i in range(201)])).value
    distance = torch.cdist(value, value) + 1e9 * torch.eye(201)
    assert distance.min() > 1e-2


@pytest.mark.parametrize("raw", [39.9, 241, float("nan"), "fast", [1]])
def test_numbers_off_the_range_are_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match="40 to 240"):
        build(TEMPO).prepare([raw])


def test_long_text_is_refused_with_its_length() -> None:
    with pytest.raises(ValueError, match="at most 40 bytes of text, got 41"):
        build(TEXT).prepare(["é" * 20 + "x"])
    assert build(TEXT).prepare(["é" * 20])["bytes"].shape == (1, 40)
    with pytest.raises(ValueError, match="expected text, got 3"):
        build(TEXT).prepare([3])


def test_text_order_matters() -> None:
    conditioner = build(TEXT)
    value = conditioner(conditioner.prepare(["ab", "ba"])).value
    assert not torch.allclose(value[0].flip(0), value[1], atol=1e-3)


def test_empty_text_is_missing_text() -> None:
    conditioner = build(TEXT)
    a, b = conditioner(conditioner.prepare([""])), conditioner(conditioner.prepare([None]))
    assert torch.equal(a.value, b.value)
    assert torch.equal(a.mask, b.mask)
