"""SoundStream: the codec contract, streaming, rates, and the switch."""

import copy

import pytest
import torch

from latentone.codecs import Codec
from latentone.codecs.soundstream import SoundStream, SoundStreamConfig
from latentone.networks.seanet import SEANetConfig, SoundStreamNetConfig
from latentone.testing import verify_codec, verify_streaming

NET = SoundStreamNetConfig(num_filters=4, latent_dim=8, ratios=(5, 4, 4, 2))
TINY = SoundStreamConfig(
    sample_rate=8000, seanet=NET, num_codebooks=4, codebook_size=16, codebook_choices=(1, 2, 3, 4)
)
SWITCH = SoundStreamConfig(
    sample_rate=8000,
    seanet=NET,
    num_codebooks=4,
    codebook_size=16,
    codebook_choices=(),
    denoising=True,
)


def codec(config=TINY):
    torch.manual_seed(0)
    model = SoundStream(config).eval()
    for codebook in model.quantizer.codebooks:
        codebook.embed.normal_()
        codebook.inited.fill_(True)
    if model.film is not None:
        for values in (model.film.off, model.film.on):
            torch.nn.init.normal_(values, std=0.5)
    return model


@pytest.mark.parametrize("config", [TINY, SWITCH], ids=["plain", "switch"])
def test_it_keeps_the_contract(config):
    verify_codec(codec(config))


def test_encoder_and_decoder_stream():
    model = codec()
    verify_streaming(model.encoder, model.encoder, torch.randn(2, 1, 66 * 160))
    verify_streaming(model.decoder, model.decoder, torch.randn(2, 8, 66))


def test_units_are_dilated_by_powers_of_three_and_keep_their_width():
    model = codec()
    units = [layer for layer in model.encoder.layers if hasattr(layer, "shortcut")]
    assert len(units) == 12
    dilations = [unit.block[1].dilation for unit in units[:3]]
    assert dilations == [1, 3, 9]
    shapes = [tuple(unit.block[1].effective_weight().shape) for unit in units[::3]]
    assert shapes == [(d, d, 7) for d in (4, 8, 16, 32)]
    assert all(isinstance(unit.shortcut, torch.nn.Identity) for unit in units)
    assert tuple(model.encoder.layers[-1].effective_weight().shape) == (8, 64, 3)
    assert tuple(model.decoder.layers[-1].effective_weight().shape) == (1, 4, 7)


def test_what_a_frame_hears():
    """Causal: a frame of the encoder sees so far back as the layers' taps add up to."""
    model = codec()
    model.train(False)
    x = torch.randn(1, 1, 160 * 40, requires_grad=True)
    frame = model.encoder(x)[0, :, 30].sum()
    (gradient,) = torch.autograd.grad(frame, [x])
    seen = gradient[0, 0].nonzero()[:, 0]
    reach, step = 7, 1
    for stride in (2, 4, 4, 5):
        reach += step * 6 * (1 + 3 + 9) + step * (2 * stride - 1)
        step *= stride
    reach += step * 2
    assert int(seen.max()) == 160 * 31 - 1
    assert int(seen.max() - seen.min()) + 1 == reach


def test_other_seanets_are_as_they_were():
    """EnCodec's fingerprint says which stores are its own: its settings must not grow."""
    assert {"dilation_base", "encoder_taps"}.isdisjoint(vars(SEANetConfig()))
    assert SEANetConfig(num_residual_layers=3).dilations == [1, 2, 4]
    assert SEANetConfig(last_kernel_size=5).encoder_last_kernel_size == 5


def test_rates():
    config = SoundStreamConfig()
    assert config.frame_rate == 75
    assert config.bandwidth(4) == 3 and config.bandwidth(24) == 18
    assert config.codebooks_for(6) == 8


def test_fewer_codebooks_are_a_lower_rate_of_the_same_stream():
    model, x = codec(), torch.randn(1, 1, 3200)
    codes = model.quantize(model.encode(x))
    assert torch.equal(model.quantize(model.encode(x), 2), codes[:, :2])
    assert model.decode(model.dequantize(codes[:, :2])).shape == (1, 1, 3200)


