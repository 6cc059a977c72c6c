"""How well each estimator of `latentone.analysis` does on one sound, for `analysis_errors.py`.

Scores go by the names of `latentone.analysis.ESTIMATORS`; those of librosa, on the same sounds, by
the same names after `librosa `.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import librosa
import mir_eval
import numpy as np
import torch
from analysis_materials import Item, Truth
from torch.nn import functional as F

from latentone.analysis import (
    ChromaSpec,
    chords,
    chroma,
    dynamics,
    fundamental,
    key,
    melody,
    onsets,
    rhythm,
    structure,
)
from latentone.audio import Audio
from latentone.symbolic.theory import parse_key

NAMES = "C Db D Eb E F Gb G Ab A Bb B".split()
Scores = dict[str, float]


def measure(item: Item) -> Scores:
    """All that is asked of an item."""
    scores: Scores = {}
    for name, score in SCORES.items():
        if name in item.asked:
            scores |= score(item.audio, item.truth)
    return scores


def pitch(audio: Audio, truth: Truth) -> Scores:
    """f0 and melody against the notes of one voice, where one sounds and rings on no other."""
    found = fundamental(audio)
    spec = ChromaSpec(sample_rate=audio.sample_rate, n_fft=4096, hop_length=1024)
    classes = melody(audio, spec)
    errors, voiced, right = [], [], []
    for start, end, midi, *_ in truth["notes"]:
        # The rests of the attack and of the note before are no part of the question.
        for time in np.arange(start + 0.06, end - 0.03, 0.02):
            n = min(round(time * found.frame_rate), len(found.hz) - 1)
            voiced.append(bool(found.voiced[n]))
            if voiced[-1]:
                errors.append(100 * abs(float(found.midi[n]) - midi))
        if end - start > 0.2:
            n = round((start + end) / 2 * classes.frame_rate)
            right.append(int(classes.pitch_classes[n]) == midi % 12)
    close = [error for error in errors if error < 50]
    scores = {
        "f0": len(close) / max(1, len(errors)),
        "voicing": statistics.fmean(voiced),
        "melody": statistics.fmean(right),
    }
    return {**scores, "f0_cents": statistics.median(close)} if close else scores


def named_pitch(audio: Audio, truth: Truth) -> Scores:
    """f0 and melody of one note whose pitch class is known and whose octave is not."""
    found = fundamental(audio, f_min=20.0)
    loud = dynamics(audio, frame_rate=100.0, smoothing_seconds=0).db
    sounding = loud[: len(found.hz)] > loud.max() - 30
    away = (found.midi[sounding & found.voiced] - truth["pitch_class"] + 6) % 12 - 6
    errors = 100 * away.abs()
    close = errors[errors < 50]
    classes = melody(audio).pitch_classes
    usual = int(classes[classes >= 0].bincount(minlength=12).argmax())
    scores = {
        "f0": len(close) / max(1, len(errors)),
        "voicing": float(found.voiced[sounding].double().mean()),
        "melody": float(usual == truth["pitch_class"]),
    }
    return {**scores, "f0_cents": float(close.median())} if len(close) else scores


def noise(audio: Audio, truth: Truth) -> Scores:
    """Of frames without a pitch, how many are given one."""
    voiced = fundamental(audio).voiced
    return {"voicing_false_alarm": float(voiced.double().mean())}


def chroma_cosine(audio: Audio, truth: Truth) -> Scores:
    """Frames of chroma and the pitch classes that sound in them, each note counted once."""
    found = chroma(audio)
    half = found.spec.n_fft / found.spec.sample_rate / 2
    drums = [track.get("drums", False) for track in truth["tracks"]]
    cosines = []
    for n, time in enumerate(found.times.tolist()):
        sounding = np.zeros(12)
        for start, end, midi, _, track in truth["notes"]:
            if not drums[track]:
                overlap = min(end, time + half) - max(start, time - half)
                sounding[int(midi) % 12] += max(0.0, overlap)
        values = found.values[:, n].double().numpy()
        norm = np.linalg.norm(sounding) * np.linalg.norm(values)
        if norm > 0:
            cosines.append(float(values @ sounding / norm))
    return {"chroma": statistics.fmean(cosines)}


def starts(truth: Truth) -> np.ndarray:
    """Moments at which something begins; those within 30 ms are one."""
    kept: list[float] = []
    for time in sorted(note[0] for note in truth["notes"] if note[0] > 0):
        if not kept or time - kept[-1] > 0.03:
            kept.append(time)
    return np.array(kept)


def begins(audio: Audio, truth: Truth) -> Scores:
    x, rate = audio.samples.mean(0).numpy(), audio.sample_rate
    f, precision, recall = mir_eval.onset.f_measure(starts(truth), onsets(audio).times.numpy())
    heard = librosa.onset.onset_detect(y=x, sr=rate, units="time", hop_length=rate // 100)
    return {
        "onsets": f,
        "onsets_precision": precision,
        "onsets_recall": recall,
        "librosa onsets": mir_eval.onset.f_measure(starts(truth), heard)[0],
    }


def tempo(audio: Audio, truth: Truth) -> Scores:
    x, rate = audio.samples.mean(0).numpy(), audio.sample_rate
    bpm = rhythm(audio).bpm
    heard, _ = librosa.beat.beat_track(y=x, sr=rate, hop_length=rate // 100)
    peer = float(np.squeeze(heard))

    def octaves(bpm: float) -> bool:
        return min(abs(bpm * k / truth["bpm"] - 1) for k in (1 / 3, 0.5, 1, 2, 3)) < 0.04

    scores = {"tempo_octave": octaves(bpm), "librosa tempo_octave": octaves(peer)}
    if truth.get("tempo_is_counted", True):
        scores["tempo"] = abs(bpm / truth["bpm"] - 1) < 0.04
        scores["librosa tempo"] = abs(peer / truth["bpm"] - 1) < 0.04
    return {name: float(value) for name, value in scores.items()}


def beats(audio: Audio, truth: Truth) -> Scores:
    found, x, rate = rhythm(audio), audio.samples.mean(0).numpy(), audio.sample_rate
    known, bars = np.array(truth["beats"]), np.array(truth["downbeats"])
    _, peer = librosa.beat.beat_track(y=x, sr=rate, units="time", hop_length=rate // 100)
    return {
        "beats": mir_eval.beat.f_measure(known, found.beats.numpy()),
        "librosa beats": mir_eval.beat.f_measure(known, peer),
        "downbeats": mir_eval.beat.f_measure(bars, found.downbeats.numpy()),
        "bar_length": float(found.beats_per_bar == int(truth["time_signature"][0])),
    }


def harmony(audio: Audio, truth: Truth) -> Scores:
    scores: Scores = {}
    if "key" in truth:
        found = key(audio)
        tonic, mode = parse_key(truth["key"])
        scores = {"key": 0.0, "key_mirex": 0.0}
        if found is not None:
            names = [f"{NAMES[t]} {m}" for t, m in ((tonic, mode), (found.tonic, found.mode))]
            scores["key"] = float(names[0] == names[1])
            scores["key_mirex"] = mir_eval.key.weighted_score(*names)
    if truth.get("chords"):
        times = np.array([c[:2] for c in truth["chords"]])
        labels = [c[2] for c in truth["chords"]]
        for vocabulary in ("triads", "sevenths"):
            spans = chords(audio, vocabulary=vocabulary)
            heard = np.array([[s.start, s.end] for s in spans]), [s.label for s in spans]
            measured = mir_eval.chord.evaluate(times, labels, *heard)
            if vocabulary == "triads":
                scores["chords_root"] = measured["root"]
                scores["chords"] = measured["thirds"]
            else:
                scores["chords_sevenths"] = measured["sevenths"]
        # Fifths have no third and no seventh to be right about.
        asked = truth.get("chord_scores", scores)
        scores = {k: v for k, v in scores.items() if "chords" not in k or k in asked}
    return scores


def level(audio: Audio, truth: Truth) -> Scores:
    """The level of all, and a swell of 24 dB put on the sound, which the curve must follow."""
    curve = dynamics(audio, smoothing_seconds=0)
    # The mean power of the windows is that of the sound, up to the edges.
    rms = 10 * np.log10(float(audio.samples.square().mean()))
    mean = 10 * np.log10(float((10 ** (curve.db.double() / 10)).mean()))
    time = torch.arange(audio.samples.shape[1]).double() / audio.sample_rate
    gain = -12 + 12 * torch.cos(2 * torch.pi * time / audio.duration)
    swell = Audio((audio.samples * 10 ** (gain / 20)).float(), audio.sample_rate)
    plain, swollen = dynamics(audio), dynamics(swell)
    known = -12 + 12 * torch.cos(2 * torch.pi * plain.times / audio.duration)
    # Silence does not swell: where a second holds a window near the floor, there is no truth.
    quietest = -F.max_pool1d(-curve.db[None], 51, 1, 25)[0]
    error = (swollen.db - plain.db - known)[quietest > -55].abs()
    swelling = {"dynamics": float(error.mean())} if len(error) else {}
    return {**swelling, "dynamics_level": abs(mean - rms)}


def form(audio: Audio, truth: Truth) -> Scores:
    found = structure(audio)
    bar = float(np.median(np.diff(truth["downbeats"])))
    bars = found.repetition_seconds / bar
    whole = bars > 0.5 and abs(bars - round(bars)) * bar < 0.25
    scores = {"repetition": float(whole)}
    edges = [t for t, _ in truth["sections"] if t > 2 and t < truth["duration"] - 2]
    if edges:
        scores["boundaries"] = hits(np.array(edges), found.boundaries.numpy(), 3.0)
    return scores


def hits(truth: np.ndarray, found: np.ndarray, seconds: float) -> float:
    """F1 of times, matched one to one within some seconds."""
    if not len(found):
        return 0.0
    count = len(mir_eval.util.match_events(truth, found, seconds))
    return 2 * count / (len(found) + len(truth))


SCORES: dict[str, Callable[[Audio, Truth], Scores]] = {
    "pitch": pitch,
    "named pitch": named_pitch,
    "noise": noise,
    "chroma": chroma_cosine,
    "onsets": begins,
    "tempo": tempo,
    "beats": beats,
    "harmony": harmony,
    "level": level,
    "form": form,
}
