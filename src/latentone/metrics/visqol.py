"""ViSQOL: the opinion score that listeners would give, predicted from similarity of spectrograms.

Chinen et al., *ViSQOL v3: An Open Source Production Ready Objective Speech and Audio Metric*, 2020,
by the package visqol-python, which is an extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..audio import Audio
from ..processes import kept_threads

if TYPE_CHECKING:
    from visqol import VisqolApi

__all__ = ["RATE", "visqol"]

RATE = 48000
"""Of the audio mode, in Hz."""
SHORTEST_SECONDS = 1.0


def visqol(reference: Audio, estimate: Audio) -> float:
    """Mean opinion score of an estimate beside its reference, in the audio mode.

    Both are mixed to mono and resampled to 48 kHz. The mapping was made for 5 to 10 s of music; of
    identical sounds it reaches about 4.73, not 5. Of bare tones with digital silence around them it
    is no guide: more noise may score higher there.

    Args:
        reference: the original; a second or more.
        estimate: what is judged, of the same length to within 20 ms.

    Returns:
        1 (bad) to 5, higher is better.

    Raises:
        ImportError: the package is not installed.
        ValueError: sounds that are too short, silent or of unequal length, or samples that are not
            finite.
    """
    api = _api()
    for name, audio in (("reference", reference), ("estimate", estimate)):
        if not bool(torch.isfinite(audio.samples).all()):
            raise ValueError(f"expected finite samples, but the {name} has NaN or infinite ones")
    if reference.duration < SHORTEST_SECONDS:
        raise ValueError(
            f"ViSQOL needs {SHORTEST_SECONDS:g} s or more, and is meant for 5 to 10 s; got "
            f"{reference.duration:.3f} s"
        )
    if abs(reference.duration - estimate.duration) > 0.02:
        raise ValueError(
            f"the reference lasts {reference.duration:.3f} s and the estimate "
            f"{estimate.duration:.3f} s: cut both to what they share"
        )
    for name, audio in (("reference", reference), ("estimate", estimate)):
        if audio.peak < 1e-5:
            raise ValueError(
                f"the {name} is silent: ViSQOL brings both to one level first, and has no answer"
            )
    x, y = (_samples(audio) for audio in (reference, estimate))
    with kept_threads():
        return float(api.measure_from_arrays(x, y, RATE).moslqo)


def _samples(audio: Audio) -> np.ndarray:
    return audio.to_mono().resample(RATE).samples[0].detach().cpu().double().numpy()


def _api() -> VisqolApi:
    try:
        from visqol import VisqolApi
    except ImportError as error:
        raise ImportError("ViSQOL is an extra: pip install 'latentone[visqol]'") from error
    api = VisqolApi()
    api.create(mode="audio")
    return api
