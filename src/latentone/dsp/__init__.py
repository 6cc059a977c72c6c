"""Signal processing in pure torch: one concept a file, a function and a Module for each.

- `stft`: `STFT`, `stft`, `istft`
- `mel`: `MelSpec`, `Mel`, `mel_filterbank`, `hz_to_mel`, `mel_to_hz`
- `distances`: `MultiScaleMel`, `MultiResolutionSTFT`, `si_sdr`, `snr`, `log_spectral_distance`
- `loudness`: `Loudness`, `integrated_loudness` (ITU-R BS.1770)
- `pqmf`: `PQMF`, `pqmf_filters`, `pqmf_prototype`: critically sampled bands and back
"""

from __future__ import annotations

from .distances import (
    MultiResolutionSTFT,
    MultiScaleMel,
    log_spectral_distance,
    multi_resolution_stft,
    multi_scale_mel,
    si_sdr,
    snr,
)
from .loudness import Loudness, integrated_loudness
from .mel import Mel, MelSpec, hz_to_mel, mel_filterbank, mel_to_hz
from .pqmf import PQMF, pqmf_filters, pqmf_prototype
from .stft import STFT, istft, stft

__all__ = [
    "PQMF",
    "STFT",
    "Loudness",
    "Mel",
    "MelSpec",
    "MultiResolutionSTFT",
    "MultiScaleMel",
    "hz_to_mel",
    "integrated_loudness",
    "istft",
    "log_spectral_distance",
    "mel_filterbank",
    "mel_to_hz",
    "multi_resolution_stft",
    "multi_scale_mel",
    "pqmf_filters",
    "pqmf_prototype",
    "si_sdr",
    "snr",
    "stft",
]
