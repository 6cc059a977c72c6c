"""LatentSpec says what a stream is, and refuses another."""

import dataclasses

import pytest

from latentone.spec import LatentSpec

CODES = LatentSpec(
    kind="discrete", shape=(4,), vocab=(1024,) * 4, frame_rate=50.0, fingerprint="ab" * 32
)


def test_dim_flattens_the_frame():
    spec = LatentSpec(kind="continuous", shape=(8, 16), frame_rate=None, fingerprint="x")
    assert spec.dim == 128


@pytest.mark.parametrize(
    "change",
    [
        {"shape": ()},
        {"shape": (0,)},
        {"vocab": (1024,) * 3},
        {"kind": "continuous"},
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(change):
    with pytest.raises(ValueError):
        dataclasses.replace(CODES, **change)


def test_require_names_both_sides():
    other = dataclasses.replace(CODES, fingerprint="cd" * 32)
    with pytest.raises(ValueError, match=r"generator A.*abababab.*store B.*cdcdcdcd"):
        CODES.require(other, ours="generator A", theirs="store B")
    CODES.require(dataclasses.replace(CODES), ours="generator A", theirs="store B")
