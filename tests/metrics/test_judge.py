"""What one embedding says of two folders, means over sounds, and which warnings are given."""

import math
from pathlib import Path

import pytest
import scipy.stats
import torch

from latentone.audio import Audio
from latentone.embeddings import Embedded, LogMelStatistics
from latentone.metrics.distribution import kernel_distance
from latentone.metrics.files import Wanted, mean_scores, measure_file, read_request, sound_facts
from latentone.metrics.judge import judge_embedding, near_copies
from latentone.metrics.judgement import plain
from latentone.metrics.pairs import match_stems

HEARD = LogMelStatistics()


def embedded(seed, files=24, windows=5, scale=1.0):
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(files, 1, HEARD.dim, generator=rng)
    x = centres + scale * torch.randn(files, windows, HEARD.dim, generator=rng)
    return Embedded(
        name=HEARD.name,
        fingerprint=HEARD.fingerprint,
        vectors=x.flatten(0, 1),
        file=torch.arange(files).repeat_interleave(windows),
        seconds=torch.arange(windows).repeat(files) / 2,
        paths=tuple(Path(f"/sounds/{seed}/{i}.wav") for i in range(files)),
        failures={},
    )


def tracks(found):
    return [str(i) for i in found.file.tolist()]


def test_thinned_windows_and_halves_are_what_they_say():
    x, y = embedded(0), embedded(1)
    found = judge_embedding(HEARD, x, y, tracks(x), tracks(y), windows=60, resamples=0)
    assert found.windows == (120, 120) and len(found.reference.vectors) == 60
    assert found.comparison.scores["kernel"].items == (60, 60)
    assert set(found.comparison.outliers) == {str(p) for p in y.paths}
    odd = found.reference.file % 2 == 1
    halves = found.reference.vectors[~odd], found.reference.vectors[odd]
    assert found.halves["kernel"] == pytest.approx(kernel_distance(*halves).value)
    assert found.column == f"logmel@{HEARD.fingerprint[:16]}"
    assert found.to_json()["dimensions"] == HEARD.dim
    other = LogMelStatistics(window_seconds=2.0)
    with pytest.raises(ValueError, match="embed the folder anew"):
        judge_embedding(other, x, y, tracks(x), tracks(y))


def test_a_copied_file_is_near_and_others_are_not():
    x, y = embedded(0), embedded(1)
    assert len(near_copies(x, y, tracks(x))) == 0
    copied = y.vectors.clone()
    copied[15:20] = x.vectors[40:45] + 0.01
    y = Embedded(**{**vars(y), "vectors": copied})
    assert near_copies(x, y, tracks(x)) == ("/sounds/1/3.wav",)
    assert near_copies(x, y, ["one"] * 120) == ()  # nothing is known of how tracks differ


def test_a_share_that_no_sound_has_is_not_surely_nothing():
    """Of 40 sounds none is right: Wilson's interval ends at z^2 / (40 + z^2), not at 0."""
    rows = [{"key_accuracy": 0.0, "stereo_error": 0.0, "beat_f1": 0.25} for _ in range(40)]
    scores = mean_scores(rows, [str(i) for i in range(40)], resamples=20)
    z2 = 1.959964**2
    assert scores["key_accuracy"].interval[:2] == pytest.approx((0, z2 / (40 + z2)), abs=1e-6)
    # What is a number by definition, and 0 throughout, is 0.
    assert scores["stereo_error"].interval[:2] == (0, 0)
    assert scores["beat_f1"].interval[:2] == (0.25, 0.25)


def test_means_over_sounds_resample_tracks():
    """Ten tracks of ten equal values know as much as ten values."""
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(10, generator=rng).tolist()
    rows = [{"x": v} for v in values for _ in range(10)]
    tracks = [f"track {i}" for i in range(10) for _ in range(10)]
    found = mean_scores(rows, tracks, resamples=800)["x"]
    expected = float(torch.tensor(values).std()) / 10**0.5
    assert found.details["standard_error"] == pytest.approx(expected, rel=0.15)
    assert found.interval.groups == (0, 10)


