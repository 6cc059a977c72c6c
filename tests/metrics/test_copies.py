"""Copies are found wherever they lie and whatever little was done to them; others are not."""

import pytest
import torch

from latentone.audio import Audio
from latentone.metrics.copies import CHROMA_LEAST, MEL_LEAST, MOST, SoundSet, find_copies
from latentone.metrics.excerpts import best_match, coarse_scores, excerpt_seconds, trace
from latentone.metrics.nearness import FEW
from latentone.metrics.runs import aligned_distances, audible_windows

RATE = 24_000


def tune(seed, seconds=8.0):
    """Plucked notes of random pitch and length: unrelated tunes share a style and nothing else."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.zeros(round(seconds * RATE))
    start = 0
    while start < len(x):
        length = int(RATE * (0.12 + 0.3 * torch.rand(1, generator=rng).item()))
        hz = 110 * 2 ** (torch.randint(0, 36, (1,), generator=rng).item() / 12)
        t = torch.arange(min(length, len(x) - start)) / RATE
        note = sum(torch.sin(2 * torch.pi * hz * k * t) / k for k in range(1, 9))
        x[start : start + len(t)] += 0.2 * note * torch.exp(-8 * t)
        start += length
    return x


def sounds(tunes, tracks=None, prefix="t"):
    """Traces, and an embedding that hears mean and spread of the bands every half second."""
    traces = [trace(Audio(x[None], RATE)) for x in tunes]
    vectors, file = [], []
    for i, t in enumerate(traces):
        for start in range(0, max(1, t.frames - 50 + 1), 25):
            part = t.mel[:, start : start + 50]
            vectors.append(torch.cat([part.mean(1), part.std(1)]))
            file.append(i)
    names = tuple(f"{prefix}{i}" for i in range(len(tunes)))
    return SoundSet(
        names=names,
        tracks=tuple(tracks or names),
        traces=tuple(traces),
        vectors=torch.stack(vectors),
        file=torch.tensor(file),
    )


@pytest.fixture(scope="module")
def training():
    return [tune(seed) for seed in range(FEW + 4)]


def noisy(x, snr_db, seed=0):
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    return x + noise * x.norm() / noise.norm() * 10 ** (-snr_db / 20)


def test_copies_are_flagged_and_unrelated_sounds_are_not(training):
    cut = training[3][round(1.37 * RATE) : round(6.1 * RATE)]
    inside = tune(100)
    inside[RATE : 7 * RATE] = training[4][2 * RATE : 8 * RATE]
    made = {
        "whole": training[0],
        "quiet": 0.1 * training[1],
        "noisy": noisy(training[2], 20),
        "cut": cut,
        "inside": inside,
        "low-passed": torch.fft.irfft(torch.fft.rfft(training[5])[: 8 * 4000], len(training[5])),
    }
    source = {name: f"t{i}" for i, name in enumerate(made)}
    unrelated = [tune(seed) for seed in range(200, 212)]
    found = find_copies(sounds(training), sounds([*made.values(), *unrelated], prefix="g"))
    assert found.limits.warnings == () and found.limits.sounds == len(training)
    for i, name in enumerate(made):
        near = found.neighbours[f"g{i}"][0]
        assert near.name == source[name] and "mel" in near.reasons, (name, near)
    others = [found.neighbours[f"g{i}"][0] for i in range(len(made), len(made) + 12)]
    assert max(n.match.mel for n in others) < MEL_LEAST[4.0] - 0.1
    assert not any("mel" in n.reasons or "chroma" in n.reasons for n in others)
    assert sum("distance" in n.reasons for n in others) <= 1


def test_an_excerpt_is_found_where_it_lies(training):
    start, length = 1.37, 4.73
    cut = training[3][round(start * RATE) : round((start + length) * RATE)]
    match = best_match(trace(Audio(cut[None], RATE)), trace(Audio(training[3][None], RATE)))
    assert match.mel > 0.9 and match.seconds == 4.0
    assert match.there_seconds - match.at_seconds == pytest.approx(start, abs=0.011)


def test_correlation_is_that_of_numpy_and_survives_gain_and_a_filter(training):
    a, b = (trace(Audio(x[None], RATE)) for x in (training[0][: 4 * RATE], training[1][: 4 * RATE]))
    size = 200
    x, y = (t.mel[:, :size].double() for t in (a, b))
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    by_hand = float((x * y).sum() / x.norm() / y.norm())
    short = type(a)(mel=a.mel[:, :size], chroma=a.chroma[:, :size])
    other = type(b)(mel=b.mel[:, :size], chroma=b.chroma[:, :size])
    assert best_match(short, other).mel == pytest.approx(by_hand, abs=1e-5)
    gained = type(a)(mel=a.mel + torch.linspace(-3, 3, 40)[:, None], chroma=a.chroma - 7)
    same = best_match(gained, a)
    assert same.mel == pytest.approx(1, abs=1e-5) and same.chroma == pytest.approx(1, abs=1e-5)


def test_the_coarse_search_ranks_the_source_first(training):
    traces = [trace(Audio(x[None], RATE)) for x in training]
    asked = [trace(Audio(x[None, RATE : 6 * RATE], RATE)) for x in training[:5]]
    assert coarse_scores(asked, traces).argmax(1).tolist() == [0, 1, 2, 3, 4]


def test_what_is_not_caught_stays_below_the_limits(training):
    """As the documentation says: backwards, and at another speed."""
    original = trace(Audio(training[0][None], RATE))
    for changed in (training[0].flip(0), training[0][::2].contiguous()):
        match = best_match(trace(Audio(changed[None], RATE)), original)
        assert match.mel < MEL_LEAST.get(match.seconds, 1)


def test_steady_silent_and_short_sounds_have_nothing_to_compare(training):
    t = torch.arange(6 * RATE) / RATE
    drone, silence = 0.1 * torch.sin(2 * torch.pi * 220 * t), torch.zeros(6 * RATE)
    for x in (drone, silence):
        flat = trace(Audio(x[None], RATE))
        inner = type(flat)(mel=flat.mel[:, 20:-20], chroma=flat.chroma[:, 20:-20])
        assert best_match(inner, inner).mel == 0 == best_match(inner, inner).chroma
    short = trace(Audio(training[0][None, : RATE // 2], RATE))
    assert excerpt_seconds(short, short) == 0 and best_match(short, short).seconds == 0
    assert coarse_scores([short], [short]).tolist() == [[-1.0]]
    with pytest.raises(ValueError, match="finite"):
        trace(Audio(torch.full((1, 9), torch.nan), RATE))
    with pytest.raises(ValueError, match="one or more"):
        trace(Audio(torch.zeros(1, 0), RATE))


def test_silent_windows_are_near_to_nothing():
    x = torch.cat([tune(0, 2.0), torch.zeros(3 * RATE)])
    traces = [trace(Audio(y[None], RATE)) for y in (x, torch.zeros(RATE))]
    file, seconds = torch.tensor([0, 0, 0, 1]), torch.tensor([0.0, 1.0, 3.5, 0.0])
    assert audible_windows(traces, file, seconds, 1.0).tolist() == [True, True, False, False]


def test_runs_of_windows_are_compared_and_do_not_cross_files():
    rng = torch.Generator().manual_seed(0)
    others = torch.randn(12, 4, generator=rng, dtype=torch.float64)
    files = torch.tensor([0] * 5 + [1] * 2 + [2] * 5)
    sound = others[3:6].clone()  # windows 3, 4 of file 0 and 5 of file 1: no file holds them all
    found = aligned_distances(sound, others, files, windows=3)

    def by_hand(rows, size):
        """The nearest runs, one by one."""
        runs = [rows[i : i + size] for i in range(len(rows) - size + 1)]
        mine = [sound[i : i + size] for i in range(len(sound) - size + 1)]
        return min(float((a - b).norm(dim=1).mean()) for a in mine for b in runs)

    expected = [by_hand(others[:5], 3), by_hand(others[5:7], 2), by_hand(others[7:], 3)]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    assert found[0] > 0.1
    assert float(aligned_distances(others[7:10], others, files)[2]) < 1e-6


def test_the_limits_come_from_other_tracks_of_the_training_set(training):
    twice = [*training, *training]
    same_track = [f"track {i % len(training)}" for i in range(len(twice))]
    found = find_copies(sounds(twice, same_track), sounds([training[0]], prefix="g"))
    assert found.limits.mel[4.0] == MEL_LEAST[4.0] and found.flagged == ("g0",)
    # Equal sounds in different tracks: the limit rises no further than a copy reaches.
    loose = find_copies(sounds(twice), sounds([training[0], tune(300)], prefix="g"))
    assert loose.limits.mel[4.0] == MOST and loose.limits.distance == pytest.approx(0, abs=1e-4)
    assert any("near copies of its own" in w for w in loose.limits.warnings)
    assert loose.flagged == ("g0",)


def test_few_tracks_are_judged_by_correlation_alone(training):
    found = find_copies(sounds(training[:3]), sounds([training[0], tune(9)], prefix="g"))
    assert found.limits.distance is None and "3 tracks" in found.limits.warnings[0]
    assert found.flagged == ("g0",)
    one = find_copies(sounds(training[:2], ["a", "a"]), sounds([training[0]], prefix="g"))
    assert "one track" in one.limits.warnings[0] and one.flagged == ("g0",)
    assert one.limits.chroma == CHROMA_LEAST


def test_equal_sounds_are_flagged_whatever_the_limits(training):
    """Too few tracks for a distance, too short for an excerpt, and equal all the same."""
    hits = [x[: RATE // 2] for x in training[:3]]
    found = find_copies(sounds(hits), sounds([*hits, tune(9)[: RATE // 2]], prefix="g"))
    assert found.flagged == ("g0", "g1", "g2") and found.uncompared == {"g3": "short"}
    for i in range(3):
        near = found.neighbours[f"g{i}"][0]
        assert near.name == f"t{i}" and near.reasons == ("equal",) and near.distance == 0
    # Equal for a run of three windows, to a training set whose own distances are 0.
    twice, made = sounds([*training, *training]), sounds([tune(300)], prefix="g")
    assert find_copies(twice, made).neighbours["g0"][0].reasons == ()
    made.vectors[4:7] = twice.vectors[twice.file == 5][2:5]
    assert find_copies(twice, made).neighbours["g0"][0].reasons == ("equal",)


def test_equal_samples_need_no_windows(training):
    clicks = [x[:480] for x in training[:2]]

    def without_windows(tunes, digests, prefix):
        whole = vars(sounds(tunes, prefix=prefix))
        none = {"vectors": whole["vectors"][:0], "file": whole["file"][:0]}
        return SoundSet(**{**whole, **none, "digests": digests})

    generated = without_windows([clicks[1], clicks[0], torch.zeros(480)], ("b", "x", ""), "g")
    found = find_copies(without_windows(clicks, ("a", "b"), "t"), generated, candidates=1)
    assert found.neighbours["g0"][0].name == "t1" and found.flagged == ("g0",)
    assert found.uncompared == {"g1": "short", "g2": "silent"}


def test_what_could_not_be_compared_is_told_apart(training):
    t = torch.arange(4 * RATE) / RATE
    drone = 0.1 * torch.sin(2 * torch.pi * 220 * t)
    made = [tune(50), tune(51)[: RATE // 2], drone[RATE : 3 * RATE]]
    few = find_copies(sounds(training[:3]), sounds(made, prefix="g"))
    assert few.uncompared["g1"] == "short" and "g0" not in few.uncompared
    # With a limit for the distance, all of them are compared.
    assert find_copies(sounds(training), sounds(made, prefix="g")).uncompared == {}


def test_requests_that_make_no_sense_are_refused(training):
    some = sounds(training[:2])
    with pytest.raises(ValueError, match="candidates"):
        find_copies(some, some, candidates=0)
    other = SoundSet(
        names=("x",),
        tracks=("x",),
        traces=some.traces[:1],
        vectors=torch.zeros(1, 3),
        file=torch.zeros(1, dtype=torch.long),
    )
    with pytest.raises(ValueError, match="same model"):
        find_copies(some, other)
