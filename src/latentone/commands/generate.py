"""Make new sound with a trained model.

    latentone generate run --prompt "slow piano in a minor" --duration 8 -o out.wav
    latentone generate run --num 4 --seed 7 -o takes.flac
    latentone generate run --condition bpm=92 --condition key="A minor" -o out.wav
    latentone generate run --condition chroma=song.wav --condition onset=song.wav -o out.wav
    latentone generate facebook/musicgen-small --prompt "a bossa nova" -o bossa.wav
    latentone generate vae-run --duration 4 --seed 1 -o texture.wav
    latentone generate autoencoder-run --latents store --duration 4 -o texture.wav

The model is a run folder, a saved pipeline, or a folder or Hub id in the transformers layout. A
codec without a generator draws from its own prior, if it was trained to one (VAE, RAVE, Oobleck);
or, with --latents, from the normal distribution whose mean and deviation in each dimension are
those of a latent store.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..device import ComputeArgs
from ._drawing import DrawArgs

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import Pipeline

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args(ComputeArgs, DrawArgs):
    """Flags of `latentone generate`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, or Hub id."""
    duration: float = 8.0
    """Seconds, exact to the sample."""
    latents: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """For a codec without a generator: a store of its latents, whose statistics are drawn from."""
    num: int = 1
    """How many to make; with more than one, files are numbered: out-1.wav, out-2.wav ..."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out.wav")
    """File to write: .wav, .flac, .ogg, .opus, .mp3, .aiff."""


def run(args: Args) -> int:
    """Generate and write."""
    from ._drawing import arguments, load_model, progress, write

    if args.num < 1:
        raise ValueError(f"--num must be 1 or more, got {args.num}")
    seed, settings = arguments(args)
    with load_model(args) as model:
        if args.latents is not None:
            settings["statistics"] = _statistics(args.latents, model)
        if not model.stages and (args.latents is not None or model.codec.has_prior):
            origin = "its codec's own prior" if args.latents is None else f"those of {args.latents}"
            print(
                f"{model.name} has no generator: latents are drawn from {origin}, every frame by "
                "itself, so this is a texture without order in time"
            )
        prompts = [args.prompt] * args.num
        for name in ("conditions", "negative"):
            settings[name] = {k: [v] * args.num for k, v in settings[name].items()}
        with progress() as on_step:
            sounds = model.generate_batch(
                prompts, duration=args.duration, seed=seed, on_step=on_step, **settings
            )
        for i, sound in enumerate(sounds, 1):
            path = args.out
            if args.num > 1:
                path = path.with_name(f"{path.stem}-{i}{path.suffix}")
            write(path, sound, model, seed=seed, args=args, item=i if args.num > 1 else None)
    return 0


def _statistics(folder: Path, model: Pipeline) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents in a store of this codec."""
    from ..latents import LatentStore
    from ..latents.statistics import ContinuousStatistics

    store = LatentStore.open(folder)
    store.require(model.codec.latent, owner=model.name)
    found = store.statistics.get("acoustic")
    if not isinstance(found, ContinuousStatistics):
        raise ValueError(
            f"{folder} has no means and deviations: --latents takes a store of continuous latents "
            "that are kept, not computed as they are read"
        )
    return found.tensors()
