"""Reading what listeners send back: nothing damaged, foreign or double slips in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import ConfigError, from_dict, load_json
from .design import Design, Trial
from .page import RESULT

__all__ = ["TIE", "Answer", "Result", "read_result", "read_results"]

TIE = "none"
"""The choice of neither."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a listener said on one page."""

    trial: str
    round: int
    sounds: tuple[str, ...]
    """Ids in the order in which they were shown."""
    x: str = ""
    """Which of them X was."""
    ratings: Mapping[str, float] | None = None
    choice: str = ""
    replies: tuple[str | int, ...] = ()
    plays: Mapping[str, int] | None = None
    """How often each sound was played or switched to."""
    seconds: float = 0.0
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who listened."""

    id: str
    headphones: bool | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """All answers of a listener."""

    path: Path
    listener: str
    headphones: bool | None
    session: str
    seed: int
    comment: str
    answers: tuple[Answer, ...]

    @property
    def seconds(self) -> float:
        """Time spent on the pages."""
        return sum(answer.seconds for answer in self.answers)


def read_result(path: Path, design: Design, data: Any = None) -> Result:
    """Read and check one file.

    Args:
        path: where it is.
        design: the test that it must belong to.
        data: its contents, where they were read already.

    Raises:
        ConfigError: damaged JSON, no result, or fields of a wrong type.
        ValueError: of another test, or answers that its pages cannot give.
    """
    data = load_json(path) if data is None else data
    if not isinstance(data, dict) or data.get("format") != RESULT:
        raise ConfigError("expected a result that the test's page saved")
    if data.get("test") != design.id:
        raise ValueError(f"of another test: {data.get('test')}, expected {design.id}")
    fields = ("listener", "session", "seed", "answers")
    lacking = [name for name in fields if name not in data]
    if lacking:
        raise ConfigError(f"`{lacking[0]}` is missing")
    listener = from_dict(Listener, data["listener"], "listener")
    answers = from_dict(_Answers, {"answers": data["answers"]}, "result").answers
    if not listener.id.strip():
        raise ValueError("the listener has no name")
    _check_answers(answers, design)
    return Result(
        path=path,
        listener=listener.id.strip(),
        headphones=listener.headphones,
        session=str(data["session"]),
        seed=int(data["seed"]),
        comment=str(data.get("comment", "")),
        answers=answers,
    )


@dataclass(frozen=True, kw_only=True)
class _Answers:
    answers: tuple[Answer, ...]


def read_results(
    paths: Iterable[str | Path], *, leave_out: bool = False
) -> tuple[Design, list[Result], list[str]]:
    """Read results and the key of their test.

    Args:
        paths: files, or folders of them. The key is among them, or beside one of them.
        leave_out: go on without what cannot be used; of two results of a listener, the first by
            file name stays.

    Returns:
        The test, its results by listener, and what was left out and why.

    Raises:
        FileNotFoundError: a path does not exist, or no key is found.
        ValueError: files that cannot be used, each with its reason, unless `leave_out`; or no
            result remains.
    """
    files = _files(paths)
    problems: list[str] = []
    keys: list[Path] = []
    contents: dict[Path, Any] = {}
    for path in files:
        try:
            contents[path] = load_json(path)
        except (ConfigError, OSError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        if isinstance(contents[path], dict) and contents[path].get("type") == "Design":
            keys.append(path)
            del contents[path]
    design = _key(keys, files)
    results: list[Result] = []
    for path, data in contents.items():
        try:
            result = read_result(path, design, data)
            _refuse_twice(result, results)
            results.append(result)
        except ValueError as error:
            problems.append(f"{path.name}: {error}")
    if problems and not leave_out:
        raise ValueError(
            f"{len(problems)} of {len(files)} files cannot be used: {'; '.join(problems)}. "
            "Take them away, or give --leave-out"
        )
    if not results:
        raise ValueError(
            f"no result among {len(files)} files; listeners save one at the end of the test"
        )
    return design, sorted(results, key=lambda r: r.listener.casefold()), problems


def _files(paths: Iterable[str | Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; expected results, or their folder")
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    if not found:
        raise FileNotFoundError("no .json file was given; listeners save one each")
    return list(found.values())


def _key(keys: Sequence[Path], files: Sequence[Path]) -> Design:
    if not keys:
        beside = {path.parent / "key.json" for path in files}
        keys = sorted(path for path in beside if path.exists())
    if not keys:
        raise FileNotFoundError(
            "no key.json among the files or beside them; it was written with the test, and without "
            "it nobody knows which sound was which"
        )
    designs = {design.id: design for design in map(Design.load, keys)}
    if len(designs) > 1:
        raise ValueError(f"keys of {len(designs)} tests; analyse one test at a time")
    return next(iter(designs.values()))


def _refuse_twice(result: Result, others: Sequence[Result]) -> None:
    for other in others:
        if other.session == result.session:
            raise ValueError(f"the same session as {other.path.name}")
        if other.listener.casefold() == result.listener.casefold():
            raise ValueError(f"listener {result.listener!r} has another result, {other.path.name}")


def _check_answers(answers: Sequence[Answer], design: Design) -> None:
    trials = {trial.id: trial for trial in design.trials}
    expected = Counter({(t, r): 1 for t in trials for r in range(design.repeats)})
    came = Counter((answer.trial, answer.round) for answer in answers)
    if came != expected:
        missing, extra = expected - came, came - expected
        raise ValueError(
            f"{missing.total()} of {expected.total()} answers are missing and {extra.total()} "
            "belong to no page; was the test finished?"
        )
    for answer in answers:
        problem = _problem(answer, trials[answer.trial], design)
        if problem:
            raise ValueError(f"trial {answer.trial}: {problem}")


def _problem(answer: Answer, trial: Trial, design: Design) -> str:
    if sorted(answer.sounds) != sorted(trial.sounds):
        return "its sounds are not those of the test"
    if design.kind == "mushra":
        ratings = answer.ratings or {}
        if set(ratings) != set(trial.sounds):
            return f"{len(ratings)} of {len(trial.sounds)} sounds are rated"
        wrong = [value for value in ratings.values() if not 0 <= value <= 100]
        return f"a rating of {wrong[0]:g}, expected 0 to 100" if wrong else ""
    if design.kind == "questions":
        if len(answer.replies) != len(design.questions):
            return f"{len(answer.replies)} replies to {len(design.questions)} questions"
        for question, reply in zip(design.questions, answer.replies, strict=True):
            if question.kind == "scale" and reply not in (1, 2, 3, 4, 5):
                return f"{reply!r} on a scale from 1 to 5"
        return ""
    allowed = {*trial.sounds, *((TIE,) if design.ties else ())}
    if answer.choice not in allowed:
        return f"a choice of {answer.choice!r}, which was none"
    if design.kind == "abx" and answer.x not in trial.sounds:
        return "it does not say which sound X was"
    return ""
