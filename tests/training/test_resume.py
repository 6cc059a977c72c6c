"""A run folder goes on with the same settings, or with a larger budget, or not at all."""

import json
import shutil

import pytest
import torch
from training_toys import (
    ToyData,
    ToyModelConfig,
    ToyTaskConfig,
    assert_same_tensors,
    make_stage,
    weights_of,
)

from latentone.config import load_json
from latentone.training import ResumeError, fit
from latentone.training.chance import mix, seed_everything
from latentone.training.trackers import read_metrics


def train(folder, task=None, data=None, **settings):
    stage = make_stage(task, **{"steps": 20, "checkpoint_every": 10, **settings})
    data = ToyData() if data is None else data
    return fit(stage, folder, data, device="cpu", progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 5}, "`train.batch_size` = 4, and now it is 5"),
        ({"seed": 1}, "`train.seed` = 0, and now it is 1"),
        ({"steps": 19}, "`train.steps` = 20, and now it is 19: .* can grow, not shrink"),
        ({"steps": None, "minutes": 1.0}, "`train.steps` = 20, and now it is None"),
        ({"task": ToyTaskConfig(lr=0.02)}, "`task.lr` = 0.01, and now it is 0.02"),
        (
            {"task": ToyTaskConfig(model=ToyModelConfig(width=3))},
            "`task.model.width` = 16, and now it is 3",
        ),
    ],
)
def test_another_setting_is_refused_by_name(finished, change, message):
    with pytest.raises(ResumeError, match=message):
        train(finished, **change)


def test_settings_that_cannot_change_the_weights_may(tmp_path):
    train(tmp_path)
    data = ToyData()
    train(tmp_path, data=data, log_every=3, workers=1, keep_checkpoints=1, checkpoint_every=7)
    assert not data.drawn


def test_settings_younger_than_a_run_had_their_defaults(tmp_path):
    """A recipe from before a setting existed does not name it, and goes on."""
    train(tmp_path)
    for path in tmp_path.rglob("state.json"):
        state = json.loads(path.read_text())
        state.get("stage", {}).get("train", {}).pop("draw_by", None)
        path.write_text(json.dumps(state))
    data = ToyData()
    train(tmp_path, data=data)
    assert not data.drawn
    with pytest.raises(ResumeError, match=r"`train.draw_by` = 'moment', and now it is 'file'"):
        train(tmp_path, draw_by="file")


def test_a_larger_budget_goes_on(tmp_path):
    train(tmp_path)
    data = ToyData()
    train(tmp_path, data=data, steps=30)
    assert len(data.drawn) == 4 * 10
    state = load_json(tmp_path / "training" / "state.json")
    assert (state["total_steps"], state["step"], state["status"]) == (30, 30, "finished")
    steps = [r["step"] for r in read_metrics(tmp_path / "training" / "metrics.jsonl")]
    assert steps == [10, 20, 30]


def test_more_minutes_scale_the_saved_total(tmp_path):
    train(tmp_path, steps=None, minutes=0.01)
    before = load_json(tmp_path / "training" / "state.json")["total_steps"]
    train(tmp_path, steps=None, minutes=0.02)
    after = load_json(tmp_path / "training" / "state.json")
    assert after["total_steps"] == after["step"] == 2 * before


def test_from_the_start_forgets_what_was_there(tmp_path):
    train(tmp_path / "a", seed=1)
    stage = make_stage(steps=20, checkpoint_every=10)
    fit(stage, tmp_path / "a", ToyData(), device="cpu", progress=False, resume=False)
    assert_same_tensors(weights_of(tmp_path / "a"), weights_of(train(tmp_path / "b")))


def test_a_damaged_checkpoint_costs_time_and_nothing_else(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "cut", steps=20)
    state = load_json(tmp_path / "cut" / "training" / "state.json")
    broken = tmp_path / "cut" / "training" / "checkpoints" / "step_00000020" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    shutil.copytree(tmp_path / "cut", tmp_path / "again")
    path = tmp_path / "again" / "training" / "state.json"
    path.write_text(path.read_text().replace(state["status"], "running"))
    with pytest.warns(UserWarning, match="step_00000020 is damaged"):
        train(tmp_path / "again")
    assert_same_tensors(weights_of(whole), weights_of(tmp_path / "again"))


def test_a_checkpoint_of_another_task_is_refused(tmp_path):
    train(tmp_path)
    state = tmp_path / "training" / "state.json"
    text = state.read_text().replace('"width": 16', '"width": 3')
    state.write_text(text.replace('"finished"', '"running"'))
    with pytest.raises(ValueError, match="checkpoint of step 20 does not fit this task"):
        train(tmp_path, task=ToyTaskConfig(model=ToyModelConfig(width=3)))


def test_chance_is_a_function_of_numbers():
    assert mix(0, 1) == mix(0, 1) != mix(1, 0)
    assert len({mix(0, step, rank) for step in range(100) for rank in range(4)}) == 400
    seed_everything(3, 1)
    first = torch.rand(3)
    seed_everything(3, 1)
    assert torch.equal(first, torch.rand(3))
