"""Recorded instruments: MIDI through the `fluidsynth` program and an installed SoundFont."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ..symbolic.midi import parse_midi, require_mido, write_midi
from ..symbolic.score import Score

__all__ = ["FluidSynthError", "find_soundfont", "missing", "render_midi_file", "render_score"]

SOUNDFONT_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
)
INSTALL = "apt-get install fluidsynth fluid-soundfont-gm"


class FluidSynthError(RuntimeError):
    """FluidSynth did not render; the message carries its own words."""


def find_soundfont() -> Path | None:
    """An installed SoundFont: FluidR3 if there is one, else the largest; None without any."""
    found = [
        path
        for folder in SOUNDFONT_FOLDERS
        for path in sorted(Path(folder).glob("*.sf[23]"))
        if path.is_file() and _is_soundfont(path)
    ]
    return max(
        found, key=lambda p: (p.stem.startswith("FluidR3_GM"), p.stat().st_size), default=None
    )


def _is_soundfont(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(12)
    return header[:4] == b"RIFF" and header[8:] == b"sfbk"


def missing(soundfont: Path | None = None) -> str | None:
    """What keeps FluidSynth from rendering here, in words; None when all is there."""
    if shutil.which("fluidsynth") is None:
        return f"the program fluidsynth is not installed ({INSTALL})"
    if soundfont is not None and not soundfont.is_file():
        return f"there is no SoundFont at {soundfont}"
    if soundfont is not None and not _is_soundfont(soundfont):
        return f"{soundfont} is not a SoundFont: expected RIFF sfbk in its header"
    if soundfont is None and find_soundfont() is None:
        return f"no SoundFont found in {', '.join(SOUNDFONT_FOLDERS)} ({INSTALL})"
    try:
        require_mido()
    except ImportError as error:
        return str(error)
    return None


def render_score(
    score: Score, *, soundfont: Path, sample_rate: int, tail: float = 2.0
) -> np.ndarray:
    """Render a score through recorded instruments.

    Args:
        score: what to play.
        soundfont: a `.sf2` or `.sf3` file with the General MIDI programs.
        sample_rate: 8000 to 96000 Hz.
        tail: seconds kept after the last release.

    Returns:
        Stereo `(2, T)` float32, not normalised; T covers the score and the tail exactly.

    Raises:
        FluidSynthError: the program failed.
    """
    with tempfile.TemporaryDirectory(prefix="latentone-") as folder:
        path = Path(folder) / "score.mid"
        write_midi(score, path)
        return render_midi_file(
            path,
            soundfont=soundfont,
            sample_rate=sample_rate,
            duration=score.duration + tail,
        )


def render_midi_file(
    path: str | Path, *, soundfont: Path, sample_rate: int, duration: float
) -> np.ndarray:
    """Render a MIDI file with all its controllers.

    Args:
        path: a standard MIDI file.
        soundfont: a `.sf2` or `.sf3` file.
        sample_rate: 8000 to 96000 Hz.
        duration: seconds wanted; what the file does not fill is its reverberation, then silence.

    Returns:
        Stereo `(2, T)` float32, not normalised.

    Raises:
        FluidSynthError: the program failed, is missing, or wrote nothing.
        MidiError: the file cannot be read.
    """
    if not 8000 <= sample_rate <= 96000:
        raise ValueError(f"FluidSynth renders at 8000 to 96000 Hz, got {sample_rate}")
    problem = missing(soundfont)
    if problem:
        raise FluidSynthError(problem)
    with tempfile.TemporaryDirectory(prefix="latentone-") as folder:
        padded, raw = Path(folder) / "padded.mid", Path(folder) / "audio.raw"
        _pad(Path(path), padded, duration)
        command = [
            *("fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(sample_rate)),
            # Samples are read as they are needed: a GM SoundFont holds 140 MB, a song a few.
            *("-o", "synth.dynamic-sample-loading=1", "-o", "synth.cpu-cores=1"),
            *("-T", "raw", "-O", "float", "-E", "little", "-F", str(raw)),
            *(str(soundfont), str(padded)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        # It exits with 0 also when it could not load what it was given.
        failed = done.returncode or "error:" in done.stderr
        if failed or not raw.exists() or raw.stat().st_size == 0:
            reason = " ".join(done.stderr.split()) or "it wrote no audio"
            raise FluidSynthError(f"fluidsynth failed on {path}: {reason}")
        samples = np.fromfile(raw, dtype="<f4")
    stereo = samples[: samples.size // 2 * 2].reshape(-1, 2).T
    length = round(duration * sample_rate)
    out = np.zeros((2, length), dtype=np.float32)
    kept = min(length, stereo.shape[1])
    out[:, :kept] = stereo[:, :kept]
    return out


def _pad(source: Path, target: Path, duration: float) -> None:
    """Copy a MIDI file with its end moved to `duration`, so that the last notes ring out."""
    mido = require_mido()
    file = parse_midi(source)
    missing_seconds = duration - file.length
    if missing_seconds > 0:
        tempo = 500_000
        for message in mido.merge_tracks(file.tracks):
            if message.type == "set_tempo":
                tempo = message.tempo
        ticks = round(mido.second2tick(missing_seconds, file.ticks_per_beat, tempo)) + 1
        # The longest track sets the end of the piece.
        longest = max(file.tracks, key=lambda track: sum(message.time for message in track))
        if not longest or longest[-1].type != "end_of_track":
            longest.append(mido.MetaMessage("end_of_track", time=0))
        longest[-1] = longest[-1].copy(time=longest[-1].time + ticks)
    file.save(str(target))
