"""Step 1: representations of sound."""

from .base import Codec, CodecConfig, CodecOutput
from .encodec import EnCodec
from .encodec_config import (
    EnCodecConfig,
    encodec_16khz,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)
from .waveform import (
    IdentityWaveform,
    IdentityWaveformConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
)

__all__ = [
    "Codec",
    "CodecConfig",
    "CodecOutput",
    "EnCodec",
    "EnCodecConfig",
    "IdentityWaveform",
    "IdentityWaveformConfig",
    "MuLawWaveform",
    "MuLawWaveformConfig",
    "encodec_16khz",
    "encodec_24khz",
    "encodec_32khz",
    "encodec_48khz",
]
