"""The loop: what it leaves behind, what it refuses, and that its arithmetic is what it says."""

import json
import os
import signal
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn import functional as F
from training_toys import (
    ToyData,
    ToyGANConfig,
    ToyGANTask,
    ToyModel,
    ToyModelConfig,
    ToyTask,
    ToyTaskConfig,
    assert_same_tensors,
    make_stage,
    weights_of,
)

from latentone.config import load_json
from latentone.training import (
    CheckpointError,
    Interrupted,
    Optimization,
    Task,
    TaskConfig,
    TrainingDiverged,
    checkpoint,
    fit,
)
from latentone.training.checkpoint import load_newest
from latentone.training.loader import training_batches, validation_batches
from latentone.training.trackers import read_metrics


def train(stage, folder, data=None, valid=None, **settings):
    data = ToyData() if data is None else data
    return fit(stage, folder, data, valid, device="cpu", progress=False, **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    stage = make_stage(steps=60, validate_every=20, checkpoint_every=25, ema_decay=0.9)
    folder = tmp_path_factory.mktemp("runs") / "toy"
    return train(stage, folder, valid=ToyData(8, seed=1))


def test_it_learns_and_leaves_a_model_folder(finished):
    assert {p.name for p in finished.iterdir()} == {"config.json", "model.safetensors", "training"}
    assert {p.name for p in (finished / "training").iterdir()} == {
        "best", "checkpoints", "curves.png", "metrics.jsonl", "state.json", "strip", "tensorboard"
    }  # fmt: skip
    records = read_metrics(finished / "training" / "metrics.jsonl")
    losses = [r["train"]["loss"] for r in records if "train" in r]
    assert len(losses) == 6 and losses[-1] < losses[0] / 2
    assert [r["step"] for r in records if "valid" in r] == [20, 40, 60]
    checkpoints = sorted(p.name for p in (finished / "training" / "checkpoints").iterdir())
    assert checkpoints == ["step_00000050", "step_00000060"]
    assert (finished / "training" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    state = load_json(finished / "training" / "state.json")
    assert state["status"] == "finished" and state["total_steps"] == state["step"] == 60


def test_the_model_is_the_average_and_the_loss_is_its_own(finished):
    snapshot = load_newest(finished / "training" / "checkpoints")
    model = ToyModel.from_pretrained(finished)
    for name, tensor in snapshot.average.items():
        assert torch.equal(model.state_dict()[name], tensor)
        assert not torch.equal(tensor, snapshot.modules["model"][name])
    valid = ToyData(8, seed=1)
    last = [r for r in read_metrics(finished / "training" / "metrics.jsonl") if "valid" in r][-1]
    parts = validation_batches(valid, items=64, batch_size=4, seed=0)
    with torch.no_grad():
        losses = [float(F.mse_loss(model(b["x"]), b["y"])) for b, _ in parts]
    assert sum(losses) / 2 == pytest.approx(last["valid"]["loss"], rel=1e-6)


def test_tensorboard_shows_scalars_sounds_and_pictures(finished):
    events = EventAccumulator(str(finished / "training" / "tensorboard")).Reload()
    tags = events.Tags()
    assert {"train/loss", "valid/loss", "optimizer/lr/model", "optimizer/grad_norm/model"} <= set(
        tags["scalars"]
    )
    assert tags["audio"] == ["sine"] and {"weights", "spectrogram/sine"} <= set(tags["images"])
    assert [s.step for s in events.Scalars("valid/loss")] == [20, 40, 60]
    rates = [s.value for s in events.Scalars("optimizer/lr/model")]
    assert rates[-1] == pytest.approx(0.01 * (1 - 59 / 60 / 2), rel=1e-5)


def test_repeating_a_finished_training_touches_nothing(finished):
    stage = make_stage(steps=60, validate_every=20, checkpoint_every=25, ema_decay=0.9)
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    data = ToyData()
    assert train(stage, finished, data, ToyData(8, seed=1)) == finished
    assert not data.drawn
    assert before == {p: p.stat().st_mtime_ns for p in finished.rglob("*")}


def test_the_loop_is_plain_torch_underneath(tmp_path):
    """Steps by hand, on the same draws, with clipping and the schedule, give the same weights."""

    class Plain(ToyTask):
        def step(self, batch, run):
            loss = F.mse_loss(run.module("model").eval()(batch["x"]), batch["y"])
            run.backward(loss)
            run.optimize("model")
            return {"loss": loss}

    stage = make_stage(steps=30)
    task = Plain(ToyTaskConfig())
    twin = ToyModel(ToyModelConfig())
    twin.load_state_dict(task.model.state_dict())
    train(stage, tmp_path, task=task)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.01)
    batches = training_batches(ToyData(), seed=0, batch_size=4)
    twin.eval()
    for step, batch in zip(range(30), batches, strict=False):
        optimizer.zero_grad()
        F.mse_loss(twin(batch["x"]), batch["y"]).backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 30 / 2)
        optimizer.step()
    for name, tensor in weights_of(tmp_path).items():
        torch.testing.assert_close(tensor, twin.state_dict()[name], atol=1e-6, rtol=1e-5)


