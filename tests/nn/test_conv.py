import pytest
import torch
from torch.nn import functional as F

from latentone.nn.conv import Conv1d, ConvTranspose1d, pad1d, set_pad_mode
from latentone.nn.streaming import StreamingSequential
from latentone.nn.weight_norm import WeightNorm, fold_weight_norm
from latentone.testing import verify_streaming


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(7, 1, 1), (10, 5, 1), (3, 1, 2)])
def test_lengths_are_exact_for_every_length(causal, kernel, stride, dilation):
    for mode in ("constant", "reflect"):
        conv = Conv1d(1, 2, kernel, stride=stride, dilation=dilation, causal=causal, pad_mode=mode)
        for samples in range(1, 24):
            x = torch.randn(1, 1, samples)
            assert conv(x).shape == (1, 2, -(-samples // stride))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (10, 5), (16, 8), (3, 3)])
def test_transposed_lengths_are_exact(causal, kernel, stride):
    conv = ConvTranspose1d(2, 1, kernel, stride=stride, causal=causal)
    for frames in range(1, 9):
        assert conv(torch.randn(1, 2, frames)).shape == (1, 1, frames * stride)


def test_a_causal_convolution_is_the_sum_over_the_past():
    conv = Conv1d(1, 1, 3, dilation=2, causal=True)
    x = torch.randn(1, 1, 10)
    w, b = conv.weight[0, 0], conv.bias[0]
    past = lambda n: x[0, 0, n] if n >= 0 else torch.tensor(0.0)  # noqa: E731
    expected = torch.stack(
        [w[0] * past(n - 4) + w[1] * past(n - 2) + w[2] * past(n) + b for n in range(10)]
    )
    torch.testing.assert_close(conv(x)[0, 0], expected)


def test_odd_padding_puts_the_larger_half_left():
    conv = Conv1d(1, 1, 10, stride=5)  # 5 samples: 3 left, 2 right
    x = torch.randn(1, 1, 15)
    expected = F.conv1d(F.pad(x, (3, 2)), conv.weight, conv.bias, stride=5)
    torch.testing.assert_close(conv(x), expected)
    back = ConvTranspose1d(1, 1, 10, stride=5)
    whole = F.conv_transpose1d(x, back.weight, back.bias, stride=5)
    torch.testing.assert_close(back(x), whole[..., 3:-2])


def test_reflection_of_short_inputs_extends_them_by_zeros():
    x = torch.tensor([[[1.0, 2.0]]])
    assert pad1d(x, 3, 0, "reflect").tolist() == [[[0.0, 0.0, 2.0, 1.0, 2.0]]]
    long = torch.arange(5.0)[None, None]
    assert pad1d(long, 2, 1, "reflect").tolist() == [[[2, 1, 0, 1, 2, 3, 4, 3]]]


@pytest.mark.parametrize("norm", ["none", "weight_norm"])
def test_steps_equal_the_whole(norm):
    torch.manual_seed(0)
    stack = StreamingSequential(
        Conv1d(2, 3, 7, causal=True, norm=norm),
        torch.nn.ELU(),
        Conv1d(3, 4, 6, stride=3, causal=True, norm=norm),
        Conv1d(4, 4, 3, dilation=3, causal=True, norm=norm),
        ConvTranspose1d(4, 2, 10, stride=5, causal=True, norm=norm),
    )
    stack.chunk, stack.latency = 3, 0
    verify_streaming(stack, stack, torch.randn(2, 2, 200))


def test_the_bias_of_overlapping_frames_counts_once():
    conv = ConvTranspose1d(1, 1, 4, stride=2, causal=True)
    conv.weight.data.zero_()
    conv.bias.data.fill_(0.5)
    state, out = conv.initial_state(1), []
    for frame in torch.randn(1, 1, 6).split(1, -1):
        y, state = conv.step(frame, state)
        out.append(y)
    assert torch.cat(out, -1).tolist() == [[[0.5] * 12]]


def test_what_cannot_stream_says_why():
    with pytest.raises(ValueError, match="sees the future"):
        Conv1d(1, 1, 3).initial_state(1)
    with pytest.raises(ValueError, match="cannot stream"):
        Conv1d(1, 1, 3, causal=True, norm="time_group_norm").initial_state(1)
    with pytest.raises(ValueError, match="multiple of 2, got 3"):
        conv = Conv1d(1, 1, 4, stride=2, causal=True)
        conv.step(torch.zeros(1, 1, 3), conv.initial_state(1))
    with pytest.raises(ValueError, match="expected a state of 1 tensors, got 0"):
        StreamingSequential(Conv1d(1, 1, 3, causal=True)).step(torch.zeros(1, 1, 3), [])


def test_kernels_that_leave_gaps_are_refused():
    with pytest.raises(ValueError, match="skips samples"):
        Conv1d(1, 1, 2, stride=3)
    with pytest.raises(ValueError, match="leaves gaps"):
        ConvTranspose1d(1, 1, 2, stride=3)


def test_set_pad_mode_reaches_every_convolution():
    stack = torch.nn.Sequential(Conv1d(1, 1, 3), torch.nn.Sequential(Conv1d(1, 1, 3)))
    x = torch.randn(1, 1, 8)
    zeros = stack(x)
    set_pad_mode(stack, "reflect")
    assert not torch.equal(stack(x), zeros)
    set_pad_mode(stack, "constant")
    assert torch.equal(stack(x), zeros)


def test_weight_norm_equals_that_of_torch():
    torch.manual_seed(0)
    v = torch.randn(3, 4, 5)
    ours = WeightNorm(v.clone())
    torch.testing.assert_close(ours(), v)  # it starts at the weight it was given
    with torch.no_grad():
        ours.g.mul_(1.7)
    theirs = torch.nn.Conv1d(4, 3, 5)
    theirs.weight.data = v.clone()
    theirs = torch.nn.utils.parametrizations.weight_norm(theirs)
    theirs.parametrizations.weight.original0.data.mul_(1.7)
    torch.testing.assert_close(ours(), theirs.weight)
    target = torch.randn(3, 4, 5)
    (ours() * target).sum().backward()
    (theirs.weight * target).sum().backward()
    torch.testing.assert_close(ours.v.grad, theirs.parametrizations.weight.original1.grad)
    torch.testing.assert_close(ours.g.grad, theirs.parametrizations.weight.original0.grad)


def test_folding_changes_neither_output_nor_state_and_ends_with_training():
    conv = Conv1d(2, 2, 3, norm="weight_norm").eval()
    x = torch.randn(1, 2, 8)
    before, keys = conv(x), set(conv.state_dict())
    fold_weight_norm(conv)
    torch.testing.assert_close(conv(x), before)  # another layout in memory may round otherwise
    assert set(conv.state_dict()) == keys
    conv.load_state_dict({k: 2 * t for k, t in conv.state_dict().items()})
    assert not torch.allclose(conv(x), before)  # other weights: not the folded ones
    fold_weight_norm(conv)
    folded = conv(x)
    conv.train()
    with torch.no_grad():
        conv.weight.g.mul_(2)  # what an optimiser may do
        torch.testing.assert_close(conv(x) - conv.bias[:, None], 2 * (folded - conv.bias[:, None]))


@pytest.mark.parametrize(
    ("taps", "stride", "dilation"), [(7, 1, 1), (3, 1, 4), (4, 2, 1), (10, 5, 1)]
)
@pytest.mark.parametrize("causal", [True, False])
def test_long_signals_are_padded_on_one_side_too(taps, stride, dilation, causal):
    conv = Conv1d(3, 6, taps, stride=stride, dilation=dilation, causal=causal)
    for length in (400, 401, 404):
        x = torch.randn(2, 3, length)
        right = (0 if causal else conv.padding // 2) + -length % stride
        padded = F.pad(x, (conv.padding - (0 if causal else conv.padding // 2), right))
        with torch.no_grad():
            expected = F.conv1d(padded, conv.weight, conv.bias, stride, 0, dilation)
            y = conv(x)
        assert y.shape == expected.shape == (2, 6, -(-length // stride))
        assert (y - expected).abs().max() < 1e-5
