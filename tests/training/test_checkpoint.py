"""Checkpoints are whole or absent, and come back bit for bit."""

import resource
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from training_toys import assert_same_tensors

from latentone.training.checkpoint import CheckpointError, Snapshot, load_newest, save_checkpoint


def trained(optimizer_class, **settings):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    optimizer = optimizer_class(
        [{"params": module[0].parameters()}, {"params": module[1].parameters(), "lr": 0.5}],
        **settings,
    )
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(5, 4)).square().mean().backward()
        optimizer.step()
    return module, optimizer


def snapshot(step=10, size=0):
    module, optimizer = trained(torch.optim.AdamW, lr=0.1, betas=(0.5, 0.9))
    modules = {"net": module.state_dict(), "ballast": {"zeros": torch.zeros(size)}}
    return Snapshot(
        step=step,
        total_steps=100,
        modules=modules,
        optimizers={"net": optimizer.state_dict()},
        average={"0.weight": torch.randn(4, 4)},
        progress={"best": {"step": 5, "loss": 0.1}},
    )


@pytest.mark.parametrize(
    ("optimizer_class", "settings"),
    [
        (torch.optim.AdamW, {"lr": 0.1, "betas": (0.5, 0.9), "amsgrad": True}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (torch.optim.SGD, {"lr": 0.1}),
        (torch.optim.RMSprop, {"lr": 0.1}),
    ],
)
def test_an_optimizer_continues_as_if_nothing_happened(tmp_path, optimizer_class, settings):
    module, optimizer = trained(optimizer_class, **settings)
    save_checkpoint(
        tmp_path,
        Snapshot(
            step=3,
            total_steps=9,
            modules={"m": module.state_dict()},
            optimizers={"m": optimizer.state_dict()},
        ),
        keep=1,
    )
    found = load_newest(tmp_path)
    other, again = trained(optimizer_class, **settings)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(found.modules["m"])
    again.load_state_dict(found.optimizers["m"])
    assert again.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    x = torch.randn(5, 4)
    for net, opt in ((module, optimizer), (other, again)):
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()
    assert_same_tensors(module.state_dict(), other.state_dict())


def test_everything_comes_back(tmp_path):
    given = snapshot()
    path = save_checkpoint(tmp_path, given, keep=2)
    assert path.name == "step_00000010"
    found = load_newest(tmp_path)
    assert (found.step, found.total_steps, found.progress) == (10, 100, given.progress)
    assert_same_tensors(found.modules["net"], given.modules["net"])
    assert_same_tensors(found.average, given.average)


def test_tied_tensors_are_legal(tmp_path):
    tied = torch.randn(3)
    given = Snapshot(
        step=1, total_steps=1, modules={"m": {"a": tied, "b": tied, "c": tied[:2]}}, optimizers={}
    )
    save_checkpoint(tmp_path, given, keep=1)
    assert_same_tensors(load_newest(tmp_path).modules["m"], given.modules["m"])


def test_only_the_newest_stay(tmp_path):
    (tmp_path / ".step_00000001.99.partial").mkdir()
    for step in (9, 10, 100):
        save_checkpoint(tmp_path, snapshot(step), keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000010", "step_00000100"]


def cut(path: Path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize("name", ["net.safetensors", "optimizer.net.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named_and_passed_over(tmp_path, damage, name):
    for step in (10, 20):
        save_checkpoint(tmp_path, snapshot(step), keep=2)
    if damage is flip and name == "state.json":
        damage = cut
    damage(tmp_path / "step_00000020" / name)
    with pytest.warns(UserWarning, match="step_00000020 is damaged"):
        assert load_newest(tmp_path).step == 10
    shutil.rmtree(tmp_path / "step_00000010")
    with pytest.warns(UserWarning, match="step_00000020 is damaged"):
        assert load_newest(tmp_path) is None


def test_a_full_disk_is_said_and_costs_nothing(tmp_path):
    save_checkpoint(tmp_path, snapshot(10), keep=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        with pytest.raises(CheckpointError, match=r"step_00000020.*step_00000010 is intact"):
            save_checkpoint(tmp_path, snapshot(20, size=1_000_000), keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000010"]
    assert load_newest(tmp_path).step == 10
