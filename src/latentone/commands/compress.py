"""Compress a recording to the codes of a codec: a small file that only the codec can decode.

    latentone compress run song.wav -o song.lt
    latentone compress run song.wav --num-codebooks 2 -o rough.lt
    latentone compress run song.wav --prior run/latents -o smaller.lt

`latentone decompress` turns it back into sound. With --prior, entropy coding starts from what is
usual in the recordings of a latent store, and decompressing needs the same store. The codes are
held in memory (an hour of 8 codes at 75 Hz is 17 MB, several times that while they are coded); the
sound is not.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..device import ComputeArgs

if TYPE_CHECKING:
    from torch import Tensor

    from ..codecs import Codec

__all__ = ["Args", "prior_codes", "run"]

SUFFIX = ".lt"

PRIOR_FRAMES = 100_000
"""Frames of a store that entropy coding starts from; part of what both sides must share."""


@dataclass(frozen=True, kw_only=True)
class Args(ComputeArgs):
    """Flags of `latentone compress`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, codec folder, or Hub id; its codec must be discrete."""
    audio: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="AUDIO")]
    """The recording: any format and rate."""
    num_codebooks: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Keep only the first codebooks; fewer is smaller and rougher."""
    entropy: bool = True
    """Code what is probable with fewer bits; otherwise every code takes as many."""
    prior: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """A latent store of the same codec, whose training recordings say what is probable."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.lt")
    """File to write."""


def run(args: Args) -> int:
    """Compress, write, and say how small it is."""
    from ..atomic import atomic_file
    from ..bitstream import compress_long
    from ..device import arithmetic
    from ..pipeline_files import open_sound, require_pieces
    from ._drawing import load_told, progress

    if args.out.suffix.lower() != SUFFIX or args.out.is_dir():
        raise ValueError(f"{args.out}: expected a file that ends in {SUFFIX}")
    if args.prior is not None and not args.entropy:
        raise ValueError("--prior is for entropy coding; leave out --no-entropy, or --prior")
    model = load_told(args.model, args.device)
    codec = model.codec
    if not codec.vocab:
        raise ValueError(f"{model.name} has a continuous codec: there are no codes to write")
    with (
        arithmetic(model.device, args.precision),
        progress("frames") as on_step,
        ExitStack() as files,
    ):
        read, num_samples = open_sound(codec, args.audio, files)
        require_pieces(codec, num_samples / model.sample_rate, args.audio, decode=False)
        data = compress_long(
            codec,
            read,
            num_samples,
            num_codebooks=args.num_codebooks,
            entropy=args.entropy,
            prior=prior_codes(args.prior, codec),
            on_step=on_step,
        )
    with atomic_file(args.out) as aside:
        aside.write_bytes(data)
    print(_describe(args.out, data))
    return 0


def prior_codes(folder: Path | None, codec: Codec) -> list[Tensor]:
    """Codes `(K, F)` of a store's training recordings, in its order; none without a store.

    Raises:
        ValueError: no store, one of another codec, or one without training recordings.
    """
    if folder is None:
        return []
    from ..latents import LatentStore

    store = LatentStore.open(folder)
    store.require(codec.latent, owner="entropy coding")
    recordings: list[Tensor] = []
    frames = 0
    for item in store.items("train"):
        if frames >= PRIOR_FRAMES:
            break
        recordings.append(store.read(item.id))
        frames += recordings[-1].shape[-1]
    if not recordings:
        raise ValueError(f"{folder} has no training recordings to start from")
    return recordings


def _describe(path: Path, data: bytes) -> str:
    """Size and rate of the whole file, and what entropy coding saved of its codes."""
    from ..bitstream import split
    from ..bitstream.packing import packed_size

    header, payloads = split(data)
    seconds = header.num_samples / header.sample_rate
    text = f"{path}: {seconds:.2f} s, {len(data)} bytes, {len(data) * 8 / seconds / 1000:.3g} kbps"
    if not header.entropy:
        return text
    codes = {name: s for name, s in header.streams.items() if s.kind == "codes"}
    packed = sum(packed_size(stream.vocab, stream.frames) for stream in codes.values())
    coded = sum(len(payloads[name]) for name in codes)
    return f"{text}; codes {coded} bytes, packed {packed} ({100 * (coded / packed - 1):+.1f} %)"
