"""Folders whose files belong together: originals, and what became of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..analysis import fundamental
from ..audio import Audio, load_audio
from .control import LIKENESS, ControlMetric, likeness
from .notes import voiced_share
from .pitch import f0_scores
from .reconstruction import METRICS, PITCH_METRICS, Metric, ReconstructionMetrics
from .visqol import visqol

__all__ = ["PAIR_METRICS", "PairMeter", "Paired", "match_stems"]

PAIR_METRICS: dict[str, Metric | ControlMetric] = {
    "covered": Metric(
        "",
        "[0, 1]",
        "higher",
        "seconds compared over those of the original; below 1 the second ends too early, and what "
        "is missing counts in no other number",
    ),
    **METRICS,
    **{
        name: metric._replace(about=f"{metric.about}; of originals with a single voice")
        for name, metric in PITCH_METRICS.items()
    },
    **LIKENESS,
    "visqol": Metric(
        "", "[1, 5]", "higher", "opinion score that ViSQOL predicts; 4.73 for equal sounds"
    ),
}
"""What each number means: how near the waves are, f0 and voicing of what has one voice, what of the
music comes back, and `visqol` where its package is installed."""

BETWEEN_CHANNELS = ("stereo_error", "balance_error")
"""Without an answer for mono, which would read as perfect."""
RATIOS = ("stft_distance", "si_sdr", "snr", "transient_snr", "phase_coherence")
"""Of which one silent original would decide the mean of a thousand pairs."""
SILENCE = 1e-5
"""Largest sample of what counts as silent: -100 dB."""
LENGTH_TOLERANCE = 0.1
"""Seconds by which two lengths may differ before a note says so."""
ONE_VOICE = 0.9
"""Share of the sounding frames with a pitch from which a sound counts as one voice. Of 24 parts and
mixes that the composer made and the renderer played, the melodies had 0.96 to 1, the mixes 0.40 to
0.82."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Partners by name, and files without one."""

    pairs: tuple[tuple[str, Path, Path], ...]
    """Name, original and estimate, sorted by name."""
    alone: tuple[Path, ...]
    """Files of either folder that have no partner."""


def match_stems(
    reference: Path, reference_files: Sequence[Path], other: Path, other_files: Sequence[Path]
) -> Paired:
    """Pair the files of two folders by their paths in them, without suffix: `a/b.wav`, `a/b.flac`.

    Raises:
        ValueError: no file has a partner, or two files of one folder have the same name.
    """
    sides = []
    for folder, files in ((reference, reference_files), (other, other_files)):
        named: dict[str, Path] = {}
        for path in files:
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in named:
                raise ValueError(
                    f"{named[name].name} and {path.name} in {folder} have one name, so neither "
                    "can be paired: keep one of them"
                )
            named[name] = path
        sides.append(named)
    first, second = sides
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise ValueError(
            f"no file of {other} has the name of one in {reference}, so nothing is paired: "
            "partners have the same name, their suffixes aside"
        )
    alone = [side[n] for side in sides for n in sorted(side) if n not in shared]
    pairs = tuple((name, first[name], second[name]) for name in shared)
    return Paired(pairs=pairs, alone=tuple(alone))


class PairMeter:
    """Measures pairs of files; set up once for each sample rate.

    `with_visqol` says whether its package is installed; without it there is no such score.
    """

    def __init__(self) -> None:
        self.with_visqol = find_spec("visqol") is not None
        self._metrics: dict[int, ReconstructionMetrics] = {}

    def __call__(
        self, reference: Path, estimate: Path, *, seconds: float | None = None
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        """All of `PAIR_METRICS` for one pair that have an answer, and what was made equal first.

        f0 and voicing are measured where the original is one voice, throughout: of chords and drums
        they would say nothing. `f0_error` is missing where nothing voiced stayed voiced.

        Args:
            reference: the original; its rate counts.
            estimate: what is judged.
            seconds: the longest stretch from the start that is compared; None takes all.

        Raises:
            AudioError: a file cannot be read.
        """
        one = load_audio(reference, duration=seconds)
        two = load_audio(estimate, duration=seconds)
        one, two, notes = _alike(one, two)
        covered = min(1.0, two.duration / one.duration) if one.duration else 1.0
        size = min(one.samples.shape[1], two.samples.shape[1])
        if one.sample_rate not in self._metrics:
            self._metrics[one.sample_rate] = ReconstructionMetrics(one.sample_rate)
        one, two = (Audio(a.samples[:, :size], a.sample_rate) for a in (one, two))
        values = {"covered": covered, **self._metrics[one.sample_rate](one.samples, two.samples)}
        if one.channels < 2:
            values = {n: v for n, v in values.items() if n not in BETWEEN_CHANNELS}
        if not bool((one.samples.abs() > SILENCE).any()):
            values = {n: v for n, v in values.items() if n not in RATIOS}
            notes = (*notes, "the original is silent: what is a ratio to it is left out")
        values |= _voice(one, two) | likeness(one, two)
        if self.with_visqol:
            try:
                values["visqol"] = visqol(one, two)
            except ValueError as error:
                notes = (*notes, f"ViSQOL has no answer: {error}")
        return values, notes


def _voice(reference: Audio, estimate: Audio) -> dict[str, float]:
    highest = min(2093.0, reference.sample_rate / 4)
    f0 = fundamental(reference, f_max=highest)
    # Silence has no share, which is no voice.
    if not voiced_share(reference, f0) >= ONE_VOICE:
        return {}
    scores = f0_scores(f0.hz, fundamental(estimate, f_max=highest).hz)
    if not scores["voicing_recall"]:
        del scores["f0_error"]
    return scores


def _alike(reference: Audio, estimate: Audio) -> tuple[Audio, Audio, tuple[str, ...]]:
    notes = []
    if abs(reference.duration - estimate.duration) > LENGTH_TOLERANCE:
        notes.append(
            f"lengths differ, {reference.duration:.2f} s and {estimate.duration:.2f} s: the "
            "shorter one counts"
        )
    if reference.sample_rate != estimate.sample_rate:
        notes.append(
            f"rates differ, {reference.sample_rate} and {estimate.sample_rate} Hz: the second was "
            "resampled to the first"
        )
        estimate = estimate.resample(reference.sample_rate)
    if reference.channels != estimate.channels:
        notes.append(
            f"channels differ, {reference.channels} and {estimate.channels}: both were mixed down"
        )
        reference, estimate = reference.to_mono(), estimate.to_mono()
    return reference, estimate, tuple(notes)
