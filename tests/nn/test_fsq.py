import itertools

import pytest
import torch

from latentone.nn.fsq import FSQ

LEVELS = [(8, 5, 5, 5), (4, 4, 4, 4), (7, 5, 3, 2, 2), (11, 11, 11, 11), (2, 3)]


@pytest.mark.parametrize("levels", LEVELS)
def test_it_equals_transformers(levels):
    xcodec2 = pytest.importorskip("transformers.models.xcodec2.modeling_xcodec2")
    config = xcodec2.Xcodec2Config(quantization_levels=list(levels))
    theirs = xcodec2.Xcodec2FiniteScalarQuantization(config)
    ours = FSQ(levels).eval()
    latents = 2 * torch.randn(2, len(levels), 500)
    quantized, codes = theirs(latents.transpose(1, 2))
    out = ours(latents)
    assert torch.equal(out.codes[:, 0], codes.long())
    torch.testing.assert_close(out.latents, quantized.transpose(1, 2))
    torch.testing.assert_close(ours.decode(out.codes), quantized.transpose(1, 2))


@pytest.mark.parametrize("levels", [(5, 4, 3), (2, 2), (8, 3)])
def test_every_code_is_the_code_of_what_it_decodes_to(levels):
    """All digits occur, in mixed radix with the first the fastest, and lie evenly in [-1, 1]."""
    quantizer = FSQ(levels)
    (size,) = quantizer.vocab
    scalars = quantizer.decode(torch.arange(size)[None, None])[0].T
    digits = [[(d - n // 2) / (n // 2) for d in range(n)] for n in levels]
    expected = [row[::-1] for row in itertools.product(*digits[::-1])]
    torch.testing.assert_close(scalars, torch.tensor(expected))
    bounded = scalars * quantizer.width
    latents = torch.atanh((bounded + quantizer.offset) / quantizer.half_range)
    latents = latents - torch.atanh(quantizer.offset / quantizer.half_range)
    assert quantizer.encode(latents.T[None])[0, 0].tolist() == list(range(size))


def test_the_outermost_levels_are_reached_and_never_passed():
    quantizer = FSQ((2, 3, 4, 5))
    far = torch.tensor([-100.0, 100.0]).expand(1, 4, 2)
    rounded = quantizer.bound(far.transpose(1, 2)).round()[0]
    assert rounded.tolist() == [[-1, -1, -2, -2], [0, 1, 1, 2]]
    assert quantizer.encode(torch.zeros(1, 4, 1)).item() == 1 + 2 * 1 + 6 * 2 + 24 * 2


def test_projections_lead_to_the_scalars_and_back():
    quantizer = FSQ((8, 5), 6).eval()
    latents = torch.randn(2, 6, 9)
    scalars = quantizer.into(latents.transpose(1, 2)).transpose(1, 2)
    plain = FSQ((8, 5))
    assert torch.equal(quantizer.encode(latents), plain.encode(scalars))
    expected = quantizer.out(plain.decode(plain.encode(scalars)).transpose(1, 2))
    torch.testing.assert_close(quantizer(latents).latents, expected.transpose(1, 2))


def test_health_is_of_the_running_use():
    quantizer = FSQ((4, 4)).train()
    even = quantizer(torch.randn(4, 2, 1000)).metrics
    assert even["perplexity"] > 6
    collapsed = FSQ((4, 4)).train()(torch.zeros(4, 2, 100)).metrics
    assert collapsed["perplexity"] == pytest.approx(1)
    assert collapsed["use"] == pytest.approx(1 / 16)


def test_a_scalar_of_one_level_is_refused():
    with pytest.raises(ValueError, match="levels must be 2 or more"):
        FSQ((8, 1))
    with pytest.raises(ValueError, match="expected 1 to 1 codebooks, got 2"):
        FSQ((8, 2)).encode(torch.randn(1, 2, 3), 2)
