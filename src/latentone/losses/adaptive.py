"""The adaptive adversarial weight of VQGAN: as much gradient from the judge as from the distances.

Esser et al., "Taming Transformers for High-Resolution Image Synthesis", 2021, eq. 7:

    weight = |gradient of the distances| / (|gradient of the adversarial loss| + 1e-4)

Differs: the gradients may be taken anywhere; our trainings take them at the decoder's output, where
they are at hand, and the paper at its last layer.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["adaptive_weight"]

LARGEST = 1e4


def adaptive_weight(distances: Tensor, adversarial: Tensor) -> Tensor:
    """Weight that gives the adversarial gradient the norm of the other one.

    Args:
        distances: gradient of the distances at some tensor of the generator, any shape.
        adversarial: gradient of the adversarial loss at the same tensor.

    Returns:
        A scalar in [0, 1e4], detached.

    Raises:
        ValueError: the shapes differ.
    """
    if distances.shape != adversarial.shape:
        raise ValueError(
            "expected two gradients at one tensor, got shapes "
            f"{tuple(distances.shape)} and {tuple(adversarial.shape)}"
        )
    ratio = distances.detach().float().norm() / (adversarial.detach().float().norm() + 1e-4)
    return ratio.clamp(0, LARGEST)