def test_training_hears_a_random_number_of_codebooks():
    model = codec().train()
    rng = torch.Generator().manual_seed(0)
    drawn = {model.quantizer(torch.randn(2, 8, 5), rng).codes.shape[1] for _ in range(40)}
    assert drawn == {1, 2, 3, 4}


def test_the_switch_is_an_affine_map_of_each_channel():
    model = codec(SWITCH)
    latents = torch.randn(3, 8, 6)
    off, half, on = (model.switch(latents, torch.full((3,), s)) for s in (0.0, 0.5, 1.0))
    film = model.film
    torch.testing.assert_close(off, (1 + film.off[0, :, None]) * latents + film.off[1, :, None])
    torch.testing.assert_close(on, (1 + film.on[0, :, None]) * latents + film.on[1, :, None])
    torch.testing.assert_close(half, (off + on) / 2)
    moving = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).expand(3, 6)
    switched = model.switch(latents, moving)
    torch.testing.assert_close(switched[..., :3], off[..., :3])
    torch.testing.assert_close(switched[..., 3:], on[..., 3:])
    torch.testing.assert_close(model.switch(latents), off)


def test_the_switch_is_heard_and_leaves_the_codes_alone():
    model, x = codec(SWITCH), torch.randn(2, 1, 1600)
    latents = model.dequantize(model.quantize(model.encode(x)))
    plain = model.decode(latents)
    clean = model.decode(latents, {"denoise": torch.ones(2)})
    assert not torch.allclose(plain, clean)
    mixed = model.decode(latents, {"denoise": torch.tensor([0.0, 1.0])})
    torch.testing.assert_close(mixed, torch.stack([plain[0], clean[1]]))
    before = model.fingerprint()
    model.film.on.data.add_(1.0)
    assert model.fingerprint() == before


def test_the_switch_stays_where_it_was_left():
    model, x = codec(SWITCH), torch.randn(1, 1, 1600)
    latents = model.encode(x)
    clean = model.decode(latents, {"denoise": torch.full((1,), 0.7)})
    plain = model.decode(latents)
    model.denoise = 0.7
    torch.testing.assert_close(model.decode(latents), clean)
    stream = model.decoder_stream()
    streamed, _ = stream.step(latents, stream.initial_state(1))
    torch.testing.assert_close(streamed, clean, atol=1e-5, rtol=1e-5)
    pieces = model.decode_long(iter([{"acoustic": latents[0]}]), latents.shape[-1], 2)
    torch.testing.assert_close(torch.cat(list(pieces), -1)[None], clean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.decode(latents, {"denoise": torch.zeros(1)}), plain)
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 2"):
        model.denoise = 2
    with pytest.raises(ValueError, match="no switch"):
        codec().denoise = 1.0


def test_a_training_pass_sets_the_switch():
    model, x = codec(SWITCH), torch.randn(2, 1, 1600)
    on, off = (model({"x": x, "denoise": torch.full((2,), s)}).reconstruction for s in (1.0, 0.0))
    assert not torch.allclose(on, off)
    torch.testing.assert_close(model({"x": x}).reconstruction, off)
    model = copy.deepcopy(model).train()
    model({"x": x, "denoise": torch.tensor([0.0, 1.0])}).reconstruction.square().sum().backward()
    assert model.film.on.grad.any() and model.film.off.grad.any()


def test_refusals():
    with pytest.raises(ValueError, match="one piece"):
        SoundStreamConfig(segment_seconds=1.0)
    with pytest.raises(ValueError, match="no switch"):
        codec().decode(torch.randn(1, 8, 2), {"denoise": torch.ones(1)})
    with pytest.raises(ValueError, match=r"\(1,\) or \(1, 2\), got \(3,\)"):
        codec(SWITCH).decode(torch.randn(1, 8, 2), {"denoise": torch.ones(3)})
    with pytest.raises(ValueError, match="without conditions, got \\['pitch'\\]"):
        codec(SWITCH).decode(torch.randn(1, 8, 2), {"pitch": torch.ones(1)})
    with pytest.raises(ValueError, match="no published weights"):
        SoundStream.from_original("x.th")


def test_a_saved_one_is_found_among_all_codecs(tmp_path):
    folder = codec(SWITCH).save_pretrained(tmp_path / "m")
    assert type(Codec.from_pretrained(folder)) is SoundStream
