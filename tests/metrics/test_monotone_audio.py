"""Metrics worsen in the order of the damage, on music: the small form of benchmarks/monotone.py."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfiltfilt

from latentone.audio import Audio
from latentone.data.composer import compose
from latentone.data.piece import windows
from latentone.data.render import Renderer
from latentone.dsp import (
    MultiResolutionSTFT,
    MultiScaleMel,
    log_spectral_distance,
    si_sdr,
    snr,
)
from latentone.dsp.coherence import phase_coherence
from latentone.embeddings import LogMelStatistics
from latentone.metrics.control import likeness
from latentone.metrics.distribution import (
    frechet_distance,
    kernel_distance,
    manifold_scores,
)

RATE = 24000
SECONDS = 12.0


def noise(x, snr):
    rng = torch.Generator().manual_seed(1)
    return x + torch.randn(x.shape, generator=rng) * x.square().mean().sqrt() * 10 ** (-snr / 20)


def low_pass(x, hz):
    y = sosfiltfilt(butter(8, hz, fs=RATE, output="sos"), x.double().numpy(), axis=-1)
    return torch.from_numpy(np.ascontiguousarray(y)).float()


def clipping(x, db):
    ceiling = float(x.abs().max()) * 10 ** (-db / 20)
    return x.clamp(-ceiling, ceiling)


def pitch_shift(x, semitones):
    return Audio(x, RATE).resample(round(RATE * 2 ** (-semitones / 12))).samples


LADDERS = {
    "noise": (noise, (30, 20, 10, 0)),
    "low-pass": (low_pass, (8000, 4000, 2000, 1000, 500)),
    "clipping": (clipping, (12, 18, 24, 30)),
    "pitch shift": (pitch_shift, (0.25, 0.5, 1, 2, 4)),
}


@pytest.fixture(scope="module")
def music():
    """Twelve seconds of six pieces, each of another genre."""
    out = []
    for index in range(6):
        piece = compose(3, index)
        cuts = windows(piece, SECONDS)
        cut = cuts[len(cuts) // 2]
        begin, end = (piece.score.tempo.beats(t) for t in (cut.start - 4, cut.end))
        tracks = tuple(
            replace(t, notes=tuple(n for n in t.notes if n.start < end and n.end > begin))
            for t in piece.score.tracks
        )
        score = replace(piece.score, tracks=tuple(t for t in tracks if t.notes))
        x = Renderer(sample_rate=RATE, channels=1).render(replace(piece, score=score))
        first = round(cut.start * RATE)
        out.append(torch.from_numpy(x[:, first : first + round(SECONDS * RATE)].copy()))
    return out


def vectors(sounds, first):
    """Every other half second as a window, from `first` on: two sets share music, not windows."""
    embed = LogMelStatistics()
    return torch.cat(
        [embed(x.unfold(1, RATE, RATE // 2)[:, first::2].transpose(0, 1)) for x in sounds]
    )


def set_values(reference, generated):
    """Each turned so that more is worse."""
    manifold = manifold_scores(reference, generated, k=3)
    return {
        "frechet": frechet_distance(reference, generated).value,
        "kernel": kernel_distance(reference, generated).value,
        **{name: -manifold[name].value for name in ("precision", "recall", "coverage")},
    }


@pytest.fixture(scope="module")
def sets(music):
    """Set metrics along each ladder, beginning with no damage."""
    reference = vectors(music, 0)
    out = {}
    for kind, (damage, levels) in LADDERS.items():
        damaged = [music, *([damage(x, level) for x in music] for level in levels)]
        out[kind] = [set_values(reference, vectors(sounds, 1)) for sounds in damaged]
    fewer = [music, music[:4], music[:2], music[:1]]
    # As many windows of ever fewer pieces: the size of a set must not tell.
    out["mode dropping"] = [
        set_values(reference, vectors(kept, 1).repeat(6 // len(kept) + 1, 1)[: len(reference)])
        for kept in fewer
    ]
    return out


@pytest.mark.parametrize("kind", ["noise", "low-pass", "clipping", "mode dropping"])
@pytest.mark.parametrize("name", ["frechet", "kernel"])
def test_distances_of_sets_grow_at_every_step(sets, kind, name):
    values = [step[name] for step in sets[kind]]
    assert all(a < b for a, b in pairwise(values)), values
    assert values[-1] > 2 * values[0]


@pytest.mark.parametrize("kind", ["noise", "low-pass", "mode dropping"])
@pytest.mark.parametrize("name", ["recall", "coverage"])
def test_cover_falls_until_none_is_left(sets, kind, name):
    values = [step[name] for step in sets[kind]]
    assert all(a < b or a == b == 0 for a, b in pairwise(values)), values
    assert values[-1] > values[0] + 0.3


def test_precision_does_not_see_what_is_missing(sets):
    values = [step["precision"] for step in sets["mode dropping"]]
    assert max(values) < values[0] + 0.1
    assert sets["low-pass"][-1]["precision"] > sets["low-pass"][0]["precision"] + 0.5


@pytest.fixture(scope="module")
def pairs(music):
    """Values at each level of each ladder, for every sound; all but the slow transients."""
    measures = {
        "mel_distance": MultiScaleMel(RATE, "dac"),
        "mel_distance_encodec": MultiScaleMel(RATE, "encodec"),
        "stft_distance": MultiResolutionSTFT(),
        "log_spectral_distance": log_spectral_distance,
        "snr": snr,
        "si_sdr": si_sdr,
        "phase_coherence": phase_coherence,
    }
    out = {}
    for kind, (damage, levels) in LADDERS.items():
        steps = [[(damage(x[:, : 3 * RATE], n), x) for x in music[:3]] for n in levels]
        out[kind] = [
            {
                name: np.mean([float(measure(y, x[:, : y.shape[1]]).mean()) for y, x in step])
                for name, measure in measures.items()
            }
            for step in steps
        ]
    return out


@pytest.mark.parametrize(
    ("name", "sign", "kinds"),
    [
        ("mel_distance", 1, LADDERS),
        ("mel_distance_encodec", 1, LADDERS),
        ("stft_distance", 1, LADDERS),
        ("log_spectral_distance", 1, ["noise", "low-pass", "clipping"]),
        ("snr", -1, ["noise", "low-pass", "clipping"]),
        ("si_sdr", -1, ["noise", "low-pass", "clipping"]),
        ("phase_coherence", -1, ["noise", "low-pass", "clipping"]),
    ],
)
def test_distances_of_pairs_grow_at_every_step(pairs, name, sign, kinds):
    for kind in kinds:
        values = [sign * step[name] for step in pairs[kind]]
        assert all(a < b for a, b in pairwise(values)), (kind, values)


def test_likeness_of_harmony_falls_with_every_part_of_a_semitone(music):
    shifts = (0.01, 0.25, 0.5, 1)
    levels = [
        np.mean(
            [
                likeness(Audio(x, RATE), Audio(pitch_shift(x, s), RATE))["chroma_cosine"]
                for x in music[:3]
            ]
        )
        for s in shifts
    ]
    assert all(a > b for a, b in pairwise(levels)) and levels[-1] < levels[0] - 0.15
