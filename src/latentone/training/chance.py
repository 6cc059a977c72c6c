"""All chance in a training is a function of numbers: (seed, step, micro-batch, rank).

So a resumed training throws the same dice as an uninterrupted one, on any number of data workers,
and no generator state has to be kept.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch

__all__ = ["mix", "seed_everything"]


def mix(*numbers: int) -> int:
    """Hash integers to one seed in [0, 2^63): near inputs give unrelated seeds."""
    digest = hashlib.sha256(",".join(map(str, numbers)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(*numbers: int) -> int:
    """Seed the global generators of torch (all devices), numpy and Python; returns the seed."""
    seed = mix(*numbers)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (for the code that draws from numpy's global one)
    random.seed(seed)
    return seed
