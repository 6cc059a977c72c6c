"""Which synthesiser plays which General MIDI program, and how loud."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from .envelope import Envelope
from .fm import FM, FMPair
from .modal import Bar, Piano
from .plucked import Plucked
from .subtractive import Subtractive

__all__ = ["Instrument", "gain", "instrument"]


class Instrument(Protocol):
    """What every synthesiser in this folder is."""

    def render(
        self,
        frequency_hz: float,
        seconds: float,
        velocity: float,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Play one note into `(T,)` float32, its release included."""
        ...


def _held(attack: float, release: float, sustain: float = 0.85, decay: float = 0.8) -> Envelope:
    return Envelope(attack=attack, decay=decay, sustain=sustain, release=release)


def _dying(decay: float, release: float = 0.15) -> Envelope:
    return Envelope(attack=0.001, decay=decay, sustain=0.0, release=release)


_PIANO = Piano()
_ELECTRIC_PIANO = FM(
    pairs=(
        FMPair(index=1.6, index_decay=1.5, index_rest=0.15),
        FMPair(modulator=14, index=0.5, index_decay=0.3, index_rest=0.0, level=0.35, decay=0.9),
    ),
    envelope=_dying(4.0),
)
_HARPSICHORD = Plucked(ring=3.0, damping=0.05, brightness=1.0, position=0.11)
_CLAVINET = Plucked(ring=1.6, damping=0.12, brightness=0.9, position=0.07)
_CELESTA = Bar(ratios=(1, 2, 4.1, 8.2), levels=(1, 0.15, 0.25, 0.05), ring=1.6)
_GLOCKENSPIEL = Bar(ratios=(1, 2.756, 5.404), levels=(1, 0.45, 0.25), ring=2.5, contact=0.0008)
_MUSIC_BOX = Bar(ratios=(1, 2.0, 6.27), levels=(1, 0.1, 0.35), ring=1.8, contact=0.0008)
_VIBRAPHONE = Bar(ratios=(1, 4, 10), levels=(1, 0.3, 0.06), ring=4.0, tremolo_hz=2.7)
_MARIMBA = Bar(ratios=(1, 3.93, 9.2), levels=(1, 0.4, 0.15), ring=0.9, damping=1.0)
_XYLOPHONE = Bar(ratios=(1, 3.0, 6.1), levels=(1, 0.6, 0.3), ring=0.5, contact=0.0006)
_BELLS = Bar(
    ratios=(1, 0.5, 1.19, 1.5, 2.0, 2.51, 2.66, 4.1),
    levels=(1, 0.4, 0.45, 0.25, 0.5, 0.2, 0.2, 0.15),
    ring=6.0,
)
_KALIMBA = Bar(ratios=(1, 2.0, 5.3), levels=(1, 0.1, 0.25), ring=1.3, contact=0.003)
_STEEL_DRUM = Bar(ratios=(1, 2.0, 3.01, 4.2), levels=(1, 0.5, 0.25, 0.1), ring=1.2)
_TIMPANI = Bar(ratios=(1, 1.5, 1.98, 2.44), levels=(1, 0.5, 0.35, 0.2), ring=1.5, contact=0.004)

_ORGAN = Subtractive(
    shape="drawbars", envelope=_held(0.008, 0.06, 1.0), cutoff=40, sweep=0, vibrato_cents=6,
    vibrato_hz=6.4,
)  # fmt: skip
_PIPES = Subtractive(
    shape="saw", envelope=_held(0.04, 0.25, 1.0), cutoff=4, sweep=0, resonance=0, breath=0.01
)
_REEDS = Subtractive(shape="pulse", envelope=_held(0.05, 0.1, 0.95), cutoff=10, sweep=2,
    formants=((900, 500, 6), (2300, 900, 3)), vibrato_cents=5)  # fmt: skip

_NYLON = Plucked(ring=3.0, damping=0.35, brightness=0.35, position=0.22)
_STEEL = Plucked(ring=4.5, damping=0.15, brightness=0.7, position=0.16)
_JAZZ = Plucked(ring=3.5, damping=0.42, brightness=0.3, position=0.3)
_CLEAN = Plucked(ring=4.5, damping=0.22, brightness=0.55, position=0.25)
_MUTED = Plucked(ring=0.5, damping=0.4, brightness=0.5, position=0.12)
_LEAD_GUITAR = Subtractive(shape="pulse", envelope=_held(0.004, 0.1, 0.8), cutoff=6, sweep=10,
    sweep_decay=1.2, resonance=3, vibrato_cents=10,
    formants=((700, 500, 5), (2400, 1200, 6)))  # fmt: skip

_UPRIGHT = Plucked(ring=1.4, damping=0.45, brightness=0.2, position=0.3)
_FINGERED = Plucked(ring=2.5, damping=0.4, brightness=0.3, position=0.25)
_PICKED = Plucked(ring=2.5, damping=0.25, brightness=0.6, position=0.15)
_FRETLESS = Subtractive(shape="saw", envelope=_held(0.015, 0.1, 0.7, 1.5), cutoff=2.5, sweep=3,
    resonance=1, vibrato_cents=6)  # fmt: skip
