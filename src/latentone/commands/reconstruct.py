"""Encode a recording and decode it again: what the codec keeps of it.

latentone reconstruct run song.wav -o heard.wav
latentone reconstruct run/codec song.wav --num-codebooks 2 -o rough.wav
latentone reconstruct run noisy.wav --denoise 1 -o clean.wav

Hours take the memory of seconds, unless a layer of the codec needs the whole sound (docs/long.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..device import ComputeArgs

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args(ComputeArgs):
    """Flags of `latentone reconstruct`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, codec folder, or Hub id."""
    audio: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="AUDIO")]
    """The recording: any format and rate."""
    num_codebooks: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Use only the first codebooks of a discrete codec; fewer is rougher."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """For decoders with chance in them: the same seed gives the same sound."""
    denoise: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """How much noise to leave out, 0 to 1: for a SoundStream that was trained to."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.wav")
    """File to write."""


def run(args: Args) -> int:
    """Reconstruct and write."""
    from ._drawing import load_model, progress, provenance, tell
    from ._switches import set_denoise

    with load_model(args) as model, progress("seconds") as on_step:
        set_denoise(model.codec, args.denoise)
        written = model.reconstruct_file(
            args.audio,
            args.out,
            num_codebooks=args.num_codebooks,
            seed=args.seed,
            tags=provenance(
                model,
                reconstructs=args.audio.name,
                num_codebooks=args.num_codebooks,
                denoise=args.denoise,
                decoder_seed=args.seed,
            ),
            on_step=on_step,
        )
    tell(args.out, *written, None)
    return 0
