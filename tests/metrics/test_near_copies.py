"""The hint of copying in `evaluate`: audible runs of consecutive windows, with similar's ruler."""

from pathlib import Path

import pytest
import torch

from latentone.audio import Audio, load_audio
from latentone.embeddings import LogMelStatistics, embed_files
from latentone.metrics.copies import SoundSet, find_copies
from latentone.metrics.excerpts import trace
from latentone.metrics.judge import judge_embedding, near_copies
from latentone.metrics.nearness import FEW, Ruler, calibrated, heard_windows, is_near
from latentone.metrics.runs import audible_windows

HEARD = LogMelStatistics()
RATE = HEARD.source.sample_rate
FILES = FEW + 4


def tune(seed, seconds=4.0):
    """Half seconds of noise of random level in random bands."""
    rng = torch.Generator().manual_seed(seed)
    step = RATE // 2
    parts = []
    for _ in range(round(seconds * 2)):
        spectrum = torch.fft.rfft(torch.randn(step, generator=rng))
        shape = torch.rand(24, generator=rng).square().repeat_interleave(len(spectrum) // 24 + 1)
        parts.append(torch.fft.irfft(spectrum * shape[: len(spectrum)], step))
    return 0.1 * torch.cat(parts)


def write(folder, sounds):
    folder.mkdir()
    for i, x in enumerate(sounds):
        Audio(x[None], RATE).save(folder / f"{i:02}.wav", subtype="FLOAT")
    return embed_files(HEARD, sorted(folder.iterdir()))


def of_tracks(found):
    return [str(f) for f in found.file.tolist()]


def names(near):
    return [Path(path).stem for path in near]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Sounds and near copies of every fourth, both with silence and with noise too soft to hear."""
    root = tmp_path_factory.mktemp("near")
    rng = torch.Generator().manual_seed(0)
    real = [tune(i) for i in range(FILES)]
    made = [
        real[i] + 1e-4 * torch.randn(len(real[i]), generator=rng) if i % 4 == 0 else tune(100 + i)
        for i in range(FILES)
    ]
    tails = {
        "plain": lambda: torch.zeros(0),
        "silence": lambda: torch.zeros(3 * RATE),
        "hush": lambda: 1e-6 * torch.randn(3 * RATE, generator=rng),
    }
    return {
        name: [
            write(root / f"{name} {side}", [torch.cat([x, tail()]) for x in sounds])
            for side, sounds in (("real", real), ("made", made))
        ]
        for name, tail in tails.items()
    }


@pytest.mark.parametrize("tail", ["plain", "silence", "hush"])
def test_silence_hides_no_copy_and_makes_none(sets, tail):
    real, made = sets[tail]
    found = judge_embedding(HEARD, real, made, of_tracks(real), of_tracks(made), resamples=0)
    assert names(found.near) == [f"{i:02}" for i in range(0, FILES, 4)]


def test_thinning_does_not_tear_runs_apart(sets):
    real, made = sets["silence"]
    tracks = of_tracks(real), of_tracks(made)
    found = judge_embedding(HEARD, real, made, *tracks, windows=2 * FILES + 5, resamples=0)
    assert len(found.reference.vectors) == 2 * FILES + 5 < len(real.vectors)
    assert names(found.near) == [f"{i:02}" for i in range(0, FILES, 4)]


def test_few_tracks_name_what_is_equal(sets):
    real, made = sets["silence"]
    one = ["one track"] * len(real.file)
    assert near_copies(real, made, one) == ()
    assert names(near_copies(real, real, one)) == [f"{i:02}" for i in range(FILES)]


def test_both_commands_share_one_limit(sets):
    """What `find_copies` flags by distance is what `near_copies` names."""
    real, made = sets["silence"]
    both = []
    for found in (real, made):
        traces = tuple(trace(load_audio(path)) for path in found.paths)
        heard = audible_windows(traces, found.file, found.seconds, 1.0)
        assert torch.equal(heard, heard_windows(found, 1.0)) and not bool(heard.all())
        both.append(
            SoundSet(
                names=tuple(map(str, found.paths)),
                tracks=tuple(map(str, found.paths)),
                traces=traces,
                vectors=found.vectors[heard],
                file=found.file[heard],
            )
        )
    copies = find_copies(*both)
    flagged = [name for name, near in copies.neighbours.items() if "distance" in near[0].reasons]
    assert flagged == list(near_copies(real, made, of_tracks(real)))
    assert copies.limits.distance is not None and copies.limits.distance > 0


def test_windows_of_long_files_are_heard_minute_by_minute(tmp_path):
    x = torch.cat([tune(0, 59.0), torch.zeros(4 * RATE), tune(1, 2.0)])
    found = write(tmp_path / "long", [x, torch.zeros(2 * RATE)])
    expected = audible_windows(
        [trace(load_audio(path)) for path in found.paths], found.file, found.seconds, 1.0
    )
    heard = heard_windows(found, 1.0)
    assert torch.equal(heard, expected)
    assert not heard[(found.file == 0) & (found.seconds == 60.5)].any()
    assert heard[(found.file == 0) & (found.seconds == 64.0)].all()
    assert not heard[found.file == 1].any()


def test_a_ruler_of_few_or_silent_sounds():
    few = Ruler(torch.randn(3, 4), torch.arange(3), ["a", "b", "c"])
    assert few.limit([1.0, 2.0, 3.0]) is None
    assert is_near(0.0, None) and is_near(0.0, 0.0) and not is_near(0.1, None)
    assert is_near(0.1, 0.2) and not is_near(0.2, 0.2)
    silent = Ruler(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), ["a"] * FEW)
    assert silent.distances(torch.randn(2, 4)).tolist() == [torch.inf] * FEW
    assert silent.limit([torch.inf] * FEW) is None
    many = Ruler(torch.randn(FEW, 4), torch.arange(FEW), [str(i) for i in range(FEW)])
    assert many.limit([1.0] * (FEW - 1) + [torch.inf]) == 1.0
    assert many.distances(torch.randn(1, 4), without="3")[3] == torch.inf
    assert len(calibrated(1000)) == 200 and len(calibrated(7)) == 7 and len(calibrated(0)) == 0
