"""How a training against a discriminator goes: health numbers, and its ailments by name.

The numbers are scalars that a task logs. `HealthWatch` gathers them over some steps and `diagnose`
names what is wrong: arithmetic that broke down, a generator that says one thing whatever it is
given (mode collapse), one that is told nothing any more (vanished gradient), codebooks that few
codes of are used, or nothing: success. Goodfellow et al., 2014, sections 3 and 6, describe both
failures of adversarial training.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Ailment", "Diagnosis", "HealthWatch", "diagnose", "judge_health", "variety"]

logger = logging.getLogger(__name__)

Ailment = Literal[
    "nan", "mode collapse", "vanished generator gradient", "codebook collapse", "success"
]

COLLAPSED = 0.05
"""Variety of the fakes, relative to that of real sound, under which they are all alike."""
VANISHED = 1e-3
"""Gradient from the judge, relative to the largest it was, under which the generator learns
nothing from it."""
DECIDED = 0.75
"""How often the judge is right (`judge/right`) from where on it has the upper hand."""
FEW_CODES = 0.02
"""Share of live codes under which a codebook has collapsed."""
SAME_CODE = 0.9
"""How often two frames share a code (`vq/sameness`) from where on a codebook says nothing."""

HEALTH_NAMES = frozenset(
    {"use", "perplexity", "sameness", "restarted", "std", "noise", "active"}
    | {"semantic_use", "semantic_perplexity"}
)
"""Last parts of the names of numbers that are no losses: less of them is not better."""

JUDGE_GRADIENTS = ("gradient/judge", "gradient/adversarial")

ADVICE: dict[Ailment, str] = {
    "nan": (
        "a loss or gradient is no finite number: lower the learning rate, clip the gradients "
        "(clip, discriminator_clip), keep losses in fp32, and listen to the items at hand"
    ),
    "mode collapse": (
        "outputs are alike whatever the input: give distances a larger weight than the "
        "discriminator, let it join later (adversarial_start), slow it down "
        "(discriminator_share, discriminator_learning_rate), and weigh penalties that silence the "
        "latents less (`own`)"
    ),
    "vanished generator gradient": (
        "the discriminator is always right and its gradient is gone: let it learn less often "
        "(discriminator_share) or slower (discriminator_learning_rate), use a hinge or least "
        "squares with features (weights.feature), or start it afresh"
    ),
    "codebook collapse": (
        "few codes are in use: check that codebooks start from data (k-means), restart dead codes "
        "sooner (restart_below), use fewer or smaller codebooks, or lower the commitment"
    ),
    "success": "the discriminator is unsure, outputs vary, and gradients reach the generator",
}


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter, by what sign, and what to do."""

    ailment: Ailment
    """Its name."""
    sign: str
    """The numbers that say so."""

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.ailment]

    @property
    def is_healthy(self) -> bool:
        """Whether there is nothing to do."""
        return self.ailment == "success"

    def __str__(self) -> str:
        return f"{self.ailment} ({self.sign}): {self.advice}"


@torch.no_grad()
def judge_health(real: Sequence[Tensor], fake: Sequence[Tensor]) -> dict[str, Tensor]:
    """Describe how a discriminator's scores of real and generated sound are distributed.

    Args:
        real: scores of real sound, one tensor of any shape for each discriminator.
        fake: scores of generated sound.

    Returns:
        Scalars: `judge/real` and `judge/fake`, means over discriminators; `..._std`, the standard
        deviation within one; `..._p10` and `..._p90`, the tenths that are lower and higher; and
        `judge/right`, in [0, 1]: how often a real place scores above a generated one, 0.5 when
        they cannot be told apart (the area under the receiver's curve).
    """
    numbers: dict[str, Tensor] = {}
    for name, scores in (("real", real), ("fake", fake)):
        flat = [s.float().flatten() for s in scores]
        marks = torch.stack([torch.quantile(_some(s), s.new_tensor([0.1, 0.9])) for s in flat])
        low, high = marks.mean(0)
        numbers[f"judge/{name}"] = torch.stack([s.mean() for s in flat]).mean()
        numbers[f"judge/{name}_std"] = torch.stack([s.std(unbiased=False) for s in flat]).mean()
        numbers[f"judge/{name}_p10"], numbers[f"judge/{name}_p90"] = low, high
    right = [_above(r, f) for r, f in zip(real, fake, strict=True)]
    numbers["judge/right"] = torch.stack(right).mean()
    return numbers


