"""Go on from a recording: its sound first, then new music.

    latentone continue run start.wav --duration 10 -o longer.wav

The file that is written begins with the recording as the codec decodes it, so that the new part
joins without a seam; --duration is the length of the new part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..device import ComputeArgs
from ._drawing import DrawArgs

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args(ComputeArgs, DrawArgs):
    """Flags of `latentone continue`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, or Hub id."""
    audio: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="AUDIO")]
    """The beginning: any format and rate."""
    duration: float = 8.0
    """Seconds of new sound after the beginning."""
    seconds: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Use only the last so many seconds of the recording."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.wav")
    """File to write."""


def run(args: Args) -> int:
    """Continue and write."""
    from ..audio import audio_info, load_audio
    from ._drawing import arguments, load_model, progress, write

    seed, settings = arguments(args)
    length = audio_info(args.audio).duration
    offset = 0.0 if args.seconds is None else max(0.0, length - args.seconds)
    with load_model(args) as model:
        sample_rate, channels = model.sample_rate, model.channels
        start = load_audio(args.audio, sample_rate=sample_rate, channels=channels, offset=offset)
        with progress() as on_step:
            sound = model.continuation(
                start, duration=args.duration, seed=seed, on_step=on_step, **settings
            )
        write(args.out, sound, model, seed=seed, args=args, continues=args.audio.name)
    return 0
