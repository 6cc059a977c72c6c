"""Write a codec for hosts without latentone: nn~ in Max/MSP and Pure Data, ONNX, PyTorch alone.

    latentone export run --to nn~ -o voice.ts
    latentone export run --to nn~ --store run/latents --fidelity 0.95 -o voice.ts
    latentone export run --to onnx -o voice.onnx
    latentone export run --to onnx --stream -o voice.onnx
    latentone export run --to pt2 -o voice.pt2

nn~ plays codecs that stream, that is causal ones. ONNX and pt2 take any codec made of networks, and
write two files, voice.encoder.onnx and voice.decoder.onnx. What was written is tried before it
takes its name. docs/export.md says how to use each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from ..codecs import Codec
    from ..nn.transform import LatentTransform

__all__ = ["Args", "run"]

SUFFIXES = {"nn~": ".ts", "onnx": ".onnx", "pt2": ".pt2"}


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone export`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, saved pipeline, codec folder, or Hub id."""
    to: Literal["nn~", "onnx", "pt2"]
    """What it is for."""
    stream: bool = False
    """ONNX: step by step, with the state as a second input and output; for causal codecs."""
    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """nn~: turn the latents so that the direction that this latent store uses most comes first."""
    fidelity: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """With --store: keep the fewest directions with this share of the variance."""
    dimensions: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """With --store: keep so many directions."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to write; model.ts, model.onnx or model.pt2 if not given."""


def run(args: Args) -> int:
    """Export, and say what was written."""
    out = Path(f"model{SUFFIXES[args.to]}") if args.out is None else args.out
    _check(args, out)
    if args.to == "onnx":
        from ..export.onnx import require_onnx

        require_onnx()
    from ..export import export_nn_tilde, export_onnx, export_pt2
    from ._drawing import load_told, progress

    codec = load_told(args.model).codec
    with progress() as on_step:
        if args.to == "nn~":
            transform = _transform(args, codec)
            files = [export_nn_tilde(codec, out, transform=transform, on_step=on_step)]
        elif args.to == "onnx":
            files = list(export_onnx(codec, out, stream=args.stream, on_step=on_step).values())
        else:
            files = list(export_pt2(codec, out, on_step=on_step).values())
    for path in files:
        print(f"{path}: {path.stat().st_size / 1e6:.3g} MB")
    print(_describe(args, codec))
    return 0


def _check(args: Args, out: Path) -> None:
    suffix = SUFFIXES[args.to]
    if out.suffix != suffix or out.is_dir():
        raise ValueError(f"{out}: expected a file that ends in {suffix} for --to {args.to}")
    if args.stream and args.to != "onnx":
        raise ValueError("--stream is for --to onnx; nn~ always streams, and pt2 never does")
    if args.store is not None and args.to != "nn~":
        raise ValueError("--store is for --to nn~")
    if args.store is None and (args.fidelity is not None or args.dimensions is not None):
        raise ValueError("--fidelity and --dimensions need the latents of a --store")


def _transform(args: Args, codec: Codec) -> LatentTransform | None:
    """Directions of a store's training recordings, and how many of them to keep."""
    if args.store is None:
        return None
    from ..codecs import LatentPCA
    from ..latents import LatentStore

    if codec.vocab:
        raise ValueError(f"--store turns latents, but this {type(codec).__name__} has codes")
    store = LatentStore.open(args.store)
    store.require(codec.latent, owner="the codec")
    pca = LatentPCA.fit(store.read(item.id) for item in store.items("train"))
    return pca.transform(args.fidelity, dimensions=args.dimensions)


def _describe(args: Args, codec: Codec) -> str:
    from ..codecs.streaming import stream_spec
    from ..export.prepare import hop_length

    text = f"{codec.source.sample_rate} Hz, a frame is {hop_length(codec)} samples"
    if args.to == "nn~" or args.stream:
        text += f"; latency {stream_spec(codec).describe()}"
    return text
