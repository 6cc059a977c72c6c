from dataclasses import replace

import pytest
import torch

from latentone.networks.seanet import SEANetConfig, SEANetDecoder, SEANetEncoder
from latentone.nn import windows
from latentone.nn.streaming import Streamable
from latentone.nn.windows import overlap_save
from latentone.testing import verify_streaming

CONFIG = SEANetConfig(num_filters=4, latent_dim=8)


@pytest.fixture(params=["published", "small"])
def config(request):
    return CONFIG if request.param == "published" else replace(CONFIG, norm="none", ratios=(3, 2))


def test_encoder_streams_equal_offline(config):
    torch.manual_seed(0)
    encoder = SEANetEncoder(config).eval()
    verify_streaming(encoder, encoder, torch.randn(2, 1, 66 * config.hop_length))


def test_decoder_streams_equal_offline(config):
    torch.manual_seed(0)
    decoder = SEANetDecoder(config).eval()
    verify_streaming(decoder, decoder, torch.randn(2, 8, 66))


@pytest.mark.parametrize(
    "changes",
    [
        {"ratios": (3, 2), "num_residual_layers": 3},
        {"num_lstm_layers": 0, "conv_shortcut": False},
        {"kernel_size": 5, "last_kernel_size": 3, "residual_kernel_size": 5, "compress": 1},
    ],
)
def test_other_shapes_stream_and_have_exact_lengths(changes):
    torch.manual_seed(0)
    config = replace(CONFIG, **changes)
    encoder, decoder = SEANetEncoder(config).eval(), SEANetDecoder(config).eval()
    verify_streaming(encoder, encoder, torch.randn(1, 1, 20 * config.hop_length))
    verify_streaming(decoder, decoder, torch.randn(1, 8, 20))
    for samples in (1, config.hop_length - 1, config.hop_length, config.hop_length + 1):
        frames = -(-samples // config.hop_length)
        assert encoder(torch.randn(1, 1, samples)).shape == (1, 8, frames)
        assert decoder(torch.randn(1, 8, frames)).shape == (1, 1, frames * config.hop_length)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("causal", [True, False])
def test_windows_on_a_cpu_change_nothing(causal, pad_mode, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(windows, "WINDOW", 320)
    config = replace(CONFIG, causal=causal, pad_mode=pad_mode, num_residual_layers=2)
    encoder, decoder = SEANetEncoder(config).eval(), SEANetDecoder(config).eval()
    runs = []
    monkeypatch.setattr(windows, "overlap_save", lambda *a: runs.append(1) or overlap_save(*a))
    for frames, extra in ((7, 0), (200, 0), (200, 7), (261, 319)):
        x, z = torch.randn(2, 1, 320 * frames + extra), torch.randn(2, 8, frames)
        with torch.no_grad():
            torch.testing.assert_close(encoder(x), encoder.layers(x), atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(decoder(z), decoder.layers(z), atol=1e-6, rtol=1e-5)
        assert len(runs) == (0 if frames == 7 else 2)
        runs.clear()


@pytest.mark.parametrize("causal", [True, False])
def test_a_decoder_runs_piece_by_piece(causal):
    torch.manual_seed(0)
    decoder = SEANetDecoder(replace(CONFIG, causal=causal)).eval()
    z = torch.randn(1, 8, 50)
    with torch.no_grad():
        for size in (1, 7, 50):
            y = torch.cat(list(decoder.run_long(iter(z.split(size, -1)), 50)), -1)
            torch.testing.assert_close(y, decoder(z), atol=1e-6, rtol=1e-5)
    whole = SEANetDecoder(replace(CONFIG, causal=False, norm="time_group_norm"))
    with pytest.raises(ValueError, match="needs the whole signal"):
        whole.run_long(iter([z]), 50)


def test_a_causal_encoder_ignores_the_future_and_a_centred_one_does_not():
    x = torch.randn(1, 1, 3200)
    other = x.clone()
    other[..., 1600:] = 0
    for causal in (True, False):
        encoder = SEANetEncoder(replace(CONFIG, causal=causal)).eval()
        same = torch.equal(encoder(x)[..., :5], encoder(other)[..., :5])
        assert same == causal


def test_only_causal_networks_are_streamable():
    assert isinstance(SEANetEncoder(CONFIG), Streamable)
    centred = SEANetEncoder(replace(CONFIG, causal=False))
    assert not isinstance(centred, Streamable)
    with pytest.raises(ValueError, match="only causal ones can stream"):
        centred.initial_state(1)


def test_a_step_takes_whole_chunks():
    encoder = SEANetEncoder(CONFIG)
    with pytest.raises(ValueError, match="multiple of 320, got 100"):
        encoder.step(torch.zeros(1, 1, 100), encoder.initial_state(1))


def test_the_layers_are_those_of_the_published_weights():
    kinds = "".join(type(layer).__name__[0] for layer in SEANetEncoder(CONFIG).layers)
    assert kinds == "C" + "REC" * 4 + "REC"  # conv, 4 x (residual, ELU, conv), R(esidualLSTM)
    decoder = SEANetDecoder(CONFIG).layers
    assert [i for i, x in enumerate(decoder) if type(x).__name__ == "ConvTranspose1d"] == [
        3,
        6,
        9,
        12,
    ]


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match="positive strides"):
        SEANetConfig(ratios=())
    with pytest.raises(ValueError, match="num_filters must be at least 1, got 0"):
        SEANetConfig(num_filters=0)
    with pytest.raises(ValueError, match="looks at all time"):
        SEANetConfig(norm="time_group_norm")