@dataclass(frozen=True, kw_only=True)
class NoChanceConfig(TaskConfig):
    """Plain regression by SGD, with a mean loss: sums over micro-batches are exact."""

    clip: float | None = None

    def build(self, pretrained=None):
        return NoChance(self)


class NoChance(Task):
    def __init__(self, config):
        torch.manual_seed(5)
        self.model = ToyModel(ToyModelConfig()).double()
        self.modules = {"model": self.model}
        self.clip = config.clip
        self.steps = []

    def optimizers(self):
        sgd = torch.optim.SGD(self.model.parameters(), lr=0.1)
        return {"model": Optimization(sgd, "model", clip=self.clip)}

    def step(self, batch, run):
        before = [p.detach().clone() for p in self.model.parameters()]
        prediction = run.module("model").eval()(batch["x"].double())
        run.backward(F.mse_loss(prediction, batch["y"].double()))
        run.optimize("model")
        moved = [p - b for p, b in zip(self.model.parameters(), before, strict=True)]
        self.steps.append(float(torch.cat([m.detach().flatten() for m in moved]).norm()))
        return {}

    def validate(self, batch, run):
        return {"loss": run.module("model")(batch["x"].double()).square().mean()}


def test_accumulation_is_the_large_batch(tmp_path):
    large = train(make_stage(NoChanceConfig(), steps=10, batch_size=8), tmp_path / "a")
    small = train(
        make_stage(NoChanceConfig(), steps=10, batch_size=2, accumulate=4), tmp_path / "b"
    )
    theirs = weights_of(small)
    for name, tensor in weights_of(large).items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-12, rtol=0)


def test_clipping_bounds_every_step(tmp_path):
    task = NoChance(NoChanceConfig(clip=0.05))
    train(make_stage(NoChanceConfig(clip=0.05), steps=5), tmp_path, task=task)
    assert task.steps == pytest.approx([0.1 * 0.05] * 5, rel=1e-4)


def test_both_halves_of_a_gan_learn_and_the_discriminator_is_kept(tmp_path):
    task = ToyGANConfig().build()
    judge = {k: v.clone() for k, v in task.critic.state_dict().items()}
    run = train(make_stage(ToyGANConfig(), steps=20), tmp_path, task=task)
    kept = load_file(run / "training" / "discriminator.safetensors")
    assert_same_tensors(kept, task.critic.state_dict())
    assert all(not torch.equal(kept[name], judge[name]) for name in kept)


