"""Controls from typed lines: what a player without knobs turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .stream import Controls

__all__ = ["HELP", "turn"]

HELP = """\
bias 0 1.5     add 1.5 to latent channel 0; without a value, nothing
scale 3 0      multiply latent channel 3 by 0; without a value, by 1
mix 0.7        0 is the input, 1 the codec
gain -6        of the output, in dB
codebooks 2    use the first codebooks only; without a number, all
bypass         the input as it is; again for the codec"""


def turn(controls: Controls, line: str) -> Controls:
    """The controls after a line such as `bias 0 1.5`; see `HELP`.

    Raises:
        ValueError: another form, or a value out of range.
    """
    name, *values = line.split() or [""]
    try:
        if name in ("bias", "scale") and len(values) in (1, 2):
            moved = dict(getattr(controls, name))
            moved.pop(int(values[0]), None)
            if len(values) == 2:
                moved[int(values[0])] = float(values[1])
            changed: dict[str, Any] = {name: moved}
            return replace(controls, **changed)
        changes: dict[str, Any] = {}
        if name == "mix" and len(values) == 1:
            changes = {"mix": float(values[0])}
        elif name == "gain" and len(values) == 1:
            changes = {"gain_db": float(values[0])}
        elif name == "codebooks" and len(values) <= 1:
            changes = {"num_codebooks": int(values[0]) if values else None}
        elif name == "bypass" and not values:
            changes = {"bypass": not controls.bypass}
    except ValueError:
        raise ValueError(f"{line!r}: expected numbers, as in `bias 0 1.5`") from None
    if not changes:
        raise ValueError(f"{line!r}: expected one of\n{HELP}")
    return replace(controls, **changes)
