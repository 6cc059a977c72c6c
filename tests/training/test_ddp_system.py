"""Codec and generator of a whole system, trained by two processes: equal weights and codebooks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import latentone
from latentone.audio import Audio

RATE = 8000
CHILD = """
import os, sys
from safetensors.torch import save_file
from test_system import make_recipe, train
from latentone.training.run import FabricRun

data, run, rank = sys.argv[1], sys.argv[2], os.environ["RANK"]
tasks, init = [], FabricRun.__init__

def remember(self, fabric, task, **settings):
    tasks.append(task)
    init(self, fabric, task, **settings)

FabricRun.__init__ = remember
train(make_recipe(), data, run)
tensors = {
    f"{i}.{n}.{k}": v.clone()
    for i, task in enumerate(tasks)
    for n, module in task.modules.items()
    for k, v in module.state_dict().items()
}
save_file(tensors, f"{run}.rank{rank}.safetensors")
"""


@pytest.mark.slow
def test_ranks_end_equal_without_any_caption(tmp_path):
    for i in range(10):
        noise = torch.randn(1, RATE, generator=torch.Generator().manual_seed(i)) * 0.1
        Audio(noise, RATE).save(tmp_path / "data" / f"{chr(97 + i) * 4}.wav")
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", str(script), str(tmp_path / "data"),
               str(tmp_path / "run")]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (load_file(tmp_path / f"run.rank{rank}.safetensors") for rank in (0, 1))
    assert any(name.startswith("1.generator") for name in first)
    assert any("codebook" in name or "embed" in name for name in first)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    music = latentone.load(tmp_path / "run")
    assert music.generate(duration=0.2, seed=0).duration == pytest.approx(0.2)
