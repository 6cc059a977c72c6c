"""Kills, races, full disks and memory: see `trials.py`, which runs in an interpreter of its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import latentone

HERE = Path(__file__).parent


def run(folder: Path, *modes: str) -> tuple[dict[str, str], str]:
    paths = [str(Path(latentone.__file__).parents[1]), str(HERE), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(HERE / "trials.py"), str(folder), *modes]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr + done.stdout
    lines = (line.split("\t") for line in done.stdout.splitlines())
    return {mode: result for mode, result in lines}, done.stderr


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    return run(tmp_path_factory.mktemp("trials"), "kills", "races", "full", "memory")


def test_a_kill_at_any_moment_loses_at_most_a_shard(trials: tuple[dict[str, str], str]) -> None:
    events, deaths = ast.literal_eval(trials[0]["kills"])
    # How many die at random moments depends on how fast the others are done.
    assert events > 5 and deaths > 0


@pytest.mark.slow
def test_a_kill_before_every_single_touch_of_the_store(tmp_path: Path) -> None:
    events, deaths = ast.literal_eval(run(tmp_path, "all_kills")[0]["all_kills"])
    assert events > 100 and deaths > 10


def test_processes_share_the_work_and_survive_each_other(
    trials: tuple[dict[str, str], str],
) -> None:
    assert trials[0]["races"] == "6"


def test_a_full_disk_keeps_the_shards_before(trials: tuple[dict[str, str], str]) -> None:
    assert "too large while writing a shard" in trials[1] and "repeat the command" in trials[1]
    kept = ast.literal_eval(trials[0]["full"])
    assert "000003.json" in kept and "dataset.json" in kept
    assert not [name for name in kept if name.startswith((".", "000004"))]


def test_fifteen_minutes_take_the_memory_of_seconds(trials: tuple[dict[str, str], str]) -> None:
    peaks = ast.literal_eval(trials[0]["memory"])
    assert peaks["long1"] < peaks["short1"] + 25
    assert peaks["longNone"] > peaks["short1"] + 60, "the measure must see it in one piece"
