"""Writing a corpus: pieces in, captioned audio files with ground truth out, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_file
from ..config import load_json, save_json
from ..instruments.fluidsynth import FluidSynthError
from ..processes import in_processes
from .ground_truth import ground_truth
from .parts import parts
from .piece import Piece, excerpts, spread, windows
from .render import Renderer
from .render_midi import read_piece
from .wording import caption

__all__ = ["Composed", "FromMidi", "Job", "Result", "Settings", "build_corpus", "plan_composed"]

SETTINGS_FILE = "corpus.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How every file of a corpus is written; kept in `corpus.json`."""

    renderer: Renderer
    seconds: float | None = 12.0
    """Length of a file; None keeps pieces whole."""
    suffix: str = ".flac"
    """`.flac` or `.wav`."""
    per_piece: int | None = None
    """Files of each piece at most, evenly spread over it; None writes all of it."""
    parts: bool = False
    """Whether every part of a piece is written alone, too."""

    def __post_init__(self) -> None:
        if self.suffix not in (".flac", ".wav"):
            raise ValueError(f"a corpus is written as .flac or .wav, got {self.suffix!r}")


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Piece number `index` of the endless sequence that `seed` names."""

    seed: int
    index: int

    def piece(self) -> Piece:
        """Compose it."""
        from .composer import compose

        return compose(self.seed, self.index)


@dataclass(frozen=True, kw_only=True)
class FromMidi:
    """One MIDI file of a folder."""

    path: Path
    folder: Path

    def piece(self) -> Piece:
        """Read it."""
        return read_piece(self.path, self.folder)


Job = Composed | FromMidi


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one job."""

    job: Job
    files: int = 0
    """Files of the piece that now exist."""
    written: int = 0
    """Those of them that were written just now."""
    seconds: float = 0.0
    """Their sound in all."""
    metadata: tuple[dict[str, Any], ...] = ()
    """Per file: genre, key, bpm and instruments."""
    failure: str | None = None
    """Why the piece is missing; None when all went well."""


def plan_composed(
    seed: int, minutes: float, seconds: float | None, per_piece: int | None = None
) -> list[Composed]:
    """The first pieces of `seed` that fill `minutes` when cut into files of `seconds`."""
    jobs: list[Composed] = []
    total = 0.0
    while total < minutes * 60:
        job = Composed(seed=seed, index=len(jobs))
        chosen = spread(windows(job.piece(), seconds), per_piece)
        total += sum(w.end - w.start for w in chosen.values())
        jobs.append(job)
    return jobs


def _wording_rng(text: str) -> np.random.Generator:
    """Chance that depends on a file's name alone, equal in every process and run."""
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng(np.frombuffer(digest[:16], dtype=np.uint32))


def write_job(job: Job, out: Path, settings: Settings) -> Result:
    """Write a piece and, where wanted, its parts (see `write_piece`)."""
    try:
        piece = job.piece()
    except (ValueError, FluidSynthError) as error:
        return Result(job=job, failure=" ".join(str(error).split()))
    written = [write_piece(job, piece, out, settings)]
    if settings.parts and written[0].failure is None:
        found = (write_piece(job, part, out, settings) for part in parts(piece))
        written += [result for result in found if result.failure is None]
    return Result(
        job=job,
        files=sum(r.files for r in written),
        written=sum(r.written for r in written),
        seconds=sum(r.seconds for r in written),
        metadata=written[0].metadata,
        failure=written[0].failure,
    )


