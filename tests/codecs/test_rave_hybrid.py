"""RAVE's hybrid: an encoder of mel spectrograms, and a decoder behind recurrent layers."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch

from latentone.codecs.rave import RAVE
from latentone.codecs.rave_config import RAVEConfig, rave_hybrid
from latentone.networks.rave_mel import LatentGRU, MelFront, MelInputConfig
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.testing import verify_codec, verify_streaming


def hybrid(causal=False, **changes):
    encoder = RAVEv2Config(capacity=4, ratios=(2, 2), dilations=((1,), (1,)), causal=causal)
    decoder = RAVEv2Config(capacity=4, ratios=(4, 2), dilations=((1, 3), (1,)), causal=causal)
    mel = MelInputConfig(n_fft=64, hop_length=8, n_mels=10, network=encoder)
    settings = {"num_bands": 4, "attenuation_db": 60.0, "latent_dim": 6, "gru_layers": 2}
    return RAVEConfig(sample_rate=8_000, network=decoder, mel=mel, **{**settings, **changes})


def built(config):
    torch.manual_seed(0)
    return RAVE(config).eval()


def noise(*shape, seed=0):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "config",
    [hybrid(), hybrid(causal=True, channels=2), hybrid(noise_channels=16)],
    ids=["centred", "causal", "noise"],
)
def test_contract(config):
    verify_codec(built(config), lengths=(1, 31, 33, 700), crop=640)


@torch.no_grad()
def test_a_causal_hybrid_streams():
    codec = built(hybrid(causal=True))
    verify_streaming(codec.encoder_stream(), codec.encoder, noise(2, 1, 32 * 20))
    verify_streaming(codec.decoder_stream(), codec.decoder, noise(2, 6, 20))
    with pytest.raises(ValueError, match=r"cannot stream: encoder\.network\.0: a centred conv"):
        built(hybrid()).encoder_stream()


@torch.no_grad()
def test_decoding_in_pieces_goes_on_where_the_recurrence_stands():
    codec, z = built(hybrid()), noise(1, 6, 70)
    assert codec.decode_context is None and codec.decode_chunkable
    pieces = [{"acoustic": part[0]} for part in z.split(9, dim=-1)]
    joined = torch.cat(list(codec.decode_long(pieces, 70, 16)), dim=-1)
    torch.testing.assert_close(joined, codec.decode(z)[0], atol=1e-6, rtol=1e-5)
    alone = codec.decode(z[..., 9:])[0]
    assert (joined[:, 9 * 32 + 1000 :] - alone[:, 1000:]).abs().max() > 1e-7


@pytest.mark.parametrize(("rate", "n_fft", "hop"), [(44_100, 2048, 256), (8_000, 256, 128)])
def test_the_spectrogram_by_librosa(rate, n_fft, hop):
    """As torchaudio computes it for the published encoder, but with silence outside."""
    x = noise(1, 2, 16 * hop)
    front = MelFront(MelInputConfig(n_fft=n_fft, hop_length=hop, n_mels=20), rate, causal=False)
    mel = librosa.feature.melspectrogram(
        y=x[0].numpy().astype(np.float64),
        sr=rate,
        n_fft=n_fft,
        hop_length=hop,
        n_mels=20,
        htk=True,
        norm=None,
        pad_mode="constant",
    )
    window = np.hanning(n_fft + 1)[:-1]
    expected = np.log1p(mel / (window**2).sum())[..., :-1]
    np.testing.assert_allclose(front(x)[0], expected.reshape(40, 16), rtol=1e-4, atol=1e-6)


def test_the_causal_spectrogram_ends_with_its_hop():
    config = MelInputConfig(n_fft=64, hop_length=8, n_mels=4)
    x = noise(1, 1, 160)
    causal, centred = (MelFront(config, 8_000, causal=c) for c in (True, False))
    # A centred window ends 32 samples after its hop's first: 24 after its end, three frames later.
    torch.testing.assert_close(causal(x)[..., 3:], centred(x)[..., :-3])


def test_the_encoder_takes_the_mel_and_the_distances_the_bands():
    codec = built(hybrid(regularizer="spherical"))
    x, heard = noise(2, 1, 640), []
    codec.encoder.network.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    output = codec({"x": x})
    torch.testing.assert_close(heard[0], codec.encoder.front(x))
    assert heard[0].shape == (2, 10, 80)
    made = codec.decoder.bands(codec.encode(x))
    expected = codec.distance(made, codec.bank(x))
    torch.testing.assert_close(output.losses["distance/bands"], expected)
    assert codec.bank(x).shape == made.shape == (2, 4, 160)


def test_gradients_reach_every_weight():
    codec = built(hybrid()).train()
    sum(codec({"x": noise(2, 1, 640)}).losses.values()).backward()
    silent = [n for n, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


@torch.no_grad()
def test_the_recurrent_layer_by_its_formula():
    """Cho et al., 2014: reset r, update z, candidate n, written out for one layer."""
    torch.manual_seed(0)
    layer, x = LatentGRU(3, 1), noise(1, 3, 7)
    gru, h, rows = layer.gru, torch.zeros(3), []
    for column in x[0].T:
        there = (gru.weight_ih_l0 @ column + gru.bias_ih_l0).chunk(3)
        back = (gru.weight_hh_l0 @ h + gru.bias_hh_l0).chunk(3)
        r, z = torch.sigmoid(there[0] + back[0]), torch.sigmoid(there[1] + back[1])
        h = (1 - z) * torch.tanh(there[2] + r * back[2]) + z * h
        rows.append(h)
    torch.testing.assert_close(layer(x)[0], torch.stack(rows, dim=1))


def test_the_published_size():
    config = rave_hybrid()
    assert (config.hop_length, config.mel.n_mels, config.mel.n_fft) == (2048, 128, 2048)
    with torch.device("meta"):
        codec = RAVE(config)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (codec.encoder, codec.decoder)]
    recurrent = 2 * (2 * 3 * 128 * 128 + 2 * 3 * 128)
    assert sizes == [3_001_312, 15_479_072 + recurrent]


def test_the_mel_is_part_of_what_determines_codes():
    codec = built(hybrid())
    other = replace(codec.config, mel=replace(codec.config.mel, n_fft=128))
    torch.manual_seed(0)
    assert RAVE(other).fingerprint() != codec.fingerprint()
    before = codec.fingerprint()
    with torch.no_grad():
        next(codec.decoder.recurrent.parameters()).add_(1)
    assert codec.fingerprint() == before


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"hop_length must be in \[1, n_fft / 2 = 32\], got 64"):
        MelInputConfig(n_fft=64, hop_length=64)
    with pytest.raises(ValueError, match="must both be causal or both not"):
        replace(hybrid(), network=replace(hybrid().network, causal=True))
    with pytest.raises(ValueError, match="a frame is 4 x 4 samples for the encoder, but 8 x 4"):
        replace(hybrid(), mel=replace(hybrid().mel, hop_length=4))
    with pytest.raises(ValueError, match="gru_layers must be 0 or more, got -1"):
        hybrid(gru_layers=-1)
