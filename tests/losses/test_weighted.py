"""Weighted sums as gradients, the adaptive weight, and HiFi-GAN's mel distance."""

import librosa
import numpy as np
import pytest
import torch

from latentone.losses import LogMelDistance, adaptive_weight, weighted_gradient

WEIGHTS = {"mel": 15.0, "waveform": 0.0, "adversarial": 2.0, "feature": 3.0}


def losses(output):
    return {
        "mel": output.square().sum(),
        "adversarial": (output * torch.arange(4.0)).sum(),
        "feature": output.abs().sum(),
    }


def output():
    return torch.tensor([[1.0, -2.0, 0.5, 4.0], [0.1, 2.0, -3.0, 1.0]], requires_grad=True)


def test_it_is_the_gradient_of_the_weighted_sum():
    x = output()
    found = weighted_gradient(losses(x), WEIGHTS, x)
    distances = 15 * 2 * x.detach()
    judge = 2 * torch.arange(4.0) + 3 * x.detach().sign()
    torch.testing.assert_close(found.total, distances + judge)
    assert found.norms["distances"] == pytest.approx(distances.norm(dim=1).mean().item())
    assert found.norms["judge"] == pytest.approx(judge.norm(dim=1).mean().item())
    assert x.grad is None and not found.total.requires_grad


def test_adaptive_gives_the_judge_its_share_of_the_distances_norm():
    x = output()
    found = weighted_gradient(losses(x), WEIGHTS, x, adaptive=True)
    distances = 15 * 2 * x.detach()
    judge = found.total - distances
    assert judge.norm() == pytest.approx(2 * distances.norm().item(), rel=1e-3)
    plain = 2 * torch.arange(4.0) + 3 * x.detach().sign()
    torch.testing.assert_close(judge / judge.norm(), plain / plain.norm())


def test_one_side_alone():
    x = output()
    alone = weighted_gradient({"mel": losses(x)["mel"]}, WEIGHTS, x, adaptive=True)
    torch.testing.assert_close(alone.total, 30 * x.detach())
    assert set(alone.norms) == {"distances"}
    with pytest.raises(ValueError, match="expected some of the losses"):
        weighted_gradient({}, WEIGHTS, x)
    with pytest.raises(ValueError, match="expected some of the losses"):
        weighted_gradient({"stft": x.sum()}, WEIGHTS, x)


def test_adaptive_weight_is_a_ratio_of_norms():
    assert adaptive_weight(torch.full((4,), 3.0), torch.full((4,), 0.5)) == pytest.approx(6, 1e-3)
    assert adaptive_weight(torch.ones(4), torch.zeros(4)) == 1e4
    assert adaptive_weight(torch.zeros(4), torch.ones(4)) == 0
    with pytest.raises(ValueError, match="one tensor"):
        adaptive_weight(torch.ones(4), torch.ones(3))


def test_log_mel_distance_is_librosas():
    rng = np.random.default_rng(0)
    a, b = 0.1 * rng.standard_normal((2, 256 * 20)).astype(np.float32)
    filters = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmin=0, fmax=None)
    logs = []
    for x in (a, b):
        padded = np.pad(x, 384)
        spectra = librosa.stft(padded, n_fft=1024, hop_length=256, center=False)
        logs.append(np.log(np.maximum(filters @ np.abs(spectra), 1e-5)))
    expected = np.abs(logs[0] - logs[1]).mean()
    distance = LogMelDistance(22_050)
    found = distance(torch.from_numpy(a), torch.from_numpy(b))
    assert found == pytest.approx(expected, rel=1e-4)
    assert distance(torch.from_numpy(a), torch.from_numpy(a)) == 0


def test_log_mel_distance_of_a_sample_and_of_silence():
    distance = LogMelDistance(22_050)
    x = torch.zeros(1, 1, 1, requires_grad=True)
    value = distance(x, torch.ones(1, 1, 1))
    value.backward()
    assert value.isfinite() and x.grad.isfinite().all()
