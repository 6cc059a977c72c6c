"""What makes a genre here: tempo, harmony, instruments and the way each part is played."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GENRES", "MOODS", "Genre", "Mood"]


@dataclass(frozen=True, kw_only=True)
class Mood:
    """A colour that a listener can name, and what it does."""

    name: str
    mode: str | None = None
    """`major` or `minor`; None takes either."""
    level: float = 0.0
    """Added to the loudness of all sections, 0 to 1."""
    density: int = 0
    """-1 for fewer notes in the melody, 1 for more."""
    tempo: float = 1.0
    """Factor on the tempo."""


MOODS: dict[str, Mood] = {
    mood.name: mood
    for mood in (
        Mood(name="cheerful", mode="major", level=0.04, density=1, tempo=1.05),
        Mood(name="warm", mode="major", tempo=0.97),
        Mood(name="peaceful", mode="major", level=-0.15, density=-1, tempo=0.9),
        Mood(name="hopeful", mode="major", level=0.03),
        Mood(name="playful", mode="major", density=1, tempo=1.04),
        Mood(name="dreamy", level=-0.12, density=-1, tempo=0.93),
        Mood(name="nostalgic", level=-0.05, tempo=0.97),
        Mood(name="driving", level=0.12, density=1, tempo=1.05),
        Mood(name="melancholic", mode="minor", level=-0.08, tempo=0.93),
        Mood(name="dark", mode="minor", level=0.02, tempo=0.97),
        Mood(name="tense", mode="minor", level=0.08, density=1, tempo=1.04),
        Mood(name="laid-back", level=-0.06, density=-1, tempo=0.97),
    )
}


@dataclass(frozen=True, kw_only=True)
class Genre:
    """A way of making music; all lists are chosen from by chance."""

    name: str
    tempo: tuple[float, float]
    """Beats per minute, from and to."""
    moods: tuple[str, ...]
    major: tuple[tuple[str, ...], ...] = ()
    """Progressions of four bars in major; a bar with two chords has a space."""
    minor: tuple[tuple[str, ...], ...] = ()
    lead: tuple[int, ...]
    """General MIDI programs of the melody."""
    chords: tuple[int, ...]
    """Programs of the accompaniment."""
    comping: tuple[str, ...]
    """How it plays; see `accompaniment.py`."""
    bass: tuple[int, ...] = ()
    bass_style: tuple[str, ...] = ("roots",)
    """See `bass.py`."""
    pad: tuple[int, ...] = ()
    drums: tuple[str, ...] = ()
    """Patterns; see `drums.py`. Without any there are no drums."""
    beats: int = 4
    """Quarter notes in a bar."""
    swing: float = 0.5
    """Where the second eighth falls in its beat: 0.5 straight, 0.667 triplets."""
    loose: float = 0.006
    """Deviation of a player from the grid, seconds; 0 for machines."""
    scale: str | None = None
    """Scale of the melody; None is the key's own."""
    density: int = 1
    """Notes of the melody: 0 few, 1 some, 2 many."""
    ritardando: bool = False
    """Whether the ending slows down."""


_POP_MAJOR = (
    ("I", "V", "vi", "IV"),
    ("vi", "IV", "I", "V"),
    ("I", "vi", "IV", "V"),
    ("I", "iii", "IV", "V"),
    ("IV", "I", "V", "vi"),
)
_POP_MINOR = (
    ("i", "VI", "III", "VII"),
    ("i", "iv", "VI", "V"),
    ("i", "VII", "VI", "VII"),
    ("VI", "VII", "i", "i"),
)
_JAZZ_MAJOR = (
    ("Imaj7", "vimin7", "iimin7", "V7"),
    ("iimin7 V7", "Imaj7", "iimin7 V7", "Imaj7"),
    ("Imaj7", "IVmaj7", "iiimin7 VI7", "iimin7 V7"),
    ("iiimin7", "VI7", "iimin9", "V9"),
)
_JAZZ_MINOR = (
    ("imin7", "iimin7 V7", "imin7", "iimin7 V7"),
    ("imin7", "ivmin7", "iihdim7 V7", "imin7"),
    ("imin9", "ivmin7 VII7", "IIImaj7 VImaj7", "iihdim7 V7"),
)
_CLASSICAL_MAJOR = (
    ("I", "IV", "V7", "I"),
    ("I", "vi", "iimin7", "V7"),
    ("I", "V", "vi", "IV V"),
    ("I IV", "I V7", "vi iimin7", "V7"),
)
_CLASSICAL_MINOR = (
    ("i", "iv", "V7", "i"),
    ("i", "VI", "iv", "V7"),
    ("i VII", "VI V", "i iv", "V7"),
)

