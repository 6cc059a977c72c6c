"""Every verb takes codecs that others published: `latentone.load` and the command line."""

import importlib

import pytest
import torch
from dac_models import make, small
from safetensors.torch import save_file
from test_dac_original import kwargs, original
from test_melgan_layouts import published as published_melgan
from test_melgan_layouts import reference
from test_rave_published import published

import latentone
from latentone.audio import Audio, load_audio
from latentone.cli import main
from latentone.codecs import DAC, RAVE, EnCodec, MelCodec, Oobleck
from latentone.codecs.base import Codec
from latentone.codecs.mel_vae import MelVAE
from latentone.codecs.rave_config import rave_raspberry
from latentone.loading import load
from latentone.systems import oobleck
from latentone.training.system import _ready_codec

KINDS = {"dac": DAC, "melgan": MelCodec, "oobleck": Oobleck, "rave": RAVE}


def write_dac(folder):
    codec = make(small())
    data = {"state_dict": original(codec), "metadata": {"kwargs": kwargs(codec.config)}}
    torch.save(data, folder / "weights.pth")
    return folder / "weights.pth"


def write_melgan(folder):
    state = published_melgan(reference(80, 2, (8, 8, 4), 1))
    torch.save(state, folder / "best_netG.pt")
    return folder


def write_oobleck(folder):
    torch.manual_seed(0)
    state = {}
    for name, tensor in Oobleck(oobleck.RECIPES["debug"]().codec.task.model).state_dict().items():
        old = name.replace("weight.g", "weight_g").replace("weight.v", "weight_v")
        flat = tensor.flatten() if name.endswith((".alpha", ".beta")) else tensor
        state[f"pretransform.model.{old}"] = flat.contiguous()
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors"


def write_rave(folder):
    torch.manual_seed(0)
    torch.save({"state_dict": published(RAVE(rave_raspberry()))}, folder / "last.ckpt")
    return folder / "last.ckpt"


WRITERS = {"dac": write_dac, "melgan": write_melgan, "oobleck": write_oobleck, "rave": write_rave}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return {name: write(tmp_path_factory.mktemp(name)) for name, write in WRITERS.items()}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    x = 0.2 * torch.randn(1, 5_000, generator=torch.Generator().manual_seed(0))
    for name in "abc":
        Audio(x, 16_000).save(folder / f"{name}.wav")
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_load_gives_the_codec_that_from_pretrained_reads(name, models, tmp_path):
    found = latentone.load(str(models[name])).codec
    codec = Codec.from_pretrained(models[name])
    assert type(found) is KINDS[name] and found.fingerprint() == codec.fingerprint()
    x = 0.2 * torch.randn(1, codec.source.channels, 6_000)
    with torch.no_grad():
        z = codec.encode(x)
        torch.testing.assert_close(found.encode(x), z)
        torch.testing.assert_close(found.decode(z), codec.decode(z))
    kept = _ready_codec(models[name]).save_pretrained(tmp_path / "kept")  # as --with-codec does
    assert Codec.from_pretrained(kept).fingerprint() == codec.fingerprint()


@pytest.mark.parametrize("name", KINDS)
def test_verbs_take_it(name, models, sounds, tmp_path, capsys):
    model, sound = str(models[name]), sounds / "a.wav"
    heard = tmp_path / "heard.wav"
    for verb in ("reconstruct", "transfer"):
        assert main([verb, model, str(sound), "-o", str(heard)]) == 0
        made, taken = load_audio(heard), load_audio(sound)
        assert made.duration == pytest.approx(taken.duration, abs=1e-3)
        assert made.sample_rate == load(model).sample_rate
        heard.unlink()
    assert main(["info", model]) == 0
    assert KINDS[name].__name__ in capsys.readouterr().out
    store = tmp_path / "store"
    assert main(["encode", model, "--data", str(sounds), "-o", str(store), "--device", "cpu"]) == 0
    assert (store / "dataset.json").exists()


