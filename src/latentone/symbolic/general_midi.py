"""General MIDI: the names of the 128 programs and of the drums."""

from __future__ import annotations

__all__ = ["DRUMS", "FAMILIES", "PROGRAMS", "family", "instrument_name"]

PROGRAMS: tuple[str, ...] = tuple(
    """
    acoustic piano, bright piano, electric grand piano, honky-tonk piano, electric piano,
    FM electric piano, harpsichord, clavinet, celesta, glockenspiel, music box, vibraphone,
    marimba, xylophone, tubular bells, dulcimer, drawbar organ, percussive organ, rock organ,
    church organ, reed organ, accordion, harmonica, bandoneon, nylon guitar, steel guitar,
    jazz guitar, clean electric guitar, muted electric guitar, overdriven guitar,
    distorted guitar, guitar harmonics, acoustic bass, fingered bass, picked bass, fretless bass,
    slap bass, popped bass, synth bass, deep synth bass, violin, viola, cello, contrabass,
    tremolo strings, pizzicato strings, harp, timpani, string ensemble, slow strings,
    synth strings, bright synth strings, choir, voice oohs, synth voice, orchestra hit, trumpet,
    trombone, tuba, muted trumpet, French horn, brass section, synth brass, soft synth brass,
    soprano saxophone, alto saxophone, tenor saxophone, baritone saxophone, oboe, English horn,
    bassoon, clarinet, piccolo, flute, recorder, pan flute, blown bottle, shakuhachi, whistle,
    ocarina, square lead, saw lead, calliope lead, chiff lead, charang lead, voice lead,
    fifths lead, bass lead, new age pad, warm pad, polysynth pad, choir pad, bowed pad,
    metallic pad, halo pad, sweep pad, rain effect, soundtrack effect, crystal effect,
    atmosphere effect, brightness effect, goblin effect, echo effect, sci-fi effect, sitar, banjo,
    shamisen, koto, kalimba, bagpipe, fiddle, shanai, tinkle bell, agogo, steel drums, woodblock,
    taiko, melodic tom, synth drum, reverse cymbal, fret noise, breath noise, seashore,
    bird tweet, telephone, helicopter, applause, gunshot
    """.replace("\n", " ")
    .strip()
    .split(",")
)
PROGRAMS = tuple(" ".join(name.split()) for name in PROGRAMS)

FAMILIES: tuple[str, ...] = (
    "piano",
    "mallets",
    "organ",
    "guitar",
    "bass",
    "strings",
    "ensemble",
    "brass",
    "reed",
    "flute",
    "lead",
    "pad",
    "effect",
    "world",
    "percussion",
    "noise",
)
"""Eight programs each."""

DRUMS: dict[int, str] = {
    35: "kick",
    36: "kick",
    37: "rimshot",
    38: "snare",
    39: "clap",
    40: "snare",
    41: "tom",
    42: "closed hi-hat",
    43: "tom",
    44: "pedal hi-hat",
    45: "tom",
    46: "open hi-hat",
    47: "tom",
    48: "tom",
    49: "crash",
    50: "tom",
    51: "ride",
    52: "crash",
    53: "ride",
    54: "tambourine",
    55: "crash",
    56: "cowbell",
    57: "crash",
    59: "ride",
    69: "shaker",
    70: "shaker",
    82: "shaker",
}
"""Drum sounds by MIDI number; numbers that are not here are hand percussion and effects."""


def instrument_name(program: int, *, drums: bool = False) -> str:
    """What a listener would call the instrument.

    >>> instrument_name(73)
    'flute'
    """
    return "drums" if drums else PROGRAMS[program]


def family(program: int) -> str:
    """The group of eight that a program belongs to."""
    return FAMILIES[program // 8]
