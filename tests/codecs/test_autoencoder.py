from dataclasses import replace

import pytest
import torch

from latentone.codecs.autoencoder import Autoencoder
from latentone.codecs.autoencoder_config import (
    AutoencoderConfig,
    EMACodes,
    FSQCodes,
    GradientCodes,
    KLLatents,
    MMDLatents,
    PlainLatents,
    SphereLatents,
    TanhLatents,
)
from latentone.codecs.composed_codes import GroupedCodes, SplitCodes
from latentone.codecs.long import encode_by_windows
from latentone.codecs.long_decode import decode_by_windows
from latentone.networks.seanet import SEANetConfig, SEANetDecoder
from latentone.testing import verify_codec, verify_quantizer, verify_streaming

SEANET = SEANetConfig(num_filters=4, latent_dim=8, ratios=(5, 4), num_lstm_layers=0)
LATENTS = {
    "plain": PlainLatents(),
    "kl": KLLatents(),
    "mmd": MMDLatents(),
    "sphere": SphereLatents(),
    "tanh": TanhLatents(),
    "ema": EMACodes(codebook_size=32, num_codebooks=2),
    "gradient": GradientCodes(codebook_size=32),
    "rotation": GradientCodes(
        codebook_size=32, num_codebooks=2, gradient="rotation", normalized=True
    ),
    "fsq": FSQCodes(levels=(5, 4, 3)),
    "grouped": GroupedCodes(chain=EMACodes(codebook_size=32, num_codebooks=2)),
    "split": SplitCodes(
        semantic=EMACodes(codebook_size=32),
        acoustic=EMACodes(codebook_size=32, num_codebooks=2),
        inner_dim=4,
    ),
}
PENALTIES = {
    "kl": {"latent/kl"},
    "mmd": {"latent/mmd"},
    "ema": {"vq/commitment"},
    "gradient": {"vq/commitment", "vq/codebook"},
    "rotation": {"vq/commitment", "vq/codebook"},
    "grouped": {"vq/commitment"},
    "split": {"vq/commitment"},
}


def make(name, **changes):
    torch.manual_seed(0)
    seanet = replace(SEANET, **changes)
    config = AutoencoderConfig(sample_rate=8000, seanet=seanet, latents=LATENTS[name])
    codec = Autoencoder(config)
    if codec.vocab:  # place the codes where the latents are
        codec.train()({"x": torch.randn(4, seanet.channels, 4000)})
    return codec.eval()


@pytest.mark.parametrize("name", LATENTS)
def test_it_keeps_the_codec_contract(name):
    verify_codec(make(name), lengths=(1, 2, 19, 20, 21, 3999))


def test_it_keeps_the_contract_around_an_lstm_in_stereo():
    verify_codec(make("kl", num_lstm_layers=1, channels=2), lengths=(1, 21, 3999))
    verify_codec(make("ema", norm="time_group_norm", causal=False), lengths=(1, 21, 3999))


@pytest.mark.parametrize("name", LATENTS)
def test_streams_equal_offline(name):
    codec = make(name, num_lstm_layers=1)
    x = 0.2 * torch.randn(2, 1, 66 * 20)
    with torch.no_grad():
        verify_streaming(codec.encode, codec.encoder, x)
        verify_streaming(codec.decode, codec.decoder, codec.encode(x))


@pytest.mark.parametrize("causal", [True, False])
def test_windows_of_the_context_are_exact_both_ways(causal):
    codec = make("kl", causal=causal, pad_mode="reflect")
    x = 0.2 * torch.randn(1, 1, 200 * 20)
    with torch.no_grad():
        latents = codec.encode(x)
        pieces = encode_by_windows(codec, lambda at, n: x[0, :, at : at + n], x.shape[-1], 400)
        joined = torch.cat([piece["acoustic"] for piece in pieces], -1)
        torch.testing.assert_close(joined, latents[0])
        sound = torch.cat(list(decode_by_windows(codec, latents, 17)), -1)
        torch.testing.assert_close(sound, codec.decode(latents))
    assert 0 < codec.context < 50 and 0 < codec.decode_context < 50
    assert make("kl", num_lstm_layers=1).context is None


