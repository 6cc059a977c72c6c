"""What `evaluate` measures, step by step, with progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._embedding import Folder, embed_folder, open_embedding, timed

if TYPE_CHECKING:
    from ..metrics.files import Measured, Wanted
    from ..metrics.judge import JudgedEmbedding
    from ..metrics.judgement import Pairs
    from ..metrics.wholes import Whole

__all__ = ["judge", "listen", "pairs", "wholes"]


def judge(
    name: str,
    folders: tuple[Folder, Folder],
    cache: Path,
    *,
    workers: int,
    windows: int,
    resamples: int,
    seed: int,
) -> JudgedEmbedding:
    """Embed both folders and compare them."""
    from ..metrics.judge import judge_embedding

    embedding = open_embedding(name)
    sides = [embed_folder(folder, embedding, cache, workers=workers) for folder in folders]
    with timed(f"{embedding.name}: compare") as on_step:
        return judge_embedding(
            embedding,
            sides[0].embedded,
            sides[1].embedded,
            sides[0].tracks,
            sides[1].tracks,
            windows=windows,
            resamples=resamples,
            seed=seed,
            on_step=on_step,
        )


def wholes(
    names: Sequence[str],
    generated: Folder,
    cache: Path,
    *,
    notes: bool,
    resamples: int,
    seed: int,
) -> dict[str, Whole]:
    """What needs the whole set: texts beside sounds, instruments, timbre of notes."""
    from ..metrics.wholes import Resampling, judge_heads, judge_texts, judge_timbre

    root, items = Path(generated.manifest.root), generated.manifest.items
    by_track = Resampling(tracks=generated.tracks, resamples=resamples, seed=seed)
    captions = {root / i.path: i.caption for i in items if i.caption}
    found: dict[str, Whole] = {}
    for name in names:
        embedding = open_embedding(name)
        embedded = embed_folder(generated, embedding, cache, quiet=True).embedded
        found |= judge_texts(embedding, embedded, captions, by_track)
        found |= judge_heads(embedding, embedded, {root / i.path: i for i in items}, by_track)
    if notes:
        found |= judge_timbre([(root / i.path, i.metadata) for i in items], by_track)
    return found


def listen(folder: Folder, most: int, wanted: Wanted) -> tuple[Measured, ...]:
    """Measure at most so many sounds of a folder one by one, spread evenly over it."""
    from ..audio import AudioError
    from ..metrics.files import measure_file
    from ..metrics.sets import thin

    files = list(folder.tracks.items())
    if most < 1:
        return ()
    chosen = [files[i] for i in thin([t for _, t in files], most).tolist()]
    found = []
    with timed(f"listen: {folder.path.name}", len(chosen)) as on_file:
        for done, (path, track) in enumerate(chosen, 1):
            try:
                found.append(measure_file(path, track, wanted))
            except (AudioError, OSError):
                pass  # embedding named it already
            on_file(done, len(chosen))
    return tuple(found)


def pairs(folders: tuple[Folder, Folder], *, resamples: int, seed: int) -> Pairs:
    """Measure files of equal name as originals and reconstructions.

    Raises:
        ValueError: no file has a partner, or not one pair can be measured.
    """
    from ..audio import AudioError
    from ..metrics.files import mean_scores
    from ..metrics.judgement import Pairs
    from ..metrics.pairs import PairMeter, match_stems

    roots = [Path(folder.manifest.root) for folder in folders]
    matched = match_stems(roots[0], list(folders[0].tracks), roots[1], list(folders[1].tracks))
    meter = PairMeter()
    each: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    with timed("pairs", len(matched.pairs)) as on_pair:
        for done, (name, one, two) in enumerate(matched.pairs, 1):
            try:
                each[name], said = meter(one, two)
                notes += [f"Pair {name}: {note}." for note in said]
            except (AudioError, OSError, ValueError) as error:
                notes.append(f"Pair {name} is left out: {error}.")
            on_pair(done, len(matched.pairs))
    if not each:
        raise ValueError(f"not one of {len(matched.pairs)} pairs can be measured: {notes[0]}")
    if matched.alone:
        notes.append(
            f"{len(matched.alone)} files have no partner and are left out of the pairs, such as "
            f"{matched.alone[0].name}."
        )
    tracks = folders[0].tracks
    paths = {name: (one, two) for name, one, two in matched.pairs if name in each}
    return Pairs(
        scores=mean_scores(
            list(each.values()),
            [tracks[paths[name][0]] for name in each],
            resamples=resamples,
            seed=seed,
        ),
        each=each,
        paths=paths,
        notes=tuple(notes),
    )
