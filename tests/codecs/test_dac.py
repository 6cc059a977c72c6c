"""DAC: the codec contract, published sizes, training, what is refused."""

from dataclasses import replace

import pytest
import torch
from dac_models import STRIDES, make, noise, small

from latentone.codecs import DAC, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from latentone.testing import verify_codec


@pytest.mark.parametrize("strides", STRIDES.values(), ids=STRIDES)
def test_it_keeps_the_codec_contract(strides):
    verify_codec(make(small(strides)), lengths=(1, 2, 29, 30, 31, 65, 1999))


def test_causal_and_stereo_keep_it_too():
    verify_codec(make(small((2, 5, 3), causal=True, channels=2)), lengths=(1, 29, 30, 31, 1999))


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (dac_44khz(), (22_307_968, 239_760, 54_104_162)),
        (dac_44khz_16kbps(), (19_553_664, 189_216, 44_470_370)),
        (dac_24khz(), (21_521_536, 852_480, 52_334_690)),
        (dac_16khz(), (21_521_536, 319_680, 52_334_690)),
    ],
)
def test_parameter_counts(config, parts):
    with torch.device("meta"):
        codec = DAC(config)
    modules = (codec.encoder, codec.quantizer, codec.decoder)
    assert tuple(sum(p.numel() for p in m.parameters()) for m in modules) == parts
    assert sum(p.numel() for p in codec.parameters()) == sum(parts)


@pytest.mark.parametrize(
    ("config", "rate", "kbps", "hop"),
    [
        (dac_44khz(), 86.1328125, 7.75, 512),
        (dac_44khz_16kbps(), 86.1328125, 15.5, 512),
        (dac_24khz(), 75, 24, 320),
        (dac_16khz(), 50, 6, 320),
    ],
)
def test_rates_are_those_published(config, rate, kbps, hop):
    assert config.frame_rate == rate
    assert config.bandwidth(config.num_codebooks) == pytest.approx(kbps, abs=0.01)
    with torch.device("meta"):
        codec = DAC(config)
        audio = codec.decoder(torch.empty(1, config.network.latent_dim, 7))
    assert audio.shape == (1, 1, 7 * hop)


def test_fewer_codebooks_are_a_prefix_and_sound_worse_gradually():
    codec = make(small())
    with torch.no_grad():
        latents = codec.encode(noise(codec, 1, 60))
        codes = codec.quantize(latents)
        assert torch.equal(codec.quantize(latents, 2), codes[:, :2])
        assert codec.decode(codec.dequantize(codes[:, :1])).shape == (1, 1, 60 * 64)
        assert min(row.unique().numel() for row in codes[0]) > 8, "every codebook takes part"


def test_what_is_decoded_is_within_full_scale():
    codec = make(small())
    with torch.no_grad():
        y = codec.decode(100 * torch.randn(1, 16, 10))
    assert y.abs().max() <= 1 and y.abs().max() > 0.9


def test_a_training_pass_learns_and_repeats_with_its_seed():
    codec = make(small()).train()
    batch = {"x": noise(codec, 4, 10)[..., :-7]}

    def run(seed):
        return codec({**batch, "rng": torch.Generator().manual_seed(seed)})

    output = run(0)
    assert set(output.losses) == {"vq/commitment", "vq/codebook"}
    assert set(output.metrics) == {"vq/use", "vq/perplexity", "vq/sameness", "vq/restarted"}
    assert torch.equal(run(0).reconstruction, output.reconstruction)
    assert not torch.equal(run(1).reconstruction, output.reconstruction)
    loss = (output.reconstruction - batch["x"]).square().mean() + sum(output.losses.values())
    loss.backward()
    silent = [name for name, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_the_fingerprint_follows_the_encode_path_only():
    codec = make(small())
    before = codec.fingerprint()
    with torch.no_grad():
        for parameter in codec.decoder.parameters():
            parameter.add_(1)
    codec.quantizer.code_use.uses.add_(1)
    assert codec.fold_weight_norm().fingerprint() == before
    with torch.no_grad():
        codec.quantizer.codebooks[3].entries[0].add_(1)
    assert codec.fingerprint() != before


def test_folded_weights_give_the_same_sound():
    codec = make(small())
    x = noise(codec, 1, 20)
    with torch.no_grad():
        latents = codec.encode(x)
        sound = codec.decode(latents)
        codec.fold_weight_norm()
        assert torch.equal(codec.encode(x), latents) and torch.equal(codec.decode(latents), sound)


def test_wrong_input_is_refused():
    codec = make(small())
    with pytest.raises(ValueError, match=r"expected audio \(B, 1, T\)"):
        codec.encode(torch.zeros(1, 2, 100))
    with pytest.raises(ValueError, match="without conditions and gain"):
        codec.decode(torch.zeros(1, 16, 3), gain=torch.ones(1, 1))
    with pytest.raises(ValueError, match="moments must be 1"):
        small(moments=2)
    with pytest.raises(ValueError, match="multiples must be 3 positive numbers"):
        small(multiples=(2, 4))
    with pytest.raises(ValueError, match=r"quantizer_dropout must be in \[0, 1\], got 2"):
        replace(small(), quantizer_dropout=2)
