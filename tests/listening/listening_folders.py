"""Short sounds, and results as the page saves them."""

from __future__ import annotations

import torch

from latentone.audio import Audio
from latentone.listening import Design

RATE = 16_000


def noise(seconds=0.6, channels=1, seed=0, level=0.1, rate=RATE):
    rng = torch.Generator().manual_seed(seed)
    return Audio(level * torch.randn(channels, round(seconds * rate), generator=rng), rate)


def result(design: Design, listener: str, answer) -> dict:
    """What the page would save; `answer(trial, round)` gives what is particular to a kind."""
    answers = []
    for turn in range(design.repeats):
        for trial in design.trials:
            ids = list(trial.sounds)
            own = {"trial": trial.id, "round": turn, "sounds": ids, "seconds": 6.0}
            answers.append(own | answer(trial, turn))
    return {
        "format": "latentone listening result",
        "version": 1,
        "software": design.software,
        "test": design.id,
        "kind": design.kind,
        "session": f"session of {listener}",
        "seed": 1,
        "listener": {"id": listener, "headphones": True},
        "volume": 60,
        "comment": f"said {listener}",
        "answers": answers,
    }


def id_of(trial, system):
    return next(key for key, name in trial.sounds.items() if name == system)