def test_a_frozen_module_passes_gradients_and_keeps_none(tmp_path):
    seen = {}

    class Watching(ToyGANTask):
        def step(self, batch, run):
            x = batch["y"].clone().requires_grad_()
            run.frozen("discriminator")(x).sum().backward()
            seen["input"] = x.grad is not None and bool(x.grad.any())
            seen["weights"] = [p.grad for p in self.critic.parameters()]
            seen["learns"] = all(p.requires_grad for p in self.critic.parameters())
            return super().step(batch, run)

    train(make_stage(ToyGANConfig(), steps=1), tmp_path, task=Watching(ToyGANConfig()))
    assert seen == {"input": True, "weights": [None] * 4, "learns": True}


def test_the_best_is_kept_where_the_task_says_so(tmp_path):
    class Worsening(ToyTask):
        keep_best = True
        losses = iter([3.0, 1.0, float("nan"), 2.0])

        def __init__(self, config):
            super().__init__(config)
            self.keep_best = True

        def validate(self, batch, run):
            return {"loss": torch.tensor(next(self.losses))}

    stage = make_stage(ToyTaskConfig(keep_best=True), steps=40, validate_every=10)
    run = train(stage, tmp_path, valid=ToyData(4), task=Worsening(stage.task))
    state = load_json(run / "training" / "state.json")
    assert state["best"] == {"step": 20, "loss": 1.0} and state["kept"] == "best"
    assert_same_tensors(weights_of(run), weights_of(run / "training" / "best"))
    snapshot = load_newest(run / "training" / "checkpoints")
    assert not torch.equal(
        snapshot.modules["model"]["net.0.weight"], weights_of(run)["net.0.weight"]
    )
    valid = [r["valid"]["loss"] for r in read_metrics(run / "training" / "metrics.jsonl")
             if "valid" in r]  # fmt: skip
    assert valid == [3.0, 1.0, None, 2.0]


class Poisoned(ToyData):
    """Turns bad from a certain batch on."""

    def __init__(self, after, value):
        super().__init__()
        self.after, self.value, self.batches = after, value, 0

    def collate(self, items):
        batch = super().collate(items)
        self.batches += 1
        if self.batches > self.after:
            batch["y"][1] = self.value
            self.guilty = batch["ids"]
        return batch


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_names_step_and_items(tmp_path, value):
    data = Poisoned(35, value)
    stage = make_stage(steps=100, checkpoint_every=10)
    with pytest.raises(TrainingDiverged) as caught:
        train(stage, tmp_path, data)
    assert caught.value.step == 35 and caught.value.ids == list(dict.fromkeys(data.guilty))
    assert "step 35" in str(caught.value) and data.guilty[0] in str(caught.value)
    assert str(caught.value).startswith("nan (step 35") and "clip the gradients" in str(
        caught.value
    )
    snapshot = load_newest(tmp_path / "training" / "checkpoints")
    assert snapshot.step == 30
    assert all(torch.isfinite(t.float()).all() for t in snapshot.modules["model"].values())
    # What was good is a model to go on from, and the error says how.
    assert_same_tensors(weights_of(tmp_path), snapshot.modules["model"])
    assert "The weights of step 30" in str(caught.value)
    assert f"--from {tmp_path}" in str(caught.value)
    state = load_json(tmp_path / "training" / "state.json")
    assert (state["status"], state["kept"]) == ("diverged", "step 30")
    with pytest.raises(TrainingDiverged, match="step 35"):
        train(stage, tmp_path, Poisoned(5, value))  # the same command meets the same step


def test_only_the_bad_micro_batch_is_named(tmp_path):
    data = Poisoned(6, float("nan"))
    with pytest.raises(TrainingDiverged) as caught:
        train(make_stage(steps=10, accumulate=2), tmp_path, data)
    assert caught.value.step == 3 and len(data.drawn) == 4 * 8
    assert caught.value.ids == list(
        dict.fromkeys(f"item{i}" for i, _ in data.drawn[24:32])
    )  # from the first bad batch on, both of them


