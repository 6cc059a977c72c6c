"""Codecs played live: blocks of sound in, as many samples out, a known time later."""

from __future__ import annotations

from .benchmark import BlockTimes, measure_blocks
from .device import Player, list_devices
from .stream import Controls, LiveCodec
from .turning import HELP, turn

__all__ = [
    "HELP",
    "BlockTimes",
    "Controls",
    "LiveCodec",
    "Player",
    "list_devices",
    "measure_blocks",
    "one_thread",
    "turn",
]
