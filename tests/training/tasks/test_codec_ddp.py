"""Two processes train one codec: weights, codebooks and balance end equal on both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

CHILD = """
import json, os, sys, torch
from dataclasses import replace
from safetensors.torch import save_file
from latentone.codecs import EnCodecConfig
from latentone.discriminators import STFTDiscriminatorConfig
from latentone.networks.seanet import SEANetConfig
from latentone.training import Stage, TrainConfig, fit
from latentone.training.tasks import CodecTaskConfig

folder, changes, rank = sys.argv[1], json.loads(sys.argv[2]), int(os.environ["RANK"])

class Tones:
    weights = [1.0] * 16
    def __len__(self): return 16
    def __getitem__(self, draw):
        rng = torch.Generator().manual_seed(draw.index)
        hertz = 100 + 900 * torch.rand((), generator=rng)
        time = torch.arange(1024) / 8000 + draw.offset
        return torch.sin(2 * torch.pi * hertz * time) + 0.1 * torch.randn(1024, generator=rng)
    def collate(self, items):
        x = torch.stack(items)[:, None]
        return {"x": x, "lengths": torch.full((len(x),), 1024), "ids": ["tone"] * len(x)}

model = EnCodecConfig(
    sample_rate=8000,
    seanet=SEANetConfig(num_filters=2, latent_dim=4, ratios=(4, 2), num_lstm_layers=1),
    num_codebooks=3, codebook_size=32, codebook_choices=(1, 3), restart_below=0.9,
)
config = CodecTaskConfig(
    model=model, discriminator=STFTDiscriminatorConfig(filters=2, n_ffts=(128, 64)),
    adversarial_start=0.25, learning_rate=1e-3, **changes,
)
torch.manual_seed(rank)
task = config.build()
train = TrainConfig(steps=12, batch_size=2, accumulate=2, validate_every=6, checkpoint_every=6)
data = Tones()
fit(Stage(task=config, train=train), folder, data, data, task=task, device="cpu", progress=False)
tensors = {f"{n}.{k}": v for n, m in task.modules.items() for k, v in m.state_dict().items()}
save_file(tensors, f"{folder}.rank{rank}.safetensors")
"""


PHASES = {"balanced": False, "freeze_encoder_after": 0.5, "adversarial": "least_squares"}
ALONE = {"balanced": False, "discriminator_alone_every": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, PHASES, ALONE], ids=["balanced", "two phases", "discriminator alone"]
)
def test_two_ranks_end_with_one_codec(tmp_path, changes):
    source = str(Path(__file__).parents[3] / "src")
    paths = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
    script, run = tmp_path / "child.py", tmp_path / "run"
    script.write_text(CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", str(script), str(run), json.dumps(changes)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (load_file(f"{run}.rank{rank}.safetensors") for rank in (0, 1))
    parts = {name.split(".")[0] for name in one}
    assert {"codec", "discriminator"} <= parts
    differ = [name for name in one if not torch.equal(one[name], two[name])]
    assert not differ
    assert one["codec.quantizer.codebooks.0.inited"]
    assert ("balancer" in parts) == (not changes)
    assert changes or all(one["balancer.count"] > 0)