class Stopping(ToyData):
    """Sends a signal while a batch is loaded."""

    def __init__(self, number, at):
        super().__init__()
        self.number, self.at = number, at

    def __getitem__(self, draw):
        if len(self.drawn) == 4 * self.at:
            os.kill(os.getpid(), self.number)
        return super().__getitem__(draw)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_and_the_rest_follows_exactly(tmp_path, number):
    stage = make_stage(steps=50, ema_decay=0.9)
    whole = train(stage, tmp_path / "whole")
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted, match=f"{number.name} at step 18 of 50"):
        train(stage, tmp_path / "cut", Stopping(number, 17))
    assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    state = load_json(tmp_path / "cut" / "training" / "state.json")
    assert state["status"] == "interrupted" and state["step"] == 18
    assert (tmp_path / "cut" / "model.safetensors").exists()  # can be listened to
    train(stage, tmp_path / "cut")
    assert_same_tensors(weights_of(whole), weights_of(tmp_path / "cut"))
    steps = [r["step"] for r in read_metrics(tmp_path / "cut" / "training" / "metrics.jsonl")]
    assert steps == sorted(set(steps)) and steps[-1] == 50


def test_a_full_disk_stops_with_the_older_checkpoint(tmp_path, monkeypatch):
    save = checkpoint.save_tensors

    def full(tensors, path):
        if "step_00000020" in str(path):
            raise OSError(28, "No space left on device")
        save(tensors, path)

    stage = make_stage(steps=30, checkpoint_every=10)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_tensors", full)
        with pytest.raises(CheckpointError, match=r"No space left.*step_00000010 is intact"):
            train(stage, tmp_path / "cut")
    train(stage, tmp_path / "cut")
    whole = train(stage, tmp_path / "whole")
    assert_same_tensors(weights_of(whole), weights_of(tmp_path / "cut"))


def test_workers_and_bookkeeping_do_not_change_the_weights(tmp_path):
    plain = train(make_stage(steps=12), tmp_path / "a")
    busy = make_stage(
        steps=12, workers=2, validate_every=5, checkpoint_every=4, log_every=1, preview_every=1
    )
    busy = train(busy, tmp_path / "b", valid=ToyData(8, seed=1))
    assert_same_tensors(weights_of(plain), weights_of(busy))


def test_bf16_trains_fp32_weights(tmp_path):
    seen = []

    class Watching(ToyTask):
        def step(self, batch, run):
            hook = self.model.net[0].register_forward_hook(lambda m, i, o: seen.append(o.dtype))
            out = super().step(batch, run)
            hook.remove()
            return out

    stage = make_stage(steps=3, precision="bf16-mixed")
    run = train(stage, tmp_path, task=Watching(ToyTaskConfig()))
    assert set(seen) == {torch.bfloat16}
    assert weights_of(run)["net.0.weight"].dtype == torch.float32


def test_a_task_without_a_validation_loss_is_refused(tmp_path):
    class Silent(ToyTask):
        def validate(self, batch, run):
            return {"error": torch.tensor(0.0)}

    with pytest.raises(ValueError, match=r"Silent\.validate gives no `loss`"):
        train(make_stage(steps=2), tmp_path, valid=ToyData(2), task=Silent(ToyTaskConfig()))


def test_an_optimiser_of_no_module_is_refused(tmp_path):
    class Lost(ToyTask):
        def optimizers(self):
            return {"g": Optimization(torch.optim.SGD(self.model.parameters()), "generator")}

    with pytest.raises(ValueError, match=r"optimiser 'g' owns module 'generator'.*\['model'\]"):
        train(make_stage(steps=2), tmp_path, task=Lost(ToyTaskConfig()))


def test_progress_lines_say_step_rate_and_losses(tmp_path, capsys):
    fit(make_stage(steps=12), tmp_path / "toy", ToyData(), ToyData(4), device="cpu")
    said = capsys.readouterr().err
    assert "toy: training for 12 steps on cpu" in said and "toy: step 12/12" in said
    assert "steps/s" in said and "validation loss" in said and "finished at step 12" in said
    assert json.loads((tmp_path / "toy" / "config.json").read_text())["model_type"] == "ToyModel"
