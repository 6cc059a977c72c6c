"""Step 3: generators draw latents under conditions; they know a LatentSpec, never a codec."""

from .autoregressive import Autoregressive, AutoregressiveConfig, AutoregressiveOptions
from .base import FrameRange, Generator, GeneratorConfig, Likelihood, Sampled, Steppable

__all__ = [
    "Autoregressive",
    "AutoregressiveConfig",
    "AutoregressiveOptions",
    "FrameRange",
    "Generator",
    "GeneratorConfig",
    "Likelihood",
    "Sampled",
    "Steppable",
]
