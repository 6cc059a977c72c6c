"""The mel VAE: the codec contract, AudioLDM's sizes, and parity with diffusers and transformers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentone.codecs.base import Codec
from latentone.codecs.mel import MelCodec
from latentone.codecs.mel_autoencoder import audioldm_mel
from latentone.codecs.mel_config import GriffinLimConfig, MelCodecConfig
from latentone.codecs.mel_vae import MelVAE, MelVAEConfig
from latentone.config import ConfigError
from latentone.dsp.mel import MelSpec
from latentone.networks.autoencoder_2d import Autoencoder2dConfig
from latentone.networks.hifigan import HiFiGANConfig
from latentone.testing import verify_codec

SPEC = MelSpec(
    sample_rate=8000, n_fft=128, hop_length=32, n_mels=16, padding="same", pad_mode="reflect"
)
NETWORK = Autoencoder2dConfig(
    latent_channels=2, channels=8, multiples=(1, 2, 2), num_residual_blocks=1, num_groups=4
)
HIFIGAN = HiFiGANConfig(
    ratios=(8, 4),
    kernel_sizes=(16, 8),
    num_filters=16,
    residual_kernels=(3, 5),
    dilations=((1, 2), (2, 6)),
)
SMALL = MelVAEConfig(
    mel=SPEC,
    network=NETWORK,
    vocoder=GriffinLimConfig(iterations=2),
    mel_mean=-5.0,
    mel_std=3.0,
)


def enliven(module):
    """Noise in every weight, so that none can be left out or mixed up unheard."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


def make(config=SMALL):
    torch.manual_seed(0)
    return enliven(MelVAE(config).eval())


def noise(*shape, seed=0):
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("vocoder", [GriffinLimConfig(iterations=2), HIFIGAN])
@pytest.mark.parametrize("lowest_attention", [False, True])
def test_it_keeps_the_codec_contract(vocoder, lowest_attention):
    network = replace(NETWORK, lowest_attention=lowest_attention)
    codec = make(replace(SMALL, vocoder=vocoder, network=network))
    verify_codec(codec, lengths=(1, 2, 127, 128, 129, 300, 2001))


def test_frames_are_of_two_dimensions():
    with torch.device("meta"):
        codec = MelVAE(MelVAEConfig())
    assert sum(p.numel() for p in codec.parameters()) == 55_376_873
    assert (codec.config.network.latent_channels, codec.config.rows) == (8, 16)
    assert (codec.latent_dim, codec.frame_rate, codec.config.hop_length) == (128, 25.0, 640)
    assert make().latent.shape == (2, 4) and make().latent.dim == make().latent_dim == 8


@torch.no_grad()
def test_pictures_are_scaled_log_mel_frames_of_sound_completed_by_silence():
    codec = make()
    x = noise(2, 1, 301)
    mel = MelCodec(MelCodecConfig(mel=SPEC)).encode(torch.nn.functional.pad(x, (0, 83)))
    assert mel.shape == (2, 16, 12)
    torch.testing.assert_close(codec.target(x) * 3 - 5, mel)
    torch.testing.assert_close(codec.target(x), (mel + 5) / 3)


def test_the_front_end_is_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    audio = noise(160 * 40).numpy()
    magnitudes = np.abs(
        librosa.stft(np.pad(audio, 432, mode="reflect"), n_fft=1024, hop_length=160, center=False)
    )
    bands = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=64, fmin=0, fmax=8000) @ magnitudes
    codec = make(replace(SMALL, mel=audioldm_mel(), mel_mean=0.0, mel_std=1.0))
    ours = codec.target(torch.from_numpy(audio)[None, None])[0]
    np.testing.assert_allclose(ours.numpy(), np.log(np.maximum(bands, 1e-5)), atol=2e-4)