def write_piece(job: Job, piece: Piece, out: Path, settings: Settings) -> Result:
    """Render one piece into files, each a recording and a `.json` sidecar beside it.

    The sidecar comes last and both appear whole or not at all, so a recording with a sidecar is
    complete; pieces that are complete are not rendered again. What is wrong with a piece (a
    damaged MIDI file) is in the result; what is wrong with the machine (a full disk) is raised.
    """
    import torch

    from ..audio import Audio, save_audio

    try:
        cuts = windows(piece, settings.seconds)
        if not cuts:
            raise ValueError(f"{piece.name}: no stretch with two notes")
        chosen = spread(cuts, settings.per_piece)
        stems = [f"{piece.name}-{i:02d}" if settings.seconds else piece.name for i in chosen]
        paths = [out / f"{stem}{settings.suffix}" for stem in stems]
        todo = [p for p in paths if not (p.is_file() and p.with_suffix(".json").is_file())]
        heard = piece if len(chosen) == len(cuts) else excerpts(piece, chosen)
        sound = settings.renderer.render(heard) if todo else None
    except (ValueError, FluidSynthError) as error:
        return Result(job=job, failure=" ".join(str(error).split()))

    rate, facts, total = settings.renderer.sample_rate, [], 0.0
    for stem, path, cut in zip(stems, paths, chosen.values(), strict=True):
        truth = ground_truth(piece, cut)
        truth = {"caption": caption(truth, _wording_rng(stem)), **truth}
        if sound is not None and path in todo:
            start = round(cut.start * rate)
            length = round((cut.end - cut.start) * rate)
            samples = sound[:, start : start + length]
            samples = np.pad(samples, ((0, 0), (0, length - samples.shape[1])))
            truth["instruments_by"] = settings.renderer.instruments
            path.parent.mkdir(parents=True, exist_ok=True)
            save_audio(
                path,
                Audio(torch.from_numpy(_faded(samples, rate, cut.start > 0)), rate),
                subtype="PCM_16",
                tags={"caption": truth["caption"]},
            )
            _write_sidecar(truth, path.with_suffix(".json"))
        total += cut.end - cut.start
        facts.append({k: truth.get(k) for k in ("genre", "key", "bpm", "instruments")})
    return Result(
        job=job, files=len(paths), written=len(todo), seconds=total, metadata=tuple(facts)
    )


def _write_sidecar(truth: dict[str, Any], path: Path) -> None:
    """JSON with a field per line: lists of a thousand notes stay short."""
    fields = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in truth.items()]
    with atomic_file(path) as partial:
        partial.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")


def _faded(samples: np.ndarray, sample_rate: int, cut_in: bool) -> np.ndarray:
    """Copy with edges of 5 ms that do not click where a piece was cut."""
    out = np.array(samples, dtype=np.float32)
    n = min(sample_rate // 200, out.shape[1] // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))).astype(np.float32)
    if n:
        out[:, -n:] *= ramp[::-1]
        if cut_in:
            # A downbeat begins here: 1 ms keeps its attack.
            short = max(1, n // 5)
            out[:, :short] *= ramp[:: max(1, n // short)][:short]
    return out


def _claim(out: Path, settings: Settings, origin: dict[str, Any]) -> None:
    """Keep the settings in the folder, or refuse to mix two corpora."""
    wanted = {
        "origin": origin,
        "sample_rate": settings.renderer.sample_rate,
        "channels": settings.renderer.channels,
        "seconds": settings.seconds,
        "format": settings.suffix[1:],
        "instruments": settings.renderer.instruments,
        **({"per_piece": settings.per_piece} if settings.per_piece else {}),
        **({"parts": True} if settings.parts else {}),
    }
    path = out / SETTINGS_FILE
    if path.is_file():
        found = load_json(path)
        for name, value in json.loads(json.dumps(wanted)).items():
            if found.get(name) != value:
                raise ValueError(
                    f"{out} holds a corpus with {name} {found.get(name)!r}, and {value!r} was "
                    "asked for; use the same settings to continue it, or another folder"
                )
    else:
        save_json(wanted, path)


def build_corpus(
    jobs: Iterable[Job],
    out: str | Path,
    settings: Settings,
    *,
    origin: dict[str, Any],
    workers: int = 1,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Write all pieces; run again after an interruption, it continues.

    Args:
        jobs: what to write; may be lazy.
        out: the folder.
        settings: how.
        origin: what names the corpus (its seed, or its MIDI folder); kept in `corpus.json`.
        workers: processes; the files do not depend on it.
        on_result: called after every piece, in the order of `jobs`.

    Returns:
        One result per job, in order; failures are in them and in `failures.jsonl`.

    Raises:
        ValueError: the folder holds a corpus of other settings.
        OSError: the disk refused.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, settings, origin)
    results = []
    write = partial(write_job, out=out, settings=settings)
    for result in map(write, jobs) if workers <= 1 else in_processes(write, jobs, workers):
        results.append(result)
        if on_result is not None:
            on_result(result)
    failures = out / "failures.jsonl"
    lines = [json.dumps({"job": _label(r.job), "reason": r.failure}) for r in results if r.failure]
    if lines:
        failures.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        failures.unlink(missing_ok=True)
    return results


def _label(job: Job) -> str:
    return str(job.path.relative_to(job.folder)) if isinstance(job, FromMidi) else f"{job.index}"
