from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from latentone.nn.quantize import EMACodebook, k_means, nearest


def codebook(embed, uses, **kwargs):
    embed, uses = torch.tensor(embed), torch.tensor(uses)
    book = EMACodebook(*embed.shape, **kwargs)
    book.embed.copy_(embed)
    book.cluster_size.copy_(uses)
    book.embed_avg.copy_(embed * uses[:, None])
    return book


def test_nearest_is_the_smallest_distance():
    x, codes = torch.randn(200, 6), torch.randn(50, 6)
    assert torch.equal(nearest(x, codes), torch.cdist(x, codes).argmin(1))


def test_one_update_by_hand():
    # Codes at 0 and 10 with uses 4 and 6; three points (1, 2, 3) go to the first, one (8) to the
    # second; decay 0.9.
    book = codebook([[0.0], [10.0]], [4.0, 6.0], decay=0.9, epsilon=0.0)
    x = torch.tensor([[1.0], [2.0], [3.0], [8.0]])
    book.update(book.statistics(x, book.encode(x)), book.dead(), torch.empty(0, 1))
    uses = [0.9 * 4 + 0.1 * 3, 0.9 * 6 + 0.1 * 1]
    sums = [0.9 * 0 + 0.1 * 6, 0.9 * 60 + 0.1 * 8]
    torch.testing.assert_close(book.cluster_size, torch.tensor(uses))
    torch.testing.assert_close(book.embed_avg[:, 0], torch.tensor(sums))
    expected = torch.tensor([s / u for s, u in zip(sums, uses, strict=True)])
    torch.testing.assert_close(book.embed[:, 0], expected)


def test_laplace_smoothing_by_hand():
    book = codebook([[2.0], [4.0]], [1.0, 3.0], decay=1.0, epsilon=0.5)
    book.update(torch.zeros(2, 2), book.dead(), torch.empty(0, 1))
    # use n of total 4 becomes (n + 0.5) / (4 + 2 * 0.5) * 4
    smoothed = torch.tensor([1.5 / 5 * 4, 3.5 / 5 * 4])
    torch.testing.assert_close(book.embed[:, 0], torch.tensor([2.0, 12.0]) / smoothed)


def test_an_unused_code_survives_the_update():
    book = codebook([[1.0], [5.0]], [10.0, 0.0], restart_below=0.0)
    book.update(
        book.statistics(torch.ones(4, 1), torch.zeros(4).long()), book.dead(), torch.empty(0, 1)
    )
    assert book.embed.isfinite().all()


def test_dead_codes_restart_at_the_candidates_and_stay_there():
    book = codebook([[0.0], [1.0], [50.0]], [10.0, 10.0, 0.01], decay=0.99, epsilon=0.0)
    assert book.dead().tolist() == [False, False, True]
    x = torch.tensor([[0.0], [1.0]])
    dead = book.dead()
    book.update(book.statistics(x, book.encode(x)), dead, torch.tensor([[7.0]]))
    assert book.embed[2].item() == pytest.approx(7.0)
    assert not book.dead().any()
    for _ in range(20):  # unused again, it keeps its place: averages moved with it
        book.update(book.statistics(x, book.encode(x)), book.dead(), torch.empty(0, 1))
    assert book.embed[2].item() == pytest.approx(7.0, rel=1e-4)


def test_death_is_relative_to_the_mean_use():
    # The same proportions in a tiny batch: nobody dies for the batch being small.
    big, small = [40.0, 60.0, 1.0], [0.4, 0.6, 0.01]
    for uses in (big, small):
        assert codebook([[0.0]] * 3, uses).dead().tolist() == [False, False, True]


def test_k_means_agrees_with_scipy():
    rng = np.random.default_rng(0)
    middles = rng.normal(0, 4, (8, 5))
    x = (middles[rng.integers(8, size=800)] + rng.normal(0, 1, (800, 5))).astype("float32")
    start = x[:8]
    expected, labels = kmeans2(x, start.copy(), iter=30, minit="matrix")
    centres, counts = k_means(
        torch.from_numpy(x), 8, iterations=30, start=torch.from_numpy(start.copy())
    )
    np.testing.assert_allclose(centres.numpy(), expected, atol=1e-4)
    assert counts.tolist() == np.bincount(labels, minlength=8).tolist()


def test_k_means_keeps_a_centre_without_points():
    x = torch.tensor([[0.0], [0.2], [10.0], [10.2]])
    centres, counts = k_means(x, 3, start=torch.tensor([[0.0], [10.0], [99.0]]))
    torch.testing.assert_close(centres, torch.tensor([[0.1], [10.1], [99.0]]))
    assert counts.tolist() == [2, 2, 0]


def test_k_means_with_fewer_points_than_centres():
    centres, counts = k_means(torch.randn(3, 2), 8, rng=torch.Generator().manual_seed(0))
    assert centres.shape == (8, 2) and counts.sum() == 3


def test_starting_places_codes_in_the_data():
    book = EMACodebook(4, 2)
    x = torch.tensor([[0.0, 0.0], [9.0, 9.0], [0.0, 9.0], [9.0, 0.0]]).repeat(10, 1)
    book.start(x, 50, torch.Generator().manual_seed(2))
    assert bool(book.inited)
    torch.testing.assert_close(book.embed_avg / book.cluster_size[:, None], book.embed)
    assert (book.embed[:, None] - x[:4]).norm(dim=-1).min(dim=1).values.max() < 1e-5


def test_perplexity_counts_evenly_used_codes():
    assert codebook([[0.0]] * 4, [5.0] * 4).perplexity().item() == pytest.approx(4)
    assert codebook([[0.0]] * 4, [5.0, 5.0, 0.0, 0.0]).perplexity().item() == pytest.approx(2)


def test_nearest_codes_follow_every_change_of_the_codebook():
    torch.manual_seed(0)
    book, x = EMACodebook(32, 4), torch.randn(200, 4)
    changes = [
        lambda: None,
        lambda: book.embed.mul_(3),
        lambda: book.load_state_dict(EMACodebook(32, 4).state_dict()),
        lambda: book.to(torch.float64),
        lambda: setattr(book, "embed", torch.randn(32, 4)),
        lambda: book.embed[:16].copy_(torch.randn(16, 4)),
    ]
    for change in changes:
        with torch.inference_mode():
            change()
            points = x.to(book.embed.dtype)
            expected = torch.cdist(points, book.embed).argmin(1)
            assert (book.encode(points) == expected).float().mean() > 0.98


def test_a_copy_does_not_remember_the_codes_of_its_original():
    """Both count the changes of their codes from anew, so counts may meet where codes differ."""
    first = codebook([[0.0], [1.0]], [1.0, 1.0])
    for changes in range(6):
        first.encode(torch.zeros(1, 1))
        copy = deepcopy(first)
        for _ in range(changes):
            copy.embed.add_(1.0)
        copy.embed.mul_(3.0)
        torch.testing.assert_close(copy._squares(), copy.embed.square().sum(1))
        first.embed.add_(0.5)
