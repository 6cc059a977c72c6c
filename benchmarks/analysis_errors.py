"""How wrong each estimator of `latentone.analysis` is, on music whose truth is known.

    python benchmarks/analysis_errors.py [--pieces 24] [--seconds 30] [--seed 11]

Composes pieces, plays the middle `--seconds` of each with the project's own instruments, and
prints a Markdown table: mean over pieces with its standard error, and the worst piece. f0 is
measured on the melody alone, played one note at a time; the rest on the whole band. Where librosa
estimates the same thing, it is measured on the same sounds.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections import defaultdict
from dataclasses import replace
from typing import Any

import librosa
import mir_eval
import numpy as np
import torch

from latentone.analysis import (
    ChromaSpec,
    chords,
    dynamics,
    fundamental,
    key,
    melody,
    onsets,
    rhythm,
    structure,
)
from latentone.audio import Audio
from latentone.data.composer import compose
from latentone.data.ground_truth import ground_truth
from latentone.data.piece import Piece, windows
from latentone.data.render import Renderer
from latentone.symbolic.theory import parse_key

RATE = 24000
NAMES = "C Db D Eb E F Gb G Ab A Bb B".split()
Truth = dict[str, Any]


def excerpt(piece: Piece, seconds: float) -> tuple[Audio, Truth]:
    """The middle window of a piece; only what is heard in it is played."""
    cuts = windows(piece, seconds)
    window = cuts[len(cuts) // 2]
    tempo = piece.score.tempo
    begin, end = tempo.beats(window.start) - 8, tempo.beats(window.end)
    tracks = (
        replace(t, notes=tuple(n for n in t.notes if n.start < end and n.end > begin))
        for t in piece.score.tracks
    )
    score = replace(piece.score, tracks=tuple(t for t in tracks if t.notes))
    sound = Renderer(sample_rate=RATE, channels=1).render(replace(piece, score=score))
    cut = sound[:, round(window.start * RATE) : round(window.end * RATE)]
    return Audio(torch.from_numpy(cut.copy()), RATE), ground_truth(piece, window)


def alone(piece: Piece) -> Piece | None:
    """The melody by itself, each note released before the next."""
    lead = next((t for t in piece.score.tracks if t.name == "melody"), None)
    if lead is None:
        return None
    notes = []
    for note, after in zip(lead.notes, [*lead.notes[1:], None], strict=True):
        room = note.duration if after is None else min(note.duration, after.start - note.start)
        if room > 0.05:
            notes.append(replace(note, duration=room))
    return replace(piece, score=replace(piece.score, tracks=(replace(lead, notes=tuple(notes)),)))


def pitch_scores(audio: Audio, truth: Truth) -> dict[str, float]:
    """f0 and melody against the notes of one voice, where one sounds and rings on no other."""
    found = fundamental(audio)
    spec = ChromaSpec(sample_rate=RATE, n_fft=4096, hop_length=1024)
    classes = melody(audio, spec)
    errors, voiced, right = [], [], []
    for start, end, pitch, _, _ in truth["notes"]:
        # The rests of the attack and of the note before are no part of the question.
        for time in np.arange(start + 0.06, end - 0.03, 0.02):
            n = min(round(time * found.frame_rate), len(found.hz) - 1)
            voiced.append(bool(found.voiced[n]))
            if voiced[-1]:
                errors.append(100 * abs(float(found.midi[n]) - pitch))
        if end - start > 0.2:
            n = round((start + end) / 2 * classes.frame_rate)
            right.append(int(classes.pitch_classes[n]) == pitch % 12)
    close = [error for error in errors if error < 50]
    median = {"f0: median error of those, cents": statistics.median(close)} if close else {}
    return {
        "f0: share of frames within 50 cents": len(close) / max(1, len(errors)),
        **median,
        "f0: share of sounding frames called voiced": statistics.fmean(voiced),
        "melody: share of notes with the right pitch class": statistics.fmean(right),
    }


def starts(truth: Truth) -> np.ndarray:
    """Moments at which something begins; those within 30 ms are one."""
    kept: list[float] = []
    for time in sorted(note[0] for note in truth["notes"] if note[0] > 0):
        if not kept or time - kept[-1] > 0.03:
            kept.append(time)
    return np.array(kept)


def rhythm_scores(audio: Audio, truth: Truth) -> dict[str, float]:
    found, x = rhythm(audio), audio.samples[0].numpy()
    beats, downbeats = np.array(truth["beats"]), np.array(truth["downbeats"])
    hop = RATE // 100
    tempo, peer = librosa.beat.beat_track(y=x, sr=RATE, units="time", hop_length=hop)
    heard = librosa.onset.onset_detect(y=x, sr=RATE, units="time", hop_length=hop)
    f, precision, recall = mir_eval.onset.f_measure(starts(truth), onsets(audio).times.numpy())

    def octaves(bpm: float) -> float:
        return min(abs(bpm * k / truth["bpm"] - 1) for k in (1 / 3, 0.5, 1, 2, 3))

    return {
        "onsets: F1 at 50 ms": f,
        "onsets: precision": precision,
        "onsets: recall": recall,
        "librosa onsets: F1 at 50 ms": mir_eval.onset.f_measure(starts(truth), heard)[0],
        "tempo: within 4 %": abs(found.bpm / truth["bpm"] - 1) < 0.04,
        "tempo: within 4 %, also of 1/3, 1/2, 2, 3 times": octaves(found.bpm) < 0.04,
        "librosa tempo: within 4 %": abs(float(np.squeeze(tempo)) / truth["bpm"] - 1) < 0.04,
        "beats: F1 at 70 ms": mir_eval.beat.f_measure(beats, found.beats.numpy()),
        "librosa beats: F1 at 70 ms": mir_eval.beat.f_measure(beats, peer),
        "downbeats: F1 at 70 ms": mir_eval.beat.f_measure(downbeats, found.downbeats.numpy()),
        "bars: right number of beats": found.beats_per_bar == int(truth["time_signature"][0]),
    }


def harmony_scores(audio: Audio, truth: Truth) -> dict[str, float]:
    found = key(audio)
    tonic, mode = parse_key(truth["key"])
    scores: dict[str, float] = {"key: right": False, "key: MIREX score": 0.0}
    if found is not None:
        estimate = f"{NAMES[found.tonic]} {found.mode}"
        scores["key: right"] = (found.tonic, found.mode) == (tonic, mode)
        scores["key: MIREX score"] = mir_eval.key.weighted_score(f"{NAMES[tonic]} {mode}", estimate)
    times = np.array([c[:2] for c in truth["chords"]])
    labels = [c[2] for c in truth["chords"]]
    for vocabulary in ("triads", "sevenths"):
        spans = chords(audio, vocabulary=vocabulary)
        measured = mir_eval.chord.evaluate(
            times, labels, np.array([[s.start, s.end] for s in spans]), [s.label for s in spans]
        )
        if vocabulary == "triads":
            scores["chords: root, share of time"] = measured["root"]
            scores["chords: root and third, share of time"] = measured["thirds"]
        else:
            scores["chords (sevenths): root and quality, share of time"] = measured["sevenths"]
    return scores


def form_scores(audio: Audio, truth: Truth) -> dict[str, float]:
    found = structure(audio)
    bar = float(np.median(np.diff(truth["downbeats"])))
    bars = found.repetition_seconds / bar
    level = dynamics(audio, smoothing_seconds=0)
    # The mean power of the windows is that of the sound, up to the edges.
    rms = 10 * np.log10(float(audio.samples.square().mean()))
    mean = 10 * np.log10(float((10 ** (level.db.double() / 10)).mean()))
    edges = [t for t, _ in truth["sections"] if t > 2 and t < truth["duration"] - 2]
    scores = {
        "repetition: a whole number of bars within 0.25 s": bars > 0.5
        and abs(bars - round(bars)) * bar < 0.25,
        "dynamics: error of the mean level, dB": abs(mean - rms),
    }
    if edges:
        scores["boundaries: F1 at 3 s"] = mir_eval.util.f_measure(
            *_hits(np.array(edges), found.boundaries.numpy())
        )
    return scores


def _hits(truth: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Precision and recall of times, matched one to one within 3 s."""
    if not len(found):
        return 0.0, 0.0
    count = len(mir_eval.util.match_events(truth, found, 3.0))
    return count / len(found), count / len(truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=11, help="of the composer")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)

    scores: dict[str, list[float]] = defaultdict(list)
    for index in range(arguments.pieces):
        piece = compose(arguments.seed, index)
        audio, truth = excerpt(piece, arguments.seconds)
        rows = [rhythm_scores(audio, truth), harmony_scores(audio, truth)]
        rows.append(form_scores(audio, truth))
        tune = alone(piece)
        if tune is not None:
            audio, truth = excerpt(tune, arguments.seconds)
            rows.insert(0, pitch_scores(audio, truth))
        for row in rows:
            for name, value in row.items():
                scores[name].append(float(value))

    print("| what | mean | standard error | worst piece | pieces |")
    print("| --- | --- | --- | --- | --- |")
    for name, values in scores.items():
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        worst = max(values) if "error" in name else min(values)
        cells = [f"{statistics.fmean(values):.3g}", f"{error:.2g}", f"{worst:.3g}"]
        print(f"| {name} | {' | '.join(cells)} | {len(values)} |")


if __name__ == "__main__":
    main()
