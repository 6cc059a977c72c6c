"""Two processes train one model: gradients averaged, ranks equal, nobody left waiting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_toys import ToyData, ToyGANConfig, make_stage, weights_of

from latentone.config import load_json
from latentone.training import fit

CHILD = """
import os, sys, torch
from training_toys import *
from latentone.training import TrainingDiverged, fit

what, folder, rank = sys.argv[1], sys.argv[2], int(os.environ["RANK"])

class Masked(ToyTask):
    '''Has a condition whose values may all be missing: masked, its weights still take part.'''

    def __init__(self, config):
        super().__init__(config)
        self.model.label = nn.Embedding(4, 3)

    def step(self, batch, run):
        index = torch.zeros(len(batch["x"]), dtype=torch.long)
        present = torch.zeros(len(index), 1)
        self.model.net.forward, plain = (
            lambda x: nn.Sequential.forward(self.model.net, x) + self.model.label(index) * present,
            self.model.net.forward,
        )
        out = super().step(batch, run)
        self.model.net.forward = plain
        return out

class Bad(ToyData):
    def collate(self, items):
        batch = super().collate(items)
        if rank == 1 and len(self.drawn) > 4 * 5:
            batch["y"][0] = float("inf")
            batch["ids"][0] = "the-guilty"
        return batch

torch.manual_seed(100 + rank)  # ranks must not depend on equal global chance
if what == "gan":
    task = ToyGANConfig().build()
    stage = make_stage(ToyGANConfig(), steps=12, accumulate=2, checkpoint_every=5)
    fit(stage, folder, ToyData(), ToyData(5, seed=1), task=task, device="cpu", progress=False)
elif what == "masked":
    task = Masked(ToyTaskConfig())
    stage = make_stage(steps=8, ema_decay=0.9)
    fit(stage, folder, ToyData(), ToyData(5, seed=1), task=task, device="cpu", progress=False)
elif what == "minutes":
    import time
    real = time.perf_counter
    time.perf_counter = lambda: real() * (1 + 1000 * rank)  # the ranks' clocks disagree
    task = ToyTask(ToyTaskConfig())
    fit(make_stage(minutes=0.01), folder, ToyData(), task=task, device="cpu", progress=False)
elif what == "nan":
    task = ToyTask(ToyTaskConfig())
    try:
        fit(make_stage(steps=20), folder, Bad(), task=task, device="cpu", progress=False)
    except TrainingDiverged as error:
        open(f"{folder}.rank{rank}.txt", "w").write(f"{error.step} {error.ids}")
        raise SystemExit(0)
from safetensors.torch import save_file
tensors = {f"{n}.{k}": v for n, m in task.modules.items() for k, v in m.state_dict().items()}
save_file(tensors, f"{folder}.rank{rank}.safetensors")
"""


def launch(what, folder):
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    script = folder.with_suffix(".py")
    script.write_text(CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", str(script), what, str(folder)]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def ranks(folder):
    return [load_file(f"{folder}.rank{rank}.safetensors") for rank in (0, 1)]


@pytest.mark.slow
def test_a_gan_on_two_ranks_is_the_gan_of_twice_the_batch(tmp_path):
    folder = tmp_path / "two"
    launch("gan", folder)
    first, second = ranks(folder)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert bool(first["generator.codebook"].any())
    torch.manual_seed(100)
    task = ToyGANConfig().build()
    stage = make_stage(ToyGANConfig(), steps=12, batch_size=8, accumulate=2)
    fit(stage, tmp_path / "one", ToyData(), task=task, device="cpu", progress=False)
    for name, tensor in weights_of(tmp_path / "one").items():
        if name != "codebook":  # moved by every micro-batch, with other means
            torch.testing.assert_close(tensor, weights_of(folder)[name], atol=1e-4, rtol=1e-3)
    checkpoints = folder / "training" / "checkpoints"
    assert sorted(p.name for p in checkpoints.iterdir()) == ["step_00000010", "step_00000012"]


@pytest.mark.slow
def test_a_condition_that_no_item_has_breaks_nothing(tmp_path):
    launch("masked", tmp_path / "run")
    first, second = ranks(tmp_path / "run")
    for name, tensor in first.items():
        if name != "model.calls":
            assert torch.equal(tensor, second[name]), name


@pytest.mark.slow
def test_minutes_become_the_same_steps_on_all_ranks(tmp_path):
    launch("minutes", tmp_path / "run")
    first, second = ranks(tmp_path / "run")
    assert torch.equal(first["model.net.0.weight"], second["model.net.0.weight"])
    state = load_json(tmp_path / "run" / "training" / "state.json")
    assert state["step"] == state["total_steps"]


@pytest.mark.slow
def test_a_bad_item_of_one_rank_stops_all_and_is_named_by_all(tmp_path):
    launch("nan", tmp_path / "run")
    said = [(tmp_path / f"run.rank{rank}.txt").read_text() for rank in (0, 1)]
    assert said[0] == said[1] and "the-guilty" in said[0] and said[0].startswith("5 ")
    assert not (tmp_path / "run" / "model.safetensors").exists()
