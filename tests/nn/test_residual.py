import os

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn import functional as F

from latentone.nn.quantizer import draw_choice
from latentone.nn.residual import ResidualVQ


def make(count=3, size=16, dim=4, seed=0, **kwargs):
    torch.manual_seed(seed)
    quantizer = ResidualVQ(count, size, dim, **kwargs)
    for codebook in quantizer.codebooks:
        codebook.embed.normal_()
        codebook.embed_avg.copy_(codebook.embed)
        codebook.inited.fill_(True)
    return quantizer


def test_codes_follow_the_residual_chain():
    quantizer = make().eval()
    latents = torch.randn(2, 4, 7)
    codes = quantizer.encode(latents)
    residual = latents.transpose(1, 2)
    for i, codebook in enumerate(quantizer.codebooks):
        expected = torch.cdist(residual, codebook.embed.expand(2, -1, -1)).argmin(-1)
        assert torch.equal(codes[:, i], expected)
        residual = residual - codebook.embed[expected]
    torch.testing.assert_close(quantizer.decode(codes), latents - residual.transpose(1, 2))
    assert torch.equal(quantizer.encode(latents, 2), codes[:, :2])
    torch.testing.assert_close(
        quantizer.decode(codes[:, :1])[0, :, 0], quantizer.codebooks[0].embed[codes[0, 0, 0]]
    )


def test_each_codebook_reduces_the_error_once_trained():
    quantizer = ResidualVQ(4, 32, 4).train()
    rng = torch.Generator().manual_seed(0)
    latents = torch.randn(8, 4, 40, generator=rng)
    for _ in range(5):
        quantizer(latents, rng)
    quantizer.eval()
    errors = [
        (latents - quantizer.decode(quantizer.encode(latents, n))).square().mean().item()
        for n in (1, 2, 3, 4)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 4


def test_commitment_gradient_reaches_every_codebook():
    """Closed form: d/dx mean_i mean((r_i - q_i)^2) = sum_i 2 (r_i - q_i) / (n N), r_i = x - ..."""
    quantizer = make().eval()
    latents = torch.randn(2, 4, 5, requires_grad=True)
    out = quantizer(latents)
    (gradient,) = torch.autograd.grad(out.commitment, latents)
    expected, loss, residual = torch.zeros_like(latents), 0.0, latents.detach()
    for i, codebook in enumerate(quantizer.codebooks):
        entry = codebook.embed[out.codes[:, i]].transpose(1, 2)
        residual = residual - entry
        expected += 2 * residual / (3 * residual.numel())
        loss += residual.square().mean().item() / 3
    torch.testing.assert_close(gradient, expected)
    assert out.commitment.item() == pytest.approx(loss, rel=1e-5)


def test_gradient_passes_straight_through_the_sum():
    quantizer = make().eval()
    latents = torch.randn(1, 4, 5, requires_grad=True)
    weights = torch.randn(1, 4, 5)
    out = quantizer(latents)
    (gradient,) = torch.autograd.grad((out.latents * weights).sum(), latents)
    assert torch.equal(gradient, weights)
    torch.testing.assert_close(out.latents, quantizer.decode(out.codes))


def test_the_number_of_codebooks_is_drawn_per_batch():
    quantizer = make(4, choices=(1, 2, 4)).train()
    latents = torch.randn(2, 4, 30)
    seen = set()
    for seed in range(12):
        out = quantizer(latents, torch.Generator().manual_seed(seed))
        heard = out.codes.shape[1]
        seen.add(heard)
        again = draw_choice((1, 2, 4), torch.Generator().manual_seed(seed))
        assert heard == again
    assert seen == {1, 2, 4}
    assert quantizer.eval()(latents).codes.shape[1] == 4


def test_codebooks_beyond_the_draw_learn_too_but_are_not_heard():
    quantizer = make(3, choices=(1,)).train()
    before = [codebook.embed.clone() for codebook in quantizer.codebooks]
    latents = torch.randn(2, 4, 30)
    heard = quantizer.codebooks[0].embed[quantizer.encode(latents)[:, 0]].transpose(1, 2)
    out = quantizer(latents)
    torch.testing.assert_close(out.latents, heard)
    assert all(
        not torch.equal(old, codebook.embed)
        for old, codebook in zip(before, quantizer.codebooks, strict=True)
    )


def test_evaluation_learns_nothing():
    quantizer = make().eval()
    before = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    quantizer(torch.randn(2, 4, 30))
    assert all(torch.equal(before[k], v) for k, v in quantizer.state_dict().items())


def test_the_same_seed_learns_the_same():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        quantizer = ResidualVQ(2, 8, 4, choices=(1, 2)).train()
        for step in range(4):
            rng = torch.Generator().manual_seed(step)
            quantizer(torch.randn(2, 4, 20, generator=rng), rng)
        states.append(quantizer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*[s.values() for s in states], strict=True))


