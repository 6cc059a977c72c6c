"""VGGish: an image network of 1x96x64 log-mel patches, as it was published for AudioSet.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", 2017
(https://arxiv.org/abs/1609.09430): configuration A of VGG (Simonyan and Zisserman, 2015) without
its last group, and 128 values instead of 1000 classes. Parameters carry the names of the PyTorch
port torchvggish, so that its file is a state dict of this class.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

__all__ = ["VGGishNetwork"]

GROUPS = ((64,), (128,), (256, 256), (512, 512))
"""Channels of the convolutions before each of four poolings."""


class VGGishNetwork(nn.Module):
    """Log-mel patches to vectors, before the last rectifier.

    Shape:
        Input `(B, 96, 64)`, frames by bands; output `(B, 128)`.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for group in GROUPS:
            for width in group:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        # 96 x 64 halved four times is 6 x 4.
        sizes = [6 * 4 * channels, 4096, 4096, 128]
        pairs = itertools.pairwise(sizes)
        dense = [layer for a, b in pairs for layer in (nn.Linear(a, b), nn.ReLU())]
        self.embeddings = nn.Sequential(*dense[:-1])

    def forward(self, patches: Tensor) -> Tensor:
        x = self.features(patches[:, None])
        # Channels vary fastest, as in the TensorFlow original.
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))
