"""The mel codec: front ends and generators against transformers, windows against the whole."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentone.codecs.base import Codec
from latentone.codecs.mel import MelCodec
from latentone.codecs.mel_config import (
    GriffinLimConfig,
    MelCodecConfig,
    hifigan_mel,
    melgan_mel,
    speecht5_mel,
)
from latentone.config import save_json
from latentone.dsp.mel import Mel, MelSpec
from latentone.hub import build_model
from latentone.networks.hifigan import HiFiGANConfig
from latentone.networks.melgan import MelGANConfig
from latentone.testing import verify_codec

SPEC = MelSpec(sample_rate=8000, n_fft=128, hop_length=32, n_mels=16, padding="same")
SPECS = {
    "same": SPEC,
    "center": replace(SPEC, padding="center", win_length=100),
    "mirrored": replace(SPEC, pad_mode="reflect", n_fft=160),
    "centred and mirrored": replace(SPEC, padding="center", pad_mode="reflect", log="log10"),
}
HIFIGAN = HiFiGANConfig(
    ratios=(8, 4),
    kernel_sizes=(16, 8),
    num_filters=16,
    residual_kernels=(3, 5),
    dilations=((1, 2), (2, 6)),
)
DECODERS = {
    "griffin-lim": GriffinLimConfig(iterations=2),
    "hifigan": HIFIGAN,
    "hifigan, single": replace(HIFIGAN, paired=False, standardize=True),
    "melgan": MelGANConfig(ratios=(8, 4), num_filters=4),
}


def make(mel=SPEC, decoder=HIFIGAN):
    torch.manual_seed(0)
    codec = MelCodec(MelCodecConfig(mel=mel, decoder=decoder)).eval()
    with torch.no_grad():
        for name, tensor in codec.state_dict().items():
            if name.endswith((".g", "scale")):
                tensor.mul_(0.5 + torch.rand_like(tensor))
            elif name.endswith(("bias", "mean")):
                tensor.add_(0.1 * torch.randn_like(tensor))
    return codec


def noise(*shape, seed=0):
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_it_keeps_the_codec_contract(spec, decoder):
    verify_codec(make(SPECS[spec], DECODERS[decoder]), lengths=(1, 2, 31, 32, 33, 100, 2001))


@pytest.mark.parametrize("spec", SPECS)
def test_windows_see_all_that_a_frame_sees_and_no_more(spec):
    codec = make(SPECS[spec])
    hop = codec.config.mel.hop_length
    for samples in (40 * hop, 40 * hop + 1, 40 * hop + 31):
        x = noise(1, 1, samples, seed=samples)
        whole = codec.encode(x)
        for chunk in (hop, 7 * hop):
            pieces = codec.encode_long(lambda a, n, x=x: x[0, :, a : a + n], samples, chunk)
            joined = torch.cat([piece["acoustic"] for piece in pieces], -1)
            torch.testing.assert_close(joined, whole[0], atol=1e-5, rtol=1e-5)
        for frame in (0, 13, whole.shape[-1] - 1):
            other = noise(1, 1, samples, seed=1)
            first, last = (frame - codec.context) * hop, (frame + 1 + codec.context) * hop
            other[..., max(0, first) : last] = x[..., max(0, first) : last]
            torch.testing.assert_close(
                codec.encode(other)[..., frame], whole[..., frame], atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("padding", ["same", "center"])
def test_frames_are_those_of_mel(padding, pad_mode):
    spec = replace(SPEC, padding=padding, pad_mode=pad_mode)
    for samples in (200, 640, 641, 671):
        x = noise(2, 1, samples)
        torch.testing.assert_close(make(spec).encode(x), Mel(spec)(x)[:, 0])


def test_the_front_end_of_speecht5_is_that_of_transformers():
    transformers = pytest.importorskip("transformers")
    audio = noise(16_000).numpy()
    theirs = transformers.SpeechT5FeatureExtractor()(
        audio_target=audio, sampling_rate=16_000, return_tensors="np"
    )["input_values"][0]
    codec = MelCodec(MelCodecConfig(mel=speecht5_mel(), decoder=GriffinLimConfig()))
    ours = codec.encode(torch.from_numpy(audio)[None, None])[0].T
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-4)


def test_the_front_end_of_hifigan_is_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    audio = noise(256 * 40).numpy()
    padded = np.pad(audio, 384, mode="reflect")
    magnitudes = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, center=False))
    for spec, log, top in ((hifigan_mel(), np.log, 8000), (melgan_mel(), np.log10, None)):
        filters = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmax=top)
        theirs = log(np.maximum(filters @ magnitudes, 1e-5))
        codec = MelCodec(MelCodecConfig(mel=spec, decoder=GriffinLimConfig()))
        ours = codec.encode(torch.from_numpy(audio)[None, None])[0].numpy()
        assert ours.shape == theirs.shape == (80, 40)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def transformers_hifigan(normalize=True):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    theirs = transformers.SpeechT5HifiGan(
        transformers.SpeechT5HifiGanConfig(
            upsample_initial_channel=32, leaky_relu_slope=0.15, normalize_before=normalize
        )
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():  # fresh ones are so small that tanh hears nothing
            fan = max(1, parameter[0].numel())
            parameter.normal_(0, fan**-0.5 if parameter.dim() > 1 else 0.1)
        theirs.mean.normal_()
        theirs.scale.uniform_(0.5, 2)
    return theirs


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_generator_of_transformers_gives_its_sound(normalize, normed, tmp_path):
    theirs = transformers_hifigan(normalize)
    mel = torch.randn(2, 80, 11)
    with torch.no_grad():
        expected = theirs(mel.transpose(1, 2))
    if normed:
        theirs.apply_weight_norm()
    theirs.save_pretrained(tmp_path)
    codec = Codec.from_pretrained(tmp_path)
    assert isinstance(codec, MelCodec) and codec.config.mel == speecht5_mel()
    with torch.no_grad():
        torch.testing.assert_close(codec.decode(mel)[:, 0], expected, atol=1e-5, rtol=0)
        precise = theirs.double()(mel.double().transpose(1, 2))
        y = codec.double().decode(mel.double())[:, 0]
    torch.testing.assert_close(y, precise, atol=1e-6, rtol=0)
    assert expected.std() > 0.02


def test_other_mel_spectrograms_must_be_told():
    theirs = transformers_hifigan()
    data = {**theirs.config.to_dict(), "sampling_rate": 24_000}
    with pytest.raises(ValueError, match="80 features every 256 samples at 24000 Hz"):
        MelCodec.from_transformers(data, theirs.state_dict(), "there")
    mel = MelSpec(sample_rate=24_000, padding="center")
    codec = MelCodec.from_transformers(data, theirs.state_dict(), "there", mel)
    assert codec.config.mel == mel


ORIGINAL = {
    "resblock": "1",
    "upsample_rates": [8, 4],
    "upsample_kernel_sizes": [16, 8],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 2], [2, 6]],
    "num_mels": 16,
    "n_fft": 128,
    "hop_size": 32,
    "win_size": 128,
    "sampling_rate": 8000,
    "fmin": 0,
    "fmax": 4000,
    "fmax_for_loss": None,
}


def original(codec, paired):
    """The state dict of the first release, whose names were written down by hand."""
    state = codec.decoder.state_dict()
    kinds = ["convs1", "convs2"] if paired else ["convs"]
    layers = {"conv_pre": "conv_pre", "conv_post": "conv_post"}
    for stage in range(2):
        layers[f"ups.{stage}"] = f"stages.{stage}.up"
        for block in range(2):
            for end in [f"{kind}.{j}" for kind in kinds for j in range(2)]:
                theirs = f"resblocks.{2 * stage + block}.{end}"
                layers[theirs] = f"stages.{stage}.blocks.{block}.{end}"
    weights = {}
    for theirs, here in layers.items():
        weights[f"{theirs}.weight_g"] = state[f"{here}.weight.g"]
        weights[f"{theirs}.weight_v"] = state[f"{here}.weight.v"]
        weights[f"{theirs}.bias"] = state[f"{here}.bias"]
    assert len(weights) == len(state)
    return weights


@pytest.mark.parametrize("paired", [True, False])
def test_files_of_the_first_release_are_read(paired, tmp_path):
    ours = make(replace(SPEC, f_max=4000.0, win_length=128, pad_mode="reflect"),
                replace(HIFIGAN, paired=paired))  # fmt: skip
    save = {"generator": original(ours, paired)}
    torch.save(save, tmp_path / "g_02500000")
    settings = {**ORIGINAL, "resblock": "1" if paired else "2"}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    for path in (tmp_path, tmp_path / "g_02500000"):
        codec = Codec.from_pretrained(path)
        assert codec.config == ours.config
        mel = torch.randn(1, 16, 9)
        assert torch.equal(codec.decode(mel), ours.decode(mel))


def test_foreign_files_that_do_not_fit_are_refused(tmp_path):
    weights = original(make(replace(SPEC, f_max=4000.0)), True)
    save_json(ORIGINAL, tmp_path / "config.json")
    file = tmp_path / "generator_v1"
    for content, message in (
        ({"generator": {**weights, "odd": weights["conv_pre.bias"]}}, "`odd` is no weight"),
        ({"mpd": {}}, "under `generator`"),
        ({"generator": {k: v for k, v in weights.items() if k != "conv_pre.bias"}}, "do not fit"),
        ({"generator": print}, "more than tensors"),
    ):
        torch.save(content, file)
        with pytest.raises(ValueError, match=message):
            MelCodec.from_pretrained(tmp_path)
    file.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="damaged"):
        MelCodec.from_pretrained(tmp_path)
    (tmp_path / "g_1").write_bytes(b"")
    with pytest.raises(ValueError, match="several generators, give the path of one: g_1, gen"):
        MelCodec.from_pretrained(tmp_path)
    (tmp_path / "g_1").unlink()
    save_json({**ORIGINAL, "upsample_rates": [8, 2]}, tmp_path / "config.json")
    torch.save({"generator": weights}, file)
    with pytest.raises(ValueError, match=r"make 16 samples of a frame, but mel.hop_length is 32"):
        MelCodec.from_pretrained(tmp_path)


@pytest.mark.parametrize("decoder", ["hifigan", "melgan"])
def test_long_sounds_are_made_in_windows(decoder, monkeypatch):
    codec = make(decoder=DECODERS[decoder]).double()  # so that rounding hides no wrong window
    mel = torch.randn(2, 16, 700, dtype=torch.float64)
    seen = []
    codec.decoder.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[-1]))
    whole = codec.decode(mel)
    monkeypatch.setattr("latentone.codecs.mel.WINDOW", 0)
    with torch.no_grad():
        pieces = codec.decode(mel)
    torch.testing.assert_close(pieces, whole, atol=1e-10, rtol=0)
    assert seen[0] == 700 and len(seen) > 3 and max(seen[1:]) < 400


def test_latents_do_not_depend_on_the_decoder():
    codecs = [make(decoder=decoder) for decoder in DECODERS.values()]
    assert len({codec.fingerprint() for codec in codecs}) == 1
    assert all(codec.virtual for codec in codecs)
    assert make(replace(SPEC, log="log10")).fingerprint() != codecs[0].fingerprint()


def test_griffin_lim_keeps_the_pitch_and_one_seed_gives_one_sound():
    spec = replace(SPEC, n_fft=512, hop_length=128, n_mels=64)
    codec = make(spec, GriffinLimConfig(iterations=16))
    x = 0.4 * torch.sin(2 * math.pi * 440 * torch.arange(32 * 128) / 8000)[None, None]
    mel = codec.encode(x)
    y, again, other = (codec.decode(mel, rng=torch.Generator().manual_seed(i)) for i in (0, 0, 1))
    assert torch.equal(y, again) and not torch.equal(y, other)
    peak = torch.fft.rfft(y[0, 0]).abs().argmax() * 8000 / y.shape[-1]
    assert abs(peak - 440) < 8
    loud = mel > mel.max() - 3
    assert (codec.encode(y) - mel).abs()[loud].mean() < 0.2


def test_wrong_input_is_refused():
    codec = make()
    with pytest.raises(ValueError, match=r"audio \(B, 1, T\) with T at least 1, got \(1, 2, 5\)"):
        codec.encode(torch.zeros(1, 2, 5))
    with pytest.raises(ValueError, match=r"expected latents \(B, 16, F\), got \(1, 80, 5\)"):
        codec.decode(torch.zeros(1, 80, 5))
    with pytest.raises(ValueError, match="without conditions or gain"):
        codec.decode(torch.zeros(1, 16, 5), gain=torch.ones(1, 1))
    with pytest.raises(ValueError, match=r"mel.padding must be same or center"):
        MelCodecConfig(mel=replace(SPEC, padding="none"))
    with pytest.raises(ValueError, match=r"make 256 samples of a frame, but mel.hop_length is 32"):
        build_model(MelCodecConfig(mel=SPEC, decoder=HiFiGANConfig()), Codec)