def test_latents_are_drawn_in_training_alone():
    codec = make()
    batch = {"x": noise(2, 1, 1001)}

    def run(seed):
        return codec({**batch, "rng": torch.Generator().manual_seed(seed)})

    assert torch.equal(run(0).reconstruction, run(1).reconstruction)
    codec.train()
    output = run(0)
    assert torch.equal(run(0).reconstruction, output.reconstruction)
    assert not torch.equal(run(1).reconstruction, output.reconstruction)
    assert torch.equal(output.latents, codec.encode(batch["x"]))
    assert set(output.losses) == {"latent/kl"}
    loss = (output.reconstruction - codec.target(batch["x"])).square().mean()
    (loss + output.losses["latent/kl"]).backward()
    silent = [n for n, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert [n for n in silent if "key.bias" not in n] == []


@torch.no_grad()
def test_the_prior_is_normal():
    codec = make()
    latents = codec.sample_prior(500, batch=2, rng=torch.Generator().manual_seed(0))
    assert codec.has_prior and latents.shape == (2, 8, 500)
    assert abs(latents.mean()) < 0.05 and abs(latents.std() - 1) < 0.05


def test_what_keeps_it_from_being_cut_into_windows_has_a_name():
    codec = make()
    assert codec.context is None and codec.decode_context is None
    assert not codec.chunkable and not codec.decode_chunkable
    assert "group norm" in codec.encode_obstacle and "encoder" in codec.encode_obstacle
    assert "group norm" in codec.decode_obstacle and "decoder" in codec.decode_obstacle
    x = noise(1, 1, 4096)
    with torch.no_grad():
        halves = torch.cat([codec.encode(half) for half in x.chunk(2, dim=-1)], dim=-1)
        assert (halves - codec.encode(x)).abs()[..., :4].max() > 1e-3


# Vocoders.


@torch.no_grad()
def test_another_vocoder_leaves_latents_as_they_are():
    codec = make()
    vocoder = enliven(MelCodec(MelCodecConfig(mel=SPEC, decoder=HIFIGAN)).eval())
    joined = codec.with_vocoder(vocoder)
    x = noise(1, 1, 640)
    assert not joined.training and joined.config.vocoder == HIFIGAN
    assert joined.latent == codec.latent
    latents = joined.encode(x)
    torch.testing.assert_close(latents, codec.encode(x), atol=0, rtol=0)
    mel = codec.picture(latents) * 3 - 5
    torch.testing.assert_close(joined.decode(latents), vocoder.decode(mel))
    assert not any(p.requires_grad for p in joined.sound.parameters())
    other = MelCodec(MelCodecConfig(mel=replace(SPEC, log="log10"), decoder=HIFIGAN))
    with pytest.raises(ValueError, match="log='natural'"):
        codec.with_vocoder(other)


# Weights that others wrote.


def their_vae(channels=1):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = diffusers.AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 16, 16),
        layers_per_block=2,
        latent_channels=8,
        norm_num_groups=4,
    )
    return enliven(model.eval())


