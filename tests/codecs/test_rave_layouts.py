"""Checkpoints of the published code: names, shapes and sound as acids-rave 2.3.1 has them."""

import numpy as np
import pytest
import torch

from latentone.codecs.rave import RAVE
from latentone.codecs.rave_config import RAVEConfig, rave_discrete
from latentone.codecs.rave_layouts import convert_published
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_v2 import RAVEv2Config

CONFIG = RAVEConfig(
    num_bands=4,
    attenuation_db=60.0,
    latent_dim=5,
    network=RAVEv2Config(
        capacity=3,
        ratios=(2, 2),
        dilations=((1,), (1,)),
        activation="snake",
        adain=True,
        noise=NoiseConfig(hidden_dim=4, ratios=(2, 2), num_bands=3),
    ),
)
# The state dict of such a model, and what it gives for `published_state` and inputs of `wave`: the
# second item, every n-th value; audio without the four samples by which its bank is late.
SHAPES = {
    "encoder.warmed_up": (),
    "encoder.encoder.net.0.weight_g": (3, 1, 1),
    "encoder.encoder.net.0.weight_v": (3, 4, 7),
    "encoder.encoder.net.1.mean_x": (1,),
    "encoder.encoder.net.1.std_x": (1,),
    "encoder.encoder.net.1.learn_x": (1,),
    "encoder.encoder.net.1.num_update_x": (1,),
    "encoder.encoder.net.1.mean_y": (1,),
    "encoder.encoder.net.1.std_y": (1,),
    "encoder.encoder.net.1.learn_y": (1,),
    "encoder.encoder.net.1.num_update_y": (1,),
    "encoder.encoder.net.2.aligned.branches.0.net.0.alpha": (3, 1),
    "encoder.encoder.net.2.aligned.branches.0.net.1.weight_g": (3, 1, 1),
    "encoder.encoder.net.2.aligned.branches.0.net.1.weight_v": (3, 3, 3),
    "encoder.encoder.net.2.aligned.branches.0.net.2.alpha": (3, 1),
    "encoder.encoder.net.2.aligned.branches.0.net.3.weight_g": (3, 1, 1),
    "encoder.encoder.net.2.aligned.branches.0.net.3.weight_v": (3, 3, 1),
    "encoder.encoder.net.3.alpha": (3, 1),
    "encoder.encoder.net.4.weight_g": (6, 1, 1),
    "encoder.encoder.net.4.weight_v": (6, 3, 4),
    "encoder.encoder.net.6.aligned.branches.0.net.0.alpha": (6, 1),
    "encoder.encoder.net.6.aligned.branches.0.net.1.weight_g": (6, 1, 1),
    "encoder.encoder.net.6.aligned.branches.0.net.1.weight_v": (6, 6, 3),
    "encoder.encoder.net.6.aligned.branches.0.net.2.alpha": (6, 1),
    "encoder.encoder.net.6.aligned.branches.0.net.3.weight_g": (6, 1, 1),
    "encoder.encoder.net.6.aligned.branches.0.net.3.weight_v": (6, 6, 1),
    "encoder.encoder.net.7.alpha": (6, 1),
    "encoder.encoder.net.8.weight_g": (12, 1, 1),
    "encoder.encoder.net.8.weight_v": (12, 6, 4),
    "encoder.encoder.net.9.alpha": (12, 1),
    "encoder.encoder.net.10.weight_g": (10, 1, 1),
    "encoder.encoder.net.10.weight_v": (10, 12, 3),
    "decoder.waveform_module.weight_g": (8, 1, 1),
    "decoder.waveform_module.weight_v": (8, 3, 7),
    "decoder.noise_module.target_size": (),
    "decoder.noise_module.net.0.weight": (4, 3, 4),
    "decoder.noise_module.net.1.alpha": (4, 1),
    "decoder.noise_module.net.2.weight": (12, 4, 4),
    "decoder.net.0.weight_g": (12, 1, 1),
    "decoder.net.0.weight_v": (12, 5, 3),
    "decoder.net.1.alpha": (12, 1),
    "decoder.net.2.weight_g": (12, 1, 1),
    "decoder.net.2.weight_v": (12, 6, 4),
    "decoder.net.4.aligned.branches.0.net.0.alpha": (6, 1),
    "decoder.net.4.aligned.branches.0.net.1.weight_g": (6, 1, 1),
    "decoder.net.4.aligned.branches.0.net.1.weight_v": (6, 6, 3),
    "decoder.net.4.aligned.branches.0.net.2.alpha": (6, 1),
    "decoder.net.4.aligned.branches.0.net.3.weight_g": (6, 1, 1),
    "decoder.net.4.aligned.branches.0.net.3.weight_v": (6, 6, 1),
    "decoder.net.5.alpha": (6, 1),
    "decoder.net.6.weight_g": (6, 1, 1),
    "decoder.net.6.weight_v": (6, 3, 4),
    "decoder.net.8.aligned.branches.0.net.0.alpha": (3, 1),
    "decoder.net.8.aligned.branches.0.net.1.weight_g": (3, 1, 1),
    "decoder.net.8.aligned.branches.0.net.1.weight_v": (3, 3, 3),
    "decoder.net.8.aligned.branches.0.net.2.alpha": (3, 1),
    "decoder.net.8.aligned.branches.0.net.3.weight_g": (3, 1, 1),
    "decoder.net.8.aligned.branches.0.net.3.weight_v": (3, 3, 1),
    "decoder.net.9.alpha": (3, 1),
}
LATENTS = [
    0.037428,
    -0.045444,
    -0.003339,
    -0.00672,
    0.016729,
    0.003385,
    0.027875,
    -0.010705,
    -0.02788,
    0.038152,
    -0.021627,
]
AUDIO = [
    -0.009979,
    -0.016825,
    0.018172,
    0.0069,
    0.020594,
    0.006229,
    0.008358,
    -0.023709,
    -0.007378,
    -0.009097,
    4e-05,
]


