"""Compress a recording to the codes of a codec: a small file that only the codec can decode.

    latentone compress run song.wav -o song.lt
    latentone compress run song.wav --num-codebooks 2 -o rough.lt
    latentone compress run song.wav --prior run/latents -o smaller.lt

`latentone decompress` turns it back into sound. With --prior, entropy coding starts from what is
usual in the recordings of a latent store, and decompressing needs the same store.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..device import ComputeArgs

if TYPE_CHECKING:
    from torch import Tensor

    from ..codecs import Codec

__all__ = ["Args", "check_length", "prior_codes", "run"]

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
    from ..audio import audio_info
    from ..bitstream import compress_long
    from ..device import arithmetic
    from ..latents.reading import file_reader
    from ..loading import load
    from ._drawing import progress

    if args.out.suffix.lower() != SUFFIX or args.out.is_dir():
        raise ValueError(f"{args.out}: expected a file that ends in {SUFFIX}")
    if args.prior is not None and not args.entropy:
        raise ValueError("--prior is for entropy coding; leave out --no-entropy, or --prior")
    check_length(audio_info(args.audio).duration, args.audio)
    model = load(args.model, device=args.device)
    codec = model.codec
    if not codec.vocab:
        raise ValueError(f"{model.name} has a continuous codec: there are no codes to write")
    with arithmetic(model.device, args.precision), progress() as on_step:
        data = compress_long(
            codec,
            file_reader(codec, args.audio, model.device),
            codec.source.length(args.audio),
            num_codebooks=args.num_codebooks,
            entropy=args.entropy,
            prior=prior_codes(args.prior, codec),
            on_step=on_step,
        )
    with atomic_file(args.out) as aside:
        aside.write_bytes(data)
    print(_describe(args.out, data))
    return 0


def check_length(seconds: float, path: Path) -> None:
    """Refuse what would be decoded in one piece and does not fit in memory.

    Raises:
        ValueError: it is longer than what a pipeline decodes.
    """
    from ..pipeline import LONGEST_SECONDS

    if seconds > LONGEST_SECONDS:
        raise ValueError(
            f"{path}: {seconds / 60:.0f} minutes of sound, which is decoded in one piece; expected "
            f"at most {LONGEST_SECONDS / 60:g} minutes, so cut it first"
        )


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
