"""VQGAN over mel spectrograms: the codec contract, rows of codes, and parity with diffusers."""

from dataclasses import replace

import pytest
import torch

from latentone.codecs.autoencoder_config import EMACodes, FSQCodes, GradientCodes, KLLatents
from latentone.codecs.base import Codec
from latentone.codecs.mel_config import GriffinLimConfig
from latentone.codecs.vqgan import VQGAN, VQGANConfig
from latentone.config import ConfigError
from latentone.dsp.mel import MelSpec
from latentone.networks.autoencoder_2d import Autoencoder2dConfig
from latentone.testing import verify_codec

SMALL = VQGANConfig(
    mel=MelSpec(sample_rate=8000, n_fft=128, hop_length=32, n_mels=16, padding="same"),
    network=Autoencoder2dConfig(
        latent_channels=4, channels=8, multiples=(1, 2, 2), num_residual_blocks=1, num_groups=4
    ),
    vocoder=GriffinLimConfig(iterations=2),
    mel_mean=-5.0,
    mel_std=3.0,
    codes=GradientCodes(codebook_size=16),
)
CODES = {
    "gradient": SMALL.codes,
    "averages": EMACodes(codebook_size=16),
    "scalars": FSQCodes(levels=(5, 3)),
}


def enliven(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


def noise(*shape, seed=0):
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make(config=SMALL):
    """A codec whose codes are where its latents are."""
    torch.manual_seed(0)
    codec = enliven(VQGAN(config)).train()
    codec({"x": noise(4, 1, 4000), "rng": torch.Generator().manual_seed(0)})
    return codec.eval()


@pytest.mark.parametrize("codes", CODES)
def test_it_keeps_the_codec_contract(codes):
    codec = make(replace(SMALL, codes=CODES[codes]))
    verify_codec(codec, lengths=(1, 2, 127, 128, 129, 300, 2001), crop=2001)


@torch.no_grad()
def test_code_rows_are_those_of_the_picture():
    codec = make()
    x = noise(2, 1, 1000)
    latents = codec.encode(x)
    codes = codec.quantize(latents)
    assert codec.vocab == (16,) * 4 and codes.shape == (2, 4, 8) == (2, 4, codec.num_frames(1000))
    assert (codec.latent.kind, codec.latent.shape, codec.frame_rate) == ("discrete", (4,), 62.5)
    assert len(codes.unique()) > 4
    picture = codec.encoder(codec.target(x).mT[:, None])  # (B, 4, F, rows)
    (entries,) = codec.quantizer.pixels.codebooks
    distances = (picture.permute(0, 3, 2, 1)[..., None, :] - entries).square().sum(-1)
    assert torch.equal(codes, distances.argmin(-1))
    # What is decoded is the picture of the entries, each at the place of its code.
    placed = entries[codes].permute(0, 3, 2, 1)
    expected = codec.decoder(placed)[:, 0].mT
    torch.testing.assert_close(codec.picture(codec.dequantize(codes)), expected)


def test_a_pass_trains_networks_and_codes():
    codec = make().train()
    x = noise(4, 1, 2000)
    output = codec({"x": x})
    assert set(output.losses) == {"vq/commitment", "vq/codebook"}
    assert output.reconstruction.shape == codec.target(x).shape
    loss = (output.reconstruction - codec.target(x)).square().mean()
    (loss + sum(output.losses.values())).backward()
    silent = [n for n, p in codec.named_parameters() if p.grad is None or not p.grad.any()]
    assert [n for n in silent if "key.bias" not in n] == []


def test_continuous_latents_are_refused():
    with pytest.raises(ValueError, match="codes must be discrete, got KLLatents"):
        VQGAN(replace(SMALL, codes=KLLatents()))
    with pytest.raises(ValueError, match="num_codebooks must be 1"):
        VQGAN(replace(SMALL, codes=GradientCodes(num_codebooks=2)))


def theirs(**changes):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    settings = {
        "in_channels": 1,
        "out_channels": 1,
        "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"),
        "block_out_channels": (8, 16, 16),
        "layers_per_block": 2,
        "latent_channels": 4,
        "num_vq_embeddings": 64,
        "norm_num_groups": 4,
    }
    model = enliven(diffusers.VQModel(**{**settings, **changes}).eval())
    with torch.no_grad():  # codes where latents are
        model.quantize.embedding.weight.normal_()
    return model


@torch.no_grad()
def test_codes_and_pictures_are_those_of_diffusers(tmp_path):
    model = theirs()
    model.save_pretrained(tmp_path)
    codec = Codec.from_pretrained(tmp_path)
    assert isinstance(codec, VQGAN) and codec.vocab == (64,) * 16
    x = noise(2, 1, 12_800)
    hidden = model.encode(codec.target(x).mT[:, None]).latents  # (B, 4, F, rows)
    quantized, _, (_, _, indices) = model.quantize(hidden)
    codes = codec.quantize(codec.encode(x))
    assert len(codes.unique()) > 4
    assert torch.equal(codes, indices.view(2, 20, 16).mT)
    latents = codec.dequantize(codes)
    torch.testing.assert_close(latents.unflatten(1, (4, 16)), quantized.mT, atol=1e-5, rtol=1e-5)
    picture = model.decode(hidden).sample
    torch.testing.assert_close(codec.picture(latents).mT[:, None], picture, atol=1e-5, rtol=1e-5)


def test_published_codes_stay_where_they_are_when_training_goes_on():
    model = theirs()
    codec = VQGAN.from_diffusers(dict(model.config), model.state_dict(), "there").train()
    codec({"x": noise(2, 1, 6_400), "rng": torch.Generator().manual_seed(0)})
    (entries,) = codec.quantizer.pixels.codebooks
    assert torch.equal(entries, model.quantize.embedding.weight)


def test_other_models_are_refused(tmp_path):
    model = theirs()
    config, weights = dict(model.config), model.state_dict()
    for change in ({"vq_embed_dim": 3}, {"norm_type": "spatial"}):
        with pytest.raises(ConfigError, match="vq_embed_dim"):
            VQGAN.from_diffusers({**config, **change}, weights, "there")
    theirs(in_channels=3, out_channels=3).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no latentone config"):
        Codec.from_pretrained(tmp_path)