def their_vocoder():
    """AudioLDM's generator, narrower: one step up by 5 has 16 taps, a surplus of 11."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    config = transformers.SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16_000,
        upsample_initial_channel=64,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        normalize_before=False,
    )
    model = transformers.SpeechT5HifiGan(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            fan = max(1, parameter[0].numel())
            parameter.normal_(0, fan**-0.5 if parameter.dim() > 1 else 0.1)
    return model


@torch.no_grad()
@pytest.mark.parametrize("normed", [False, True])
def test_a_pipeline_of_diffusers_gives_its_latents_and_its_sound(normed, tmp_path):
    vae, vocoder = their_vae(), their_vocoder()
    vae.save_pretrained(tmp_path / "vae")
    if normed:
        vocoder.apply_weight_norm()
    vocoder.save_pretrained(tmp_path / "vocoder")
    codec = Codec.from_pretrained(tmp_path)
    assert isinstance(codec, MelVAE) and codec.config.mel == audioldm_mel()
    assert codec.latent.shape == (8, 16)
    x = noise(2, 1, 16_000)
    latents, mel = codec.encode(x), codec.target(x)
    expected = vae.encode(mel.mT[:, None]).latent_dist.mode()  # (B, 8, F, 16)
    shaped = latents.unflatten(1, codec.latent.shape)
    torch.testing.assert_close(shaped, expected.mT, atol=1e-5, rtol=1e-5)
    picture = vae.decode(expected).sample
    torch.testing.assert_close(codec.picture(latents).mT[:, None], picture, atol=1e-5, rtol=1e-5)
    y, sound = codec.decode(latents)[:, 0], vocoder(picture[:, 0])
    assert y.shape == (2, 16_000) and sound.shape[-1] == 16_000 + 32 and sound.std() > 0.02
    # The surplus sample is heard as far as the residual blocks reach, a tenth of a second.
    torch.testing.assert_close(y[:, :-2000], sound[:, : 16_000 - 2000], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_divergence_is_that_of_diffusers():
    vae = their_vae()
    codec = MelVAE.from_diffusers(dict(vae.config), vae.state_dict(), "there")
    x = noise(2, 1, 6_400)
    theirs = vae.encode(codec.target(x).mT[:, None]).latent_dist.kl()  # summed over an item
    frames = codec.num_frames(6_400)
    torch.testing.assert_close(codec({"x": x}).losses["latent/kl"], theirs.mean() / frames)


def test_a_folder_without_vocoder_is_decoded_by_griffin_lim(tmp_path):
    their_vae().save_pretrained(tmp_path)
    codec = Codec.from_pretrained(tmp_path)
    assert isinstance(codec, MelVAE) and codec.config.vocoder == GriffinLimConfig()


@torch.no_grad()
def test_older_names_are_understood():
    vae = their_vae()
    pairs = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, tensor in vae.state_dict().items():
        for new, older in pairs.items():
            if f".{new}." in name:
                name = name.replace(new, older)
                tensor = tensor[:, :, None, None] if tensor.dim() == 2 else tensor
        old[name] = tensor
    codecs = [
        MelVAE.from_diffusers(dict(vae.config), weights, "there")
        for weights in (vae.state_dict(), old)
    ]
    x = noise(1, 1, 3_200)
    torch.testing.assert_close(codecs[0].encode(x), codecs[1].encode(x), atol=0, rtol=0)
    assert len(old) == len(vae.state_dict()) and "encoder.mid_block.attentions.0.query.bias" in old


def test_what_is_no_mel_vae_is_refused(tmp_path):
    their_vae(channels=3).save_pretrained(tmp_path / "image")
    with pytest.raises(ValueError, match="no latentone config"):
        Codec.from_pretrained(tmp_path / "image")
    vae = their_vae()
    config, weights = dict(vae.config), vae.state_dict()
    for change, message in (
        ({"use_quant_conv": False}, "use_quant_conv"),
        ({"act_fn": "relu"}, "act_fn"),
        ({"down_block_types": ("AttnDownEncoderBlock2D",) * 3}, "down_block_types"),
        ({"block_out_channels": (8, 12, 16)}, "multiples of the first"),
    ):
        with pytest.raises(ConfigError, match=message):
            MelVAE.from_diffusers({**config, **change}, weights, "there")
    with pytest.raises(ValueError, match="do not fit"):
        MelVAE.from_diffusers({**config, "latent_channels": 4}, weights, "there")
    with pytest.raises(ValueError, match="64 features every 160 samples"):
        their_vae().save_pretrained(tmp_path / "vae")
        vocoder = their_vocoder()
        vocoder.save_pretrained(tmp_path / "vocoder")
        file = tmp_path / "vocoder" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "sampling_rate": 24_000}))
        Codec.from_pretrained(tmp_path)


def test_wrong_input_is_refused():
    codec = make()
    with pytest.raises(ValueError, match=r"expected audio \(B, 1, T\)"):
        codec.encode(torch.zeros(1, 2, 100))
    with pytest.raises(ValueError, match="without conditions and gain"):
        codec.decode(torch.zeros(1, 8, 3), gain=torch.ones(1, 1))
    with pytest.raises(ValueError, match=r"latents \(B, 8, F\)"):
        codec.decode(torch.zeros(1, 7, 3))
    with pytest.raises(ValueError, match="padding must be same"):
        replace(SMALL, mel=replace(SPEC, padding="center"))
    with pytest.raises(ValueError, match="multiple of the 4 bands"):
        replace(SMALL, mel=replace(SPEC, n_mels=18))
    with pytest.raises(ValueError, match="mel_std"):
        replace(SMALL, mel_std=0.0)
    with pytest.raises(ValueError, match="hop_length is 32"):
        replace(SMALL, vocoder=replace(HIFIGAN, ratios=(8, 2), kernel_sizes=(16, 4)))
