"""DAC: streams, receptive fields, and windows that equal the whole."""

import pytest
import torch
from dac_models import STRIDES, make, noise, small

from latentone.codecs import DAC, EnCodec, decode_by_windows, encodec_24khz
from latentone.nn.streaming import Streamable
from latentone.testing import verify_streaming


def test_causal_codecs_stream_and_centred_ones_do_not():
    codec = make(small((2, 5, 3), causal=True))
    x = noise(codec, 2, 66)
    with torch.no_grad():
        verify_streaming(codec.encode, codec.encoder, x)
        verify_streaming(codec.decode, codec.decoder, codec.encode(x))
    centred = make(small())
    assert not isinstance(centred.encoder, Streamable)
    with pytest.raises(ValueError, match="sees the future"):
        centred.encoder.initial_state(1)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("strides", STRIDES.values(), ids=STRIDES)
def test_a_frame_depends_on_its_context_and_all_of_it_nearly(strides, causal):
    """What gradients reach is inside the declared context, which wastes at most three frames."""
    codec = make(small(strides, causal=causal))
    hop, middle = codec.config.network.hop_length, 50
    x = noise(codec, 1, 101).requires_grad_()
    (grad,) = torch.autograd.grad(codec.encode(x)[..., middle].square().sum(), x)
    frames = grad.abs().view(101, hop).amax(1).nonzero().flatten() - middle
    assert max(-int(frames.min()), int(frames.max())) <= codec.context
    assert codec.context <= max(-int(frames.min()), int(frames.max())) + 3
    z = codec.encode(x).detach().requires_grad_()
    sound = codec.decode(z)[..., middle * hop : (middle + 1) * hop]
    (grad,) = torch.autograd.grad(sound.square().sum(), z)
    frames = grad.abs().amax(1)[0].nonzero().flatten() - middle
    reach = max(-int(frames.min()), int(frames.max()))
    assert reach <= codec.decode_context <= reach + 3


@pytest.mark.parametrize("strides", STRIDES.values(), ids=STRIDES)
def test_windows_equal_the_whole(strides):
    codec = make(small(strides))
    hop = codec.config.network.hop_length
    codec.quantize = lambda z: z  # compare before rounding to codes
    for samples in (1, hop + 1, 60 * hop - 7):
        x = noise(codec, 1, 60)[..., :samples]

        def read(start, count, x=x):
            return x[0, :, start : start + count]

        with torch.no_grad():
            whole = codec.encode(x)
            sound = codec.decode(whole)
            for chunk in (7, 64):
                pieces = codec.encode_long(read, samples, chunk * hop)
                joined = torch.cat([piece["acoustic"] for piece in pieces], -1)
                torch.testing.assert_close(joined, whole[0], atol=1e-5, rtol=1e-5)
                pieces = list(decode_by_windows(codec, whole, chunk))
                torch.testing.assert_close(torch.cat(pieces, -1), sound, atol=1e-6, rtol=1e-5)
                assert max(piece.shape[-1] for piece in pieces) <= chunk * hop


def test_windows_without_their_context_would_differ(monkeypatch):
    codec = make(small())
    with torch.no_grad():
        z = codec.encode(noise(codec, 1, 40))
        whole = codec.decode(z)
        monkeypatch.setattr(DAC, "decode_context", property(lambda self: 4))
        assert (torch.cat(list(decode_by_windows(codec, z, 8)), -1) - whole).abs().max() > 1e-4


def test_what_cannot_be_decoded_by_windows_is_named():
    with torch.device("meta"):
        codec = EnCodec(encodec_24khz())
    with pytest.raises(ValueError, match="EnCodec has no finite receptive field"):
        decode_by_windows(codec, torch.zeros(1, 128, 4), 2)
    with pytest.raises(ValueError, match="chunk_frames must be at least 1, got 0"):
        decode_by_windows(make(small()), torch.zeros(1, 16, 4), 0)
