"""Small codecs of every family, with weights that are heard."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from latentone.codecs import Codec
from latentone.codecs.rave_config import RAVEConfig
from latentone.hub import build_model
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_v1 import RAVEv1Config
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.systems import dac, encodec, hifigan, melgan, oobleck, soundstream, vae, vqvae

SIZES = {"capacity": 4, "ratios": (4, 2, 2), "causal": True}
V2 = RAVEv2Config(**SIZES, dilations=((1, 3), (1,), (1,)))
V1 = RAVEv1Config(**SIZES, noise=NoiseConfig(hidden_dim=None, ratios=(4, 4), kernel_size=3))
NOISE = NoiseConfig(hidden_dim=6, ratios=(2, 2))
RAVE = RAVEConfig(sample_rate=8_000, num_bands=4, attenuation_db=60.0, latent_dim=6, network=V2)


def debug(system):
    return system.RECIPES["debug"]().codec.task.model


def causal(config):
    return replace(config, network=replace(config.network, causal=True))


TINY = debug(vae)
DEEP = encodec.RECIPES["small"]().codec.task.model
SEANET = replace(TINY.seanet, ratios=(4, 2), num_filters=2, num_lstm_layers=1, latent_dim=3)

CONFIGS = {
    "tiny": replace(TINY, seanet=SEANET),
    "rave v2": RAVE,
    "rave v1": replace(RAVE, network=V1),
    "rave noise": replace(RAVE, channels=2, network=replace(V2, noise=NOISE)),
    "rave v3": replace(RAVE, network=replace(V2, activation="snake", adain=True)),
    "rave wasserstein": replace(RAVE, regularizer="wasserstein", noise_channels=3),
    "rave discrete": replace(RAVE, regularizer="discrete", num_codebooks=3, codebook_size=16),
    "rave spherical": replace(RAVE, regularizer="spherical"),
    "rave recurrent": replace(RAVE, gru_layers=2),
    "rave centred": replace(RAVE, network=replace(V2, causal=False)),
    "encodec": debug(encodec),
    "encodec small": replace(DEEP, seanet=replace(DEEP.seanet, num_filters=2, latent_dim=8)),
    "soundstream": debug(soundstream),
    "vae": debug(vae),
    "vqvae": debug(vqvae),
    "dac": debug(dac),
    "dac causal": causal(debug(dac)),
    "oobleck": debug(oobleck),
    "oobleck causal": causal(debug(oobleck)),
    "hifigan": debug(hifigan),
    "melgan": debug(melgan),
}


@pytest.fixture(scope="session")
def build() -> Callable[[str], Codec]:
    """Build a codec by its name here, in eval mode."""

    def make(name: str) -> Codec:
        torch.manual_seed(0)
        codec = build_model(CONFIGS[name], Codec)
        with torch.no_grad():
            for key, value in [*codec.named_parameters(), *codec.named_buffers()]:
                if key.endswith(("alpha", "beta")):
                    value.add_(0.3 * torch.randn_like(value))
                elif key.endswith("embed"):
                    value.normal_()
                elif key.endswith("running_var"):
                    value.uniform_(0.5, 2)
        return codec.eval()

    return make
