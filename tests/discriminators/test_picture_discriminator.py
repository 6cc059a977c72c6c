"""The patch discriminator of pictures: what it sees, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from latentone.discriminators import PictureDiscriminatorConfig

SMALL = PictureDiscriminatorConfig(bands=16, filters=4, num_layers=2)


@torch.no_grad()
def test_it_judges_patches_of_the_picture_itself():
    torch.manual_seed(0)
    judge = SMALL.build()
    x = torch.randn(2, 16, 60)
    judged = judge(x)
    score, features = judge.patches(x[:, None])
    assert torch.equal(judged.scores[0], score) and score.shape == (2, 1, 2, 13)
    assert [f.shape[1] for f in judged.features[0]] == [4, 8, 16]
    assert all(map(torch.equal, judged.features[0], features))
    # 34 pixels of a side take part in a score: the last place does not hear the beginning.
    changed = x.clone()
    changed[..., :6] = 0
    other = judge(changed).scores[0]
    assert not torch.equal(other[..., 0], score[..., 0])
    assert torch.equal(other[..., -1], score[..., -1])


@torch.no_grad()
def test_the_narrowest_picture_leaves_one_score():
    x = torch.randn(1, 16, SMALL.min_samples)
    assert SMALL.min_samples == 12 and SMALL.build()(x).scores[0].shape[-1] == 1
    with pytest.raises(ValueError, match="needs 12 samples"):
        SMALL.build()(x[..., 1:])


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match=r"\(B, 16, T\)"):
        SMALL.build()(torch.randn(1, 1, 100))
    with pytest.raises(ValueError, match="mono"):
        SMALL.build(2)
    with pytest.raises(ValueError, match="3 layers need 24 bands"):
        replace(SMALL, num_layers=3)
    with pytest.raises(ValueError, match="filters must be positive"):
        replace(SMALL, filters=0)


def test_the_published_size():
    with torch.device("meta"):
        judge = PictureDiscriminatorConfig().build()
    assert sum(p.numel() for p in judge.parameters()) == 2_763_650
