from dataclasses import replace

import pytest
import torch

from latentone.codecs import (
    Codec,
    EnCodec,
    EnCodecConfig,
    encodec_16khz,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)
from latentone.codecs.startup import startup_difference
from latentone.nn.conv import set_pad_mode
from latentone.testing import verify_codec, verify_streaming

PUBLISHED = {
    "24": encodec_24khz,
    "48": encodec_48khz,
    "32": encodec_32khz,
    "16": encodec_16khz,
}


def small(config: EnCodecConfig, **changes) -> EnCodecConfig:
    """The same topology, narrow."""
    return replace(
        config,
        codebook_size=64,
        num_codebooks=4,
        codebook_choices=(1, 4),
        kmeans_iterations=5,
        seanet=replace(config.seanet, num_filters=4, latent_dim=16, **changes),
    )


def make(config: EnCodecConfig, seed: int = 0) -> EnCodec:
    torch.manual_seed(seed)
    codec = EnCodec(config).eval()
    with torch.no_grad():
        latents = codec.encode(0.2 * torch.randn(1, codec.source.channels, 30_000))
        rows = latents.transpose(1, 2).flatten(0, 1)
        for codebook in codec.quantizer.codebooks:  # noise around what the codebook will see
            middle, spread = rows.mean(0), rows.std(0)
            picks = rows[torch.randint(len(rows), (codebook.size,))] - middle
            codebook.embed.copy_(middle + picks / 2 + 0.2 * spread * torch.randn_like(picks))
            rows = rows - codebook.decode(codebook.encode(rows))
    return codec


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_keeps_the_codec_contract(name):
    verify_codec(make(small(PUBLISHED[name]())), lengths=(1, 2, 319, 641, 3999))


def test_lengths_are_exact_around_a_segment():
    config = small(encodec_48khz())
    codec = make(replace(config, segment_seconds=1280 / 48_000, overlap=0.25))
    verify_codec(codec, lengths=(1, 961, 1279, 1280, 1281, 4000), crop=1280)


@pytest.mark.parametrize(
    ("name", "count"),
    [("24", 14_851_810), ("48", 14_856_294), ("32", 56_884_674), ("16", 56_819_138)],
)
def test_parameter_counts_are_those_published(name, count):
    codec = EnCodec(PUBLISHED[name]())
    assert sum(p.numel() for p in codec.parameters()) == count


def test_bandwidths_of_the_published_configs():
    assert [encodec_24khz().codebooks_for(b) for b in (1.5, 3, 6, 12, 24)] == [2, 4, 8, 16, 32]
    assert [encodec_48khz().codebooks_for(b) for b in (3, 6, 12, 24)] == [2, 4, 8, 16]
    assert encodec_32khz().codebooks_for(2.2) == encodec_16khz().codebooks_for(2.2) == 4
    assert encodec_24khz().bandwidth(8) == 6
    with pytest.raises(ValueError, match=r"expected 0.75 to 24 kbit/s, got 25"):
        encodec_24khz().codebooks_for(25)


def test_encoding_streams_equal_offline_down_to_the_codes():
    codec = make(small(encodec_24khz()))

    def step_through(x):
        state, rows = codec.encoder.initial_state(len(x)), []
        for piece in x.split(3 * 320, -1):
            latents, state = codec.encoder.step(piece, state)
            rows.append(codec.quantize(latents))
        return torch.cat(rows, -1)

    x = 0.2 * torch.randn(2, 1, 66 * 320)
    with torch.no_grad():
        verify_streaming(codec.encode, codec.encoder, x)
        codes = codec.quantize(codec.encode(x))
        assert len(codes.unique()) > 50
        assert torch.equal(step_through(x), codes)
        verify_streaming(codec.decode, codec.decoder, codec.dequantize(codes))


