"""Turn a compressed recording back into sound.

    latentone decompress run song.lt -o song.wav

The model must have the encoder and codebooks that the file was made with; its decoder may have
learned on since. A file that was compressed with --prior needs the same store again. Hours take
the memory of seconds, but for the codes, unless a layer of the decoder needs all of them
(docs/long.md).
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
    """Flags of `latentone decompress`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, codec folder, or Hub id."""
    stream: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """What `latentone compress` wrote."""
    prior: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """The latent store that it was compressed with, if any."""
    max_hours: Annotated[float, tyro.conf.arg(metavar="FLOAT")] = 12.0
    """Refuse a file that says it is longer: a small one of silence can be years long."""
    denoise: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """How much noise to leave out, 0 to 1: for a SoundStream that was trained to."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """For decoders with chance in them: the same seed gives the same sound."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.wav")
    """File to write."""


def run(args: Args) -> int:
    """Check the file, decode it piece by piece and write."""
    from torch import no_grad

    from ..bitstream import BitstreamError, decompress_long, split
    from ..pipeline_files import require_pieces, write_pieces
    from ._drawing import load_model, progress, provenance, tell
    from ._switches import set_denoise
    from .compress import prior_codes

    data = _read(args.stream)
    try:
        header, _ = split(data)
        with load_model(args) as model:
            codec = model.codec
            set_denoise(codec, args.denoise)
            seconds = header.num_samples / header.sample_rate
            require_pieces(codec, seconds, args.stream, encode=False)
            with progress("frames") as on_step:
                prior = prior_codes(args.prior, codec)
                pieces = decompress_long(
                    codec,
                    data,
                    prior=prior,
                    max_seconds=3600 * args.max_hours,
                    rng=model.chance(args.seed),
                    on_step=on_step,
                )
            with progress("seconds") as on_step, no_grad():
                tags = provenance(
                    model,
                    decompresses=args.stream.name,
                    denoise=args.denoise,
                    decoder_seed=args.seed,
                )
                written = write_pieces(
                    args.out, pieces, codec, header.num_samples, tags=tags, on_step=on_step
                )
    except BitstreamError as error:
        raise BitstreamError(f"{args.stream}: {error}") from error
    tell(args.out, *written, None)
    return 0


def _read(path: Path) -> bytes:
    """Read a stream; of a file that is none, no more than shows it."""
    from ..bitstream.container import MAGIC

    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a file that `latentone compress` wrote")
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
        return head + file.read() if head == MAGIC else head