GENRES: tuple[Genre, ...] = (
    Genre(
        name="pop", tempo=(92, 126), moods=("cheerful", "hopeful", "nostalgic", "warm", "driving"),
        major=_POP_MAJOR, minor=_POP_MINOR, lead=(0, 4, 53, 80, 81, 26), chords=(0, 4, 25, 27),
        comping=("eighths", "arpeggio", "strum", "block"), bass=(33, 38, 39),
        bass_style=("eighths", "roots", "syncopated"), pad=(48, 50, 89),
        drums=("pop", "four", "half"),
    ),
    Genre(
        name="rock", tempo=(104, 150), moods=("driving", "tense", "dark", "hopeful"),
        major=(("I", "IV", "I", "V"), ("I", "bVII", "IV", "I"), ("I", "V", "IV", "IV")),
        minor=(("i", "VII", "VI", "VII"), ("i", "III", "VII", "iv"), ("i", "i", "VI", "VII")),
        lead=(29, 27, 18, 56), chords=(27, 25, 16), comping=("eighths", "strum", "power"),
        bass=(34, 33), bass_style=("eighths", "roots"), pad=(16,), drums=("rock", "rock2", "half"),
        scale="pentatonic",
    ),
    Genre(
        name="jazz", tempo=(100, 168), moods=("warm", "playful", "laid-back", "nostalgic"),
        major=_JAZZ_MAJOR, minor=_JAZZ_MINOR, lead=(66, 56, 11, 26, 71), chords=(0, 26, 4, 11),
        comping=("charleston", "offbeat"), bass=(32,), bass_style=("walking",),
        drums=("swing", "brushes"), swing=0.65, loose=0.009, density=2, ritardando=True,
    ),
    Genre(
        name="bossa nova", tempo=(112, 140), moods=("warm", "dreamy", "laid-back", "melancholic"),
        major=_JAZZ_MAJOR, minor=_JAZZ_MINOR, lead=(73, 66, 24, 11), chords=(24, 0, 4),
        comping=("bossa",), bass=(32, 33), bass_style=("bossa",), drums=("bossa",), loose=0.007,
    ),
    Genre(
        name="folk", tempo=(84, 124), moods=("warm", "nostalgic", "hopeful", "melancholic"),
        major=(("I", "IV", "I", "V"), ("I", "V", "vi", "IV"), ("I", "I", "IV", "V")),
        minor=(("i", "VII", "VI", "VII"), ("i", "III", "VII", "i"), ("i", "iv", "i", "v")),
        lead=(73, 40, 22, 25, 21), chords=(25, 24, 105), comping=("strum", "arpeggio", "alberti"),
        bass=(32, 33), bass_style=("fifths", "roots"), drums=("", "", "shaker"), loose=0.009,
        ritardando=True,
    ),
    Genre(
        name="ballad", tempo=(60, 82), moods=("warm", "melancholic", "nostalgic", "hopeful"),
        major=(*_POP_MAJOR, ("Imaj7", "vimin7", "IVmaj7", "V")), minor=_POP_MINOR,
        lead=(0, 66, 40, 53, 4), chords=(0, 4), comping=("arpeggio", "block"), bass=(33, 35),
        bass_style=("roots", "fifths"), pad=(48, 49, 89), drums=("", "half", "ballad"),
        loose=0.01, density=0, ritardando=True,
    ),
    Genre(
        name="house", tempo=(118, 128), moods=("driving", "dreamy", "hopeful", "dark"),
        major=(("IVmaj7", "V", "vimin7", "iiimin7"), ("Imaj7", "vimin7", "iimin7", "IVmaj7")),
        minor=(("imin7", "VImaj7", "ivmin7", "VII"), ("imin9", "imin9", "ivmin7", "v")),
        lead=(80, 81, 12, 4), chords=(4, 90, 16), comping=("stabs", "offbeat"), bass=(38, 39),
        bass_style=("offbeat", "syncopated"), pad=(89, 90), drums=("house", "house2"), loose=0.0,
    ),
    Genre(
        name="synthwave", tempo=(84, 112), moods=("nostalgic", "driving", "dreamy", "dark"),
        major=(("IV", "V", "vi", "I"), ("I", "V", "vi", "IV")), minor=_POP_MINOR,
        lead=(81, 80), chords=(90, 81), comping=("sixteenths", "arpeggio"), bass=(38,),
        bass_style=("eighths", "octaves"), pad=(89, 50), drums=("synth", "four"), loose=0.0,
    ),
    Genre(
        name="ambient", tempo=(56, 80), moods=("peaceful", "dreamy", "melancholic"),
        major=(("Imaj9", "IVmaj9", "Imaj9", "vimin9"), ("IVmaj7", "Imaj7", "iimin9", "Imaj9")),
        minor=(("imin9", "VImaj7", "imin9", "ivmin9"), ("imin9", "VImaj7", "IIImaj7", "v")),
        lead=(11, 8, 88, 73, 108), chords=(88, 46, 89), comping=("pad", "sparse"), bass=(39,),
        bass_style=("roots",), pad=(49, 52, 89), loose=0.015, density=0,
    ),
    Genre(
        name="lo-fi hip hop", tempo=(70, 90), moods=("laid-back", "nostalgic", "dreamy"),
        major=(("Imaj7", "vimin7", "iimin9", "V7"), ("IVmaj7", "iiimin7", "vimin7", "Imaj7")),
        minor=(("imin9", "ivmin7", "VImaj7", "V7"), ("imin7", "VImaj7", "IIImaj7", "VII")),
        lead=(11, 4, 26, 108), chords=(4, 0, 26), comping=("lazy", "block"), bass=(33, 39),
        bass_style=("syncopated", "roots"), drums=("boombap", "boombap2"), swing=0.58, loose=0.012,
    ),
    Genre(
        name="funk", tempo=(96, 116), moods=("driving", "playful", "cheerful"),
        major=(("I7", "I7", "IV7", "I7"), ("I9", "IV9", "I9", "V9")),
        minor=(("imin7", "imin7", "IV7", "imin7"), ("imin7", "IV7", "imin7", "VII")),
        lead=(66, 56, 7, 16), chords=(27, 7, 4), comping=("scratch", "offbeat"), bass=(33, 36),
        bass_style=("syncopated", "octaves"), pad=(61,), drums=("funk", "funk2"), scale="blues",
        density=2,
    ),
    Genre(
        name="reggae", tempo=(72, 92), moods=("warm", "cheerful", "laid-back"),
        major=(("I", "IV", "I", "V"), ("I", "vi", "IV", "V"), ("I", "iimin7", "I", "iimin7")),
        minor=(("i", "iv", "i", "VII"), ("i", "VII", "VI", "VII")),
        lead=(16, 57, 22, 53), chords=(27, 16, 0), comping=("skank",), bass=(33, 39),
        bass_style=("reggae",), drums=("onedrop",), swing=0.56, loose=0.008,
    ),
    Genre(
        name="blues", tempo=(76, 126), moods=("laid-back", "dark", "nostalgic", "playful"),
        major=(("I7", "IV7", "I7", "I7"), ("IV7", "IV7", "I7", "I7"), ("V7", "IV7", "I7", "V7")),
        lead=(27, 22, 66, 0), chords=(0, 16, 27), comping=("charleston", "eighths"),
        bass=(32, 33), bass_style=("walking",), drums=("shuffle",), swing=0.66, loose=0.01,
        scale="blues", ritardando=True,
    ),
    Genre(
        name="waltz", tempo=(96, 152), moods=("warm", "playful", "melancholic", "nostalgic"),
        major=_CLASSICAL_MAJOR, minor=_CLASSICAL_MINOR, lead=(40, 21, 73, 0, 68),
        chords=(0, 48, 21),
        comping=("waltz",), bass=(43, 32), bass_style=("roots",), pad=(48,), beats=3, loose=0.01,
        ritardando=True,
    ),
    Genre(
        name="chamber music", tempo=(72, 120),
        moods=("peaceful", "melancholic", "hopeful", "tense"),
        major=_CLASSICAL_MAJOR, minor=_CLASSICAL_MINOR, lead=(40, 73, 68, 71, 42),
        chords=(0, 46, 6, 48), comping=("alberti", "arpeggio", "block"), bass=(42, 43),
        bass_style=("fifths", "roots"), pad=(48, 60), loose=0.011, ritardando=True,
    ),
)  # fmt: skip
