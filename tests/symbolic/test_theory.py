"""Scales, chords and keys against what any textbook says; voice leading by its properties."""

import pytest

from latentone.symbolic.theory import (
    CHORDS,
    chord_pitch_classes,
    degree_chord,
    parse_key,
    pitch_class,
    scale,
    scale_pitches,
    spell,
    voice_lead,
)


def names(text):
    return tuple(pitch_class(name) for name in text.split())


@pytest.mark.parametrize(
    ("tonic", "mode", "expected"),
    [
        ("C", "major", "C D E F G A B"),
        ("Eb", "major", "Eb F G Ab Bb C D"),
        ("F#", "minor", "F# G# A B C# D E"),
        ("A", "harmonic minor", "A B C D E F G#"),
        ("D", "dorian", "D E F G A B C"),
        ("E", "minor pentatonic", "E G A B D"),
    ],
)
def test_scales(tonic, mode, expected):
    assert scale(pitch_class(tonic), mode) == names(expected)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("C", "C E G"),
        ("A:min7", "A C E G"),
        ("B:hdim7", "B D F A"),
        ("Bb:maj7", "Bb D F A"),
        ("G:9", "G B D F A"),
        ("Db:maj/3", "Db F Ab"),
        ("E:7(#9)", "E G# B D"),
        ("N", ""),
    ],
)
def test_chords(label, expected):
    assert chord_pitch_classes(label) == names(expected)


def test_degrees_in_major_and_minor():
    c, a = 0, 9
    assert [degree_chord(c, "major", d) for d in ("I", "vi", "IVmaj7", "V7", "bVII")] == [
        "C:maj", "A:min", "F:maj7", "G:7", "Bb:maj",
    ]  # fmt: skip
    assert [degree_chord(a, "minor", d) for d in ("i", "VI", "VII", "V", "iihdim7")] == [
        "A:min", "F:maj", "G:maj", "E:maj", "B:hdim7",
    ]  # fmt: skip


def test_every_diatonic_triad_lies_in_its_key():
    for tonic in range(12):
        for numeral in ("I", "ii", "iii", "IV", "V", "vi", "viidim"):
            label = degree_chord(tonic, "major", numeral)
            assert set(chord_pitch_classes(label)) <= set(scale(tonic, "major"))
        for numeral in ("i", "iidim", "III", "iv", "v", "VI", "VII"):
            label = degree_chord(tonic, "minor", numeral)
            assert set(chord_pitch_classes(label)) <= set(scale(tonic, "minor"))


def test_keys_round_trip():
    for tonic in range(12):
        for mode in ("major", "minor"):
            assert parse_key(f"{spell(tonic, mode=mode)} {mode}") == (tonic, mode)
    assert parse_key("Gb:maj") == (6, "major")
    assert parse_key("a:min") == (9, "minor")


def test_scale_pitches_include_both_ends():
    assert scale_pitches(0, "major", 60, 72) == [60, 62, 64, 65, 67, 69, 71, 72]


@pytest.mark.parametrize("label", [f"G:{quality}" for quality in CHORDS])
def test_a_voicing_has_the_chords_members_in_range(label):
    members = chord_pitch_classes(label)[:4]
    voicing = voice_lead((), members, low=52, high=74)
    assert {p % 12 for p in voicing} == set(members)
    assert list(voicing) == sorted(voicing) and 52 <= voicing[0] and voicing[-1] <= 74


def test_voices_move_little():
    c = voice_lead((60, 64, 67), names("F A C"), low=52, high=74)
    assert c == (60, 65, 69)  # the common tone stays, the others move by step
    assert voice_lead((60, 64, 67), names("A C E"), low=52, high=74) == (60, 64, 69)
    assert voice_lead((60, 64, 67), names("C E G"), low=52, high=74) == (60, 64, 67)


@pytest.mark.parametrize("bad", ["H", "C minorish", "", "minor"])
def test_what_is_not_a_key_is_refused(bad):
    with pytest.raises(ValueError, match="expected a key"):
        parse_key(bad)


def test_unknown_chords_are_refused_by_name():
    with pytest.raises(ValueError, match="C:quartal"):
        chord_pitch_classes("C:quartal")
    with pytest.raises(ValueError, match="Roman numeral"):
        degree_chord(0, "major", "tonic")
    with pytest.raises(ValueError, match="octave"):
        voice_lead((), (0, 4, 7), low=60, high=66)
