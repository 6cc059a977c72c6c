"""Recipes cut to machines: what is counted, what fits, and that it is the same training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from health_toys import SAMPLES, Steps, small_task
from torch import nn

from latentone.systems import encodec, musicgen, rave
from latentone.training.machine import (
    GIB,
    MACHINES,
    SLACK,
    Limits,
    _shortest,
    fit_stage,
    fit_to_machine,
)
from latentone.training.memory import Footprint, footprint, kept_bytes, state_bytes
from latentone.training.recipe import TrainConfig

MIB = 2**20
ROOM = Limits(room_bytes=1000 * MIB, precision="bf16-mixed")


class Chain:
    """A task in name: layers whose kept tensors can be counted by hand."""

    def __init__(self):
        self.layers = nn.Sequential(nn.Linear(100, 50, bias=False), nn.Tanh(), nn.Linear(50, 10))
        self.modules = {"chain": self.layers}


def test_kept_is_what_a_backward_pass_needs():
    """A linear layer keeps its input, tanh its output: the same storage as the next input."""
    chain, x = Chain(), torch.randn(8, 100)
    assert kept_bytes(chain, lambda: chain.layers(x).sum().backward()) == 4 * 8 * (100 + 50)
    assert state_bytes(chain) == 4 * 4 * (100 * 50 + 50 * 10 + 10)
    twice = kept_bytes(chain, lambda: [chain.layers(x).sum().backward() for _ in range(2)])
    assert twice == 4 * 8 * (100 + 50)  # one after the other
    both = kept_bytes(chain, lambda: (chain.layers(x) + chain.layers(x)).sum().backward())
    assert both == 4 * 8 * (100 + 50 + 50)  # at once, the input shared
    chain.layers[0].requires_grad_(False)
    assert state_bytes(chain) == 4 * (100 * 50) + 4 * 4 * (50 * 10 + 10)


def test_a_footprint_moves_no_weight_and_grows_with_the_batch():
    task = small_task().build()
    before = {n: p.clone() for n, p in task.codec.named_parameters()}
    sizes = []
    for items in (1, 2, 4):
        x = torch.randn(items, 1, SAMPLES)
        sizes.append(footprint(task, {"x": x}).item_bytes)
    assert all(torch.equal(before[n], p) for n, p in task.codec.named_parameters())
    assert all(p.grad is None for p in task.codec.parameters())
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=0.05)
    task.step({"x": torch.randn(2, 1, SAMPLES)}, Steps(task))  # it can still be trained


def train(**settings):
    return TrainConfig(**{"steps": 10, "batch_size": 64, "crop_seconds": 1.0, **settings})


def fitted(settings, state, item, limits=ROOM, shortest=0.1):
    counted = Footprint(state_bytes=round(state * MIB), item_bytes=round(item * MIB))
    return fit_stage(settings, counted, limits, shortest=shortest, who="the codec of toy")


def test_what_does_not_fit_at_once_is_accumulated():
    found = fitted(train(), 100, 900 / SLACK / 20)  # twenty items fit
    assert (found.batch_size, found.accumulate, found.crop_seconds) == (16, 4, 1.0)
    assert found.precision == "bf16-mixed" and found.steps == 10
    assert fitted(train(), 1, 1).batch_size == 64
    already = fitted(train(batch_size=8, accumulate=6), 100, 900 / SLACK / 20)
    assert (already.batch_size, already.accumulate) == (16, 3)
    odd = fitted(train(batch_size=7), 100, 900 / SLACK / 5)
    assert (odd.batch_size, odd.accumulate) == (1, 7)


def test_excerpts_are_halved_only_where_a_single_one_does_not_fit():
    found = fitted(train(), 100, 2000 / SLACK)
    assert (found.batch_size, found.accumulate, found.crop_seconds) == (1, 64, 0.25)
    with pytest.raises(ValueError, match=r"toy needs 2\.1 GiB for a single excerpt of 1 s"):
        fitted(train(), 100, 2000 / SLACK, shortest=0.6)
    with pytest.raises(ValueError, match="smaller --size or a larger --machine"):
        fitted(train(), 2000, 1)


def test_an_average_of_the_weights_takes_room_too():
    tight = train(batch_size=2, ema_decay=0.99)
    assert fitted(replace(tight, ema_decay=None), 800, 99 / SLACK).batch_size == 2
    with pytest.raises(ValueError, match="GiB"):
        fitted(tight, 800, 99 / SLACK, shortest=1.0)


def test_a_laptop_takes_fewer_items_a_step():
    laptop = fitted(train(), 100, 1, MACHINES["laptop"])
    assert (laptop.batch_size, laptop.accumulate) == (8, 1)
    assert laptop.precision == "32-true"


def test_a_recipe_keeps_its_effective_batch_on_an_accelerator():
    recipe = musicgen.RECIPES["debug"]()
    found = fit_to_machine(recipe, "8gb")
    for before, now in ((recipe.codec, found.codec), (recipe.generator, found.generator)):
        assert now.task == before.task
        assert now.train.batch_size * now.train.accumulate == before.train.batch_size
        assert now.train.precision == "bf16-mixed"
    assert found == fit_to_machine(recipe, "8gb")  # a repeated command goes on


@pytest.mark.slow
def test_a_published_recipe_fits_small_accelerators_in_parts():
    recipe = encodec.RECIPES["paper"]()
    sizes = {}
    for machine in ("laptop", "8gb", "16gb", "24gb"):
        found = fit_to_machine(recipe, machine).codec.train
        assert found.crop_seconds == recipe.codec.train.crop_seconds
        sizes[machine] = found.batch_size
        if machine != "laptop":
            assert found.batch_size * found.accumulate == recipe.codec.train.batch_size
    assert sizes["laptop"] <= 8 and sizes["8gb"] < sizes["16gb"] <= sizes["24gb"] <= 64


def test_the_shortest_excerpt_leaves_enough_to_compare():
    config = rave.debug_codec().task
    assert _shortest(config.build(), 500) == 500
    task = replace(config, inner_losses=True).build()
    samples = _shortest(task, 500)
    inner = task.codec.inner(samples)
    assert inner.stop - inner.start >= 500
    before = task.codec.inner(samples - task.codec.num_samples(1))
    assert before.stop - before.start < 500


def test_what_cannot_be_fitted_is_refused():
    recipe = musicgen.RECIPES["debug"]()
    with pytest.raises(ValueError, match="laptop, 8gb, 16gb, 24gb, got '6gb'"):
        fit_to_machine(recipe, "6gb")
    with pytest.raises(ValueError, match="has no codec of its own"):
        fit_to_machine(replace(recipe, codec=None), "8gb")
    assert GIB == 1024 * MIB
