"""Typed lines turn controls, one at a time; what is wrong says what is right."""

from __future__ import annotations

import pytest

from latentone.live import Controls, turn


def test_lines_turn_one_control_each():
    controls = Controls(bias={2: 1.0})
    for line in ("bias 0 1.5", "scale 3 0", "mix 0.7", "gain -6\n", "codebooks 2", "bypass"):
        controls = turn(controls, line)
    expected = {"bias": {0: 1.5, 2: 1.0}, "scale": {3: 0.0}, "mix": 0.7, "gain_db": -6.0}
    assert controls == Controls(**expected, num_codebooks=2, bypass=True)
    for line in ("bias 0", "bias 2", "scale 3", "mix 1", "gain 0", "codebooks", "bypass"):
        controls = turn(controls, line)
    assert controls == Controls()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "expected one of"),
        ("volume 3", "expected one of"),
        ("bias", "expected one of"),
        ("mix", "expected one of"),
        ("bias x 1", "expected numbers"),
        ("mix much", "expected numbers"),
        ("mix 2", "mix must be 0 to 1"),
    ],
)
def test_wrong_lines_say_what_is_right(line, said):
    with pytest.raises(ValueError, match=said):
        turn(Controls(), line)
