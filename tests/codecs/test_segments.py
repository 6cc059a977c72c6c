import pytest
import torch

from latentone.codecs.segments import Segments

ONE_SECOND = Segments(length=48_000, stride=47_520, hop=320)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [
        (1, 1),
        (320, 1),
        (321, 2),
        (47_520, 149),
        (47_521, 149),  # one sample in a second segment would lie inside the first
        (47_681, 150),
        (47_840, 150),
        (47_841, 152),
        (48_000, 152),  # as published: a second segment of 480 samples
        (95_040, 150 + 149),
        (480_000, 10 * 150 + 15),
    ],
)
def test_frames_of_one_second_segments(samples, frames):
    assert ONE_SECOND.num_frames(samples) == frames


@pytest.mark.parametrize(
    "segments", [ONE_SECOND, Segments(40, 36, 4), Segments(40, 20, 4), Segments(40, 40, 8)]
)
def test_cut_pieces_agree_with_the_counts(segments):
    for samples in [*range(1, 4 * segments.stride, max(1, segments.stride // 97)), 48_000]:
        x = torch.arange(float(samples))[None, None]
        pieces = segments.cut(x)
        frames = [-(-piece.shape[-1] // segments.hop) for piece in pieces]
        assert len(pieces) == segments.count(samples)
        assert set(frames[:-1]) <= {segments.frames}, "only the last may be shorter"
        assert sum(frames) == segments.num_frames(samples)
        # the number of frames alone gives the pieces back
        assert segments.count_frames(sum(frames)) == len(pieces)
        assert segments.num_samples(sum(frames)) >= samples
        padded = [
            torch.nn.functional.pad(p, (0, n * segments.hop - p.shape[-1]))
            for p, n in zip(pieces, frames, strict=True)
        ]
        joined = segments.overlap_add(padded)
        assert joined.shape[-1] == segments.num_samples(sum(frames))


def test_pieces_that_agree_join_to_the_original():
    segments = Segments(40, 30, 5)
    x = torch.randn(2, 1, 130)
    torch.testing.assert_close(segments.overlap_add(segments.cut(x)), x)


def test_overlaps_fade_linearly():
    segments = Segments(20, 15, 5)
    joined = segments.overlap_add([torch.zeros(1, 1, 20), torch.ones(1, 1, 20)])[0, 0]
    # Over the 5 shared samples the weights are 5..1 of the first and 1..5 of the second.
    fade = torch.tensor([1, 2, 3, 4, 5]) / 6
    torch.testing.assert_close(joined, torch.cat([torch.zeros(15), fade, torch.ones(15)]))


def test_impossible_segments_are_refused():
    with pytest.raises(ValueError, match="no whole number"):
        Segments(100, 90, 33)
    with pytest.raises(ValueError, match="must start every 50 to 100 samples, got 40"):
        Segments(100, 40, 10)
