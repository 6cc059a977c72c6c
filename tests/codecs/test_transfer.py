"""Between two sounds and beyond: closed forms where nothing is learned, then learned codecs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentone.codecs import (
    EnCodec,
    EnCodecConfig,
    IdentityWaveform,
    IdentityWaveformConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
)
from latentone.codecs.long_transfer import transfer_sound
from latentone.codecs.transfer import blend, edit_latents, match_loudness, repeat_to, transfer
from latentone.dsp.loudness import integrated_loudness
from latentone.networks.seanet import SEANetConfig

RATE = 8000


def identity(channels: int = 1) -> IdentityWaveform:
    return IdentityWaveform(IdentityWaveformConfig(sample_rate=RATE, channels=channels))


def encodec(normalize: bool = False) -> EnCodec:
    torch.manual_seed(0)
    seanet = SEANetConfig(latent_dim=8, num_filters=4, ratios=(4, 4, 5))
    config = EnCodecConfig(
        sample_rate=RATE,
        seanet=seanet,
        num_codebooks=3,
        codebook_size=40,
        normalize=normalize,
    )
    codec = EnCodec(config)
    with torch.no_grad():
        spread = float(codec.encode(tone(220)[None]).std())
    for book in codec.quantizer.codebooks:
        book.embed.normal_(std=spread)
    return codec.eval()


def tone(hz: float, seconds: float = 1.0, level: float = 0.3, channels: int = 1) -> Tensor:
    t = torch.arange(round(seconds * RATE)) / RATE
    return (level * torch.sin(2 * torch.pi * hz * t)).expand(channels, -1).contiguous()


@pytest.mark.parametrize("amount", [-0.5, 0.0, 0.25, 1.0, 1.5])
def test_blend_is_a_line(amount: float) -> None:
    a, b = tone(220), tone(700)
    expected = (1 - amount) * a + amount * b
    torch.testing.assert_close(blend(a, b, amount), expected)
    heard = transfer(identity(), a, b, amount=amount, loudness=False)
    torch.testing.assert_close(heard, expected)


def test_nothing_asked_is_a_reconstruction() -> None:
    x = tone(220)[:, :5003]
    for codec in (encodec(), encodec(normalize=True)):
        with torch.no_grad():
            codes = codec.quantize(codec.encode(x[None]))
            expected = codec.decode(codec.dequantize(codes), gain=codec.gain(x[None]))
            two = codec.decode(codec.dequantize(codes[:, :2]), gain=codec.gain(x[None]))
        assert torch.equal(transfer(codec, x, loudness=False), expected[0, :, :5003])
        assert torch.equal(transfer(codec, x, num_codebooks=2, loudness=False), two[0, :, :5003])


@pytest.mark.parametrize("normalize", [False, True])
def test_ends_of_the_line_are_the_two_sounds(normalize: bool) -> None:
    codec, a, b = encodec(normalize), tone(220), tone(700, level=0.1)
    for amount, sound in ((0.0, a), (1.0, b)):
        moved = transfer_sound(codec, a, b, amount=amount, loudness=False)
        alone = transfer_sound(codec, sound, loudness=False)
        torch.testing.assert_close(moved, alone, atol=1e-5, rtol=1e-4)
    first, second = (transfer(codec, x, loudness=False) for x in (a, b))
    assert torch.equal(transfer(codec, a, b, amount=0, loudness=False), first)
    torch.testing.assert_close(transfer(codec, a, b, amount=1, loudness=False), second)
    between = transfer(codec, a, b, amount=0.5, loudness=False)
    assert (between - first).abs().max() > 1e-4
    assert (between - second).abs().max() > 1e-4


def test_bias_and_scale_by_channel() -> None:
    z = torch.randn(2, 4, 7)
    edited = edit_latents(z, bias={0: 1.5, 3: -1}, scale={0: 2, 2: 0})
    expected = z.clone()
    expected[:, 0] = 2 * z[:, 0] + 1.5
    expected[:, 2] = 0
    expected[:, 3] = z[:, 3] - 1
    torch.testing.assert_close(edited, expected)
    x = tone(220, channels=2)
    y = transfer(identity(2), x, bias={1: 0.25}, scale={0: 0.5}, loudness=False)
    torch.testing.assert_close(y, torch.stack([0.5 * x[0], x[1] + 0.25]))


def test_loudness_is_that_of_the_input() -> None:
    for codec in (encodec(), identity()):
        x = tone(440, level=0.05)
        y = transfer(codec, x, scale={0: 3.0})
        difference = integrated_loudness(y, RATE) - integrated_loudness(x, RATE)
        assert abs(float(difference)) < 1e-3
    doubled = match_loudness(tone(300, level=0.1), tone(300, level=0.2), RATE)
    torch.testing.assert_close(doubled, tone(300, level=0.2), atol=1e-6, rtol=1e-5)


def test_the_other_comes_at_the_same_loudness() -> None:
    a, b = tone(440, level=0.4), tone(500, level=0.001)
    for how in ({"amount": 0.5}, {"mix": 0.5}):
        y = transfer(identity(), a, b, **how)[0]
        shares = [float(y @ tone(hz)[0]) for hz in (440, 500)]  # whole periods: orthogonal
        assert shares[1] == pytest.approx(shares[0], rel=0.05)


def test_silence_stays_silence() -> None:
    silence, x = torch.zeros(1, RATE), tone(220)
    assert torch.equal(transfer(identity(), silence), silence)
    assert torch.equal(match_loudness(silence, x, RATE), silence)
    assert torch.equal(match_loudness(x, silence, RATE), x)


def test_mix_is_heard_by_the_encoder() -> None:
    a, b = tone(220), tone(700)
    codec = MuLawWaveform(MuLawWaveformConfig(sample_rate=RATE, levels=4096))
    mixed = transfer(codec, a, b, mix=0.5, loudness=False)
    torch.testing.assert_close(mixed, (a + b) / 2, atol=2e-3, rtol=0)
    # Latents are logarithmic here, so halfway between latents is no mix of sounds.
    between = transfer(codec, a, b, amount=0.5, loudness=False)
    assert (between - mixed).abs().max() > 0.05
    normalised = encodec(normalize=True)
    with torch.no_grad():
        heard = ((a + b) / 2)[None]
        codes = normalised.quantize(normalised.encode(heard))
        expected = normalised.decode(normalised.dequantize(codes), gain=normalised.gain(heard))
    torch.testing.assert_close(
        transfer(normalised, a, b, mix=0.5, loudness=False), expected[0], atol=1e-6, rtol=1e-4
    )


def test_a_shorter_sound_repeats_and_a_longer_one_is_cut() -> None:
    b = torch.arange(1.0, 4.0)[None]
    assert repeat_to(b, 7).tolist() == [[1, 2, 3, 1, 2, 3, 1]]
    assert repeat_to(b, 2).tolist() == [[1, 2]]
    y = transfer(identity(), torch.zeros(1, 7), b, amount=1, loudness=False)
    assert y.tolist() == [[1, 2, 3, 1, 2, 3, 1]]


def test_refusals() -> None:
    x = tone(220)
    with pytest.raises(ValueError, match="bias of the latent channel 8: the codec has 0 to 7"):
        transfer(encodec(), x, bias={8: 1})
    with pytest.raises(ValueError, match="scale of the latent channel -1"):
        transfer(encodec(), x, scale={-1: 1})
    with pytest.raises(ValueError, match="not finite"):
        edit_latents(x[None], bias={0: math.inf})
    for wrong in ({"amount": 0.5}, {"mix": 0.5}):
        with pytest.raises(ValueError, match="need another sound"):
            transfer(identity(), x, **wrong)
    for wrong in ({"mix": 1.5}, {"mix": -0.1}, {"amount": math.nan}):
        with pytest.raises(ValueError, match="expected a mix of 0 to 1"):
            transfer(identity(), x, x, **wrong)
    for shape in ((2, 100), (1, 0), (100,)):
        with pytest.raises(ValueError, match=r"expected sound \(1, T\)"):
            transfer(identity(), torch.zeros(shape))
        with pytest.raises(ValueError, match=r"expected sound \(1, T\)"):
            transfer(identity(), x, torch.zeros(shape))
    with pytest.raises(ValueError, match="num_codebooks must be 1 to 3, got 4"):
        transfer(encodec(), x, num_codebooks=4)
    with pytest.raises(ValueError, match="is continuous: it has no codebooks"):
        transfer(identity(), x, num_codebooks=1)
