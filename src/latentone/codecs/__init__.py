"""Step 1: representations of sound."""

from .autoencoder import Autoencoder
from .autoencoder_config import (
    AutoencoderConfig,
    EMACodes,
    FSQCodes,
    GradientCodes,
    KLLatents,
    MMDLatents,
    PlainLatents,
    SphereLatents,
    TanhLatents,
)
from .base import Codec, CodecConfig, CodecOutput
from .composed_codes import GroupedCodes, SplitCodes
from .dac import DAC, DACConfig, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from .encodec import EnCodec
from .encodec_config import (
    EnCodecConfig,
    encodec_16khz,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)
from .fast import fast_mode
from .latent_pca import LatentPCA
from .long_decode import decode_by_windows
from .mel import MelCodec
from .mel_autoencoder import MelAutoencoder, MelAutoencoderConfig, audioldm_mel
from .mel_config import GriffinLimConfig, MelCodecConfig
from .mel_vae import MelVAE, MelVAEConfig
from .oobleck import Oobleck, OobleckConfig, oobleck_44khz, oobleck_network
from .rave import RAVE
from .rave_config import (
    RAVEConfig,
    rave_discrete,
    rave_hybrid,
    rave_low_latency,
    rave_onnx,
    rave_raspberry,
    rave_v1,
    rave_v2,
    rave_v2_raw,
    rave_v2_small,
    rave_v3,
)
from .soundstream import SoundStream, SoundStreamConfig
from .spectrum import SpectrumCodec, SpectrumConfig
from .vqgan import VQGAN, VQGANConfig
from .waveform import (
    IdentityWaveform,
    IdentityWaveformConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
)

__all__ = [
    "DAC",
    "RAVE",
    "VQGAN",
    "Autoencoder",
    "AutoencoderConfig",
    "Codec",
    "CodecConfig",
    "CodecOutput",
    "DACConfig",
    "EMACodes",
    "EnCodec",
    "EnCodecConfig",
    "FSQCodes",
    "GradientCodes",
    "GriffinLimConfig",
    "GroupedCodes",
    "IdentityWaveform",
    "IdentityWaveformConfig",
    "KLLatents",
    "LatentPCA",
    "MMDLatents",
    "MelAutoencoder",
    "MelAutoencoderConfig",
    "MelCodec",
    "MelCodecConfig",
    "MelVAE",
    "MelVAEConfig",
    "MuLawWaveform",
    "MuLawWaveformConfig",
    "Oobleck",
    "OobleckConfig",
    "PlainLatents",
    "RAVEConfig",
    "SoundStream",
    "SoundStreamConfig",
    "SpectrumCodec",
    "SpectrumConfig",
    "SphereLatents",
    "SplitCodes",
    "TanhLatents",
    "VQGANConfig",
    "audioldm_mel",
    "dac_16khz",
    "dac_24khz",
    "dac_44khz",
    "dac_44khz_16kbps",
    "decode_by_windows",
    "encodec_16khz",
    "encodec_24khz",
    "encodec_32khz",
    "encodec_48khz",
    "fast_mode",
    "oobleck_44khz",
    "oobleck_network",
    "rave_discrete",
    "rave_hybrid",
    "rave_low_latency",
    "rave_onnx",
    "rave_raspberry",
    "rave_v1",
    "rave_v2",
    "rave_v2_raw",
    "rave_v2_small",
    "rave_v3",
]
