"""Turn a compressed recording back into sound.

    latentone decompress run song.lt -o song.wav

The model must have the encoder and codebooks that the file was made with; its decoder may have
learned on since. A file that was compressed with --prior needs the same store again.
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
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.wav")
    """File to write."""


def run(args: Args) -> int:
    """Check the file, decode it and write."""
    from ..bitstream import BitstreamError, decompress, split
    from ._drawing import load_model, progress, write
    from .compress import check_length, prior_codes

    data = _read(args.stream)
    try:
        header, _ = split(data)
        check_length(header.num_samples / header.sample_rate, args.stream)
        with load_model(args) as model, progress() as on_step:
            prior = prior_codes(args.prior, model.codec)
            y = decompress(model.codec, data, prior=prior, on_step=on_step)
    except BitstreamError as error:
        raise BitstreamError(f"{args.stream}: {error}") from error
    sound = model.codec.source.render(y.float())
    write(args.out, sound, model, decompresses=args.stream.name)
    return 0


def _read(path: Path) -> bytes:
    """Read a stream; of a file that is none, no more than shows it."""
    from ..bitstream.container import MAGIC

    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a file that `latentone compress` wrote")
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
        return head + file.read() if head == MAGIC else head
