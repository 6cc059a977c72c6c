from math import log

import pytest
import torch

from latentone.codecs import (
    IdentityWaveform,
    IdentityWaveformConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
)
from latentone.testing import verify_codec


@pytest.mark.parametrize("channels", [1, 2])
def test_they_keep_the_codec_contract(channels):
    verify_codec(IdentityWaveform(IdentityWaveformConfig(channels=channels)).eval())
    verify_codec(MuLawWaveform(MuLawWaveformConfig(channels=channels)).eval())


def test_mu_law_at_known_points():
    codec = MuLawWaveform(MuLawWaveformConfig())
    x = torch.tensor([[[0.0, 1.0, -1.0, 0.5, 3.0]]])
    expected = torch.tensor([[[0.0, 1.0, -1.0, log(1 + 127.5) / log(256), 1.0]]])
    torch.testing.assert_close(codec.encode(x), expected)
    assert codec.quantize(expected)[0, 0, 1:3].tolist() == [255, 0]


@pytest.mark.parametrize("levels", [2, 16, 256, 65_536])
def test_every_level_comes_back(levels):
    codec = MuLawWaveform(MuLawWaveformConfig(levels=levels))
    codes = torch.arange(levels)[None, None]
    audio = codec.decode(codec.dequantize(codes))
    assert torch.equal(codec.quantize(codec.encode(audio)), codes)


def test_the_error_is_at_most_half_a_step_when_companded():
    codec = MuLawWaveform(MuLawWaveformConfig())
    x = torch.linspace(-1, 1, 4001)[None, None]
    y = codec.decode(codec.dequantize(codec.quantize(codec.encode(x))))
    assert (codec.encode(y) - codec.encode(x)).abs().max() <= 1 / 255 + 1e-6
    quiet = x.abs() < 0.01
    assert (y - x)[quiet].abs().max() < 3e-4 < (y - x).abs().max()  # finer where it is quiet


def test_identity_is_bit_identical():
    codec = IdentityWaveform(IdentityWaveformConfig(channels=2))
    x = 3 * torch.randn(2, 2, 50)
    assert torch.equal(codec.decode(codec.encode(x)), x)
    with pytest.raises(TypeError, match="continuous"):
        codec.quantize(x)


def test_settings_are_part_of_the_fingerprint():
    one = MuLawWaveform(MuLawWaveformConfig())
    assert one.virtual and one.fingerprint() == MuLawWaveform(one.config).fingerprint()
    for other in (MuLawWaveformConfig(levels=128), MuLawWaveformConfig(sample_rate=8000)):
        assert one.fingerprint() != MuLawWaveform(other).fingerprint()


def test_wrong_input_is_refused():
    codec = MuLawWaveform(MuLawWaveformConfig(channels=2))
    with pytest.raises(ValueError, match=r"expected audio \(B, 2, T\), got \(1, 1, 5\)"):
        codec.encode(torch.zeros(1, 1, 5))
    with pytest.raises(ValueError, match="all 2 are needed, got 1"):
        codec.quantize(torch.zeros(1, 2, 5), 1)
    with pytest.raises(ValueError, match="levels must be at least 2"):
        MuLawWaveformConfig(levels=1)
