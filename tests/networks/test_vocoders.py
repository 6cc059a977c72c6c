"""HiFi-GAN and MelGAN against transformers, and against plain convolutions on the same weights."""

import pytest
import torch
from torch.nn import functional as F

from latentone.networks.hifigan import (
    HiFiGAN,
    HiFiGANConfig,
    hifigan_v1,
    hifigan_v2,
    hifigan_v3,
)
from latentone.networks.melgan import MelGAN, MelGANConfig
from latentone.nn.weight_norm import fold_weight_norm

TINY = HiFiGANConfig(
    ratios=(4, 2),
    kernel_sizes=(8, 6),
    num_filters=16,
    residual_kernels=(3, 5),
    dilations=((1, 2), (2, 6)),
)


def shaken(network):
    """With everything filled with noise: fresh norms hide what is not read."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.rand(parameter.shape, generator=rng)
            if name.endswith(".g"):
                parameter.copy_(0.5 + noise)
            else:
                parameter.copy_(0.2 * noise - 0.1)
    return network.eval()


def weights(network):
    """Plain weights by name."""
    state = dict(network.state_dict())
    for name in [n for n in state if n.endswith(".v")]:
        g, v = state.pop(name[:-1] + "g"), state.pop(name)
        state[name[:-2]] = g * v / v.flatten(1).norm(dim=1)[:, None, None]
    return state


@pytest.mark.parametrize(
    ("make", "count"),
    [(hifigan_v1, 13_936_130), (hifigan_v2, 928_514), (hifigan_v3, 1_464_322)],
)
def test_parameters_of_the_published_sizes(make, count):
    with torch.device("meta"):
        network = HiFiGAN(80, make())
    assert sum(p.numel() for p in network.parameters()) == count


def test_v1_has_the_parameters_of_transformers():
    transformers = pytest.importorskip("transformers")
    config = transformers.SpeechT5HifiGanConfig(
        upsample_rates=[8, 8, 2, 2], upsample_kernel_sizes=[16, 16, 4, 4]
    )
    with torch.device("meta"):
        theirs, ours = transformers.SpeechT5HifiGan(config), HiFiGAN(80, hifigan_v1())
    names = [name for name, _ in ours.named_parameters()]
    norms = sum(p.numel() for n, p in ours.named_parameters() if n.endswith(".g"))
    plain = sum(p.numel() for p in theirs.parameters())
    assert sum(n.endswith(".v") for n in names) == len(list(theirs.parameters())) / 2
    assert sum(p.numel() for p in ours.parameters()) - norms == plain


def test_melgan_has_the_published_size():
    with torch.device("meta"):
        network = MelGAN(80, MelGANConfig())
    assert sum(p.numel() for p in network.parameters()) == 4_266_050


@pytest.mark.parametrize("paired", [True, False])
def test_hifigan_equals_plain_convolutions(paired):
    config = HiFiGANConfig(**{**vars(TINY), "paired": paired})
    network = shaken(HiFiGAN(10, config))
    w = weights(network)
    x = torch.randn(2, 10, 9, generator=torch.Generator().manual_seed(1))

    def conv(y, name, dilation=1):
        weight = w[f"{name}.weight"]
        padding = dilation * (weight.shape[-1] - 1) // 2
        return F.conv1d(y, weight, w[f"{name}.bias"], padding=padding, dilation=dilation)

    y = conv(x, "conv_pre")
    for i, (ratio, taps) in enumerate(zip(config.ratios, config.kernel_sizes, strict=True)):
        weight, bias = w[f"stages.{i}.up.weight"], w[f"stages.{i}.up.bias"]
        y = F.leaky_relu(y, 0.1)
        y = F.conv_transpose1d(y, weight, bias, stride=ratio, padding=(taps - ratio) // 2)
        outs = []
        for k, dilations in enumerate(config.dilations):
            z = y
            for j, dilation in enumerate(dilations):
                name = f"stages.{i}.blocks.{k}.convs{'1' if paired else ''}.{j}"
                inner = conv(F.leaky_relu(z, 0.1), name, dilation)
                if paired:
                    inner = conv(F.leaky_relu(inner, 0.1), f"stages.{i}.blocks.{k}.convs2.{j}")
                z = z + inner
            outs.append(z)
        y = sum(outs) / len(outs)
    y = torch.tanh(conv(F.leaky_relu(y, 0.01), "conv_post"))
    with torch.no_grad():
        torch.testing.assert_close(network(x), y, atol=1e-5, rtol=0)
    assert y.std() > 0.01


def test_melgan_equals_plain_convolutions():
    config = MelGANConfig(ratios=(5, 4), num_filters=4, num_residual_layers=2)
    network = shaken(MelGAN(10, config))
    w = weights(network)
    x = torch.randn(2, 10, 9, generator=torch.Generator().manual_seed(1))

    def conv(y, name, dilation=1):
        weight = w[f"layers.{name}.weight"]
        around = dilation * (weight.shape[-1] - 1) // 2
        y = F.pad(y, (around, around), "reflect")
        return F.conv1d(y, weight, w[f"layers.{name}.bias"], dilation=dilation)

    y, layer = conv(x, "0"), 1
    for ratio in config.ratios:
        weight, bias = w[f"layers.{layer + 1}.weight"], w[f"layers.{layer + 1}.bias"]
        odd = ratio % 2
        y = F.conv_transpose1d(
            F.leaky_relu(y, 0.2),
            weight,
            bias,
            stride=ratio,
            padding=ratio // 2 + odd,
            output_padding=odd,
        )
        layer += 2
        for n in range(2):
            inner = conv(F.leaky_relu(y, 0.2), f"{layer}.block.1", 3**n)
            inner = conv(F.leaky_relu(inner, 0.2), f"{layer}.block.3")
            y, layer = conv(y, f"{layer}.shortcut") + inner, layer + 1
    y = torch.tanh(conv(F.leaky_relu(y, 0.2), str(layer + 1)))
    with torch.no_grad():
        torch.testing.assert_close(network(x), y, atol=1e-5, rtol=0)
    assert y.std() > 0.01


@pytest.mark.parametrize(
    "network", [HiFiGAN(6, TINY), MelGAN(6, MelGANConfig(ratios=(4, 2), num_filters=4))]
)
def test_lengths_folding_and_gradients(network):
    shaken(network)
    for frames in (1, 2, 3, 17):
        assert network(torch.randn(2, 6, frames)).shape == (2, 1, 8 * frames)
    x = torch.randn(1, 6, 12, requires_grad=True)
    y = network(x)
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    assert bool(x.grad.flatten(0, 1).any(-1).all())
    with torch.no_grad():
        fold_weight_norm(network)
        torch.testing.assert_close(network(x), y, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel_sizes": (8,)}, "a kernel for each of one or more ratios"),
        ({"kernel_sizes": (8, 5)}, "a step up by 2 needs 2 taps or an even number more, got 5"),
        ({"dilations": ((1, 2),)}, "dilations for each of one or more residual kernels"),
        ({"residual_kernels": (3, 4)}, r"residual_kernels must be odd, got \(3, 4\)"),
        ({"num_filters": 18}, "num_filters is halved 2 times, got 18"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        HiFiGANConfig(**{**vars(TINY), **changes})


def test_melgan_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="ratios must be one or more positive"):
        MelGANConfig(ratios=(2, 0))
    with pytest.raises(ValueError, match="num_filters must be at least 1"):
        MelGANConfig(num_filters=0)
