"""Networks that tell real sound from generated sound; only training needs them."""

from .stft import Judgement, MultiScaleSTFTDiscriminator, STFTDiscriminatorConfig

__all__ = ["Judgement", "MultiScaleSTFTDiscriminator", "STFTDiscriminatorConfig"]
