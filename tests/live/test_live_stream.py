"""A codec over blocks: any size, a known delay, controls that turn while it plays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from latentone.codecs import (
    RAVE,
    EnCodec,
    EnCodecConfig,
    IdentityWaveform,
    IdentityWaveformConfig,
    RAVEConfig,
)
from latentone.codecs.rave_config import rave_low_latency, rave_v2_small
from latentone.codecs.transfer import edit_latents
from latentone.live import Controls, LiveCodec
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.networks.seanet import SEANetConfig


def rave() -> RAVE:
    """Hop 16, two channels, delayed by its filter bank."""
    torch.manual_seed(0)
    network = RAVEv2Config(capacity=4, ratios=(2, 2), dilations=((1, 3), (1,)), causal=True)
    config = RAVEConfig(
        sample_rate=8000,
        channels=2,
        num_bands=4,
        attenuation_db=60,
        latent_dim=4,
        network=network,
    )
    return RAVE(config).eval()


def encodec() -> EnCodec:
    """Hop 8, codes."""
    torch.manual_seed(0)
    seanet = SEANetConfig(num_filters=2, latent_dim=4, ratios=(4, 2), pad_mode="constant")
    codec = EnCodec(EnCodecConfig(seanet=seanet, num_codebooks=3, codebook_size=16)).eval()
    for codebook in codec.quantizer.codebooks:
        codebook.embed.normal_()
    return codec


def play(live: LiveCodec, x: Tensor, sizes: list[int]) -> Tensor:
    out, done = [], 0
    while done < x.shape[-1]:
        size = sizes[len(out) % len(sizes)]
        piece = x[:, done : done + size]
        y = live.process(piece)
        assert y.shape == piece.shape
        out.append(y)
        done += piece.shape[-1]
    return torch.cat(out, dim=-1)


def offline(codec: RAVE | EnCodec, x: Tensor) -> Tensor:
    with torch.no_grad():
        latents = codec.encode(x[None])
        if codec.vocab:
            latents = codec.dequantize(codec.quantize(latents))
        return codec.decode(latents)[0]


@pytest.mark.parametrize("make", [rave, encodec])
@pytest.mark.parametrize(
    ("block", "sizes"),
    [(1, [1]), (1, [5, 1, 40, 3]), (4, [4, 12]), (16, [16]), (24, [24]), (64, [64, 128])],
)
def test_blocks_give_the_sound_offline_so_much_later(make, block, sizes):
    codec = make()
    x = 0.3 * torch.randn(codec.source.channels, 960)
    expected = offline(codec, x)
    live = LiveCodec(codec, block=block)
    hop = codec.num_samples(1)
    assert live.spec.chunk == hop
    assert live.waiting == {1: hop - 1, 4: hop - 4, 16: 0, 24: hop - 8, 64: 0}[block]
    got = play(live, x, sizes)
    delay = live.delay
    assert not got[:, : live.waiting].any()
    torch.testing.assert_close(
        got[:, delay:], expected[:, : 960 - delay], atol=1e-5 * expected.abs().max(), rtol=0
    )
    live.reset()
    assert torch.equal(play(live, x, sizes), got)


def test_what_is_promised_of_a_delay():
    live = LiveCodec(RAVE(rave_low_latency()), block=128)
    assert live.latency_ms == pytest.approx(live.codec.config.latency_ms)  # a hop, and the bank
    assert live.latency_ms < 10
    assert LiveCodec(live.codec, block=32).latency_ms == pytest.approx(live.latency_ms)
    larger = LiveCodec(live.codec, block=256).latency_ms - live.latency_ms
    assert larger == pytest.approx(1000 * 128 / 44_100)


def test_render_lies_beside_its_input():
    codec = rave()
    x = 0.3 * torch.randn(2, 1003)
    expected = offline(codec, x)
    y = LiveCodec(codec, block=48).render(x)
    assert y.shape == x.shape
    # At the end the bank takes silence, where offline it takes a repetition of the last frame.
    end = 1003 - codec.decoder.latency - 16
    torch.testing.assert_close(y[:, :end], expected[:, :end], atol=1e-5, rtol=0)


def test_latents_are_moved_as_in_transfer():
    codec = rave()
    x = 0.3 * torch.randn(2, 320)
    moves = {"bias": {0: 1.5, 3: -1.0}, "scale": {1: 0.0}}
    with torch.no_grad():
        expected = codec.decode(edit_latents(codec.encode(x[None]), **moves))[0]
    live = LiveCodec(codec, block=16, controls=Controls(**moves))
    got = play(live, x, [16])[:, live.delay :]
    torch.testing.assert_close(got, expected[:, : 320 - live.delay], atol=1e-5, rtol=0)
    plain = LiveCodec(codec, block=16).render(x)[:, : got.shape[-1]]
    assert (got - plain).abs().max() > 1e-3


def test_fewer_codebooks():
    codec = encodec()
    x = 0.3 * torch.randn(1, 160)
    with torch.no_grad():
        codes = codec.quantize(codec.encode(x[None]), 1)
        expected = codec.decode(codec.dequantize(codes))[0]
    live = LiveCodec(codec, block=8, controls=Controls(num_codebooks=1))
    torch.testing.assert_close(live.render(x), expected, atol=1e-5, rtol=0)


def test_the_dry_sound_waits_for_the_wet_one():
    codec = rave()
    x = 0.3 * torch.randn(2, 640)
    wet = LiveCodec(codec).render(x)
    live = LiveCodec(codec, controls=Controls(mix=0.25, gain_db=-6.0))
    expected = 10 ** (-6 / 20) * (0.75 * x + 0.25 * wet)
    torch.testing.assert_close(live.render(x), expected, atol=1e-6, rtol=0)


def test_bypass_is_the_input_bit_by_bit_and_the_codec_listens_on():
    codec = rave()
    x = 0.3 * torch.randn(2, 640)
    plain = play(LiveCodec(codec, block=16), x, [16])
    live = LiveCodec(codec, block=16)
    late = torch.cat([torch.zeros(2, live.delay), x], dim=-1)
    first = play(live, x[:, :320], [16])
    live.controls = replace(live.controls, bypass=True)
    second = play(live, x[:, 320:480], [16])
    live.controls = replace(live.controls, bypass=False)
    third = play(live, x[:, 480:], [16])
    assert torch.equal(first, plain[:, :320])
    assert torch.equal(second, late[:, 320:480])
    assert torch.equal(third, plain[:, 480:])


def test_a_change_of_mix_and_gain_is_a_straight_line_over_one_block():
    live = LiveCodec(IdentityWaveform(IdentityWaveformConfig()), block=4)
    ones = torch.ones(1, 4)
    assert torch.equal(live.process(ones), ones)
    live.controls = Controls(gain_db=-20.0)
    torch.testing.assert_close(live.process(ones), torch.tensor([[0.775, 0.55, 0.325, 0.1]]))
    torch.testing.assert_close(live.process(ones), 0.1 * ones)
    live.controls = Controls(mix=0.5)  # the dry sound is the same here: only the gain moves
    torch.testing.assert_close(live.process(ones), torch.tensor([[0.325, 0.55, 0.775, 1.0]]))


def test_what_does_not_fit_is_refused_before_it_plays():
    codec = rave()
    with pytest.raises(ValueError, match=r"cannot stream: encoder\.network\.0: a centred"):
        LiveCodec(RAVE(replace(rave_v2_small(), latent_dim=4)))
    with pytest.raises(ValueError, match="at least 1 sample"):
        LiveCodec(codec, block=0)
    live = LiveCodec(codec, block=16)
    for wrong in (torch.zeros(1, 16), torch.zeros(2, 15), torch.zeros(1, 2, 16)):
        with pytest.raises(ValueError, match=r"expected a block \(2, n\), n a multiple of 16"):
            live.process(wrong)
    for controls, said in (
        (Controls(bias={4: 1.0}), "bias of the latent channel 4: the codec has 0 to 3"),
        (Controls(scale={0: float("nan")}), "not finite"),
        (Controls(num_codebooks=1), "RAVE is continuous"),
    ):
        with pytest.raises(ValueError, match=said):
            live.controls = controls
    with pytest.raises(ValueError, match="num_codebooks must be 1 to 3, got 4"):
        LiveCodec(encodec(), controls=Controls(num_codebooks=4))
    for wrong in ({"mix": 1.5}, {"gain_db": float("inf")}, {"gain_db": 61.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Controls(**wrong)