def wave(*shape):
    t = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return torch.sin(0.71 * t + 0.0031 * t * t).view(shape).float()


def published_state():
    state, i = {"latent_pca": torch.eye(5), "pqmf.hk": torch.zeros(4, 64)}, 0
    for name, shape in SHAPES.items():
        state[name] = torch.zeros(shape)
        if name.endswith(("weight_g", "weight_v", ".weight", "alpha")):
            t = torch.arange(state[name].numel(), dtype=torch.float64)
            values = torch.sin(0.37 * t + t * t * 0.0123 + i).view(shape)
            kernel = name.endswith(("weight_v", ".weight"))
            fan = state[name][0].numel()
            state[name] = (values / fan**0.5 if kernel else 0.5 + 0.2 * values).float()
            i += 1
    return state


def assert_published(y, expected):
    y = y[1].detach().flatten()
    found = y[:: len(y) // 11][:11]
    torch.testing.assert_close(found, torch.tensor(expected), atol=5e-6, rtol=5e-6)


def test_a_checkpoint_sounds_as_in_the_published_code(tmp_path):
    torch.save({"state_dict": published_state(), "epoch": 3}, tmp_path / "last.ckpt")
    model = RAVE.from_original(tmp_path / "last.ckpt", CONFIG)
    assert not model.training
    assert_published(model.encode(wave(2, 1, 320)), LATENTS)
    y = model.decode(wave(2, 5, 8), rng=torch.Generator().manual_seed(3))
    assert_published(y[..., :-4], AUDIO)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a RAVE checkpoint"):
        RAVE.from_original(tmp_path / "none.ckpt", CONFIG)
    torch.save({"state_dict": {"a": Loud()}}, tmp_path / "pickle.ckpt")
    with pytest.raises(ValueError, match="more than tensors"):
        RAVE.from_original(tmp_path / "pickle.ckpt", CONFIG)
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="has no `state_dict`"):
        RAVE.from_original(tmp_path / "other.ckpt", CONFIG)
    state = published_state()
    with pytest.raises(ValueError, match="discrete, causal and hybrid checkpoints"):
        convert_published(state, rave_discrete(), "x.ckpt")
    name = next(n for n in SHAPES if n.endswith("weight_v"))
    with pytest.raises(ValueError, match=r"does not fit the config: .* got \(7, 4, 7\)"):
        convert_published({**state, name: torch.zeros(7, 4, 7)}, CONFIG, "x.ckpt")
    del state[name]
    with pytest.raises(ValueError, match="tensors, the config asks for"):
        convert_published(state, CONFIG, "x.ckpt")


class Loud:
    """Anything but tensors and plain values."""
