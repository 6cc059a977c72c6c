import math

import numpy as np
import pytest
import torch

from latentone.dsp.coherence import channel_correlation, phase_coherence


def test_phase_coherence_of_shifted_sines_is_the_cosine_of_the_shift():
    phase = 2 * math.pi * torch.arange(16_384, dtype=torch.float64) * 64 / 2048
    for shift in (0.0, 0.5, math.pi / 2, math.pi):
        value = phase_coherence((phase + shift).sin()[None], phase.sin()[None])
        assert float(value) == pytest.approx(math.cos(shift), abs=2e-3)


def test_phase_coherence_ignores_levels_and_knows_silence():
    torch.manual_seed(0)
    x, other, zero = torch.randn(1, 8000), torch.randn(1, 8000), torch.zeros(1, 8000)
    assert float(phase_coherence(0.1 * x, x)) == pytest.approx(1)
    assert float(phase_coherence(-x, x)) == pytest.approx(-1)
    assert abs(float(phase_coherence(other, x))) < 0.05
    assert float(phase_coherence(zero, x)) == 0 and float(phase_coherence(zero, zero)) == 1


def test_channel_correlation_is_that_of_numpy():
    torch.manual_seed(0)
    x = torch.randn(3, 5000)
    x[1] += x[0]
    x -= x.mean(1, keepdim=True)
    expected = np.corrcoef(x.double().numpy())[np.triu_indices(3, 1)]
    np.testing.assert_allclose(channel_correlation(x).numpy(), expected, atol=1e-9)
    assert channel_correlation(torch.stack([x[0], -x[0]])).tolist() == pytest.approx([-1])
    assert channel_correlation(torch.stack([x[0], 0 * x[0]])).tolist() == [0]
