"""A diagnosis from the logs of whole trainings: success and each failure, provoked."""

from __future__ import annotations

import pytest
import torch
from health_toys import DEAF, ITEMS, SURE, WILD, Mixtures, small_task

from latentone.config import load_json
from latentone.training import Stage, TrainConfig, TrainingDiverged, fit
from latentone.training.logged_health import diagnose_log
from latentone.training.trackers import read_metrics

STEPS = 240


def logged(folder, steps=STEPS, **changes):
    """Records and state of a training that ran to its end."""
    train = TrainConfig(
        steps=steps, batch_size=ITEMS, log_every=20, validate_every=80, checkpoint_every=80
    )
    stage = Stage(task=small_task(**changes), train=train)
    fit(stage, folder, Mixtures(), Mixtures(), device="cpu", progress=False)
    training = folder / "training"
    return read_metrics(training / "metrics.jsonl"), load_json(training / "state.json")


@pytest.mark.slow  # `test_health` provokes the same without the loop and its files
@pytest.mark.parametrize(
    ("changes", "ailment"),
    [({}, "success"), (DEAF, "mode collapse"), (SURE, "vanished generator gradient")],
)
def test_a_training_is_diagnosed_from_its_logs(tmp_path, changes, ailment):
    records, state = logged(tmp_path, **changes)
    found = diagnose_log(records, state=state, lasting=20)
    assert found.ailment == ailment, found
    short = diagnose_log(records, state=state)
    assert short.is_healthy and "240 steps are too few to tell" in short.sign


def test_a_training_that_diverged_says_so_and_how_to_go_on(tmp_path):
    with pytest.raises(TrainingDiverged) as caught:
        logged(tmp_path, **WILD)
    assert caught.value.diagnosis.ailment == "nan"
    state = load_json(tmp_path / "training" / "state.json")
    records = read_metrics(tmp_path / "training" / "metrics.jsonl")
    found = diagnose_log(records, state=state)
    assert found.ailment == "nan" and f"step {caught.value.step} gave" in found.sign
    said = str(caught.value)
    assert said.startswith("nan (step") and "lower the learning rate" in said
    assert "No checkpoint came before it" in said and state["kept"] is None
    assert "folder/mix 0.wav" in said


def test_what_is_null_in_the_log_was_no_number():
    records = [{"step": 10, "train": {"loss": 1.0}}, {"step": 20, "train": {"loss": None}}]
    assert diagnose_log(records[:1]).is_healthy
    found = diagnose_log(records)
    assert found.ailment == "nan" and found.sign == "loss is nan"


def test_a_sign_must_hold_for_so_many_steps():
    good = [{"step": s, "train": {"variety": 0.9}} for s in range(100, 600, 100)]
    bad = [{"step": s, "train": {"variety": 0.001}} for s in range(600, 1100, 100)]
    assert diagnose_log(good + bad).ailment == "mode collapse"
    assert diagnose_log(good + bad[:-1]).is_healthy  # 400 of 500 steps
    assert diagnose_log(good + bad[:-1], lasting=400).ailment == "mode collapse"


def test_nothing_logged_is_not_judged():
    assert diagnose_log([]) is None
    assert diagnose_log([{"step": 5, "valid": {"loss": 1.0}}]) is None


def test_the_insides_are_logged_with_each_portrait(tmp_path):
    records, _ = logged(tmp_path, steps=160)
    moments = [r for r in records if "health" in r]
    assert [r["step"] for r in moments] == [80, 160]
    for record in moments:
        scores = record["health"]["scores"]
        assert sum(scores["real"]) == pytest.approx(1, abs=1e-3)
        assert sum(scores["fake"]) == pytest.approx(1, abs=1e-3)
        assert len(record["health"]["latents"]["std"]) == 16
        assert "codes" not in record["health"]
    names = {p.stem for p in (tmp_path / "training" / "strip" / "original").iterdir()}
    assert names == {"0-mix 0", "1-mix 1", "2-mix 2"}
    assert torch.isfinite(torch.tensor(moments[0]["health"]["latents"]["std"])).all()
