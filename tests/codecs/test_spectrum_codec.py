"""The codec of GANSynth: nothing is lost but what it says."""

import math

import pytest
import torch

from latentone.codecs.spectrum import SpectrumCodec, SpectrumConfig
from latentone.testing import verify_codec

SMALL = {"sample_rate": 8000, "n_fft": 128, "hop_length": 32}


def make(**changes):
    return SpectrumCodec(SpectrumConfig(**{**SMALL, **changes})).eval()


def noise(*shape):
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("drop_dc", [False, True])
def test_it_keeps_the_codec_contract(drop_dc):
    verify_codec(make(drop_dc=drop_dc))


@pytest.mark.parametrize("hop", [16, 32, 64])
@pytest.mark.parametrize("samples", [1, 31, 64, 1000, 4001])
def test_the_inverse_is_exact(hop, samples):
    codec, x = make(hop_length=hop), noise(2, 1, samples)
    y = codec.decode(codec.encode(x))
    torch.testing.assert_close(y[..., :samples], x, atol=5e-6, rtol=0)
    assert y[..., samples:].abs().max() < 5e-6 if y.shape[-1] > samples else True


def test_dropping_the_lowest_bin_leaves_a_third_of_a_constant_and_all_of_a_tone():
    # A Hann window spreads a constant c over bins -1, 0, 1; without 0, each frame is c (w - 1/2),
    # and overlap-add gives c (1 - mean(w) / 2 / mean(w^2)) = c (1 - (1/4) / (3/8)) = c / 3.
    codec = make(drop_dc=True, sample_rate=16_000, n_fft=1024, hop_length=256)
    time = torch.arange(16_000) / 16_000
    tone = 0.5 * torch.sin(2 * math.pi * 500 * time)[None, None]
    inner = slice(2048, -2048)
    y = codec.decode(codec.encode(tone + 0.1))[..., :16_000]
    torch.testing.assert_close(y[..., inner], (tone + 0.1 / 3)[..., inner], atol=1e-4, rtol=0)
    assert codec.latent.shape == (2, 512)


def test_published_sizes():
    codec = SpectrumCodec(SpectrumConfig(drop_dc=True))
    x = noise(1, 1, 65_536)
    latents = codec.encode(x)
    assert latents.shape == (1, 2 * 1024, 128) and codec.latent.shape == (2, 1024)
    magnitude, frequency = latents.chunk(2, 1)
    assert -1 < magnitude.min() and magnitude.max() < 1
    assert -0.8 <= frequency.min() and frequency.max() <= 0.8


def test_silence_and_scales():
    codec = make()
    latents = codec.encode(torch.zeros(1, 1, 320))
    magnitude, frequency = latents.chunk(2, 1)
    low = 0.0661371661726 * math.log(1e-6) + 0.113718730221
    torch.testing.assert_close(magnitude, torch.full_like(magnitude, low))
    assert not frequency.any() and codec.decode(latents).abs().max() < 1e-9


def test_settings_are_part_of_the_fingerprint():
    one = make()
    assert one.virtual and one.fingerprint() == make().fingerprint()
    assert one.fingerprint() != make(frequency_scale=1.0).fingerprint()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match=r"audio \(B, 1, T\)"):
        make().encode(torch.zeros(1, 2, 5))
    with pytest.raises(ValueError, match=r"expected latents \(B, 130, F\), got \(1, 2, 5\)"):
        make().decode(torch.zeros(1, 2, 5))
    with pytest.raises(ValueError, match="alone"):
        make().decode(torch.zeros(1, 130, 5), conditions={"pitch": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"hop_length must be in \[1, n_fft / 2 = 64\], got 100"):
        make(hop_length=100)
    with pytest.raises(ValueError, match="floor must be positive"):
        make(floor=0.0)
