"""Networks that tell real sound from generated sound; only training needs them."""

from .bands import BandDiscriminatorConfig, MultiBandDiscriminator
from .base import Discriminator, DiscriminatorConfig, Judgement
from .combined import CombinedDiscriminator, CombinedDiscriminatorConfig
from .patch import PatchDiscriminator, PatchDiscriminatorConfig, PatchJudge
from .periods import MultiPeriodDiscriminator, PeriodDiscriminatorConfig
from .pictures import PictureDiscriminator, PictureDiscriminatorConfig
from .scales import (
    MultiScaleDiscriminator,
    ScaleDiscriminatorConfig,
    hifigan_scales,
    melgan_scales,
)
from .stft import MultiScaleSTFTDiscriminator, STFTDiscriminatorConfig
from .waves import ResidualSTFTDiscriminator, ResidualSTFTDiscriminatorConfig

__all__ = [
    "BandDiscriminatorConfig",
    "CombinedDiscriminator",
    "CombinedDiscriminatorConfig",
    "Discriminator",
    "DiscriminatorConfig",
    "Judgement",
    "MultiBandDiscriminator",
    "MultiPeriodDiscriminator",
    "MultiScaleDiscriminator",
    "MultiScaleSTFTDiscriminator",
    "PatchDiscriminator",
    "PatchDiscriminatorConfig",
    "PatchJudge",
    "PeriodDiscriminatorConfig",
    "PictureDiscriminator",
    "PictureDiscriminatorConfig",
    "ResidualSTFTDiscriminator",
    "ResidualSTFTDiscriminatorConfig",
    "STFTDiscriminatorConfig",
    "ScaleDiscriminatorConfig",
    "hifigan_scales",
    "melgan_scales",
]