@pytest.mark.parametrize("name", LATENTS)
def test_penalties_and_health(name):
    codec = make(name).train()
    x = 10 * torch.randn(2, 1, 1000)  # or FSQ rounds all of an untrained encoder to 0
    output = codec({"x": x, "rng": torch.Generator().manual_seed(0)})
    assert output.losses.keys() == PENALTIES.get(name, set())
    known = {"vq/use", "vq/perplexity"} if codec.vocab else {"latent/std"}
    assert known <= output.metrics.keys()
    torch.testing.assert_close(output.latents, codec.encode(x))
    loss = (output.reconstruction - x).square().mean() + sum(output.losses.values())
    loss.backward()
    missing = [n for n, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert not missing


def test_the_decoder_hears_codes_and_not_latents():
    for name in ("ema", "gradient", "rotation", "fsq"):
        codec = make(name)
        x = torch.randn(1, 1, 400)
        with torch.no_grad():
            expected = codec.decode(codec.dequantize(codec.quantize(codec.encode(x))))
            got = codec({"x": x}).reconstruction
            torch.testing.assert_close(got, expected)
            assert not torch.allclose(got, codec.decode(codec.encode(x)), atol=1e-4)


def test_the_quantiser_of_a_codec_keeps_the_quantiser_contract():
    for name in ("ema", "gradient", "rotation"):
        codec = make(name)
        rows = torch.randn(500, 8)
        with torch.no_grad():  # codes where the contract's noise is
            for book in codec.quantizer.codebooks:
                (book if name != "ema" else book.embed).copy_(rows[:32])
        verify_quantizer(codec.quantizer, dim=8)


def test_a_vae_hears_means_in_evaluation_and_draws_in_training():
    codec, x = make("kl"), torch.randn(1, 1, 400)
    with torch.no_grad():
        torch.testing.assert_close(codec({"x": x}).reconstruction, codec.decode(codec.encode(x)))
        codec.train()
        one, two, other = (
            codec({"x": x, "rng": torch.Generator().manual_seed(s)}).reconstruction
            for s in (0, 0, 1)
        )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_latents_are_where_the_bottleneck_wants_them():
    x = 5 * torch.randn(1, 1, 400)
    with torch.no_grad():
        sphere, tanh = make("sphere").encode(x), make("tanh").encode(x)
    torch.testing.assert_close(sphere.norm(dim=1), torch.ones(1, 20))
    assert tanh.abs().max() < 1


def test_sampling_from_the_prior():
    for name in ("kl", "mmd", "sphere"):
        codec = make(name)
        latents = codec.sample_prior(30, batch=2, rng=torch.Generator().manual_seed(0))
        assert latents.shape == (2, 8, 30)
        again = codec.sample_prior(30, batch=2, rng=torch.Generator().manual_seed(0))
        assert torch.equal(latents, again)
        assert codec.decode(latents).shape == (2, 1, 600)
    with pytest.raises(ValueError, match="no prior to sample from"):
        make("tanh").sample_prior(3)
    with pytest.raises(ValueError, match="no prior to sample from"):
        make("fsq").sample_prior(3)


def test_what_it_does_not_have_is_refused():
    with pytest.raises(TypeError, match="continuous"):
        make("kl").quantize(torch.randn(1, 8, 3))
    with pytest.raises(ValueError, match="without conditions and gain"):
        make("kl").decode(torch.randn(1, 8, 3), gain=torch.ones(1, 1))
    with pytest.raises(ValueError, match=r"expected audio \(B, 1, T\)"):
        make("kl").encode(torch.randn(1, 2, 30))
    with pytest.raises(ValueError, match="at least 2 entries, got 1 codebooks of 1"):
        EMACodes(codebook_size=1)
    with pytest.raises(ValueError, match="levels must be 2 or more"):
        FSQCodes(levels=(1, 3))
    with pytest.raises(ValueError, match="8 latent channels do not divide by 3 groups"):
        GroupedCodes(groups=3).quantizer(8)
    with pytest.raises(ValueError, match="inner_dim must be at least 1"):
        SplitCodes(inner_dim=0)


def test_the_encoder_of_a_vae_gives_two_numbers_a_channel():
    sizes = {n: sum(p.numel() for p in make(n).encoder.parameters()) for n in ("plain", "kl")}
    last = make("plain").encoder.network.layers[-1]
    assert sizes["kl"] - sizes["plain"] == sum(p.numel() for p in last.parameters())
    assert type(make("kl").decoder) is SEANetDecoder
