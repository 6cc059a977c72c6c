"""Peak memory of one job over so many minutes of sound, for a process of its own.

    python tests/long_trials.py CODEC JOB MINUTES FOLDER

prints the MB that were resident at most beyond what the start took. The sound is written to FOLDER
block by block.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from latentone.audio import audio_info
from latentone.bitstream import compress_long, decompress_long
from latentone.codecs import (
    DAC,
    RAVE,
    Codec,
    DACConfig,
    EnCodec,
    EnCodecConfig,
    MelCodec,
    MelCodecConfig,
    RAVEConfig,
    SpectrumCodec,
    SpectrumConfig,
)
from latentone.dsp.mel import MelSpec
from latentone.networks.dac import DACNetworkConfig
from latentone.networks.hifigan import HiFiGANConfig
from latentone.networks.rave_layers import NoiseConfig
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.networks.seanet import SEANetConfig
from latentone.pipeline import Pipeline
from latentone.pipeline_files import open_sound, write_pieces

RATE = 8000
FILE_RATE = 11_025
"""Of the files, so that they are resampled on the way."""
SEANET = SEANetConfig(num_filters=2, latent_dim=8, ratios=(8, 5, 4), num_lstm_layers=1)


def codecs() -> dict[str, Codec]:
    """One small codec of every way to work in pieces."""
    torch.manual_seed(0)
    codes = {"sample_rate": RATE, "num_codebooks": 2, "codebook_size": 32}
    segments = {"segment_seconds": 1.0, "overlap": 0.01, "normalize": True}
    centred = SEANetConfig(
        num_filters=2, latent_dim=8, ratios=(8, 5, 4), causal=False, norm="time_group_norm"
    )
    network = DACNetworkConfig(
        latent_dim=8, encoder_width=2, decoder_width=4, strides=(4, 5, 8), multiples=(1, 2, 4)
    )
    v2 = RAVEv2Config(
        capacity=2,
        ratios=(4, 4),
        dilations=((1,), (1,)),
        noise=NoiseConfig(hidden_dim=4, ratios=(4, 4)),
    )
    mel = MelSpec(sample_rate=RATE, n_fft=256, hop_length=64, n_mels=16, padding="same")
    vocoder = HiFiGANConfig(
        ratios=(8, 8),
        kernel_sizes=(16, 16),
        num_filters=8,
        residual_kernels=(3,),
        dilations=((1, 2),),
    )
    return {
        "encodec": EnCodec(EnCodecConfig(seanet=SEANET, codebook_choices=(), **codes)),
        "segments": EnCodec(
            EnCodecConfig(seanet=centred, codebook_choices=(), **codes, **segments)
        ),
        "dac": DAC(DACConfig(network=network, code_dim=4, **codes)),
        "rave": RAVE(
            RAVEConfig(sample_rate=RATE, num_bands=4, attenuation_db=60.0, latent_dim=4, network=v2)
        ),
        "mel": MelCodec(MelCodecConfig(mel=mel, decoder=vocoder)),
        "spectrum": SpectrumCodec(SpectrumConfig(sample_rate=RATE, n_fft=256, hop_length=128)),
    }


def write_sound(path: Path, minutes: float) -> Path:
    """Noise that swells and fades, a second at a time."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(str(path), "w", FILE_RATE, 1, subtype="PCM_16") as file:
        for second in range(round(60 * minutes)):
            level = 0.05 + 0.04 * np.sin(second / 3)
            file.write(level * rng.standard_normal(FILE_RATE).clip(-3, 3))
    return path


def run(codec: Codec, job: str, source: Path, target: Path) -> None:
    """Do one job from file to file."""
    model = Pipeline({"acoustic": codec})
    if job == "reconstruct":
        model.reconstruct_file(source, target)
    elif job == "transfer":
        model.transfer_file(source, target, source, amount=0.5, mix=0.5)
    else:
        from contextlib import ExitStack

        with torch.no_grad(), ExitStack() as files:
            read, length = open_sound(codec, source, files)
            data = compress_long(codec, read, length, entropy=False)
            write_pieces(target, decompress_long(codec, data), codec, length)


def main() -> int:
    name, job, minutes, folder = sys.argv[1:]
    torch.set_num_threads(1)
    codec = codecs()[name].eval()
    source = write_sound(Path(folder) / f"{minutes}.wav", float(minutes))
    run(codec, job, write_sound(Path(folder) / "warm.wav", 0.5), Path(folder) / "warm out.wav")
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(codec, job, source, Path(folder) / "out.wav")
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = audio_info(Path(folder) / "out.wav").frames / RATE
    print(
        json.dumps(
            {"before": before / 1024, "peak": after / 1024, "seconds": seconds, "made": made}
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