def test_reflecting_weights_stream_as_if_padded_by_constants():
    codec = make(small(encodec_24khz("reflect")))
    x = 0.2 * torch.randn(1, 1, 66 * 320)
    constant = make(small(encodec_24khz()))
    constant.load_state_dict(codec.state_dict())
    with torch.no_grad():
        verify_streaming(constant.encode, codec.encoder, x, chunks=(1, 8))
        verify_streaming(constant.decode, codec.decoder, codec.encode(x), chunks=(1, 8))
        difference = startup_difference(codec, x)
        latents = codec.encode(x)
        direct = (constant.encode(x) - latents)[0].square().mean(0).sqrt()
        torch.testing.assert_close(difference.latents, direct / latents.square().mean().sqrt())
    assert difference.latents[0] > 1e-3 and difference.audio[0] > 1e-3
    assert 0 < difference.settled(1e-3) < 40
    assert difference.latents[-1] < difference.latents[0] / 100


def test_constant_padding_starts_up_exactly():
    codec = make(small(encodec_24khz()))
    assert startup_difference(codec, torch.randn(1, 1, 6400)).settled(1e-6) == 0
    with pytest.raises(ValueError, match="centred"):
        startup_difference(make(small(encodec_32khz())), torch.randn(1, 1, 6400))


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("name", ["24", "32"])
def test_long_audio_in_windows_equals_encoding_at_once(name, pad_mode):
    codec = make(small(PUBLISHED[name](pad_mode), kernel_size=5))
    hop = codec.config.seanet.hop_length
    latents = []
    codec.quantize = lambda z: latents.append(z) or z  # compare before rounding to codes
    for samples in (1, hop + 1, 30 * hop, 30 * hop + 7):
        x = 0.2 * torch.randn(1, 1, samples)
        with torch.no_grad():
            whole = codec.encode(x)
            for chunk in (1, 4 * hop, 11 * hop):
                latents.clear()
                list(codec.encode_long(lambda a, n, x=x: x[0, :, a : a + n], samples, chunk))
                torch.testing.assert_close(torch.cat(latents, -1), whole, atol=1e-6, rtol=1e-5)
    assert codec.chunkable


def test_windows_read_a_bounded_stretch_at_a_time():
    codec = make(small(encodec_32khz()))
    asked = []

    def read(start, count):
        asked.append(count)
        return torch.zeros(1, count)

    list(codec.encode_long(read, 400 * 640, 20 * 640))
    assert max(asked) < 60 * 640


