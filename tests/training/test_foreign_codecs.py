"""A run takes codecs that others published, and keeps them in our layout."""

import pytest
import torch
from safetensors.torch import save_file

from latentone.codecs import EnCodec
from latentone.codecs.base import Codec
from latentone.codecs.dac import DAC
from latentone.codecs.mel import MelCodec
from latentone.codecs.oobleck import Oobleck
from latentone.config import load_json
from latentone.loading import import_models
from latentone.training.system import _ready_codec

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
            "sampling_rate": 8_000,
        },
    ),
    "encodec": (
        EnCodec,
        "EncodecModel",
        "EncodecConfig",
        {
            "sampling_rate": 8_000,
            "num_filters": 4,
            "hidden_size": 8,
            "codebook_dim": 8,
            "codebook_size": 16,
            "upsampling_ratios": [4, 2],
            "target_bandwidths": [4.0, 8.0],
            "num_lstm_layers": 1,
        },
    ),
    "hifigan": (
        MelCodec,
        "SpeechT5HifiGan",
        "SpeechT5HifiGanConfig",
        {"upsample_initial_channel": 32},
    ),
}


def check(kind, folder, kept):
    import_models()
    taken = _ready_codec(folder)
    assert type(taken) is kind and not taken.training
    taken.save_pretrained(kept)
    assert load_json(kept / "config.json")["model_type"] == kind.__name__
    ours = Codec.from_pretrained(kept)
    theirs = kind.from_pretrained(folder)
    x = 0.1 * torch.randn(
        1, ours.source.channels, 4_000, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        latents = theirs.encode(x)
        assert latents.std() > 0 and torch.equal(ours.encode(x), latents)
        assert torch.equal(ours.decode(latents), theirs.decode(latents))
    assert ours.fingerprint() == theirs.fingerprint()


@pytest.mark.slow  # the imports
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_folders_of_transformers(name, tmp_path):
    transformers = pytest.importorskip("transformers")
    kind, model, config, settings = TRANSFORMERS[name]
    torch.manual_seed(0)
    peer = getattr(transformers, model)(getattr(transformers, config)(**settings))
    peer.save_pretrained(tmp_path / "theirs")
    check(kind, tmp_path / "theirs", tmp_path / "ours")


@pytest.mark.slow  # the imports
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
def test_folders_of_diffusers(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    peer = diffusers.AutoencoderOobleck(
        encoder_hidden_size=8,
        downsampling_ratios=[2, 4],
        channel_multiples=[1, 2],
        decoder_channels=4,
        decoder_input_channels=4,
        sampling_rate=8_000,
    )
    peer.save_pretrained(tmp_path / "theirs")
    check(Oobleck, tmp_path / "theirs", tmp_path / "ours")


def test_a_file_of_stable_audio(tmp_path):
    from latentone.systems.oobleck import RECIPES

    config = RECIPES["debug"]().codec.task.model
    torch.manual_seed(0)
    state = {}
    for name, tensor in Oobleck(config).state_dict().items():
        old = name.replace("weight.g", "weight_g").replace("weight.v", "weight_v")
        tensor = tensor.flatten() if name.endswith((".alpha", ".beta")) else tensor
        state[f"pretransform.model.{old}"] = tensor.contiguous()
    save_file(state | {"model.other": torch.zeros(3)}, tmp_path / "model.safetensors")
    check(Oobleck, tmp_path / "model.safetensors", tmp_path / "ours")


def test_what_no_codec_reads_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="is no latentone config"):
        _ready_codec(tmp_path)
