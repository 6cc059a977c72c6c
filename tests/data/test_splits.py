"""Groups from names, and a split that adding files does not disturb."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.data import assign_splits, name_group

GROUPS = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=40)


def split(groups, seed=0, valid=0.1, test=0.1):
    return assign_splits(groups, valid_fraction=valid, test_fraction=test, seed=seed)


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("song_01.wav", "song"),
        ("Song-2.flac", "song"),
        ("song (3).wav", "song"),
        ("song(3).wav", "song"),
        ("song_take2_003.wav", "song"),
        ("song.part4.wav", "song"),
        ("song Segment 12.wav", "song"),
        ("track_01_003.wav", "track_01"),
        ("kick808.wav", "kick808"),
        ("0001.wav", "0001"),
        ("_7.wav", "_7"),
        ("take3.wav", "take3"),
        ("intake2.wav", "intake2"),
        ("track_01_part3.wav", "track_01"),
        ("drums/Loud/hat_9.ogg", "drums/loud/hat"),
    ],
)
def test_names_lose_their_numbering(path, group):
    assert name_group(path) == group


@settings(deadline=None)
@given(GROUPS, st.integers(0, 9), st.sampled_from([(0.1, 0.1), (0.49, 0.49), (0.01, 0.98)]))
def test_each_part_has_a_group_from_three_on(groups, seed, fractions):
    parts = split(groups, seed, *fractions)
    assert parts.keys() == groups
    expected = {1: {"train"}, 2: {"train", "valid"}}
    assert set(parts.values()) == expected.get(len(groups), {"train", "valid", "test"})


@settings(deadline=None)
@given(GROUPS, GROUPS, st.integers(0, 9))
def test_adding_groups_moves_only_what_fills_an_empty_part(groups, more, seed):
    def own(group):
        """Its part among so many groups that none is empty."""
        return split({group} | {f"filler {i}" for i in range(200)}, seed)[group]

    for present in (groups, groups | more):
        if len(present) < 3:
            continue
        parts = split(present, seed)
        moved = [group for group in present if parts[group] != own(group)]
        owned = {own(group) for group in present}
        assert len(moved) <= 2 and {parts[group] for group in moved}.isdisjoint(owned)


def test_in_a_large_folder_adding_moves_nothing():
    groups = {f"g{i}" for i in range(500)}
    before, after = split(groups), split(groups | {f"h{i}" for i in range(500)})
    assert all(before[group] == after[group] for group in groups)
    shares = [list(after.values()).count(part) / 1000 for part in ("train", "valid", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_seeds_differ_and_repeat():
    groups = {f"g{i}" for i in range(100)}
    assert split(groups, 1) == split(groups, 1) != split(groups, 2)


def test_fractions_of_zero_leave_parts_empty():
    groups = {f"g{i}" for i in range(5)}
    assert set(split(groups, valid=0, test=0).values()) == {"train"}
    assert set(split(groups, valid=0.2, test=0).values()) == {"train", "valid"}
    assert set(split({"a", "b"}, valid=0, test=0.2).values()) == {"train", "test"}
    assert set(split({"a", "b"}, valid=0, test=0).values()) == {"train"}


@pytest.mark.parametrize(("valid", "test"), [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0)])
def test_impossible_fractions_are_refused(valid, test):
    with pytest.raises(ValueError, match="fractions must be"):
        split({"a"}, valid=valid, test=test)