def test_the_first_batch_places_all_codebooks():
    quantizer = ResidualVQ(2, 8, 4).train()
    out = quantizer(torch.randn(4, 4, 50) + 20, torch.Generator().manual_seed(0))
    assert all(bool(codebook.inited) for codebook in quantizer.codebooks)
    assert out.commitment < 2  # codes are near 20, where the data is
    assert {"use", "perplexity", "sameness", "restarted"} == out.metrics.keys()
    assert 0 < out.metrics["use"] <= 1 and 1 <= out.metrics["perplexity"] <= 8


def test_autocast_leaves_the_quantiser_in_float32():
    quantizer = make().eval()
    latents = torch.randn(2, 4, 30)
    expected = quantizer(latents)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = quantizer(latents)
    assert torch.equal(out.codes, expected.codes) and torch.equal(out.latents, expected.latents)


def test_too_many_codebooks_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 3 codebooks, got 4"):
        make().encode(torch.randn(1, 4, 2), 4)
    with pytest.raises(ValueError, match="expected 1 to 3 codebooks, got 0"):
        make().encode(torch.randn(1, 4, 2), 0)


def _train(rank, world, folder):
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world
    )
    calls = []
    reduce = distributed.all_reduce
    distributed.all_reduce = lambda *args, **kwargs: calls.append(1) or reduce(*args, **kwargs)
    torch.manual_seed(0)
    quantizer = ResidualVQ(3, 8, 4, choices=(1, 2, 3), restart_below=0.5, decay=0.8).train()
    steps, restarted = 6, 0.0
    for step in range(steps):
        rng = torch.Generator().manual_seed(100 * step + rank)
        latents = torch.randn(2, 4, 20, generator=rng) * (1 + rank) + 5 * (step // 3)
        restarted += quantizer(latents, rng).metrics["restarted"].item()
    torch.save((quantizer.state_dict(), len(calls) / steps, restarted), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_ranks_keep_equal_codebooks_with_one_reduction(tmp_path):
    multiprocessing.start_processes(_train, (2, str(tmp_path)), nprocs=2, start_method="spawn")
    (a, calls, restarted), (b, _, _) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert calls == 1
    assert restarted > 0


def _one_step(rank, world, folder):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world
    )
    quantizer = make(2, restart_below=0.0).train()
    latents = torch.load(f"{folder}/latents.pt")[rank : rank + 1]
    quantizer(latents)
    torch.save(quantizer.state_dict(), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_ranks_learn_as_one_with_both_batches(tmp_path):
    latents = torch.randn(2, 4, 30)
    torch.save(latents, tmp_path / "latents.pt")
    multiprocessing.start_processes(_one_step, (2, str(tmp_path)), nprocs=2, start_method="spawn")
    alone = make(2, restart_below=0.0).train()
    alone(latents)
    both = torch.load(tmp_path / "1.pt")
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(both[name].float(), tensor.float())


def test_restart_draws_from_the_batch():
    quantizer = make(1, restart_below=0.5).train()
    book = quantizer.codebooks[0]
    book.cluster_size.fill_(1)
    book.cluster_size[3] = 0
    latents = torch.randn(1, 4, 10)
    quantizer(latents, torch.Generator().manual_seed(0))
    distance = (latents[0].T - book.embed[3]).norm(dim=1).min()
    assert distance < 1e-3
    assert F.mse_loss(book.embed_avg[3] / book.cluster_size[3], book.embed[3]) < 1e-6
