"""What is minimised: adversarial, feature matching, and the balancer of gradients."""

from .adversarial import AdversarialKind, discriminator_loss, generator_loss
from .balancer import Balancer
from .feature_matching import feature_matching

__all__ = [
    "AdversarialKind",
    "Balancer",
    "discriminator_loss",
    "feature_matching",
    "generator_loss",
]
