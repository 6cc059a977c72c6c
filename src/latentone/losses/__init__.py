"""What is minimised: adversarial, feature matching, and how gradients are weighed."""

from .adaptive import adaptive_weight
from .adversarial import AdversarialKind, Reduction, discriminator_loss, generator_loss
from .balancer import Balancer
from .feature_matching import feature_matching
from .log_mel import LogMelDistance
from .weighted import WeightedGradient, weighted_gradient

__all__ = [
    "AdversarialKind",
    "Balancer",
    "LogMelDistance",
    "Reduction",
    "WeightedGradient",
    "adaptive_weight",
    "discriminator_loss",
    "feature_matching",
    "generator_loss",
    "weighted_gradient",
]
