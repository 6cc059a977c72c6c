"""The fast mode: the same sound but for the precision, and nothing else touched."""

import importlib

import pytest
import torch

from latentone.codecs import Codec, fast_mode
from latentone.hub import build_model

SYSTEMS = ["dac", "encodec", "hifigan", "melgan", "oobleck", "rave", "soundstream", "vae", "vqvae"]


def make(system):
    torch.manual_seed(0)
    recipe = importlib.import_module(f"latentone.systems.{system}").RECIPES["debug"]()
    codec = build_model(recipe.codec.task.model, Codec).eval()
    for module in codec.modules():
        if hasattr(module, "noisy"):
            module.noisy = False
    return codec


def snr(reference, y):
    return 10 * torch.log10(reference.square().sum() / (reference - y).square().sum())


@pytest.mark.parametrize("system", SYSTEMS)
@torch.no_grad()
def test_decodes_nearly_the_same(system):
    codec = make(system)
    x = 0.3 * torch.randn(2, codec.source.channels, 3000)
    latents, fingerprint = codec.encode(x), codec.fingerprint()
    state = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    expected = codec.decode(latents)
    handles = fast_mode(codec)
    y = codec.decode(latents)
    assert y.dtype == torch.float32 and 25 < snr(expected, y) < 80
    assert torch.equal(codec.encode(x), latents) and codec.fingerprint() == fingerprint
    assert all(torch.equal(tensor, state[name]) for name, tensor in codec.state_dict().items())
    for handle in handles:
        handle.remove()
    assert torch.equal(codec.decode(latents), expected)


@torch.no_grad()
def test_encodes_nearly_the_same_when_asked():
    codec = make("vae")
    x = 0.3 * torch.randn(1, codec.source.channels, 3000)
    latents = codec.encode(x)
    fast_mode(codec, encoder=True)
    assert 25 < snr(latents, codec.encode(x)) < 80


def test_a_training_goes_on_in_full_precision():
    codec, twin = make("vqvae").train(), make("vqvae").train()
    fast_mode(codec, encoder=True)
    x = 0.3 * torch.randn(2, codec.source.channels, 1000)
    ours, expected = [c.forward({"x": x}).reconstruction for c in (codec, twin)]
    assert torch.equal(ours, expected)


def test_refuses_what_has_nothing_to_compute():
    with pytest.raises(ValueError, match="no learned decoder"):
        fast_mode(make("gansynth_spectrum"))
