"""Principal components against scikit-learn; fidelity, truncation, the way back."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from latentone.codecs.latent_pca import LatentPCA, with_noise


def latents(frames=600, seed=0):
    """Six channels that live near three directions, far from zero."""
    rng = torch.Generator().manual_seed(seed)
    sources = torch.randn(frames, 3, generator=rng) * torch.tensor([3.0, 1.0, 0.3])
    mixing = torch.randn(3, 6, generator=rng)
    rows = sources @ mixing + 0.01 * torch.randn(frames, 6, generator=rng) + 50
    return rows.T.contiguous()


def test_equals_scikit_learn_from_pieces_of_any_shape():
    z = latents()
    pieces = [z[:, :1], z[:, 1:300], z[:, 300:300], z[:, 300:].reshape(6, 3, 100).transpose(0, 1)]
    found = LatentPCA.fit(pieces)
    expected = PCA().fit(z.T.double().numpy())
    np.testing.assert_allclose(found.mean, expected.mean_, rtol=1e-6)
    np.testing.assert_allclose(found.variance, expected.explained_variance_, rtol=1e-4, atol=1e-7)
    share = expected.explained_variance_ratio_.cumsum()
    np.testing.assert_allclose(found.fidelity, share, atol=1e-6)
    alike = np.abs((found.components.numpy() * expected.components_).sum(1))
    np.testing.assert_allclose(alike, 1, atol=1e-4)
    assert found.report()[0.99] == int((share < 0.99).sum()) + 1


def test_turned_latents_are_uncorrelated_and_turn_back():
    z = latents()
    pca = LatentPCA.fit([z])
    transform = pca.transform()
    turned = transform(z[None])
    covariance = torch.cov(turned[0].double())
    off = covariance - torch.diag(covariance.diag())
    assert off.abs().max() < 1e-3 * covariance.max()
    assert (covariance.diag().diff() <= 0).all()
    torch.testing.assert_close(transform.inverse(turned)[0], z, atol=1e-4, rtol=0)


def test_truncation_loses_the_share_it_says():
    z = latents()
    pca = LatentPCA.fit([z])
    for dimensions in (1, 2, 3):
        transform = pca.transform(dimensions=dimensions)
        kept = transform(z[None])
        assert not kept[0, dimensions:].any() and kept[0, :dimensions].any()
        lost = (transform.inverse(kept)[0] - z).square().sum(0).mean() * 600 / 599
        share = 1 - lost / pca.variance.sum()
        assert share.item() == pytest.approx(pca.fidelity[dimensions - 1].item(), abs=1e-5)
    assert pca.transform(0.95).active.sum() == pca.dimensions(0.95) <= 3


def test_noise_fills_what_was_dropped():
    transform = LatentPCA.fit([latents()]).transform(dimensions=2)
    turned = transform(latents()[None])
    filled = with_noise(turned, transform.active, torch.Generator().manual_seed(0))
    assert torch.equal(filled[:, :2], turned[:, :2])
    assert filled[:, 2:].std().item() == pytest.approx(1, abs=0.05)
    again = with_noise(turned, transform.active, torch.Generator().manual_seed(0))
    assert torch.equal(filled, again)


def test_latents_that_never_change():
    pca = LatentPCA.fit([torch.ones(4, 10)])
    assert pca.dimensions(0.99) == 1 and pca.fidelity.tolist() == [1] * 4


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at least two frames of latents, got 1"):
        LatentPCA.fit([torch.zeros(4, 1)])
    with pytest.raises(ValueError, match="codes have no directions"):
        LatentPCA.fit([torch.zeros(4, 9, dtype=torch.long)])
    with pytest.raises(ValueError, match="not finite"):
        LatentPCA.fit([torch.full((4, 9), torch.nan)])
    pca = LatentPCA.fit([latents()])
    with pytest.raises(ValueError, match=r"fidelity must be in \(0, 1\]"):
        pca.dimensions(0)
    with pytest.raises(ValueError, match="not both"):
        pca.transform(0.9, dimensions=3)
    with pytest.raises(ValueError, match="expected 1 to 6 dimensions, got 7"):
        pca.transform(dimensions=7)
