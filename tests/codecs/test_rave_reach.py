"""How far RAVE hears, against gradients; and losses of what hears nothing that is padded."""

from dataclasses import replace

import pytest
import torch

from latentone.codecs.rave import RAVE
from latentone.codecs.rave_config import RAVEConfig
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_mel import MelInputConfig
from latentone.networks.rave_v1 import RAVEv1Config
from latentone.networks.rave_v2 import RAVEv2Config

SIZES = {"capacity": 3, "ratios": (4, 2)}
V2 = RAVEv2Config(**SIZES, dilations=((1, 3), (1,)))
V1_NOISE = NoiseConfig(hidden_dim=None, ratios=(4, 2), kernel_size=3)
BASE = RAVEConfig(
    sample_rate=8_000,
    num_bands=4,
    attenuation_db=60.0,
    latent_dim=4,
    regularizer="spherical",
    network=V2,
)
MEL_ENCODER = RAVEv2Config(capacity=3, ratios=(2, 2), dilations=((1,), (1,)))
MEL = MelInputConfig(n_fft=64, hop_length=8, n_mels=6, network=MEL_ENCODER)
CONFIGS = {
    "v2": BASE,
    "noise": replace(BASE, network=replace(V2, noise=NoiseConfig(hidden_dim=3, ratios=(2, 2)))),
    "v1": replace(BASE, network=RAVEv1Config(**SIZES, noise=V1_NOISE)),
    "raw": replace(BASE, decoder_bands=1, network=replace(V2, decoder_ratios=(8, 4))),
    "mel": replace(BASE, mel=MEL),
}


def built(config, causal=False):
    torch.manual_seed(0)
    if config.mel is not None:
        encoder = replace(config.mel.network, causal=causal)
        config = replace(config, mel=None, network=replace(config.network, causal=causal))
        return RAVE(replace(config, mel=replace(MEL, network=encoder)))
    return RAVE(replace(config, network=replace(config.network, causal=causal)))


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_reach_is_where_gradients_end(name, causal):
    """In double precision no product of weights is lost."""
    codec = built(CONFIGS[name], causal).double().eval()
    hop, frames = codec.config.hop_length, 60
    x = noise(1, 1, frames * hop).double().requires_grad_()
    latents = codec.encode(x)
    (latents[..., 30] * noise(1, 4)).sum().backward(retain_graph=True)
    assert codec.encoder.reach((30, 30)) == ends(x.grad)
    x.grad = None
    rng = torch.Generator().manual_seed(0)
    y = codec.decode(latents, rng=rng)[..., 30 * hop : 31 * hop]
    latents.retain_grad()
    (y * noise(hop)).sum().backward()
    span = codec.decoder.reach((30 * hop, 31 * hop - 1))
    assert span == ends(latents.grad)
    assert codec.encoder.reach(span) == ends(x.grad)


def ends(gradient):
    heard = gradient.abs().sum(dim=(0, 1)).nonzero()
    return int(heard[0]), int(heard[-1])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", ["v2", "raw", "mel"])
def test_no_gradient_depends_on_what_is_padded(name, causal):
    """An excerpt, padded with silence, and the same with what stands around it in the sound."""
    codec = built(CONFIGS[name], causal)
    hop = codec.config.hop_length
    count, around = 40 * hop, 20 * hop
    whole = 0.3 * noise(2, 1, count + 2 * around)
    excerpt = whole[..., around:-around]
    inner = codec.inner(count)
    assert 0 < inner.start < inner.stop <= count
    there = slice(inner.start + around, inner.stop + around)
    found = []
    for x, at in ((excerpt, inner), (whole, there), (excerpt, None)):
        codec.zero_grad()
        output = codec({"x": x} if at is None else {"x": x, "inner": at})
        sum(loss for n, loss in output.losses.items() if n.startswith("distance")).backward()
        found.append(torch.cat([p.grad.flatten() for p in codec.parameters()]))
    largest = found[1].abs().max()
    torch.testing.assert_close(found[0], found[1], atol=1e-4 * float(largest), rtol=0)
    assert (found[2] - found[1]).abs().max() > 1e-2 * largest


@torch.no_grad()
def test_the_next_frame_already_hears_what_is_padded():
    codec = built(BASE).double()
    hop = codec.config.hop_length
    whole = noise(1, 1, 80 * hop).double()
    inner = codec.inner(40 * hop)
    among = codec({"x": whole}).reconstruction[..., 20 * hop : -20 * hop]
    differ = (codec({"x": whole[..., 20 * hop : -20 * hop]}).reconstruction - among)[0, 0].abs()
    assert differ[inner].max() < 1e-14
    assert differ[inner.start - hop : inner.start].max() > 1e-14
    assert differ[inner.stop : inner.stop + hop].max() > 1e-14


def test_an_excerpt_that_holds_no_frame_is_refused():
    codec = built(BASE)
    with pytest.raises(ValueError, match="every frame of 64 samples hears") as error:
        codec.inner(64)
    least = int(str(error.value).split()[-1])
    inner = codec.inner(least)
    assert inner.stop - inner.start == codec.config.hop_length
    with pytest.raises(ValueError, match=f"take at least {least}"):
        codec.inner(least - 1)
