"""Configs survive JSON, and mistakes are named by their path."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentone.config import ConfigError, from_dict, load_json, save_json, to_dict


@dataclass(frozen=True, kw_only=True)
class Base:
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Special(Base):
    slope: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Whole:
    strides: tuple[int, ...]
    part: Base = field(default_factory=Base)
    mode: Literal["a", "b"] = "a"
    parts: dict[str, Base] = field(default_factory=dict)
    limit: float | None = None
    folder: Path | None = None
    pair: tuple[int, str] = (1, "x")

    def __post_init__(self):
        if not self.strides:
            raise ValueError("strides must not be empty")


WHOLE = Whole(
    strides=(2, 4),
    part=Special(size=3),
    parts={"one": Base(size=2), "two": Special(slope=1.0)},
    limit=2.0,
    folder=Path("a/b"),
)


def test_json_round_trip_keeps_tuples_and_subclasses(tmp_path):
    save_json(WHOLE, tmp_path / "config.json")
    again = from_dict(Whole, load_json(tmp_path / "config.json"))
    assert again == WHOLE
    assert type(again.part) is Special and type(again.strides) is tuple


@given(st.lists(st.integers(), min_size=1), st.floats(allow_nan=False, allow_infinity=False))
def test_any_values_survive(strides, limit):
    whole = Whole(strides=tuple(strides), limit=limit)
    assert from_dict(Whole, to_dict(whole)) == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strides": [2, "x"]}, r"Whole\.strides\[1\]` must be int, got 'x'"),
        ({"strides": [True]}, r"Whole\.strides\[0\]` must be int"),
        ({"strides": []}, "strides must not be empty"),
        ({"typo": 1}, r"Whole\.typo` is not a field"),
        ({"part": {"size": 1, "slop": 2}}, r"Whole\.part\.slop` is not a field of Base"),
        ({"part": {"type": "os.system"}}, r"Whole\.part\.type` must be one of"),
        ({"parts": {"k": {"size": 0.5}}}, r"Whole\.parts\.k\.size` must be int"),
        ({"mode": "c"}, r"Whole\.mode` must be one of \('a', 'b'\), got 'c'"),
        ({"limit": "high"}, r"Whole\.limit` must be float"),
        ({"pair": [1]}, r"Whole\.pair` must have 2 items, got 1"),
        ({"strides": None}, r"Whole\.strides` must be a list"),
    ],
)
def test_mistakes_are_named_by_path(change, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Whole, {**to_dict(WHOLE), **change})


def test_a_missing_field_is_named():
    with pytest.raises(ConfigError, match=r"Whole\.strides` is missing"):
        from_dict(Whole, {})


def test_broken_json_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"a": 1,,}')
    with pytest.raises(ConfigError, match=r"config\.json is not valid JSON.*line 1"):
        load_json(path)
