"""Distances of a reconstruction from its original, each with unit, range and direction."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..dsp.coherence import channel_correlation, phase_coherence
from ..dsp.distances import (
    MultiResolutionSTFT,
    MultiScaleMel,
    log_spectral_distance,
    si_sdr,
    snr,
)
from ..dsp.levels import crest_factor_db, rms_db
from ..dsp.loudness import Loudness
from ..dsp.transients import transients
from .pitch import pitch_scores

__all__ = ["METRICS", "PITCH_METRICS", "Metric", "ReconstructionMetrics", "reconstruction_metrics"]

SILENCE_LUFS = -70.0
"""The absolute gate of BS.1770: below it there is nothing to measure."""


class Metric(NamedTuple):
    """What a number means."""

    unit: str
    range: str
    better: Literal["lower", "higher", "zero"]
    about: str


METRICS = {
    "mel_distance": Metric(
        "", "[0, inf)", "lower", "multi-scale mel distance as DAC measures: log10, 7 scales summed"
    ),
    "mel_distance_encodec": Metric(
        "", "[0, inf)", "lower", "multi-scale mel distance as EnCodec trains: linear and log10"
    ),
    "stft_distance": Metric(
        "", "[0, inf)", "lower", "multi-resolution STFT: spectral convergence and log magnitude"
    ),
    "log_spectral_distance": Metric(
        "dB", "[0, inf)", "lower", "mean over frames of the RMS difference of log power spectra"
    ),
    "si_sdr": Metric("dB", "[-100, 100]", "higher", "scale-invariant signal-to-distortion ratio"),
    "snr": Metric("dB", "[-100, 100]", "higher", "signal-to-noise ratio"),
    "loudness_difference": Metric(
        "LU", "(-inf, inf)", "zero", "loudness of the estimate minus the reference's, from -70 up"
    ),
    "rms_difference": Metric(
        "dB", "(-inf, inf)", "zero", "level of the estimate minus the reference's, from -120 up"
    ),
    "crest_difference": Metric(
        "dB", "(-inf, inf)", "zero", "crest factor of the estimate minus the reference's"
    ),
    "transient_snr": Metric(
        "dB", "[-100, 100]", "higher", "signal-to-noise ratio of the transient parts (STN medians)"
    ),
    "phase_coherence": Metric(
        "", "[-1, 1]", "higher", "cosine between the phases, weighted by the magnitudes"
    ),
    "stereo_error": Metric(
        "", "[0, 2]", "lower", "error of the correlation between channels; 0 for mono"
    ),
    "balance_error": Metric(
        "dB", "[0, 240]", "lower", "error of the level difference between channels; 0 for mono"
    ),
}

PITCH_METRICS = {
    "raw_pitch_accuracy": Metric(
        "", "[0, 1]", "higher", "share of voiced frames whose f0 stays within 50 cents"
    ),
    "voicing_recall": Metric("", "[0, 1]", "higher", "share of voiced frames that stay voiced"),
    "voicing_false_alarm": Metric(
        "", "[0, 1]", "lower", "share of unvoiced frames that become voiced"
    ),
    "f0_error": Metric(
        "cents", "[0, inf)", "lower", "median error of f0 where both are voiced; 0 where none is"
    ),
}
"""Of one voice: of several notes at once, and of drums, they say nothing. See `pitch_scores`."""


class ReconstructionMetrics(nn.Module):
    """All of `METRICS` at one sample rate; built once, called for every pair.

    Args:
        sample_rate: of both signals, in Hz; 4000 or more.
        pitch: measure `PITCH_METRICS`, too; they need sounds of one voice.
    """

    def __init__(self, sample_rate: int, *, pitch: bool = False) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.pitch = pitch
        self.mel_dac = MultiScaleMel(sample_rate, "dac")
        self.mel_encodec = MultiScaleMel(sample_rate, "encodec")
        self.stft = MultiResolutionSTFT()

    @torch.no_grad()
    def forward(
        self, reference: Tensor, estimate: Tensor, lengths: Tensor | None = None
    ) -> dict[str, float]:
        """Measure one pair `(C, T)`, or the mean over a batch of pairs `(B, C, T)`.

        Args:
            reference: the original.
            estimate: what is judged.
            lengths: samples that count in each item, `(B,)` (or one number for `(C, T)`): what
                follows in either signal is cut off. Needed when the two differ in length.

        Raises:
            ValueError: see `validate`.
        """
        reference, estimate, sizes = validate(reference, estimate, lengths)
        totals = dict.fromkeys((METRICS | PITCH_METRICS) if self.pitch else METRICS, 0.0)
        for ref, est, size in zip(reference, estimate, sizes, strict=True):
            for name, value in self._measure(ref[:, :size], est[:, :size]).items():
                totals[name] += value / len(sizes)
        return totals

    def _measure(self, reference: Tensor, estimate: Tensor) -> dict[str, float]:
        values = {
            "mel_distance": self.mel_dac(estimate, reference),
            "mel_distance_encodec": self.mel_encodec(estimate, reference),
            "stft_distance": self.stft(estimate, reference),
            "log_spectral_distance": log_spectral_distance(estimate, reference).mean(),
            "si_sdr": si_sdr(estimate.flatten(), reference.flatten()),
            "snr": snr(estimate.flatten(), reference.flatten()),
            "loudness_difference": self._loudness(estimate) - self._loudness(reference),
            "rms_difference": rms_db(estimate.flatten()) - rms_db(reference.flatten()),
            "crest_difference": crest_factor_db(estimate.flatten())
            - crest_factor_db(reference.flatten()),
            "transient_snr": self._transient_snr(estimate, reference),
            "phase_coherence": phase_coherence(estimate, reference).mean(),
            "stereo_error": _stereo_error(estimate, reference),
            "balance_error": _balance_error(estimate, reference),
        }
        if self.pitch:
            values |= pitch_scores(reference, estimate, self.sample_rate)
        return {name: float(value) for name, value in values.items()}

    def _transient_snr(self, estimate: Tensor, reference: Tensor) -> Tensor:
        parts = (transients(x.cpu(), self.sample_rate) for x in (estimate, reference))
        return snr(*(part.flatten() for part in parts))

    def _loudness(self, x: Tensor) -> Tensor:
        # Where more than five channels stand is unknown: all count the same on both sides.
        weights = [1.0] * x.shape[0] if x.shape[0] > 5 else None
        return Loudness(self.sample_rate, weights)(x).clamp_min(SILENCE_LUFS)


def _stereo_error(estimate: Tensor, reference: Tensor) -> Tensor:
    if len(reference) < 2:
        return reference.new_zeros(())
    return (channel_correlation(estimate) - channel_correlation(reference)).abs().mean()


def _balance_error(estimate: Tensor, reference: Tensor) -> Tensor:
    """What correlation does not hear: a channel that is too soft, or dead."""
    if len(reference) < 2:
        return reference.new_zeros(())
    rows, columns = torch.triu_indices(len(reference), len(reference), offset=1)
    levels = rms_db(estimate) - rms_db(reference)
    return (levels[rows] - levels[columns]).abs().mean()


def reconstruction_metrics(
    reference: Tensor,
    estimate: Tensor,
    sample_rate: int,
    *,
    lengths: Tensor | None = None,
    pitch: bool = False,
) -> dict[str, float]:
    """Measure how close `estimate` is to `reference`: a value for every name in `METRICS`.

    Identical signals give distances of 0, ratios of 100 dB and a loudness difference of 0; all
    values are finite, also for silence. `ReconstructionMetrics` spares the set-up when there are
    many pairs of one sample rate.

    Args:
        reference: `(C, T)` or `(B, C, T)`.
        estimate: like `reference`; its length may differ if `lengths` says what counts.
        sample_rate: of both, in Hz.
        lengths: samples that count, `(B,)`.
        pitch: measure `PITCH_METRICS`, too; for one voice only.

    Raises:
        ValueError: see `validate`.
    """
    metrics = ReconstructionMetrics(sample_rate, pitch=pitch).to(reference.device)
    return metrics(reference, estimate, lengths)


def validate(
    reference: Tensor, estimate: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor, list[int]]:
    """Check a pair and give it a batch dimension.

    Returns:
        `(B, C, T)`, `(B, C, T')` in fp32 (fp64 stays) and B lengths.

    Raises:
        ValueError: shapes that do not fit, two lengths without `lengths`, lengths out of range,
            or samples that are not finite.
    """
    if reference.ndim not in (2, 3) or reference.shape[:-1] != estimate.shape[:-1]:
        raise ValueError(
            "expected two signals (channels, time) or (batch, channels, time) that differ in time "
            f"at most, got {tuple(reference.shape)} and {tuple(estimate.shape)}"
        )
    shortest = min(reference.shape[-1], estimate.shape[-1])
    if lengths is None and reference.shape[-1] != estimate.shape[-1]:
        raise ValueError(
            f"the reference has {reference.shape[-1]} samples and the estimate "
            f"{estimate.shape[-1]}; pass `lengths` to say how many count"
        )
    if reference.ndim == 2:
        reference, estimate = reference[None], estimate[None]
    batch = reference.shape[0]
    sizes = [shortest] * batch if lengths is None else lengths.reshape(-1).tolist()
    if len(sizes) != batch or not batch or not all(1 <= size <= shortest for size in sizes):
        raise ValueError(
            f"expected a length in [1, {shortest}] for each of {batch} items, got {sizes}"
        )
    for name, x in (("reference", reference), ("estimate", estimate)):
        if not bool(torch.isfinite(x).all()):
            raise ValueError(f"expected finite samples, but the {name} has NaN or infinite ones")
    to = torch.float64 if reference.dtype == torch.float64 else torch.float32
    return reference.to(to), estimate.to(to), sizes