@torch.no_grad()
def variety(fake: Tensor, real: Tensor) -> Tensor:
    """How much the items of a batch differ from each other, relative to real ones.

    Args:
        fake: generated sound `(B, C, T)`, B at least 2.
        real: as much real sound.

    Returns:
        A scalar: the mean distance of magnitude spectra between items over their mean norm, that
        of the fakes divided by that of real sound. Near 1 when outputs are as varied as the data,
        0 when all are the same, however loud; 1 where real sounds are the same, too (silence).
    """
    spreads = []
    for x in (fake, real):
        spectra = torch.fft.rfft(x.float()).abs().flatten(1)
        spreads.append(torch.pdist(spectra).mean() / (spectra.norm(dim=1).mean() + 1e-12))
    alike = spreads[1] < 1e-6
    return torch.where(alike, 1.0, spreads[0] / torch.where(alike, 1.0, spreads[1]))


def diagnose(history: Sequence[Mapping[str, float]], *, patience: int = 1) -> Diagnosis:
    """Name what is wrong with a training, or that nothing is.

    Args:
        history: means of logged numbers, one entry for each stretch of steps, oldest first, with
            any of `judge/right`, `variety`, `vq/use`, `vq/sameness`, and for the gradient that
            the discriminator sends to the reconstruction `gradient/judge` or
            `gradient/adversarial`. What is missing is not judged.
        patience: for how many of the last entries a sign must hold, all but `nan`.

    Raises:
        ValueError: no history, or no patience.
    """
    if not history or patience < 1:
        raise ValueError(
            f"expected the numbers of one stretch of steps or more, got {len(history)}, and a "
            f"positive patience, got {patience}"
        )
    now, recent = history[-1], history[-patience:]
    broken = sorted(name for name, value in now.items() if not math.isfinite(value))
    if broken:
        return Diagnosis("nan", f"{broken[0]} is {now[broken[0]]}")
    lasting = len(recent) == patience
    if lasting and all(past.get("variety", 1.0) < COLLAPSED for past in recent):
        return Diagnosis(
            "mode collapse", f"outputs vary {now['variety']:.2%} as much as real sound"
        )
    for name in JUDGE_GRADIENTS:
        finite = (past[name] for past in history if math.isfinite(past.get(name, math.nan)))
        largest = max(finite, default=0.0)
        gone = all(past.get(name, largest) < VANISHED * largest for past in recent)
        decided = all(past.get("judge/right", 0.0) > DECIDED for past in recent)
        if lasting and gone and decided:
            return Diagnosis(
                "vanished generator gradient",
                f"{name} fell from {largest:.2g} to {now[name]:.2g} while the discriminator is "
                f"right {now['judge/right']:.1%} of the time",
            )
    if lasting and all(past.get("vq/use", 1.0) < FEW_CODES for past in recent):
        return Diagnosis("codebook collapse", f"{now['vq/use']:.2%} of the codes are in use")
    if lasting and all(past.get("vq/sameness", 0.0) > SAME_CODE for past in recent):
        sign = f"two frames share a code {now['vq/sameness']:.0%} of the time"
        return Diagnosis("codebook collapse", sign)
    known = ("judge/right", "variety", *JUDGE_GRADIENTS, "vq/use", "vq/sameness")
    sign = ", ".join(f"{name} {now[name]:.2g}" for name in known if name in now)
    return Diagnosis("success", sign or "all numbers are finite")


class HealthWatch:
    """Gathers what a task logs and warns, once for each ailment, when something is wrong.

    Args:
        every: steps in a stretch; numbers are read from the device once in so many steps.
        patience: stretches for which a sign must hold: what is fresh says one thing for a while.
    """

    def __init__(self, every: int = 50, patience: int = 10) -> None:
        if every < 1 or patience < 1:
            raise ValueError(f"every and patience must be positive, got {every} and {patience}")
        self.every, self.patience = every, patience
        self.history: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._steps = 0
        self._said: set[Ailment] = set()

    def see(self, numbers: Mapping[str, Tensor]) -> Diagnosis | None:
        """Take the scalars of one step; a diagnosis at the end of each stretch."""
        for name, value in numbers.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] += 1
        self._steps += 1
        if self._steps % self.every:
            return None
        self.history.append({n: float(s) / self._counts[n] for n, s in self._sums.items()})
        self._sums.clear()
        self._counts.clear()
        found = diagnose(self.history, patience=self.patience)
        if not found.is_healthy and found.ailment not in self._said:
            self._said.add(found.ailment)
            logger.warning("%s", found)
        return found


def _some(values: Tensor, most: int = 2**14) -> Tensor:
    """About so many of the values, evenly spaced: what sorts need not sort millions."""
    return values[:: max(1, len(values) // most)]


def _above(real: Tensor, fake: Tensor) -> Tensor:
    """Share of pairs in which the real score is higher; ties count half (Mann and Whitney)."""
    real, fake = (_some(s.float().flatten(), 2**12) for s in (real, fake))
    fake = fake.sort().values
    below = torch.searchsorted(fake, real).float()
    upto = torch.searchsorted(fake, real, right=True).float()
    return ((below + upto) / 2).mean() / len(fake)
