"""What quantisers do in training only: groups that drop depth, levels that are left to noise."""

import pytest
import torch

from latentone.nn.fsq import FSQ
from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.grouped import GroupedVQ
from latentone.nn.residual import ResidualVQ


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def groups(count=2, depth=3, **kwargs):
    made = [ResidualVQ(depth, 16, 4, restart_below=0.0, **kwargs) for _ in range(count)]
    for book in (book for group in made for book in group.codebooks):
        book.embed.copy_(torch.randn(book.embed.shape, generator=seeded(book.embed.numel())))
        book.embed_avg.copy_(book.embed)
        book.inited.fill_(True)
    return made


def test_dropped_depth_is_the_same_for_all_groups_and_still_learns():
    latents = torch.randn(2, 8, 30, generator=seeded())
    quantizer = GroupedVQ(groups(), choices=(2,)).train()
    before = [book.embed.clone() for group in quantizer.groups for book in group.codebooks]
    codes = quantizer.encode(latents)
    expected = quantizer.decode(codes[:, :4])
    heard = torch.stack(
        [
            (part - group.decode(codes[:, i::2][:, :n])).square().mean()
            for n in (1, 2)
            for i, (group, part) in enumerate(
                zip(quantizer.groups, latents.chunk(2, 1), strict=True)
            )
        ]
    )
    output = quantizer(latents, seeded())
    assert torch.equal(output.codes, codes[:, :4])
    torch.testing.assert_close(output.latents, expected)
    torch.testing.assert_close(output.losses["commitment"], heard.mean())
    after = [book.embed for group in quantizer.groups for book in group.codebooks]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_all_depths_are_drawn_in_training_and_none_dropped_in_evaluation():
    latents = torch.randn(1, 8, 5, generator=seeded())
    quantizer, rng = GroupedVQ(groups(), choices=(1, 3)), seeded()
    rows = [quantizer.train()(latents, rng).codes.shape[1] for _ in range(40)]
    assert set(rows) == {2, 6} and 10 < rows.count(2) < 30
    assert quantizer.eval()(latents).codes.shape[1] == 6


def test_choices_that_groups_do_not_have_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 3 codebooks, got 4"):
        GroupedVQ(groups(), choices=(1, 4))
    with pytest.raises(ValueError, match="take groups that are ResidualVQ"):
        GroupedVQ([GradientVQ(16, 4, num_codebooks=2) for _ in range(2)], choices=(1,))
    with pytest.raises(ValueError, match="give `choices` to GroupedVQ"):
        GroupedVQ(groups(choices=(1, 2)))


def test_noise_takes_the_place_of_rounding():
    latents = torch.randn(4, 3, 5000, generator=seeded())
    noisy, plain = FSQ((8, 5, 4), noise_dropout=0.25), FSQ((8, 5, 4))
    width = noisy.width[:, None]
    bounded = noisy.bound(latents.transpose(1, 2)).transpose(1, 2)
    rounded = plain(latents).latents * width
    output = noisy.train()(latents, seeded())
    heard = output.latents * width
    assert torch.equal(output.codes, plain.encode(latents))
    moved = (heard - rounded).abs() > 1e-5
    assert abs(moved.float().mean() - 0.25) < 0.01
    error = (heard - bounded)[moved]
    assert error.abs().max() <= 0.5 + 1e-5  # uniform: mean 0, variance 1 / 12
    assert error.mean().abs() < 0.02 and abs(error.var() - 1 / 12) < 0.003
    assert torch.equal(noisy.train()(latents, seeded()).latents, output.latents)
    assert not torch.equal(noisy(latents, seeded(1)).latents, output.latents)
    assert torch.equal(noisy.eval()(latents).latents, plain.eval()(latents).latents)


def test_gradients_pass_the_noise_as_the_bound_alone():
    x = torch.randn(2, 3, 50, generator=seeded()).requires_grad_()
    weights = torch.randn(x.shape, generator=seeded(1))
    quantizer = FSQ((8, 5, 4), noise_dropout=0.5).train()
    (got,) = torch.autograd.grad((quantizer(x, seeded()).latents * weights).sum(), x)
    (expected,) = torch.autograd.grad((quantizer.surrogate(x) * weights).sum(), x)
    torch.testing.assert_close(got, expected)


def test_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"noise_dropout must be in \[0, 1\], got 1.5"):
        FSQ((3, 3), noise_dropout=1.5)
