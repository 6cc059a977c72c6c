"""Play one sound through a codec that learned another: timbre transfer.

    latentone transfer run voice.wav -o heard.wav
    latentone transfer run voice.wav --bias 0:1.5 --scale 3:0 -o moved.wav
    latentone transfer run voice.wav --with flute.wav --amount 0.5 -o between.wav
    latentone transfer run voice.wav --with flute.wav --amount 1.5 -o beyond.wav
    latentone transfer run voice.wav --with flute.wav --mix 0.5 -o both.wav

The result is as long and as loud as the input. Hours take the memory of seconds, unless a layer of
the codec needs the whole sound (docs/long.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..device import ComputeArgs

__all__ = ["Args", "read_channels", "run"]

NUMBER = tyro.conf.arg(metavar="FLOAT")
CHANNEL = tyro.conf.arg(metavar="DIM:VALUE")

BETWEEN = 0.5
"""Amount of the other sound, when neither --amount nor --mix says."""


@dataclass(frozen=True, kw_only=True)
class Args(ComputeArgs):
    """Flags of `latentone transfer`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, codec folder, or Hub id."""
    audio: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="AUDIO")]
    """The sound: any format and rate."""
    other: Annotated[Path | None, tyro.conf.arg(name="with", metavar="AUDIO")] = None
    """Another sound; repeated, or cut, to the length of the first."""
    amount: Annotated[float | None, NUMBER] = None
    """Where between the latents of the two: 0 the first, 1 the other; beyond them, away from one.
    With another sound and no --mix, 0.5."""
    mix: Annotated[float, NUMBER] = 0.0
    """How much of the other sound the encoder hears, 0 to 1."""
    bias: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, CHANNEL] = ()
    """Add VALUE to latent channel DIM (from 0); may be repeated."""
    scale: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, CHANNEL] = ()
    """Multiply latent channel DIM by VALUE, before the bias; may be repeated."""
    num_codebooks: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Use only the first codebooks of a discrete codec; fewer is rougher."""
    denoise: Annotated[float | None, NUMBER] = None
    """How much noise to leave out, 0 to 1: for a SoundStream that was trained to."""
    match_loudness: bool = True
    """Bring the other sound, and the result, to the loudness of the input."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """For decoders with chance in them: the same seed gives the same sound."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.wav")
    """File to write."""


def run(args: Args) -> int:
    """Transfer and write."""
    from ._drawing import load_model, progress, provenance, tell
    from ._switches import set_denoise

    bias, scale = read_channels("--bias", args.bias), read_channels("--scale", args.scale)
    amount = args.amount
    if amount is None:
        amount = BETWEEN if args.other is not None and not args.mix else 0.0
    if args.other is None and (amount or args.mix):
        raise ValueError("--amount and --mix need another sound; name it by --with")
    with load_model(args) as model, progress("seconds") as on_step:
        more: dict[str, Any] = {
            "transfers": args.audio.name,
            "with": None if args.other is None else args.other.name,
            "amount": amount or None,
            "mix": args.mix or None,
            "bias": list(args.bias) or None,
            "scale": list(args.scale) or None,
            "num_codebooks": args.num_codebooks,
            "denoise": args.denoise,
            "decoder_seed": args.seed,
        }
        set_denoise(model.codec, args.denoise)
        written = model.transfer_file(
            args.audio,
            args.out,
            args.other,
            seed=args.seed,
            amount=amount,
            mix=args.mix,
            bias=bias,
            scale=scale,
            num_codebooks=args.num_codebooks,
            loudness=args.match_loudness,
            tags=provenance(model, **more),
            on_step=on_step,
        )
    tell(args.out, *written, args.seed)
    return 0


def read_channels(flag: str, texts: Sequence[str]) -> dict[int, float]:
    """Read DIM:VALUE.

    Raises:
        ValueError: another form, or a channel twice; `flag` is for the message.
    """
    values: dict[int, float] = {}
    for text in texts:
        dim, _, value = text.partition(":")
        try:
            channel, number = int(dim), float(value)
        except ValueError:
            raise ValueError(f"{flag}: expected DIM:VALUE, such as 0:1.5, got {text!r}") from None
        if channel in values:
            raise ValueError(f"{flag}: latent channel {channel} is there twice")
        values[channel] = number
    return values
