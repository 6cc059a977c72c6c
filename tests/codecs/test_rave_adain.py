"""RAVE v3 with exchanged statistics: the whole codec, layer by layer, and as a stream."""

from dataclasses import replace

import pytest
import torch

from latentone.codecs.rave import RAVE
from latentone.codecs.rave_config import RAVEConfig
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.nn.adain import AdaptiveInstanceNorm, exchange_statistics, forget_statistics
from latentone.testing import verify_streaming

V3 = RAVEv2Config(
    capacity=4, ratios=(4, 2), dilations=((1, 3), (1,)), activation="snake", adain=True
)
CONFIG = RAVEConfig(
    sample_rate=8_000, num_bands=4, attenuation_db=60.0, latent_dim=4, network=V3
)  # fmt: skip


def built(causal=False):
    torch.manual_seed(0)
    codec = RAVE(replace(CONFIG, network=replace(V3, causal=causal)))
    with torch.no_grad():
        for name, value in codec.named_parameters():
            if name.endswith("alpha"):
                value.add_(0.3 * torch.randn_like(value))
    return codec.eval()


def sounds():
    rng = torch.Generator().manual_seed(0)
    time = torch.arange(32 * 60) / 8_000
    source = 0.3 * torch.randn(1, 1, len(time), generator=rng)
    return source, 0.5 * torch.sin(2 * torch.pi * 440 * time).view(1, 1, -1)


def layers(codec):
    return [m for m in codec.modules() if isinstance(m, AdaptiveInstanceNorm)]


def heard(codec, x):
    """What goes into each layer of the kind while `x` passes the codec, and what comes out."""
    found = []
    hooks = [
        layer.register_forward_hook(lambda _, inputs, y: found.append((inputs[0], y)))
        for layer in layers(codec)
    ]
    y = codec.decode(codec.encode(x))
    for hook in hooks:
        hook.remove()
    return found, y


def exchange(codec, source, target):
    for role, x in (("target", target), ("source", source)):
        with exchange_statistics(codec, role):
            codec.decode(codec.encode(x))


@torch.no_grad()
def test_every_layer_gives_the_source_the_statistics_of_the_target():
    codec, (source, target) = built(), sounds()
    plain, as_target = heard(codec, target)
    exchange(codec, source, target)
    moved, y = heard(codec, source)
    assert len(moved) == len(layers(codec)) == 6
    for (before, after), (wanted, _) in zip(moved, plain, strict=True):
        mean, std = (f(-1, keepdim=True) for f in (before.mean, before.std))
        to_mean, to_std = (f(-1, keepdim=True) for f in (wanted.mean, wanted.std))
        torch.testing.assert_close(after, (before - mean) / (std + 1e-5) * to_std + to_mean)
        torch.testing.assert_close(after.mean(-1), wanted.mean(-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(after.std(-1), wanted.std(-1), atol=1e-5, rtol=2e-3)
    assert (y - as_target).abs().max() > 1e-3


@torch.no_grad()
def test_the_whole_codec_equals_its_layers_one_after_the_other():
    """Written out: each layer's closed form between the codec's own convolutions."""
    codec, (source, target) = built(), sounds()
    plain = [x for x, _ in heard(codec, target)[0]]
    exchange(codec, source, target)
    found = codec.decode(codec.encode(source))
    forget_statistics(codec)
    wanted = iter(plain)

    def through(network, x):
        for layer in network:
            if isinstance(layer, AdaptiveInstanceNorm):
                like = next(wanted)
                x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
                x = x * like.std(-1, keepdim=True) + like.mean(-1, keepdim=True)
            else:
                x = layer(x)
        return x

    latents = through(codec.encoder.network, codec.bank(source)).chunk(2, dim=1)[0]
    wave, gate = codec.decoder.network.wave(through(codec.decoder.network.body, latents)).chunk(
        2, 1
    )
    expected = codec.bank.inverse(torch.tanh(wave * torch.sigmoid(gate)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_sound_exchanged_with_itself_stays():
    codec, (source, _) = built(), sounds()
    before = codec.decode(codec.encode(source))
    exchange(codec, source, source)
    after = codec.decode(codec.encode(source))
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)
    forget_statistics(codec)
    assert torch.equal(codec.decode(codec.encode(source)), before)


@torch.no_grad()
def test_statistics_are_saved_and_change_what_is_encoded(tmp_path):
    codec, (source, target) = built(), sounds()
    before = codec.fingerprint()
    exchange(codec, source, target)
    loaded = RAVE.from_pretrained(codec.save_pretrained(tmp_path / "codec"))
    assert torch.equal(loaded.encode(source), codec.encode(source))
    assert loaded.fingerprint() == codec.fingerprint() != before


@torch.no_grad()
def test_an_exchanged_causal_codec_streams():
    codec, (source, target) = built(causal=True), sounds()
    exchange(codec, source, target)
    codec.decoder.noisy = False
    verify_streaming(codec.encoder, codec.encoder, source)
    verify_streaming(codec.decoder, codec.decoder, codec.encode(source))


@torch.no_grad()
@pytest.mark.parametrize("role", ["source", "target"])
def test_one_half_changes_nothing(role):
    codec, (source, target) = built(), sounds()
    before = codec.decode(codec.encode(source))
    with exchange_statistics(codec, role):
        codec.decode(codec.encode(target))
    assert torch.equal(codec.decode(codec.encode(source)), before)
