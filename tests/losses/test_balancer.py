"""The balancer: weights are shares of the gradient, and the model is run back once."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from latentone.losses import Balancer


def directions(batch=3, size=4):
    """An output and two fixed directions that are orthogonal, one loud and one faint."""
    output = torch.zeros(batch, size, requires_grad=True)
    loud, faint = torch.zeros(size), torch.zeros(size)
    loud[0], faint[1] = 1000.0, 1e-3
    return output, loud, faint


def test_gradient_norms_are_the_weights_shares():
    output, loud, faint = directions()
    losses = {"a": (output * loud).sum(), "b": (output * faint).sum()}
    g = Balancer({"a": 1.0, "b": 3.0}, total_norm=2.0)(losses, output)
    expected = torch.tensor([0.5, 1.5, 0.0, 0.0]).expand(3, 4)
    torch.testing.assert_close(g, expected)


def test_the_average_is_the_debiased_exponential_one():
    balancer = Balancer({"a": 1.0}, decay=0.9)
    sizes = [1.0, 4.0, 9.0]
    for t, size in enumerate(sizes):
        output = torch.zeros(2, 1, requires_grad=True)
        g = balancer({"a": (output * size).sum()}, output)
        weights = [0.9 ** (t - i) for i in range(t + 1)]
        average = sum(w * s for w, s in zip(weights, sizes, strict=False)) / sum(weights)
        torch.testing.assert_close(g, torch.full((2, 1), size / average))
    assert balancer.norms()["a"] == pytest.approx(average)


def test_norms_are_taken_per_item():
    output = torch.zeros(2, 1, requires_grad=True)
    g = Balancer({"a": 1.0})({"a": 3 * output[0].sum() + 1 * output[1].sum()}, output)
    torch.testing.assert_close(g, torch.tensor([[3.0], [1.0]]) / 2)


def test_losses_that_are_absent_do_not_count():
    output, loud, faint = directions()
    balancer = Balancer({"a": 1.0, "b": 3.0})
    alone = balancer({"a": (output * loud).sum()}, output)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(3))
    assert list(balancer.norms()) == ["a"]
    # The latecomer's average starts with its first norm, not with the steps it missed.
    both = balancer({"b": (output * faint).sum(), "a": (output * loud).sum()}, output)
    torch.testing.assert_close(both[0, :2], torch.tensor([0.25, 0.75]))


def test_one_backward_through_the_model_and_none_through_the_discriminator():
    passes = []
    generator, judge = nn.Linear(4, 4), nn.Linear(4, 1)
    generator.register_full_backward_hook(lambda *_: passes.append(1))
    output = generator(torch.randn(2, 4, requires_grad=True))
    heard = output.detach().requires_grad_()
    score = judge(heard).sigmoid()  # shared by two losses
    losses = {"a": score.mean(), "b": score.square().mean(), "c": heard.abs().mean()}
    g = Balancer({"a": 1.0, "b": 1.0, "c": 1.0})(losses, heard)
    assert not passes and judge.weight.grad is None and generator.weight.grad is None
    assert not g.requires_grad
    (output * g).sum().backward()
    assert len(passes) == 1 and generator.weight.grad is not None and judge.weight.grad is None


def test_the_state_is_saved():
    one, two = Balancer({"a": 1.0}, decay=0.5), Balancer({"a": 1.0}, decay=0.5)
    for size in (2.0, 8.0):
        output = torch.zeros(1, 1, requires_grad=True)
        one({"a": (output * size).sum()}, output)
    two.load_state_dict(one.state_dict())
    output = torch.zeros(1, 1, requires_grad=True)
    loss = {"a": output.sum()}
    assert torch.equal(one({"a": loss["a"]}, output), two({"a": (output * 1.0).sum()}, output))


def test_a_loss_without_gradient_adds_nothing():
    output = torch.ones(2, 3, requires_grad=True)
    losses = {"a": output.sum(), "b": (output * 0).sum()}
    g = Balancer({"a": 1.0, "b": 1.0})(losses, output)
    torch.testing.assert_close(g.norm(dim=1), torch.full((2,), 0.5))


def test_refusals():
    with pytest.raises(ValueError, match="positive weights"):
        Balancer({"a": 0.0})
    with pytest.raises(ValueError, match="decay"):
        Balancer({"a": 1.0}, decay=1.0)
    x = torch.ones(1, 1, requires_grad=True)
    with pytest.raises(ValueError, match=r"some of the losses \['a'\], got \['b'\]"):
        Balancer({"a": 1.0})({"b": x.sum()}, x)
    with pytest.raises(ValueError, match="got \\[\\]"):
        Balancer({"a": 1.0})({}, x)


def _rank(rank, port, results):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    calls = []
    reduce = dist.all_reduce
    dist.all_reduce = lambda *args, **kwargs: (calls.append(1), reduce(*args, **kwargs))
    output = torch.zeros(1, 2, requires_grad=True)
    sizes = [(1.0, 10.0), (3.0, 30.0)][rank]
    losses = {"a": output[0, 0] * sizes[0], "b": output[0, 1] * sizes[1]}
    g = Balancer({"a": 1.0, "b": 1.0})(losses, output)
    results[rank] = (g.tolist(), len(calls))
    dist.destroy_process_group()


def test_ranks_divide_by_the_mean_norm_in_one_reduction(tmp_path):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with mp.Manager() as manager:
        results = manager.dict()
        mp.spawn(_rank, (port, results), nprocs=2)
        (one, one_calls), (two, two_calls) = results[0], results[1]
    assert one_calls == two_calls == 1
    assert one == [pytest.approx([0.5 * 1 / 2, 0.5 * 10 / 20])]
    assert two == [pytest.approx([0.5 * 3 / 2, 0.5 * 30 / 20])]
