"""Factorised codes: against transformers on the same weights, and closed forms for gradients."""

import pytest
import torch
from torch.nn import functional as F

from latentone.nn.factorized import FactorizedRVQ


def quantizer(count=4, size=32, dim=12, code_dim=3, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    made = FactorizedRVQ(count, size, dim, code_dim=code_dim, dropout=dropout)
    with torch.no_grad():
        for book in made.codebooks:
            book.entries.mul_(torch.rand(size, 1) * 3)  # lengths matter after the search only
    return made


def peer_of(ours):
    dac = pytest.importorskip("transformers.models.dac.modeling_dac")
    from transformers import DacConfig

    books = ours.codebooks
    size, code_dim = books[0].entries.shape
    config = DacConfig(n_codebooks=len(books), codebook_size=size, codebook_dim=code_dim)
    config.hidden_size = books[0].in_proj.in_channels
    peer = dac.DacResidualVectorQuantizer(config).eval()
    with torch.no_grad():
        for theirs, book in zip(peer.quantizers, books, strict=True):
            theirs.codebook.weight.copy_(book.entries)
            for name in ("in_proj", "out_proj"):
                getattr(theirs, name).weight.copy_(getattr(book, name).effective_weight())
                getattr(theirs, name).bias.copy_(getattr(book, name).bias)
    return peer


def test_parity_with_transformers():
    ours = quantizer(count=5, size=64, dim=24, code_dim=8).eval()
    peer, z = peer_of(ours), torch.randn(2, 24, 40)
    with torch.no_grad():
        latents, codes, projections, commitment, codebook = peer(z)
        assert (ours.encode(z) == codes).float().mean() > 0.99
        torch.testing.assert_close(ours.project(z), projections, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours.decode(codes), latents, rtol=1e-5, atol=1e-5)
        result = ours(z)
        torch.testing.assert_close(result.latents, latents, rtol=1e-5, atol=1e-5)
        # theirs averages over items within each codebook, which is the same where all are heard
        torch.testing.assert_close(result.losses["commitment"], commitment.mean())
        torch.testing.assert_close(result.losses["codebook"], codebook.mean())
        assert torch.equal(ours.encode(z, 2), ours.encode(z)[:, :2])
        torch.testing.assert_close(
            ours.from_latents(projections)[0], peer.from_latents(projections)[0]
        )
        assert len(codes.unique()) > 40


def test_search_goes_by_direction_and_emits_the_code_as_it_is():
    book = quantizer(count=1, size=2, code_dim=2).codebooks[0]
    with torch.no_grad():
        book.entries.copy_(torch.tensor([[10.0, 0.0], [0.5, 0.5]]))
    x = torch.tensor([[[1.0, 1.0], [0.9, 0.1]]])  # two frames: (1, .9), nearer code 1; (1, .1)
    codes = book.search(x)
    assert codes.tolist() == [[1, 0]]
    assert book.look_up(codes)[0, :, 1].tolist() == [10.0, 0.0]
    assert torch.equal(book.search(x * 100), codes), "length does not matter"


def test_projections_quantise_to_the_codes_they_came_from():
    ours, z = quantizer().eval(), torch.randn(2, 12, 30)
    for count in (1, 3, None):
        latents, codes = ours.from_latents(ours.project(z, count))
        assert torch.equal(codes, ours.encode(z, count))
        assert torch.equal(latents, ours.decode(codes))


def test_decoded_codes_are_what_the_pass_emits():
    ours, z = quantizer().eval(), torch.randn(2, 12, 30)
    result = ours(z)
    assert torch.equal(result.codes, ours.encode(z))
    torch.testing.assert_close(result.latents, ours.decode(result.codes), rtol=1e-5, atol=1e-6)


def test_latents_have_the_straight_through_gradient_of_the_chain():
    """d latents / d z is 1 - (1 - P_Q) ... (1 - P_1), with P = W_out W_in, for any codes."""
    ours, z = quantizer(count=3), torch.randn(1, 12, 1)
    jacobian = torch.autograd.functional.jacobian(lambda v: ours(v).latents, z).view(12, 12)
    left = torch.eye(12)
    for book in ours.codebooks:
        weights = [p.effective_weight()[..., 0] for p in (book.out_proj, book.in_proj)]
        left = left - weights[0] @ weights[1] @ left
    expected = torch.eye(12) - left
    torch.testing.assert_close(jacobian, expected.detach())
    assert expected.detach().abs().max() > 0.1


def test_each_loss_moves_its_own_side_and_every_commitment_reaches_the_encoder():
    ours, z = quantizer(), torch.randn(2, 12, 30, requires_grad=True)
    result = ours(z)
    entries = [book.entries for book in ours.codebooks]
    moved = torch.autograd.grad(result.losses["codebook"], entries, retain_graph=True)
    assert all(g.abs().max() > 0 for g in moved)
    result.losses["codebook"].backward(retain_graph=True)
    assert z.grad is None or not z.grad.any()
    assert all(b.in_proj.weight.g.grad is None for b in ours.codebooks)
    for book in ours.codebooks:  # alone: that of one codebook, over what the others left
        alone = FactorizedRVQ(1, 32, 12, code_dim=3)
        alone.codebooks[0] = book
        (grad,) = torch.autograd.grad(alone(z).losses["commitment"], z)
        assert grad.abs().max() > 0
    (grad,) = torch.autograd.grad(result.losses["commitment"], z)
    assert grad.abs().max() > 0


def test_losses_are_means_over_items_and_sums_over_codebooks():
    ours, z = quantizer(count=2).eval(), torch.randn(3, 12, 20)
    expected, residual = 0.0, z
    for book in ours.codebooks:
        projected = book.in_proj(residual)
        entries = book.look_up(book.search(projected))
        expected = expected + F.mse_loss(projected, entries)
        residual = residual - book.out_proj(entries)
    losses = ours(z).losses
    torch.testing.assert_close(losses["commitment"], expected)
    torch.testing.assert_close(losses["codebook"], expected)


def test_dropout_hides_codebooks_item_by_item():
    ours, z = quantizer(dropout=0.5).train(), torch.randn(400, 12, 2)
    with torch.no_grad():
        result = ours(z, torch.Generator().manual_seed(0))
        prefixes = torch.stack([ours.decode(result.codes[:, :n]) for n in (1, 2, 3, 4)])
    distance = (prefixes - result.latents).abs().amax(dim=(2, 3))
    assert distance.min(0).values.max() < 1e-5, "every item hears a prefix of the chain"
    share = torch.bincount(distance.argmin(0), minlength=4) / 400
    expected = torch.tensor([0.125, 0.125, 0.125, 0.625])  # half of all draw from 1 ... 4
    assert (share - expected).abs().max() < 4 * (0.25 / 400) ** 0.5
    with torch.no_grad():
        again = ours(z, torch.Generator().manual_seed(0))
    assert torch.equal(again.latents, result.latents), "the same seed, the same items"


def test_what_an_item_does_not_hear_is_not_penalised():
    """Codes of later codebooks get no gradient from items that stop at the first."""
    ours = quantizer(dropout=1.0).train()
    heard = ours._draw(torch.empty(8, 1), torch.Generator().manual_seed(3))
    assert int(heard.min()) == 1 and int(heard.max()) > 1
    z = torch.randn(8, 12, 5)
    result = ours(z, torch.Generator().manual_seed(3))
    (grad,) = torch.autograd.grad(result.losses["codebook"], [ours.codebooks[3].entries])
    used = result.codes[heard > 3, 3].unique()
    assert grad[used].abs().amax(1).min() > 0
    rest = torch.ones(32, dtype=torch.bool)
    rest[used] = False
    assert not grad[rest].any()


def test_health_follows_the_codes_in_training_alone():
    ours, z = quantizer(count=2, size=8).train(), torch.randn(1, 12, 1).expand(2, 12, 30)
    for _ in range(3):
        metrics = ours(z).metrics
    assert metrics["perplexity"] == pytest.approx(1) and metrics["use"] == pytest.approx(1 / 8)
    kept = ours.code_use.uses.clone()
    ours.eval()(torch.randn(2, 12, 30))
    assert torch.equal(ours.code_use.uses, kept)


def test_what_does_not_fit_is_named():
    ours = quantizer()
    with pytest.raises(ValueError, match="expected 1 to 4 codebooks, got 5"):
        ours.encode(torch.randn(1, 12, 3), 5)
    with pytest.raises(ValueError, match="expected 1 to 4 codebooks, got 6"):
        ours.decode(torch.zeros(1, 6, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"expected projections \(B, n \* 3, F\)"):
        ours.from_latents(torch.randn(1, 4, 3))
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\], got 1.5"):
        quantizer(dropout=1.5)
    with pytest.raises(ValueError, match="sizes must be at least 1"):
        quantizer(size=0)


def test_codes_start_on_the_batch_and_dead_ones_restart_from_it():
    torch.manual_seed(0)
    plain = FactorizedRVQ(2, 64, 8, code_dim=2, dropout=0.0).train()
    placed = FactorizedRVQ(
        2, 64, 8, code_dim=2, dropout=0.0, kmeans_iterations=20, restart_below=0.1
    ).train()
    placed.load_state_dict(plain.state_dict())
    latents = 0.01 * torch.randn(4, 8, 50) + 1  # nearly one direction, as from a fresh encoder
    one, two = plain(latents), placed(latents)
    assert two.losses["codebook"] < 0.1 * one.losses["codebook"]
    assert two.metrics["sameness"] < 0.5 * one.metrics["sameness"]
    restarted = [placed(latents[:1, :, :5] + step).metrics["restarted"] for step in range(300)]
    assert sum(restarted) > 0 and two.metrics["restarted"] == 0
    assert plain(latents).metrics["restarted"] == 0