def test_differences_to_either_side_do_not_cancel():
    rows = [{"loudness_difference": 6.0, "tempo": 1.0}, {"loudness_difference": -6.0, "tempo": -1}]
    found = mean_scores(rows, ["a", "b"], resamples=0)
    assert found["loudness_difference"].value == 6
    assert found["loudness_difference"].details["signed"] == 0
    assert found["tempo"].value == 0


def test_means_and_intervals_are_those_of_the_central_limit():
    x = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = [{"a": float(v), "b": math.nan if i else 1.0} for i, v in enumerate(x)]
    rows[3] = {"b": math.inf}
    groups = [str(i) for i in range(400)]
    scores = mean_scores(rows, groups, resamples=400)
    kept = torch.cat([x[:3], x[4:]]).numpy()
    assert scores["a"].value == pytest.approx(kept.mean()) and scores["a"].items == (0, 399)
    expected = scipy.stats.norm.interval(0.95, kept.mean(), kept.std(ddof=1) / 399**0.5)
    interval = scores["a"].interval
    assert interval.high - interval.low == pytest.approx(expected[1] - expected[0], rel=0.15)
    assert scores["b"].value == 1 and scores["b"].interval is None
    assert mean_scores([], []) == {}
    with pytest.raises(ValueError, match="a track for each"):
        mean_scores(rows, groups[:5])


def test_levels_of_a_sine_and_of_silence():
    t = torch.arange(48_000) / 24_000
    facts = sound_facts(Audio(torch.sin(2 * torch.pi * 440 * t)[None], 24_000), music=False)
    assert facts.rms_db == pytest.approx(-3.01, abs=0.01) and facts.seconds == 2
    assert facts.silent == 0 and facts.key is None and facts.bpm is None
    silence = sound_facts(Audio(torch.zeros(1, 48_000), 24_000))
    assert silence.silent == 1 and silence.key is None and silence.bpm is None


def test_a_damaged_request_costs_nothing_but_itself(tmp_path):
    path = tmp_path / "a.wav"
    Audio(0.1 * torch.randn(1, 24_000), 24_000).save(path)
    assert read_request(path) is None
    (tmp_path / "a.json").write_text('{"bpm": "fast"}')
    found = measure_file(path, "a", Wanted(structure=False))
    assert "adherence" not in found.groups and "a.wav" in found.problems[0]
    assert found.facts.seconds == 1
    (tmp_path / "a.json").write_text("{")
    found = measure_file(path, "a", Wanted(structure=False, music=False))
    assert "not valid JSON" in found.problems[0]
    (tmp_path / "a.json").unlink()
    (tmp_path / "a.wav.json").write_text('{"mood": "blue"}')
    assert measure_file(path, "a", Wanted(structure=False)).groups.get("adherence", {}) == {}


def test_pairs_share_a_name_below_their_folders():
    a, b = Path("/a"), Path("/b")
    found = match_stems(
        a, [a / "x" / "1.wav", a / "2.wav", a / "3.wav"], b, [b / "x" / "1.flac", b / "2.mp3"]
    )
    assert [p[0] for p in found.pairs] == ["2", "x/1"] and found.alone == (a / "3.wav",)
    with pytest.raises(ValueError, match="one name"):
        match_stems(a, [a / "1.wav", a / "1.flac"], b, [b / "1.wav"])
    with pytest.raises(ValueError, match="nothing is paired"):
        match_stems(a, [a / "1.wav"], b, [b / "2.wav"])


def test_json_knows_no_infinity():
    value = {"a": [1.5, math.inf, {"b": math.nan}], "p": Path("/x")}
    assert plain(value) == {"a": [1.5, None, {"b": None}], "p": "/x"}