def test_codes_of_a_foreign_codec_are_compressed_and_come_back(models, sounds, tmp_path):
    sound, stream, heard = sounds / "a.wav", tmp_path / "a.lt", tmp_path / "heard.wav"
    model = str(models["dac"])
    assert main(["compress", model, str(sound), "-o", str(stream)]) == 0
    assert main(["decompress", model, str(stream), "-o", str(heard)]) == 0
    expected = load(model).reconstruct(sound)
    torch.testing.assert_close(load_audio(heard).samples, expected.samples, atol=1e-4, rtol=0)
    assert main(["compress", str(models["rave"]), str(sound), "-o", str(stream)]) == 2


def test_a_foreign_prior_is_drawn_from(models, tmp_path):
    for name in ("oobleck", "rave"):
        out = tmp_path / f"{name}.wav"
        argv = ["generate", str(models[name]), "--duration", "0.3", "--seed", "1", "-o", str(out)]
        assert main(argv) == 0 and load_audio(out).duration == pytest.approx(0.3, abs=1e-3)


def test_what_is_no_model_is_refused(sounds, tmp_path, capsys):
    for path in (sounds / "a.wav", sounds):
        with pytest.raises((ValueError, FileNotFoundError), match=r"no codec reads|no model"):
            load(path)
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.ckpt")
    assert main(["info", str(tmp_path / "other.ckpt")]) == 2
    assert "no codec reads" in capsys.readouterr().err


TRANSFORMERS = {
    "dac": (
        DAC,
        "DacModel",
        "DacConfig",
        {
            "encoder_hidden_size": 4,
            "decoder_hidden_size": 16,
            "downsampling_ratios": [2, 4],
            "n_codebooks": 2,
            "codebook_size": 16,
            "codebook_dim": 4,
        },
    ),
    "encodec": (
        EnCodec,
        "EncodecModel",
        "EncodecConfig",
        {"num_filters": 4, "codebook_size": 16, "num_lstm_layers": 1},
    ),
    "hifigan": (
        MelCodec,
        "SpeechT5HifiGan",
        "SpeechT5HifiGanConfig",
        {"upsample_initial_channel": 32},
    ),
}
DIFFUSERS = {
    "oobleck": (
        Oobleck,
        "AutoencoderOobleck",
        {
            "encoder_hidden_size": 8,
            "downsampling_ratios": [2, 4],
            "channel_multiples": [1, 2],
            "decoder_channels": 4,
            "decoder_input_channels": 4,
        },
    ),
    "mel_vae": (
        MelVAE,
        "AutoencoderKL",
        {
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": (8, 8, 8),
            "down_block_types": ("DownEncoderBlock2D",) * 3,
            "up_block_types": ("UpDecoderBlock2D",) * 3,
            "latent_channels": 8,
            "norm_num_groups": 4,
        },
    ),
}


@pytest.mark.slow  # the imports
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("name", [*TRANSFORMERS, *DIFFUSERS])
def test_folders_of_transformers_and_diffusers(name, sounds, tmp_path, capsys):
    torch.manual_seed(0)
    if name in TRANSFORMERS:
        kind, model, config, settings = TRANSFORMERS[name]
        transformers = pytest.importorskip("transformers")
        peer = getattr(transformers, model)(getattr(transformers, config)(**settings))
    else:
        kind, model, settings = DIFFUSERS[name]
        peer = getattr(importlib.import_module("diffusers"), model)(**settings)
    peer.save_pretrained(tmp_path / "theirs")
    folder, heard = str(tmp_path / "theirs"), tmp_path / "heard.wav"
    assert type(load(folder).codec) is kind
    assert main(["reconstruct", folder, str(sounds / "a.wav"), "-o", str(heard)]) == 0
    assert heard.exists() and main(["info", folder]) == 0
    assert kind.__name__ in capsys.readouterr().out
