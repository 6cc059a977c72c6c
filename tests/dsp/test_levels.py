import math

import pytest
import torch

from latentone.dsp.levels import crest_factor_db, rms_db


def test_levels_of_known_waves_in_true_decibels():
    phase = 2 * math.pi * torch.arange(48_000, dtype=torch.float64) * 100 / 48_000
    waves = torch.stack([phase.sin(), torch.sign((phase + 0.01).sin()), 0.1 * phase.sin()])
    sine = 20 * math.log10(math.sqrt(2))
    assert rms_db(waves).tolist() == pytest.approx([-sine, 0, -sine - 20], abs=1e-4)
    assert crest_factor_db(waves).tolist() == pytest.approx([sine, 0, sine], abs=1e-4)


def test_silence_has_a_level_and_no_crest():
    assert float(rms_db(torch.zeros(10))) == -120
    assert float(crest_factor_db(torch.zeros(10))) == 0
    assert float(rms_db(torch.full((10,), 1e-9))) == -120
