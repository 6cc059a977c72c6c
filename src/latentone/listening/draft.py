"""A test while it grows: which items, at what rate and level, under which ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from ..audio import Audio
from .design import Design, Kind, Question, Trial, sound_id
from .folders import match, stems
from .sounds import LUFS, align, choose_rate, digest, level

__all__ = ["Draft", "OnProgress", "Settings", "Test"]

LONGEST_SECONDS = 12.0
"""BS.1534-3: longer excerpts are forgotten before they are compared."""

SAME_LOUDNESS_LU = 1.0
"""Differences up to this go without a note."""

TASKS: dict[Kind, str] = {
    "mushra": "How good is each sound, compared with the reference?",
    "ab": "Which of the two do you prefer?",
    "abx": "Which of the two is X?",
    "pairs": "Which of the two do you prefer?",
    "questions": "Listen, then answer.",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all kinds of test have in common."""

    title: str = "Listening test"
    task: str = ""
    """What listeners are asked; empty takes the usual question."""
    items: int | None = None
    """This many of each folder, drawn by the seed; None takes all."""
    seconds: float | None = None
    """Longest excerpt, from the start."""
    lufs: float | None = LUFS
    """Loudness of all sounds; None leaves them as they are."""
    ties: bool = True
    """Whether "no difference" may be answered."""
    repeats: int = 1
    """How often each listener meets each trial."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("items", "seconds", "repeats"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"expected {name} above 0, got {value:g}")
        if self.lufs is not None and not -70 < self.lufs < 0:
            raise ValueError(f"expected a loudness between -70 and 0 LUFS, got {self.lufs:g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Test:
    """A design with its sounds."""

    __test__ = False  # no test case, whatever pytest thinks of the name

    design: Design
    sounds: Mapping[str, Audio]
    """By id."""


OnProgress = Callable[[int, int], None]


def _drawn(items: Sequence[str], settings: Settings) -> list[str]:
    """As many items as are wanted, sorted; each has its own lot, whatever else there is."""
    lots = sorted(items, key=lambda item: sound_id("lot", settings.seed, item))
    return sorted(lots[: settings.items])


@dataclass(kw_only=True, eq=False)
class Draft:
    """Items on their way to a test: `start`, then `each`, then `finish`."""

    settings: Settings
    groups: list[tuple[str, dict[str, Path]]]
    sample_rate: int
    notes: list[str]
    trials: list[Trial] = field(default_factory=list)
    sounds: dict[str, Audio] = field(default_factory=dict)

    @classmethod
    def start(
        cls, folders: Mapping[str, Path], settings: Settings | None, *, paired: bool = True
    ) -> Draft:
        settings = settings or Settings()
        notes: list[str] = []
        if paired:
            items, notes = match(folders)
            groups = [(stem, items[stem]) for stem in _drawn(list(items), settings)]
        else:
            groups = [
                (stem, {name: known[stem]})
                for name, known in ((name, stems(folder)) for name, folder in folders.items())
                for stem in _drawn(list(known), settings)
            ]
        return cls(settings=settings, groups=groups, sample_rate=0, notes=notes)._readable()

    def _readable(self) -> Draft:
        """Leave out items whose headers cannot be read, and settle the rate on the rest."""
        kept, rates = [], []
        for item, paths in self.groups:
            try:
                rates.append(choose_rate(list(paths.values())))
                kept.append((item, paths))
            except (ValueError, OSError) as error:
                self.notes.append(f"{item} was left out: {error}")
        self.groups = kept
        if not kept:
            raise ValueError(f"no sound can be read: {'; '.join(self.notes[:3])}")
        every = [path for _, paths in kept for path in paths.values()]
        self.sample_rate, notes = choose_rate(every)
        self.notes += notes
        return self

    def each(
        self, add: Callable[[str, dict[str, Audio]], None], on_progress: OnProgress | None
    ) -> None:
        """Read, align and level each item; what cannot be used is left out, with a note."""
        longest = 0.0
        differed: dict[str, float] = {}
        for done, (item, paths) in enumerate(self.groups, 1):
            try:
                sounds, notes = align(
                    item, paths, sample_rate=self.sample_rate, seconds=self.settings.seconds
                )
                sounds, spread, more = level(item, sounds, self.settings.lufs)
            except (ValueError, OSError) as error:
                self.notes.append(f"{item} was left out: {error}")
            else:
                self.notes += notes + more
                differed[item] = spread
                longest = max(longest, *(sound.duration for sound in sounds.values()))
                add(item, sounds)
            if on_progress is not None:
                on_progress(done, len(self.groups))
        if not self.trials:
            raise ValueError(f"no sound can be used: {'; '.join(self.notes[:3])}")
        most = max(differed, key=lambda item: differed[item])
        if differed[most] > SAME_LOUDNESS_LU:
            what = "not matched" if self.settings.lufs is None else "matched"
            self.notes.append(
                f"loudness within an item differed by up to {differed[most]:.1f} LU ({most}), "
                f"{what}"
            )
        if longest > LONGEST_SECONDS:
            self.notes.append(
                f"the longest sound has {longest:.0f} s: comparisons are easier at up to "
                f"{LONGEST_SECONDS:.0f} s (--seconds)"
            )

    def add(self, item: str, name: str, sound: Audio) -> str:
        """Keep a sound and return its id."""
        key = sound_id("sound", self.settings.seed, item, name)
        if key in self.sounds:
            raise RuntimeError(f"two sounds have the id {key}; another --seed gives others")
        self.sounds[key] = sound
        return key

    def trial(self, item: str, ids: Mapping[str, str], *, reference: str = "") -> None:
        """Add a trial of the sounds with these ids by system."""
        self.trials.append(
            Trial(
                id=sound_id(self.settings.seed, item, *ids),
                item=item,
                sounds=dict(sorted((key, name) for name, key in ids.items())),
                reference=reference,
            )
        )

    def finish(
        self,
        kind: Kind,
        systems: tuple[str, ...],
        *,
        hidden: str = "",
        anchors: tuple[str, ...] = (),
        questions: tuple[Question, ...] = (),
    ) -> Test:
        settings = self.settings
        design = Design(
            kind=kind,
            title=settings.title,
            task=settings.task or TASKS[kind],
            systems=systems,
            trials=tuple(self.trials),
            hidden=hidden,
            anchors=anchors,
            questions=questions,
            ties=settings.ties and kind != "abx",
            repeats=settings.repeats,
            sample_rate=self.sample_rate,
            lufs=settings.lufs,
            seed=settings.seed,
            notes=tuple(self.notes),
            software=f"latentone {__version__}",
            digests={key: digest(sound) for key, sound in sorted(self.sounds.items())},
        )
        return Test(design=design.identified(), sounds=self.sounds)
