"""The two flow diagrams of a system: how it was trained, and how it makes sound."""

from __future__ import annotations

from torch import nn

from ..codecs.base import Codec
from ..generators.base import Generator
from .diagrams import Lane, Node, Role

__all__ = ["count", "inference_flow", "size", "training_flow"]


def count(module: nn.Module | None) -> int:
    """Parameters of a module."""
    return 0 if module is None else sum(p.numel() for p in module.parameters())


def size(parameters: int) -> str:
    """`14.85 M`, `412 k`, `96`."""
    if parameters >= 1_000_000:
        return f"{parameters / 1e6:.4g} M"
    return f"{parameters / 1e3:.3g} k" if parameters >= 1000 else str(parameters)


def _parameters(module: nn.Module | None) -> str:
    return f"{size(count(module))} parameters" if count(module) else ""


def _codec_part(codec: Codec, name: str, role: Role) -> Node:
    module = getattr(codec, name, None)
    note = _parameters(module) if isinstance(module, nn.Module) else ""
    return Node(label=name, note=note, role=role if note else "data")


def _quantiser(codec: Codec, role: Role) -> tuple[Node, ...]:
    if not codec.vocab:
        return ()
    rows = len(codec.vocab)
    return (Node(label="quantiser", note=f"{rows} codebooks" if rows > 1 else "", role=role),)


def _latents(codec: Codec) -> str:
    if codec.vocab:
        return f"{len(codec.vocab)} x {max(codec.vocab)}, {codec.frame_rate:g} Hz"
    return f"{codec.latent_dim} channels, {codec.frame_rate:g} Hz"


def _conditioners(generator: Generator, *, training: bool) -> Node | None:
    if not generator.conditioners:
        return None
    modules = list(generator.conditioners.values())
    learned = any(p.requires_grad for m in modules for p in m.parameters())
    return Node(
        label="conditions",
        note=", ".join(generator.conditioners),
        role="trained" if training and learned else "frozen",
    )


def training_flow(
    codec: Codec,
    generator: Generator | None,
    *,
    codec_trained: bool,
    discriminator: bool,
    codec_crop: float | None = None,
    generator_crop: float | None = None,
) -> tuple[Lane, ...]:
    """Steps 1 to 3 as they were done.

    Args:
        codec: the codec.
        generator: the generator, when there is one.
        codec_trained: whether step 1 was part of the run; else the codec was given.
        discriminator: whether one judged the codec.
        codec_crop: seconds of an excerpt in step 1.
        generator_crop: seconds of an excerpt in step 3.
    """
    lanes = []
    if codec_trained:
        judge = Node(label="discriminators", note="tell it from real", role="discarded")
        excerpt = f"{codec_crop:g} s" if codec_crop else ""
        nodes = (
            Node(label="excerpts", note=excerpt),
            _codec_part(codec, "encoder", "trained"),
            *_quantiser(codec, "trained"),
            _codec_part(codec, "decoder", "trained"),
            Node(
                label="reconstruction",
                note="compared in mel",
                beside=judge if discriminator else None,
                inward=False,
            ),
        )
        lanes.append(Lane(title="Step 1: train the codec", nodes=nodes))
    if generator is None:
        return tuple(lanes)
    encode = (
        Node(label="recordings", note="whole"),
        _codec_part(codec, "encoder", "frozen"),
        *_quantiser(codec, "frozen"),
        Node(label="latent store", note=_latents(codec)),
    )
    lanes.append(Lane(title="Step 2: encode every recording once", nodes=encode))
    conditions = _conditioners(generator, training=True)
    inside = count(generator) - sum(count(m) for m in generator.conditioners.values())
    learn = (
        Node(label="codes" if codec.vocab else "latents", note=_seconds(generator_crop)),
        Node(
            label="generator",
            note=f"{size(inside)} parameters",
            role="trained",
            beside=conditions,
        ),
        Node(label="expected codes" if codec.vocab else "expected latents"),
        Node(label="loss", note="against what follows"),
    )
    lanes.append(Lane(title="Step 3: train the generator on the store", nodes=learn))
    return tuple(lanes)


def _seconds(value: float | None) -> str:
    return f"excerpts of {value:g} s" if value else ""


def inference_flow(codec: Codec, generator: Generator | None) -> tuple[Lane, ...]:
    """Generating and reconstructing; what stands in neither lane is not needed any more."""
    lanes = []
    decode = (_codec_part(codec, "decoder", "frozen"), Node(label="sound", note=_sound(codec)))
    if generator is not None:
        conditions = _conditioners(generator, training=False)
        nodes = (
            Node(
                label="generator", note=type(generator).__name__, role="frozen", beside=conditions
            ),
            Node(label="codes" if codec.vocab else "latents", note=_latents(codec)),
            *decode,
        )
        lanes.append(
            Lane(title="Generate: the encoder and the discriminators are gone", nodes=nodes)
        )
    back = (
        Node(label="recording"),
        _codec_part(codec, "encoder", "frozen"),
        *_quantiser(codec, "frozen"),
        *decode,
    )
    lanes.append(Lane(title="Reconstruct: what the codec keeps", nodes=back))
    return tuple(lanes)


def _sound(codec: Codec) -> str:
    channels = {1: "mono", 2: "stereo"}.get(codec.source.channels, f"{codec.source.channels} ch")
    return f"{codec.source.sample_rate / 1000:g} kHz {channels}"
