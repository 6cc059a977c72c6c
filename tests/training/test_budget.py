"""Minutes become steps once; the rehearsal leaves no trace."""

import time

import pytest
from training_toys import ToyData, assert_same_tensors, make_stage, weights_of

from latentone.config import load_json
from latentone.training import fit, rehearsal
from latentone.training.budget import steps_within, time_steps


def test_steps_that_fit():
    assert steps_within(100, step=0.5) == 200
    assert steps_within(110, step=0.5, validation=10, validate_every=20) == 100
    assert (
        steps_within(
            115, step=0.5, checkpoint=5, checkpoint_every=10, validation=10, validate_every=20
        )
        == 66
    )
    assert steps_within(0.1, step=60) == 1


def test_timing_leaves_out_the_first_steps_and_the_slowest(monkeypatch):
    clock = iter([0.0, 50, 50, 90, 90, 100, *[t for i in range(17) for t in (100 + i, 101 + i)]])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert time_steps(lambda: None, budget_seconds=1e6) == 1


def test_timing_stops_at_a_fifth_of_the_budget(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    steps = []

    def step():
        steps.append(1)
        now[0] += 10

    assert time_steps(step, budget_seconds=300) == 10
    assert len(steps) == 7


def test_a_training_in_minutes_is_the_training_of_its_steps(tmp_path, monkeypatch):
    data = ToyData(), ToyData(8, seed=1)
    asked = {}

    def forty(seconds, **costs):
        asked.update(seconds=seconds, **costs)
        return 40

    monkeypatch.setattr(rehearsal, "steps_within", forty)
    timed = fit(make_stage(minutes=5), tmp_path / "timed", *data, device="cpu", progress=False)
    assert 0 < asked["seconds"] < 300 and 0 < asked["step"] < 60
    assert asked["validation"] > 0 and asked["checkpoint"] > 0
    assert load_json(timed / "training" / "state.json")["total_steps"] == 40
    counted = fit(make_stage(steps=40), tmp_path / "n", *data, device="cpu", progress=False)
    assert_same_tensors(weights_of(timed), weights_of(counted))


class Stop(RuntimeError):
    pass


class Stopping(ToyData):
    def collate(self, items):
        if len(self.drawn) > 4 * (20 + 15):  # the rehearsal, and 15 steps
            raise Stop
        return super().collate(items)


@pytest.mark.parametrize("checkpoint_every", [10, 1000])
def test_the_total_stands_when_resuming(tmp_path, monkeypatch, checkpoint_every):
    stage = make_stage(minutes=5, checkpoint_every=checkpoint_every)
    monkeypatch.setattr(rehearsal, "steps_within", lambda seconds, **costs: 40)
    with pytest.raises(Stop):
        fit(stage, tmp_path, Stopping(), device="cpu", progress=False)
    monkeypatch.setattr(rehearsal, "steps_within", lambda seconds, **costs: 77)
    fit(stage, tmp_path, ToyData(), device="cpu", progress=False)
    state = load_json(tmp_path / "training" / "state.json")
    assert state["total_steps"] == state["step"] == 40
