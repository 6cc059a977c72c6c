"""LatentTransform: closed forms."""

import torch

from latentone.nn.transform import LatentTransform


def test_statistics_standardise_and_invert():
    torch.manual_seed(0)
    z = torch.randn(2, 3, 1000) * torch.tensor([1.0, 5.0, 0.1])[:, None] + 7
    flat = z.transpose(0, 1).flatten(1)
    transform = LatentTransform.from_statistics(flat.mean(1), flat.std(1))
    y = transform(z)
    flat = y.transpose(0, 1).flatten(1)
    torch.testing.assert_close(flat.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(1), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(transform.inverse(y), z, atol=1e-5, rtol=1e-5)


def test_rotation_is_undone_and_inactive_dimensions_become_the_mean():
    torch.manual_seed(0)
    transform = LatentTransform(4)
    transform.rotation.copy_(torch.linalg.qr(torch.randn(4, 4)).Q)
    transform.mean.copy_(torch.arange(4.0))
    z = torch.randn(1, 4, 5)
    torch.testing.assert_close(transform.inverse(transform(z)), z)
    transform.active.zero_()
    torch.testing.assert_close(
        transform.inverse(transform(z)), transform.mean[:, None].expand_as(z)
    )


def test_codes_pass_untouched():
    codes = torch.arange(6).reshape(1, 2, 3)
    transform = LatentTransform(2)
    assert transform(codes) is codes and transform.inverse(codes) is codes