_SYNTH_BASS = Subtractive(
    shape="saw", envelope=_held(0.003, 0.06, 0.7, 0.6), cutoff=2.5, sweep=14, sweep_decay=0.35,
    resonance=5,
)  # fmt: skip
_DEEP_BASS = Subtractive(
    shape="triangle", envelope=_held(0.004, 0.08, 0.8), cutoff=3, sweep=3, resonance=1
)

_BODY = ((450, 200, 4), (1100, 500, 5), (2700, 1200, 6))
_VIOLIN = Subtractive(shape="saw", envelope=_held(0.06, 0.12, 0.9), cutoff=7, sweep=6,
    sweep_decay=0.0, resonance=0, vibrato_cents=12, breath=0.004, formants=_BODY)  # fmt: skip
_CELLO = Subtractive(shape="saw", envelope=_held(0.07, 0.15, 0.9), cutoff=7, sweep=6,
    sweep_decay=0.0, resonance=0, vibrato_cents=9, vibrato_hz=4.8, breath=0.004,
    formants=((220, 120, 4), (600, 300, 4), (1800, 900, 4)))  # fmt: skip
_STRINGS = Subtractive(shape="saw", envelope=_held(0.11, 0.35, 0.95), cutoff=6, sweep=5,
    sweep_decay=0.0, resonance=0, voices=4, detune_cents=9, vibrato_cents=4,
    formants=_BODY)  # fmt: skip
_SLOW_STRINGS = Subtractive(shape="saw", envelope=_held(0.3, 0.6, 1.0), cutoff=4, sweep=3,
    sweep_decay=0.0, resonance=0, voices=4, detune_cents=10, formants=_BODY)  # fmt: skip
_PIZZICATO = Plucked(ring=0.45, damping=0.4, brightness=0.35, position=0.3)
_HARP = Plucked(ring=3.5, damping=0.3, brightness=0.45, position=0.4)
_CHOIR = Subtractive(shape="saw", envelope=_held(0.12, 0.3, 0.95), cutoff=12, sweep=4,
    sweep_decay=0.0, resonance=0, voices=3, detune_cents=8, vibrato_cents=8,
    formants=((700, 130, 12), (1150, 150, 9), (2700, 250, 4)))  # fmt: skip
_OOHS = Subtractive(shape="saw", envelope=_held(0.1, 0.3, 0.95), cutoff=8, sweep=2,
    sweep_decay=0.0, resonance=0, voices=3, detune_cents=8, vibrato_cents=8,
    formants=((320, 90, 12), (800, 120, 5), (2500, 250, 0)))  # fmt: skip

_TRUMPET = FM(
    pairs=(FMPair(index=4.5, index_attack=0.05, index_decay=1.0, index_rest=0.7),),
    envelope=_held(0.03, 0.09, 0.9),
)
_HORN = FM(
    pairs=(FMPair(index=2.4, index_attack=0.08, index_decay=1.0, index_rest=0.7),),
    envelope=_held(0.05, 0.14, 0.9),
)
_BRASS = Subtractive(shape="saw", envelope=_held(0.03, 0.12, 0.85), cutoff=4, sweep=10,
    sweep_decay=0.8, resonance=1, voices=2, detune_cents=5,
    formants=((1200, 900, 5),))  # fmt: skip
_SAX = Subtractive(shape="pulse", envelope=_held(0.03, 0.1, 0.9), cutoff=6, sweep=7,
    sweep_decay=0.0, resonance=1, vibrato_cents=10, breath=0.012,
    formants=((650, 350, 6), (1500, 600, 5)))  # fmt: skip
_OBOE = Subtractive(shape="pulse", envelope=_held(0.03, 0.08, 0.95), cutoff=12, sweep=5,
    sweep_decay=0.0, resonance=0, vibrato_cents=8,
    formants=((1050, 350, 9), (2900, 700, 6)))  # fmt: skip
_CLARINET = Subtractive(shape="square", envelope=_held(0.03, 0.08, 0.95), cutoff=5, sweep=5,
    sweep_decay=0.0, resonance=0, vibrato_cents=3, breath=0.006)  # fmt: skip
_FLUTE = Subtractive(shape="soft", envelope=_held(0.05, 0.1, 0.95), cutoff=6, sweep=4,
    sweep_decay=0.0, resonance=0, vibrato_cents=10, breath=0.025)  # fmt: skip
_WHISTLE = Subtractive(shape="sine", envelope=_held(0.04, 0.08, 0.95), cutoff=8, sweep=0,
    vibrato_cents=14, breath=0.01)  # fmt: skip

_SQUARE_LEAD = Subtractive(shape="square", envelope=_held(0.004, 0.1, 0.8), cutoff=6, sweep=12,
    sweep_decay=0.9, resonance=3, vibrato_cents=7)  # fmt: skip
_SAW_LEAD = Subtractive(shape="saw", envelope=_held(0.004, 0.12, 0.8), cutoff=6, sweep=16,
    sweep_decay=0.9, resonance=3, voices=2, detune_cents=7)  # fmt: skip
