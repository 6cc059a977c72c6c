"""The network against the same layers put together by hand, and the paper's size."""

from itertools import pairwise

import torch
from torch import nn

from latentone.networks.short_chunk_cnn import ShortChunkCNN, ShortChunkCNNConfig


def test_it_is_convolution_norm_rectifier_pool_and_a_global_maximum():
    torch.manual_seed(0)
    network = ShortChunkCNN(ShortChunkCNNConfig(channels=(3, 5), dim=4)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(module.running_var, 0.5, 2)
    x = torch.randn(2, 8, 12)

    def normal(v, norm):
        shape = (1, -1, *[1] * (v.dim() - 2))
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (v - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)

    v = normal(x[:, None], network.input_norm)
    for conv, norm in network.layers:
        patches = nn.functional.unfold(v, 3, padding=1)
        flat = conv.weight.flatten(1) @ patches + conv.bias[:, None]
        v = normal(flat.view(2, -1, *v.shape[2:]), norm).clamp_min(0)
        v = v.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).max(-1).values
    best = v.flatten(2).max(-1).values
    expected = normal(best @ network.dense.weight.T + network.dense.bias, network.norm)
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


def test_it_has_the_size_of_the_paper():
    # 3x3 kernels and biases, two numbers per normalised channel, one dense layer.
    sizes = (1, 128, 128, 256, 256, 256, 256, 512)
    layers = sum(9 * a * b + b + 2 * b for a, b in pairwise(sizes))
    with torch.device("meta"):
        network = ShortChunkCNN(ShortChunkCNNConfig())
    expected = 2 + layers + 512 * 512 + 512 + 2 * 512
    assert sum(p.numel() for p in network.parameters()) == expected == 3_661_698
