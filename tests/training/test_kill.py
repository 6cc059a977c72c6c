"""Killed at any moment, a training comes to the same weights."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_toys import ToyData, assert_same_tensors, make_stage, weights_of

from latentone.training import fit

STEPS = 200
CHILD = """
import sys, time
from training_toys import ToyData, make_stage
from latentone.training import fit

class Slow(ToyData):
    def __getitem__(self, draw):
        time.sleep(0.01)
        return super().__getitem__(draw)

stage = make_stage(steps=int(sys.argv[2]), checkpoint_every=5, ema_decay=0.99, validate_every=50)
fit(stage, sys.argv[1], Slow(), ToyData(4, seed=1), device="cpu", progress=False)
"""


def start(folder):
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(folder), str(STEPS)], env=environment
    )


def steps_done(folder):
    found = sorted((folder / "training" / "checkpoints").glob("step_*"))
    return int(found[-1].name.removeprefix("step_")) if found else 0


@pytest.mark.parametrize(
    "goals", [(20,), pytest.param((10, 40, 60, 90), marks=pytest.mark.slow)], ids=["once", "often"]
)
def test_sigkill_at_random_moments_changes_no_bit(tmp_path, goals):
    folder, dice = tmp_path / "killed", random.Random()
    for goal in goals:
        child = start(folder)
        while steps_done(folder) < goal and child.poll() is None:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert goals[-1] <= steps_done(folder) < STEPS
    assert not (folder / "model.safetensors").exists()
    stage = make_stage(steps=STEPS, checkpoint_every=5, ema_decay=0.99, validate_every=50)
    valid = ToyData(4, seed=1)
    fit(stage, folder, ToyData(), valid, device="cpu", progress=False)
    whole = fit(stage, tmp_path / "whole", ToyData(), valid, device="cpu", progress=False)
    assert_same_tensors(weights_of(folder), weights_of(whole))
    assert_same_tensors(
        weights_of(folder / "training" / "best"), weights_of(whole / "training" / "best")
    )
    strips = [
        {p.relative_to(run): p.read_bytes() for p in run.glob("training/strip/*/*")}
        for run in (folder, whole)
    ]
    assert strips[0] == strips[1] and len(strips[1]) == 5
