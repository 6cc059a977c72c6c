"""EnCodec: encoding and decoding, against transformers, on the same random weights.

    python benchmarks/encodec.py [--seconds 1 10] [--repeats 9] [--threads 2]

Audio to codes at the highest bit rate and back, one mono recording. Codes and audio are compared
first. A stream of single frames has no peer, so its row says how much faster than real time it is.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers
from harness import alternate, command, machine, record
from torch import Tensor

from latentone.codecs import EnCodec

CONFIGS: dict[str, dict[str, Any]] = {
    "24 kHz": {},
    "32 kHz": {
        "sampling_rate": 32_000,
        "num_filters": 64,
        "upsampling_ratios": [8, 5, 4, 4],
        "codebook_size": 2048,
        "use_causal_conv": False,
        "use_conv_shortcut": False,
        "target_bandwidths": [2.2],
    },
}


def build(settings: dict[str, Any]) -> tuple[Any, EnCodec]:
    """A peer with random weights and codebooks, and ours read from its folder."""
    torch.manual_seed(0)
    peer = transformers.EncodecModel(transformers.EncodecConfig(**settings)).eval()
    for layer in peer.quantizer.layers:
        layer.codebook.embed.normal_(0, 0.1)
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        ours = EnCodec.from_pretrained(folder)
    return peer, ours.fold_weight_norm()


def encode(codec: EnCodec, x: Tensor) -> Tensor:
    return codec.quantize(codec.encode(x))


def decode(codec: EnCodec, codes: Tensor) -> Tensor:
    return codec.decode(codec.dequantize(codes))


def peer_encode(peer: Any, x: Tensor) -> Tensor:
    return peer.encode(x, bandwidth=peer.config.target_bandwidths[-1]).audio_codes[0]


def peer_decode(peer: Any, codes: Tensor) -> Tensor:
    return peer.decode(codes[None], [None]).audio_values


def require_equal(peer: Any, ours: EnCodec, x: Tensor) -> None:
    """Stop unless both compute the same."""
    codes = encode(ours, x)
    agree = (codes == peer_encode(peer, x)).float().mean().item()
    expected = peer_decode(peer, codes)
    error = ((decode(ours, codes) - expected).abs().max() / expected.abs().max()).item()
    if agree < 0.98 or error > 1e-5:
        raise SystemExit(
            f"nothing to compare: {agree:.1%} of codes agree, audio off by {error:.1e}"
        )


def stream_rate(codec: EnCodec, x: Tensor) -> str:
    """How much faster than real time single frames are encoded and decoded, median of three."""
    frames = x.split(codec.encoder.chunk, dim=-1)
    rates = []
    for _ in range(3):
        encoding, decoding = codec.encoder.initial_state(1), codec.decoder.initial_state(1)
        start = time.perf_counter()
        for frame in frames:
            latents, encoding = codec.encoder.step(frame, encoding)
            _, decoding = codec.decoder.step(codec.dequantize(codec.quantize(latents)), decoding)
        seconds = x.shape[-1] / codec.config.sample_rate
        rates.append(seconds / (time.perf_counter() - start))
    return f"{statistics.median(rates):.3g} x real time"


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()

    rows = []
    for name, settings in CONFIGS.items():
        peer, ours = build(settings)
        for seconds in arguments.seconds:
            x = 0.1 * torch.randn(1, 1, int(seconds * ours.config.sample_rate))
            require_equal(peer, ours, x)
            codes = encode(ours, x)
            pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
                "encode": (partial(encode, ours, x), partial(peer_encode, peer, x)),
                "decode": (partial(decode, ours, codes), partial(peer_decode, peer, codes)),
            }
            for verb, (run, other) in pairs.items():
                timing = alternate(run, other, repeats=arguments.repeats)
                rows.append(timing.row(f"{name}, {verb} {seconds:g} s", seconds, "x real time"))
        if ours.config.seanet.causal:
            rows.append([f"{name}, stream frame by frame", stream_rate(ours, x), "none", ""])
    record(
        "EnCodec, fp32",
        f"{command()} on {machine()}; peer: transformers {transformers.__version__}, eager, as it "
        f"comes: it computes weight norms anew at every call. Medians of {arguments.repeats} runs.",
        ["what", "ours", "peer", "ours / peer (spread)"],
        rows,
    )


if __name__ == "__main__":
    main()
