"""Parity with `transformers.EncodecModel` on random weights and codebooks filled with noise."""

import pytest
import torch

from latentone.codecs import Codec

transformers = pytest.importorskip("transformers", reason="parity needs the transformers extra")

SETTINGS = {
    "24khz": {"target_bandwidths": [1.5, 3.0, 6.0, 12.0, 24.0]},
    "48khz": {
        "sampling_rate": 48_000,
        "audio_channels": 2,
        "normalize": True,
        "chunk_length_s": 1.0,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
        "use_causal_conv": False,
        "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
    },
    "32khz": {
        "sampling_rate": 32_000,
        "num_filters": 64,
        "upsampling_ratios": [8, 5, 4, 4],
        "codebook_size": 2048,
        "use_causal_conv": False,
        "use_conv_shortcut": False,
        "target_bandwidths": [2.2],
    },
}
SETTINGS["24khz centred stereo"] = SETTINGS["24khz"] | {
    "audio_channels": 2,
    "use_causal_conv": False,
}
LIVELY = 1.6
"""Gain on weights that lets a random encoder answer to its input, not to its biases alone."""
SMALL = {"num_filters": 8, "hidden_size": 32}


def pair(name, folder, **changes):
    """A peer with noise in every parameter and codebook, and ours read from its folder."""
    torch.manual_seed(0)
    peer = transformers.EncodecModel(transformers.EncodecConfig(**SETTINGS[name] | changes)).eval()
    with torch.no_grad():
        for key, parameter in peer.named_parameters():
            if key.endswith(("bias", "norm.weight", "original0")):
                parameter.add_(0.1 * torch.randn_like(parameter))
            if key.endswith("original0"):
                parameter.mul_(LIVELY)
        rows = peer.encoder(noise(peer, 2, 1.0)).transpose(1, 2).flatten(0, 1)
        for layer in peer.quantizer.layers:  # noise around what the codebook will see
            embed, middle, spread = layer.codebook.embed, rows.mean(0), rows.std(0)
            picks = rows[torch.randint(len(rows), (len(embed),))] - middle
            embed.copy_(middle + picks / 4 + 0.1 * spread * torch.randn_like(picks))
            rows = rows - embed[torch.cdist(rows, embed).argmin(1)]
    peer.save_pretrained(folder)
    return peer, Codec.from_pretrained(folder)


def noise(peer, batch, seconds):
    rng = torch.Generator().manual_seed(1)
    samples = int(seconds * peer.config.sampling_rate)
    return torch.randn(batch, peer.config.audio_channels, samples, generator=rng)


def peer_codes(peer, x, bandwidth):
    """Codes `(B, K, F)` of all segments, their gains, and what its decoder needs."""
    out = peer.encode(x, bandwidth=bandwidth)
    codes = torch.cat(list(out.audio_codes), dim=-1)
    codes = codes[..., : codes.shape[-1] - out.last_frame_pad_length]
    gain = None if out.audio_scales[0] is None else torch.cat(out.audio_scales, dim=1)
    return codes, gain, out


def share_of_equal_frames(codec, latents, codes, expected):
    """Prove that the first difference in any frame is a tie; return how many have none.

    Rounding moves the gap of two squared distances `|r - e|^2 - |r - f|^2` in two ways: latents
    differ by up to 1e-6 |z|, which gives `2e-6 |z| |e - f|`, and float32 computes the distances to
    a few parts in 1e7 of `(|r| + |e|)^2`.
    """
    residual, size = latents.double(), latents.double().norm(dim=1)
    equal = torch.ones(codes.shape[0], codes.shape[2], dtype=torch.bool)
    for row, codebook in enumerate(codec.quantizer.codebooks[: codes.shape[1]]):
        ours, theirs = [
            codebook.embed.double()[c[:, row]].transpose(1, 2) for c in (codes, expected)
        ]
        gap = ((residual - ours).square() - (residual - theirs).square()).sum(1).abs()
        differ = equal & (codes[:, row] != expected[:, row])
        bound = 2e-6 * size * (ours - theirs).norm(dim=1)
        bound += 5e-7 * (residual.norm(dim=1) + ours.norm(dim=1)).square()
        assert (gap <= bound)[differ].all(), f"codebook {row} differs without a tie"
        equal &= ~differ
        residual = residual - theirs
    return equal.float().mean()


def check(peer, codec, seconds, batch=2):
    x = noise(peer, batch, seconds)
    with torch.no_grad():
        latents = codec.encode(x)
        for bandwidth in (peer.config.target_bandwidths[0], peer.config.target_bandwidths[-1]):
            count = codec.config.codebooks_for(bandwidth)
            expected, gain, out = peer_codes(peer, x, bandwidth)
            codes = codec.quantize(latents, count)
            assert codes.shape == expected.shape
            assert share_of_equal_frames(codec, latents, codes, expected) > 0.9
            y = peer.decode(
                out.audio_codes,
                out.audio_scales,
                last_frame_pad_length=out.last_frame_pad_length,
            ).audio_values
            ours_gain = codec.gain(x)
            assert (gain is None) == (ours_gain is None)
            if gain is not None:
                torch.testing.assert_close(ours_gain, gain)
            ours = codec.decode(codec.dequantize(expected), gain=ours_gain)
            assert ours.shape == y.shape
            assert (ours - y).abs().max() <= 1e-5 * y.abs().max()
        assert len(codes.unique()) > 100
        rows = [codes[:, i].unique().numel() for i in range(codes.shape[1])]
        assert min(rows) > 20, "every codebook takes part"
        theirs = peer.quantizer.encode(latents, bandwidth).transpose(0, 1)
        assert torch.equal(codes, theirs), "the quantiser is exact on the same latents"


@pytest.mark.parametrize("name", SETTINGS)
def test_parity_of_small_models(name, tmp_path):
    check(*pair(name, tmp_path, **SMALL), seconds=1.7 if name == "48khz" else 1.3013)


@pytest.mark.parametrize("samples", [1, 5, 319, 320, 321, 6, 48_000])
def test_parity_of_odd_lengths(samples, tmp_path):
    for name in ("24khz", "48khz"):
        peer, codec = pair(name, tmp_path / name, **SMALL)
        x = noise(peer, 1, 2.0)[..., :samples]
        with torch.no_grad():
            expected, _, _ = peer_codes(peer, x, peer.config.target_bandwidths[-1])
            latents = codec.encode(x)
            assert latents.shape[-1] == expected.shape[-1]
            share_of_equal_frames(codec, latents, codec.quantize(latents), expected)


def test_three_segments_with_gain(tmp_path):
    check(*pair("48khz", tmp_path, **SMALL), seconds=2.2, batch=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["24khz", "48khz", "32khz"])
def test_parity_at_full_size(name, tmp_path):
    peer, codec = pair(name, tmp_path)
    count = sum(p.numel() for p in peer.parameters())
    assert sum(p.numel() for p in codec.parameters()) == count
    check(peer, codec, seconds=1.5)
