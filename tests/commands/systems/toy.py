"""A system in one file that trains in seconds: what the command line is tested with."""

from __future__ import annotations

from latentone.codecs import EnCodecConfig
from latentone.conditioning.text import ByteTextConfig
from latentone.discriminators import STFTDiscriminatorConfig
from latentone.generators.autoregressive import AutoregressiveConfig
from latentone.networks.seanet import SEANetConfig
from latentone.networks.transformer import TransformerConfig
from latentone.systems.card import SystemCard
from latentone.training.recipe import Recipe, Stage, TrainConfig
from latentone.training.tasks.codec import CodecTaskConfig
from latentone.training.tasks.language_model import LanguageModelConfig

CARD = SystemCard(
    title="Toy",
    paper="On Toys",
    authors="Nobody",
    year=2026,
    summary="Tones into tones.",
    sizes={"debug": "seconds"},
)


def debug() -> Recipe:
    """The only size."""
    seanet = SEANetConfig(num_filters=2, latent_dim=8, ratios=(4, 4, 5), num_lstm_layers=0)
    codec = EnCodecConfig(sample_rate=8000, seanet=seanet, num_codebooks=2, codebook_size=16)
    network = TransformerConfig(dim=16, num_layers=1, num_heads=2, ffn_dim=32)
    generator = AutoregressiveConfig(
        network=network,
        conditioners={"text": ByteTextConfig(dim=8, num_layers=1, num_heads=2)},
        window_frames=100,
    )
    train = TrainConfig(
        steps=4,
        batch_size=2,
        crop_seconds=0.3,
        log_every=1,
        validate_every=2,
        validate_items=2,
        checkpoint_every=2,
    )
    discriminator = STFTDiscriminatorConfig(filters=2, n_ffts=(256, 128))
    return Recipe(
        system="toy",
        size="debug",
        codec=Stage(task=CodecTaskConfig(model=codec, discriminator=discriminator), train=train),
        generator=Stage(
            task=LanguageModelConfig(
                model=generator, fields={"text": "caption"}, preview_seconds=0.3
            ),
            train=train,
        ),
    )


RECIPES = {"debug": debug}
