"""The picture networks against diffusers, on the same random weights."""

from dataclasses import replace

import pytest
import torch

from latentone.codecs.picture_layouts import convert_autoencoder_kl
from latentone.networks.autoencoder_2d import (
    Autoencoder2dConfig,
    PictureDecoder,
    PictureEncoder,
)

SMALL = {
    "block_out_channels": (16, 32, 32),
    "layers_per_block": 2,
    "latent_channels": 3,
    "norm_num_groups": 4,
}
VARIANTS = {
    "AudioLDM's": {},
    "one residual block": {"layers_per_block": 1},
    "two levels": {"block_out_channels": (16, 48)},
    "without attention": {"mid_block_add_attention": False},
}


def levels(count, attention=False):
    down = ["DownEncoderBlock2D"] * count
    up = ["UpDecoderBlock2D"] * count
    if attention:
        down[-1], up[0] = "AttnDownEncoderBlock2D", "AttnUpDecoderBlock2D"
    return {"down_block_types": tuple(down), "up_block_types": tuple(up)}


def theirs(attention=False, **changes):
    """A diffusers `AutoencoderKL` over one channel, no weight of which is a constant."""
    diffusers = pytest.importorskip("diffusers")
    settings = {**SMALL, **changes}
    settings |= levels(len(settings["block_out_channels"]), attention)
    torch.manual_seed(0)
    model = diffusers.AutoencoderKL(in_channels=1, out_channels=1, **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def ours(model):
    config, state = convert_autoencoder_kl(dict(model.config), model.state_dict(), "there")
    encoder = PictureEncoder(config.network, 2 * config.network.latent_channels)
    decoder = PictureDecoder(config.network)
    for part, name in ((encoder, "encoder."), (decoder, "decoder.")):
        weights = {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}
        part.load_state_dict(weights, strict=True)
    assert len(state) == len(encoder.state_dict()) + len(decoder.state_dict())
    return encoder.eval(), decoder.eval()


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("attention", [False, True])
def test_they_are_those_of_diffusers(variant, attention):
    model = theirs(attention, **VARIANTS[variant])
    encoder, decoder = ours(model)
    x = 3 * torch.randn(2, 1, 24, 16) - 5
    moments = model.encode(x).latent_dist.parameters
    torch.testing.assert_close(encoder(x), moments, atol=1e-5, rtol=1e-5)
    z = torch.randn(2, 3, 6, 4)
    torch.testing.assert_close(decoder(z), model.decode(z).sample, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_audioldms_size_is_that_of_diffusers():
    model = theirs(block_out_channels=(128, 256, 512), latent_channels=8, norm_num_groups=32)
    encoder, decoder = ours(model)
    assert sum(p.numel() for m in (encoder, decoder) for p in m.parameters()) == 55_376_873
    for found, expected in (
        (encoder(x := torch.randn(1, 1, 32, 64)), model.encode(x).latent_dist.parameters),
        (decoder(z := torch.randn(1, 8, 8, 16)), model.decode(z).sample),
    ):
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@torch.no_grad()
def test_time_runs_down_and_is_not_mixed_up_with_bands():
    """Weights are not symmetric: a turned picture must give something else."""
    encoder, _ = ours(theirs())
    x = torch.randn(1, 1, 16, 16)
    turned = encoder(x.mT).mT
    assert (encoder(x) - turned).abs().max() > 0.1


def test_gradients_reach_every_weight():
    encoder, decoder = ours(theirs(attention=True))
    x = torch.randn(2, 1, 8, 16)
    decoder(encoder(x)[:, :3]).square().mean().backward()
    for part in (encoder, decoder):
        for name, parameter in part.named_parameters():
            # A bias of all keys moves all scores of a query alike, and the softmax not at all.
            assert name.endswith("key.bias") or bool(parameter.grad.any()), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_groups": 24}, "num_groups must divide"),
        ({"multiples": ()}, "multiples must be"),
        ({"channels": 0}, "channels must be positive"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(Autoencoder2dConfig(), **changes)


@pytest.mark.parametrize("shape", [(1, 1, 6, 16), (1, 1, 8, 18), (1, 2, 8, 16), (1, 8, 16)])
def test_pictures_that_do_not_fit_are_refused(shape):
    encoder, _ = ours(theirs())
    with pytest.raises(ValueError, match="multiples of 4"):
        encoder(torch.zeros(shape))
