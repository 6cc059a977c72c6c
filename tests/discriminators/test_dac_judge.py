"""DAC's whole discriminator: its exact size, and its losses from our parts."""

import torch

from latentone.discriminators import (
    BandDiscriminatorConfig,
    CombinedDiscriminatorConfig,
    PeriodDiscriminatorConfig,
)

DAC = CombinedDiscriminatorConfig(
    parts=(PeriodDiscriminatorConfig(), BandDiscriminatorConfig()), center=True, peak=0.8
)


def test_it_has_the_published_size():
    with torch.device("meta"):
        judge = DAC.build()
    assert sum(p.numel() for p in judge.parameters()) == 42_519_760  # as descript-audio-codec 1.0.0


def test_its_losses_are_over_as_many_layers():
    """Five folds of five layers and three resolutions of five bands of five: 100 feature maps."""
    small = CombinedDiscriminatorConfig(
        parts=(
            PeriodDiscriminatorConfig(filters=(2, 2, 2, 2)),
            BandDiscriminatorConfig(filters=2),
        )
    )
    judged = small.build()(torch.randn(1, 1, 2048))
    assert len(judged.scores) == 8
    assert [len(features) for features in judged.features] == [5] * 5 + [25] * 3
