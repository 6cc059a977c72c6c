"""Quantised pictures: the quantiser contract, and where each pixel's code stands."""

import pytest
import torch

from latentone.nn.fsq import FSQ
from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.residual import ResidualVQ
from latentone.nn.row_vq import RowVQ
from latentone.testing import verify_quantizer

PIXELS = {
    "gradient": lambda: GradientVQ(16, 3),
    "rotation": lambda: GradientVQ(16, 3, gradient="rotation"),
    "averages": lambda: ResidualVQ(1, 16, 3),
}


def make(name="gradient", rows=4):
    torch.manual_seed(0)
    quantizer = RowVQ(PIXELS[name](), rows)
    quantizer.train()(torch.randn(4, 3 * rows, 50))  # places the codes
    return quantizer.eval()


@pytest.mark.parametrize("name", PIXELS)
def test_it_keeps_the_quantizer_contract(name):
    verify_quantizer(make(name), dim=12)


@torch.no_grad()
@pytest.mark.parametrize("name", PIXELS)
def test_a_pixel_has_the_code_that_it_has_alone(name):
    quantizer = make(name)
    latents = torch.randn(2, 12, 7)
    codes = quantizer.encode(latents)
    assert codes.shape == (2, 4, 7) and quantizer.vocab == (16,) * 4
    picture = latents.reshape(2, 3, 4, 7)  # channel, row, column
    for row in range(4):
        alone = quantizer.pixels.encode(picture[:, :, row])
        assert torch.equal(codes[:, row : row + 1], alone)
        decoded = quantizer.decode(codes).reshape(2, 3, 4, 7)[:, :, row]
        torch.testing.assert_close(decoded, quantizer.pixels.decode(alone))
    assert torch.equal(quantizer(latents).codes, codes)


@torch.no_grad()
def test_rows_that_are_left_out_are_zeros():
    quantizer = make()
    latents = torch.randn(2, 12, 7)
    whole = quantizer.decode(quantizer.encode(latents)).reshape(2, 3, 4, 7)
    part = quantizer.decode(quantizer.encode(latents, 3)).reshape(2, 3, 4, 7)
    assert torch.equal(part[:, :, :3], whole[:, :, :3]) and not part[:, :, 3].any()


@torch.no_grad()
def test_scalars_that_are_rounded_have_rows_too():
    quantizer = RowVQ(FSQ((8, 5, 5), 3), 4).eval()
    codes = quantizer.encode(torch.randn(2, 12, 7))
    assert quantizer.vocab == (200,) * 4 and codes.shape == (2, 4, 7)
    assert len(codes.unique()) > 10


def test_a_chain_of_codebooks_is_refused():
    with pytest.raises(ValueError, match="num_codebooks must be 1, got 2"):
        RowVQ(GradientVQ(16, 3, num_codebooks=2), 4)