_WARM_PAD = Subtractive(shape="saw", envelope=_held(0.35, 0.8, 1.0), cutoff=3, sweep=3,
    sweep_decay=3.0, resonance=1, voices=3, detune_cents=11)  # fmt: skip
_BRIGHT_PAD = Subtractive(shape="saw", envelope=_held(0.15, 0.6, 0.9), cutoff=6, sweep=10,
    sweep_decay=2.5, resonance=2, voices=4, detune_cents=13)  # fmt: skip
_GLASS_PAD = FM(
    pairs=(
        FMPair(index=1.0, index_decay=3.0, index_rest=0.4),
        FMPair(carrier=2, modulator=3, index=0.8, index_decay=2.0, level=0.3),
    ),
    envelope=_held(0.2, 0.8, 0.8, 2.0),
)
_SITAR = Plucked(ring=4.0, damping=0.05, brightness=0.9, position=0.08)
_BANJO = Plucked(ring=1.2, damping=0.12, brightness=0.9, position=0.1)
_SYNTH_DRUM = Bar(ratios=(1, 1.59), levels=(1, 0.3), ring=0.4)

# Programs in General MIDI order, as (first program, instruments from there on).
_PROGRAMS: tuple[Instrument, ...] = (
    # piano
    _PIANO, Piano(brightness=1.5), Piano(brightness=1.2, ring=6.0), Piano(brightness=1.4, ring=5.0),
    _ELECTRIC_PIANO, _ELECTRIC_PIANO, _HARPSICHORD, _CLAVINET,
    # mallets
    _CELESTA, _GLOCKENSPIEL, _MUSIC_BOX, _VIBRAPHONE, _MARIMBA, _XYLOPHONE, _BELLS, _HARPSICHORD,
    # organ
    _ORGAN, _ORGAN, _ORGAN, _PIPES, _REEDS, _REEDS, _REEDS, _REEDS,
    # guitar
    _NYLON, _STEEL, _JAZZ, _CLEAN, _MUTED, _LEAD_GUITAR, _LEAD_GUITAR, _GLOCKENSPIEL,
    # bass
    _UPRIGHT, _FINGERED, _PICKED, _FRETLESS, _PICKED, _PICKED, _SYNTH_BASS, _DEEP_BASS,
    # strings
    _VIOLIN, _VIOLIN, _CELLO, _CELLO, _STRINGS, _PIZZICATO, _HARP, _TIMPANI,
    # ensemble
    _STRINGS, _SLOW_STRINGS, _STRINGS, _BRIGHT_PAD, _CHOIR, _OOHS, _OOHS, _BRASS,
    # brass
    _TRUMPET, _HORN, _HORN, _TRUMPET, _HORN, _BRASS, _BRASS, _BRASS,
    # reed
    _SAX, _SAX, _SAX, _SAX, _OBOE, _OBOE, _OBOE, _CLARINET,
    # flute
    _FLUTE, _FLUTE, _FLUTE, _FLUTE, _FLUTE, _FLUTE, _WHISTLE, _WHISTLE,
    # lead
    _SQUARE_LEAD, _SAW_LEAD, _FLUTE, _SQUARE_LEAD, _LEAD_GUITAR, _OOHS, _SAW_LEAD, _SYNTH_BASS,
    # pad
    _GLASS_PAD, _WARM_PAD, _BRIGHT_PAD, _CHOIR, _SLOW_STRINGS, _GLASS_PAD, _CHOIR, _BRIGHT_PAD,
    # effect
    _GLASS_PAD, _WARM_PAD, _CELESTA, _GLASS_PAD, _BRIGHT_PAD, _WARM_PAD, _GLASS_PAD, _BRIGHT_PAD,
    # world
    _SITAR, _BANJO, _BANJO, _HARP, _KALIMBA, _REEDS, _VIOLIN, _OBOE,
    # percussion
    _BELLS, _STEEL_DRUM, _STEEL_DRUM, _XYLOPHONE, _TIMPANI, _SYNTH_DRUM, _SYNTH_DRUM, _SYNTH_DRUM,
    # noise
    _MUTED, _FLUTE, _WARM_PAD, _WHISTLE, _SQUARE_LEAD, _DEEP_BASS, _WARM_PAD, _SYNTH_DRUM,
)  # fmt: skip


def instrument(program: int) -> Instrument:
    """The synthesiser of a General MIDI program; programs that sound alike share one."""
    if not 0 <= program <= 127:
        raise ValueError(f"a program is 0 to 127, got {program}")
    return _PROGRAMS[program]


@lru_cache(maxsize=128)
def gain(program: int) -> float:
    """The factor that makes programs about equally loud.

    It is measured, not tabulated: half a second of C4. Seven tenths of a difference in dB are taken
    back; all of it would make the strokes of short sounds stick out.
    """
    sound = instrument(program).render(261.63, 0.5, 0.8, 24000, np.random.default_rng(0))
    rms = float(np.sqrt(np.mean(np.square(sound[:12000]))))
    return (0.1 / rms) ** 0.7
