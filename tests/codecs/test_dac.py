"""DAC: the codec contract, published sizes, streaming, windows, and parity with transformers."""

import pickle
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from latentone.codecs import (
    DAC,
    Codec,
    DACConfig,
    EnCodec,
    dac_16khz,
    dac_24khz,
    dac_44khz,
    dac_44khz_16kbps,
    decode_by_windows,
    encodec_24khz,
)
from latentone.config import ConfigError
from latentone.networks.dac import DACNetworkConfig
from latentone.nn.streaming import Streamable
from latentone.testing import verify_codec, verify_streaming

STRIDES = {"even": (2, 4, 8), "odd": (2, 5, 3), "stride 1": (1, 4, 5)}


def small(strides=(2, 4, 8), **changes) -> DACConfig:
    """The same topology, narrow and short."""
    multiples = tuple(2 ** (i + 1) for i in range(len(strides)))
    network = DACNetworkConfig(
        latent_dim=16, encoder_width=6, decoder_width=4, strides=strides, multiples=multiples
    )
    return DACConfig(
        sample_rate=8_000,
        network=replace(network, **changes),
        num_codebooks=4,
        codebook_size=32,
        code_dim=4,
    )


def enliven(module: torch.nn.Module) -> None:
    """Noise in every parameter: signals keep their level, and no default hides a mistake."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            if name.endswith(("alpha", "beta")):
                start = 1.0 if float(p.flatten()[0]) == 1 else 0.0
                p.copy_(start + 0.5 * (torch.rand(p.shape) - 0.5))
            elif name.endswith("bias"):
                p.copy_(0.1 * torch.randn(p.shape))
            elif name.endswith(("weight_g", "original0", ".g")):
                p.mul_(1.3 + 0.2 * torch.randn(p.shape))


def place_codes(codec: DAC, x: torch.Tensor) -> None:
    """Codes scattered over what each codebook will be asked for, of uneven lengths."""
    with torch.no_grad():
        residual = codec.encode(x)
        for book in codec.quantizer.codebooks:
            rows = book.in_proj(residual).transpose(1, 2).flatten(0, 1)
            picks = rows[torch.randint(len(rows), (len(book.entries),))]
            noise = 0.3 * rows.std(0) * torch.randn_like(picks)
            book.entries.copy_((picks + noise) * (0.5 + torch.rand(len(picks), 1)))
            residual = residual - book.out_proj(book.look_up(book.search(book.in_proj(residual))))


def make(config: DACConfig, seed: int = 0) -> DAC:
    torch.manual_seed(seed)
    codec = DAC(config).eval()
    enliven(codec)
    place_codes(codec, noise(codec, 2, 300))
    return codec


def noise(codec, batch, frames):
    rng = torch.Generator().manual_seed(1)
    samples = frames * codec.config.network.hop_length
    return 0.5 * torch.randn(batch, codec.source.channels, samples, generator=rng)


@pytest.mark.parametrize("strides", STRIDES.values(), ids=STRIDES)
def test_it_keeps_the_codec_contract(strides):
    verify_codec(make(small(strides)), lengths=(1, 2, 29, 30, 31, 65, 1999))


def test_causal_and_stereo_keep_it_too():
    verify_codec(make(small((2, 5, 3), causal=True, channels=2)), lengths=(1, 29, 30, 31, 1999))


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (dac_44khz(), (22_307_968, 239_760, 54_104_162)),
        (dac_44khz_16kbps(), (19_553_664, 189_216, 44_470_370)),
        (dac_24khz(), (21_521_536, 852_480, 52_334_690)),
        (dac_16khz(), (21_521_536, 319_680, 52_334_690)),
    ],
)
def test_parameter_counts(config, parts):
    with torch.device("meta"):
        codec = DAC(config)
    modules = (codec.encoder, codec.quantizer, codec.decoder)
    assert tuple(sum(p.numel() for p in m.parameters()) for m in modules) == parts
    assert sum(p.numel() for p in codec.parameters()) == sum(parts)


@pytest.mark.parametrize(
    ("config", "rate", "kbps", "hop"),
    [
        (dac_44khz(), 86.1328125, 7.75, 512),
        (dac_44khz_16kbps(), 86.1328125, 15.5, 512),
        (dac_24khz(), 75, 24, 320),
        (dac_16khz(), 50, 6, 320),
    ],
)
def test_rates_are_those_published(config, rate, kbps, hop):
    assert config.frame_rate == rate
    assert config.bandwidth(config.num_codebooks) == pytest.approx(kbps, abs=0.01)
    with torch.device("meta"):
        codec = DAC(config)
        audio = codec.decoder(torch.empty(1, config.network.latent_dim, 7))
    assert audio.shape == (1, 1, 7 * hop)


def test_fewer_codebooks_are_a_prefix_and_sound_worse_gradually():
    codec = make(small())
    with torch.no_grad():
        latents = codec.encode(noise(codec, 1, 60))
        codes = codec.quantize(latents)
        assert torch.equal(codec.quantize(latents, 2), codes[:, :2])
        assert codec.decode(codec.dequantize(codes[:, :1])).shape == (1, 1, 60 * 64)
        assert min(row.unique().numel() for row in codes[0]) > 8, "every codebook takes part"


def test_what_is_decoded_is_within_full_scale():
    codec = make(small())
    with torch.no_grad():
        y = codec.decode(100 * torch.randn(1, 16, 10))
    assert y.abs().max() <= 1 and y.abs().max() > 0.9


def test_a_training_pass_learns_and_repeats_with_its_seed():
    codec = make(small()).train()
    batch = {"x": noise(codec, 4, 10)[..., :-7]}

    def run(seed):
        return codec({**batch, "rng": torch.Generator().manual_seed(seed)})

    output = run(0)
    assert set(output.losses) == {"vq/commitment", "vq/codebook"}
    assert set(output.metrics) == {"vq/use", "vq/perplexity"}
    assert torch.equal(run(0).reconstruction, output.reconstruction)
    assert not torch.equal(run(1).reconstruction, output.reconstruction)
    loss = (output.reconstruction - batch["x"]).square().mean() + sum(output.losses.values())
    loss.backward()
    silent = [name for name, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_the_fingerprint_follows_the_encode_path_only():
    codec = make(small())
    before = codec.fingerprint()
    with torch.no_grad():
        for parameter in codec.decoder.parameters():
            parameter.add_(1)
    codec.quantizer.code_use.uses.add_(1)
    assert codec.fold_weight_norm().fingerprint() == before
    with torch.no_grad():
        codec.quantizer.codebooks[3].entries[0].add_(1)
    assert codec.fingerprint() != before


def test_folded_weights_give_the_same_sound():
    codec = make(small())
    x = noise(codec, 1, 20)
    with torch.no_grad():
        latents = codec.encode(x)
        sound = codec.decode(latents)
        codec.fold_weight_norm()
        assert torch.equal(codec.encode(x), latents) and torch.equal(codec.decode(latents), sound)


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


def test_wrong_input_is_refused():
    codec = make(small())
    with pytest.raises(ValueError, match=r"expected audio \(B, 1, T\)"):
        codec.encode(torch.zeros(1, 2, 100))
    with pytest.raises(ValueError, match="without conditions and gain"):
        codec.decode(torch.zeros(1, 16, 3), gain=torch.ones(1, 1))
    with pytest.raises(ValueError, match="moments must be 1"):
        small(moments=2)
    with pytest.raises(ValueError, match="multiples must be 3 positive numbers"):
        small(multiples=(2, 4))
    with pytest.raises(ValueError, match=r"quantizer_dropout must be in \[0, 1\], got 2"):
        replace(small(), quantizer_dropout=2)


# Weights that others wrote.


def peer_and_ours(tmp_path=None, weight_norm=False, **changes):
    """A `DacModel` with noise in every parameter and codebook, and ours read from it."""
    transformers = pytest.importorskip("transformers", reason="parity needs transformers")
    torch.manual_seed(0)
    settings = {
        "encoder_hidden_size": 6,
        "decoder_hidden_size": 32,
        "downsampling_ratios": [2, 4, 8],
        "n_codebooks": 4,
        "codebook_size": 64,
        "codebook_dim": 4,
        "sampling_rate": 44_100,
    }
    config = transformers.DacConfig(**settings | changes)
    peer = transformers.DacModel(config).eval()
    for module in peer.modules():
        if isinstance(module, torch.nn.Conv1d):
            module.reset_parameters()
    enliven(peer)
    with torch.no_grad():
        for name, p in peer.named_parameters():
            if name.endswith("conv1.weight") or name.endswith("conv2.weight"):
                p.mul_(1.3)
    x = 0.5 * torch.randn(2, 1, 200 * peer.config.hop_length)
    codec = DAC.from_transformers(peer.config.to_dict(), peer.state_dict(), "a test")
    place_codes(codec, x)
    with torch.no_grad():
        for theirs, book in zip(peer.quantizer.quantizers, codec.quantizer.codebooks, strict=True):
            theirs.codebook.weight.copy_(book.entries)
    if weight_norm:
        peer.apply_weight_norm()
    if tmp_path is None:
        return peer, DAC.from_transformers(peer.config.to_dict(), peer.state_dict(), "a test"), x
    peer.save_pretrained(tmp_path)
    return peer, Codec.from_pretrained(tmp_path), x


def share_of_equal_frames(codec, latents, codes, expected):
    """Prove that the first difference in any frame is a tie; return how many have none."""
    residual = latents
    equal = torch.ones(codes.shape[0], codes.shape[2], dtype=torch.bool)
    for row, book in enumerate(codec.quantizer.codebooks):
        asked = F.normalize(book.in_proj(residual).double(), dim=1)
        ours, theirs = [
            F.normalize(book.look_up(c[:, row]).double(), dim=1) for c in (codes, expected)
        ]
        gap = ((asked * ours).sum(1) - (asked * theirs).sum(1)).abs()
        differ = equal & (codes[:, row] != expected[:, row])
        assert (gap <= 1e-5)[differ].all(), f"codebook {row} differs without a tie"
        equal &= ~differ
        residual = residual - book.out_proj(book.look_up(expected[:, row]))
    return equal.float().mean()


def check(peer, codec, x):
    with torch.no_grad():
        latents = codec.encode(x)
        torch.testing.assert_close(latents, peer.encoder(x), rtol=1e-4, atol=1e-5)
        codes, expected = codec.quantize(latents), peer.encode(x).audio_codes
        assert codes.shape == expected.shape
        assert share_of_equal_frames(codec, latents, codes, expected) > 0.95
        assert min(row.unique().numel() for row in codes.transpose(0, 1)) > 20
        y = peer.decode(audio_codes=expected).audio_values[:, None]
        ours = codec.decode(codec.dequantize(expected))
        assert ours.shape == x.shape
        settled = y.shape[-1]
        if settled < ours.shape[-1]:  # theirs lost samples, and pads its end elsewhere
            settled -= codec.num_samples(codec.decode_context)
        assert settled > x.shape[-1] // 2
        assert (ours[..., :settled] - y[..., :settled]).abs().max() <= 1e-5
        assert y.std() > 0.05


@pytest.mark.parametrize("weight_norm", [False, True])
def test_parity_with_transformers(weight_norm, tmp_path):
    check(*peer_and_ours(tmp_path / "folded" if not weight_norm else None, weight_norm))


def test_parity_of_odd_strides_up_to_where_the_peer_loses_samples():
    peer, codec, x = peer_and_ours(downsampling_ratios=[2, 5, 3])
    with torch.no_grad():
        assert (
            peer.decode(audio_codes=peer.encode(x).audio_codes).audio_values.shape[-1]
            < (x.shape[-1])
        )
    check(peer, codec, x)


@pytest.mark.slow
def test_parity_and_counts_at_full_size():
    settings = {"encoder_hidden_size": 64, "decoder_hidden_size": 1536}
    settings |= {"downsampling_ratios": [2, 4, 8, 8], "n_codebooks": 9, "codebook_size": 1024}
    peer, codec, x = peer_and_ours(weight_norm=True, codebook_dim=8, **settings)
    assert replace(codec.config, quantizer_dropout=0.5) == dac_44khz()
    count = sum(p.numel() for p in peer.parameters())
    assert sum(p.numel() for p in codec.parameters()) == count == 76_651_890
    check(peer, codec, x[:1, :, : 60 * 512])


def original(codec: DAC) -> dict[str, torch.Tensor]:
    """The state dict of a codec under the names of the first release."""
    renamed = {}
    for name, tensor in codec.state_dict().items():
        if name.startswith("quantizer.code_use"):
            continue
        name = name.replace("weight.g", "weight_g").replace("weight.v", "weight_v")
        name = name.replace("quantizer.codebooks.", "quantizer.quantizers.")
        name = name.replace(".entries", ".codebook.weight")
        name = name.replace("decoder.layers.", "decoder.model.").replace(".layers.", ".block.")
        renamed[name] = tensor
    return renamed


def kwargs(config: DACConfig) -> dict[str, object]:
    network = config.network
    return {
        "encoder_dim": network.encoder_width,
        "encoder_rates": list(network.strides),
        "latent_dim": network.latent_dim,
        "decoder_dim": network.decoder_width * network.multiples[-1],
        "decoder_rates": list(network.strides[::-1]),
        "n_codebooks": config.num_codebooks,
        "codebook_size": config.codebook_size,
        "codebook_dim": config.code_dim,
        "quantizer_dropout": config.quantizer_dropout,
        "sample_rate": config.sample_rate,
    }


def test_original_files(tmp_path):
    codec = make(small((2, 5, 3)))
    state = original(codec)
    for name in (
        "encoder.block.0.weight_g",
        "encoder.block.1.block.0.block.0.alpha",
        "encoder.block.3.block.2.block.3.weight_v",
        "encoder.block.3.block.4.bias",
        "encoder.block.4.alpha",
        "encoder.block.5.weight_v",
        "decoder.model.1.block.1.weight_g",
        "decoder.model.3.block.4.block.1.bias",
        "decoder.model.5.weight_v",
        "quantizer.quantizers.3.in_proj.weight_g",
        "quantizer.quantizers.0.codebook.weight",
    ):
        assert name in state
    data = {"state_dict": state, "metadata": {"kwargs": kwargs(codec.config)}}
    torch.save(data, tmp_path / "weights.pth")
    found = Codec.from_pretrained(tmp_path / "weights.pth")
    assert isinstance(found, DAC) and found.config == codec.config
    x = noise(codec, 1, 20)
    with torch.no_grad():
        assert torch.equal(found.encode(x), codec.encode(x))
        z = codec.dequantize(codec.quantize(codec.encode(x)))
        assert torch.equal(found.dequantize(found.quantize(found.encode(x))), z)
        assert torch.equal(found.decode(z), codec.decode(z))
    again = Codec.from_pretrained(found.save_pretrained(tmp_path / "ours"))
    assert again.fingerprint() == codec.fingerprint()


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_pickled_objects_are_refused_unread(tmp_path):
    torch.save({"state_dict": Payload()}, tmp_path / "objects.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Payload(), protocol=2))
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("objects", "plain", "empty"):
        with pytest.raises(ValueError, match=r"more than tensors.*refused"):
            Codec.from_pretrained(tmp_path / f"{name}.pth")


def test_original_files_that_do_not_fit_are_named(tmp_path):
    codec = make(small())
    path, given = tmp_path / "weights.pth", kwargs(codec.config)

    def save(state=None, **changes):
        data = {"state_dict": state or original(codec), "metadata": {"kwargs": given | changes}}
        torch.save(data, path)

    save(decoder_rates=[2, 4, 8])
    with pytest.raises(ConfigError, match=r"strides must be \(8, 4, 2\).*got \(2, 4, 8\)"):
        DAC.from_original(path)
    save(decoder_dim=33)
    with pytest.raises(ConfigError, match="multiple of 8, got 33"):
        DAC.from_original(path)
    save(codebook_dim=[4, 4, 8, 8])
    with pytest.raises(ConfigError, match="same for all codebooks"):
        DAC.from_original(path)
    save(n_codebooks=5)
    with pytest.raises(ValueError, match="do not fit its config"):
        DAC.from_original(path)
    save({**original(codec), "encoder.lstm.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"`encoder\.lstm\.weight` is no weight of a DAC"):
        DAC.from_original(path)
    torch.save({"state_dict": original(codec)}, path)
    with pytest.raises(ValueError, match=r"`state_dict` and `metadata\.kwargs`"):
        DAC.from_original(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(ValueError, match="must hold a dictionary, got Tensor"):
        DAC.from_original(path)