def test_gain_is_the_level_of_each_segment_and_scales_the_output():
    codec = make(small(encodec_48khz()))
    x = 0.1 * torch.randn(1, 2, 100_000)
    gain = codec.gain(x)
    starts = (0, 47_520, 95_040)
    levels = [x[..., s : s + 48_000].mean(1).square().mean().sqrt() for s in starts]
    torch.testing.assert_close(gain[0], torch.stack(levels), atol=1e-7, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(4 * x), codec.encode(x), atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(codec.gain(4 * x), 4 * gain)
        latents = codec.encode(x)
        torch.testing.assert_close(
            codec.decode(latents, gain=3 * gain), 3 * codec.decode(latents, gain=gain)
        )
    with pytest.raises(ValueError, match=r"gain of shape \(1, 3\) for 316 frames, got \(1, 2\)"):
        codec.decode(latents, gain=gain[:, :2])
    assert codec.stream_specs()["gain"].frame_rate == pytest.approx(48_000 / 47_520)


def test_silence_is_normalised_without_nan():
    codec = make(small(encodec_48khz()))
    assert codec.encode(torch.zeros(1, 2, 5000)).isfinite().all()


def test_unequal_lengths_are_grouped_never_padded():
    codec = make(small(encodec_32khz()))
    xs = [torch.randn(1, t) for t in (700, 641, 700, 2000)]
    calls = []
    inner = codec.encoder.forward
    codec.encoder.forward = lambda x: calls.append(tuple(x.shape)) or inner(x)
    with torch.no_grad():
        together = codec.encode_ragged(xs)
        assert sorted(calls) == [(1, 1, 641), (1, 1, 2000), (2, 1, 700)]
        for x, latents in zip(xs, together, strict=True):
            torch.testing.assert_close(latents, codec.encode(x[None])[0])


def test_the_fingerprint_follows_the_encode_path_only():
    codec = make(small(encodec_24khz()))
    before = codec.fingerprint()
    with torch.no_grad():
        for parameter in codec.decoder.parameters():
            parameter.add_(1)
    assert codec.fingerprint() == before
    codec.fold_weight_norm()
    assert codec.fingerprint() == before
    codec.quantizer.codebooks[-1].embed[0, 0] += 1
    moved = codec.fingerprint()
    assert moved != before
    with torch.no_grad():
        next(codec.encoder.parameters()).add_(1)
    assert codec.fingerprint() not in (before, moved)
    padded = EnCodec(small(encodec_24khz("reflect")))
    padded.load_state_dict(codec.state_dict())
    assert padded.fingerprint() != codec.fingerprint()


def test_folded_weights_give_the_same_sound():
    codec = make(small(encodec_24khz()))
    x = 0.2 * torch.randn(1, 1, 3200)
    with torch.no_grad():
        latents = codec.encode(x)
        y = codec.decode(latents)
        codec.fold_weight_norm()
        assert torch.equal(codec.encode(x), latents) and torch.equal(codec.decode(latents), y)


def test_a_training_pass_learns_and_repeats_with_its_seed():
    results = []
    for _ in range(2):
        codec = make(small(encodec_24khz())).train()
        x = 0.2 * torch.randn(2, 1, 3200, generator=torch.Generator().manual_seed(1))
        for seed in range(3):
            out = codec({"x": x, "rng": torch.Generator().manual_seed(seed)})
        assert out.losses.keys() == {"vq/commitment"}
        assert out.metrics.keys() == {"vq/use", "vq/perplexity", "vq/sameness", "vq/restarted"}
        assert not any(metric.requires_grad for metric in out.metrics.values())
        (out.losses["vq/commitment"] + out.reconstruction.abs().mean()).backward()
        assert all(p.grad is not None for p in codec.parameters())
        results.append(codec.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*[r.values() for r in results], strict=True))


def test_training_crops_are_one_segment_with_one_gain():
    codec = make(small(encodec_48khz()))
    x = 0.1 * torch.randn(2, 2, 47_900)
    with torch.no_grad():
        out = codec({"x": x})
        louder = codec({"x": 5 * x})
    assert out.reconstruction.shape == x.shape and out.latents.shape == (2, 16, 150)
    torch.testing.assert_close(louder.reconstruction, 5 * out.reconstruction, atol=1e-4, rtol=1e-3)
    with pytest.raises(ValueError, match=r"at most one segment \(48000 samples\), got 48001"):
        codec({"x": torch.zeros(1, 2, 48_001)})


def test_wrong_input_is_refused():
    codec = make(small(encodec_24khz()))
    for x in (torch.zeros(1, 2, 100), torch.zeros(1, 100), torch.zeros(1, 1, 0)):
        with pytest.raises(ValueError, match=r"expected audio \(B, 1, T\)"):
            codec.encode(x)
    with pytest.raises(ValueError, match="without conditions"):
        codec.decode(torch.zeros(1, 16, 2), {"text": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"codebook_choices must be in 1..32, got \[40\]"):
        EnCodecConfig(codebook_choices=(40,))
    with pytest.raises(ValueError, match="no whole number"):
        EnCodecConfig(segment_seconds=0.01)


def test_any_codec_is_found_by_its_folder(tmp_path):
    codec = make(small(encodec_24khz()))
    codec.save_pretrained(tmp_path / "codec")
    assert isinstance(Codec.from_pretrained(tmp_path / "codec"), EnCodec)
    set_pad_mode(codec, "reflect")  # how it runs, not what is saved
    assert EnCodec.from_pretrained(tmp_path / "codec").config == small(encodec_24khz())
