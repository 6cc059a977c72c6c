"""Labels that are not listed are those of the items."""

from __future__ import annotations

from typing import Any

import pytest

from latentone.conditioning import LabelConfig, NumberConfig


def test_open_fields_take_the_labels_that_occur() -> None:
    config = LabelConfig(fields={"genre": (), "key": ("D", "C")})
    assert config.open
    learned = config.learned([{"genre": "techno", "key": "E"}, None, {"genre": "ambient"}, {}])
    assert learned == LabelConfig(fields={"genre": ("ambient", "techno"), "key": ("D", "C")})
    assert not learned.open
    with pytest.raises(ValueError, match="field 'genre' has no labels yet"):
        config.build(8)


def test_numbers_are_labels_too() -> None:
    learned = LabelConfig(fields={"take": ()}).learned([3, None, 10, "3"])
    assert learned.fields == {"take": ("10", "3")}
    assert learned.build(4).prepare([3, "10", None])["index"].tolist() == [[1], [0], [0]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([None, None], "not one item has a label of the field 'genre'"),
        (["techno", ["ambient", "dub"]], "must hold one label, got \\['ambient', 'dub'\\]"),
    ],
)
def test_what_holds_no_labels_is_refused(raw: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelConfig(fields={"genre": ()}).learned(raw)


def test_other_conditions_are_never_open() -> None:
    config = NumberConfig(low=0, high=1)
    assert not config.open and config.learned([0.5]) is config
