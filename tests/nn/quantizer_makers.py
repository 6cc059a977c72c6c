"""Quantisers of every kind with codes in place, for their tests."""

import torch

from latentone.nn.fsq import FSQ
from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.grouped import GroupedVQ
from latentone.nn.residual import ResidualVQ
from latentone.nn.split import SplitVQ

DIM = 8


def residual(count, dim=DIM, size=16, **kwargs):
    quantizer = ResidualVQ(count, size, dim, **kwargs)
    for codebook in quantizer.codebooks:
        codebook.embed.normal_()
        codebook.embed_avg.copy_(codebook.embed)
        codebook.inited.fill_(True)
    return quantizer


def gradient(count=1, dim=DIM, **kwargs):
    quantizer = GradientVQ(16, dim, num_codebooks=count, **kwargs)
    for codebook in quantizer.codebooks:
        codebook.data.normal_()
    return quantizer


MAKERS = {
    "ema": lambda: residual(1),
    "residual": lambda: residual(3),
    "dropout": lambda: residual(3, choices=(1, 2, 3)),
    "gradient": gradient,
    "gradient_chain": lambda: gradient(3),
    "normalized": lambda: gradient(2, normalized=True),
    "rotation": lambda: gradient(gradient="rotation"),
    "fsq": lambda: FSQ((8, 5, 5, 4, 3, 2, 3, 3)),
    "fsq_projected": lambda: FSQ((8, 5, 4), DIM),
    "grouped": lambda: GroupedVQ([residual(2, DIM // 2), residual(2, DIM // 2)]),
    "grouped_gradient": lambda: GroupedVQ([gradient(1, DIM // 2), gradient(1, DIM // 2)]),
    "fsq_noise": lambda: FSQ((8, 5, 5, 4, 3, 2, 3, 3), noise_dropout=0.5),
    "grouped_dropout": lambda: GroupedVQ(
        [residual(3, DIM // 2), residual(3, DIM // 2)], choices=(1, 2, 3)
    ),
    "split": lambda: SplitVQ(residual(1, 4), residual(2, 4), DIM, 4),
    "split_fsq": lambda: SplitVQ(gradient(1, 4), residual(2, 4), DIM, 4),
}


def make(name):
    torch.manual_seed(0)
    return MAKERS[name]()
