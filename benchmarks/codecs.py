"""Codecs: speed of decoding and encoding, plain and in the fast mode, against peers.

    python benchmarks/codecs.py [--seconds 10] [--repeats 7] [--threads 2]

DAC and EnCodec against transformers on the same random weights: codes and audio are compared
first. RAVE has no peer that installs beside a current torch, so its rows are samples per second.
The fast mode is `latentone.codecs.fast_mode` (bfloat16); its signal-to-noise ratio is against fp32
on the same latents.
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

from latentone.codecs import DAC, RAVE, Codec, EnCodec, fast_mode, rave_v2, rave_v2_small
from latentone.nn.weight_norm import fold_weight_norm

Coder = Callable[[Any, Tensor], Tensor]


def dac_peer() -> Any:
    """DAC at 44.1 kHz with random weights; Snake parameters are not all 1."""
    config = transformers.DacConfig(
        sampling_rate=44_100,
        downsampling_ratios=[2, 4, 8, 8],
        upsampling_ratios=[8, 8, 4, 2],
        hop_length=512,
        n_codebooks=9,
    )
    peer = transformers.DacModel(config).eval()
    for name, parameter in peer.named_parameters():
        if name.endswith("alpha"):
            parameter.data.uniform_(0.5, 1.5)
    return peer


def encodec_peer() -> Any:
    """EnCodec at 24 kHz with random weights and codebooks."""
    peer = transformers.EncodecModel(transformers.EncodecConfig()).eval()
    for layer in peer.quantizer.layers:
        layer.codebook.embed.normal_(0, 0.1)
    return peer


def encode(codec: Codec, x: Tensor) -> Tensor:
    return codec.quantize(codec.encode(x))


def decode(codec: Codec, codes: Tensor) -> Tensor:
    return codec.decode(codec.dequantize(codes))


def dac_encode(peer: Any, x: Tensor) -> Tensor:
    return peer.encode(x).audio_codes


def dac_decode(peer: Any, codes: Tensor) -> Tensor:
    return peer.decode(audio_codes=codes).audio_values[:, None]


def encodec_encode(peer: Any, x: Tensor) -> Tensor:
    return peer.encode(x, bandwidth=peer.config.target_bandwidths[-1]).audio_codes[0]


def encodec_decode(peer: Any, codes: Tensor) -> Tensor:
    return peer.decode(codes[None], [None]).audio_values


PEERS: dict[str, tuple[Callable[[], Any], type[Codec], Coder, Coder]] = {
    "DAC 44 kHz": (dac_peer, DAC, dac_encode, dac_decode),
    "EnCodec 24 kHz": (encodec_peer, EnCodec, encodec_encode, encodec_decode),
}


def signal_to_noise(reference: Tensor, y: Tensor) -> float:
    """In dB."""
    return float(10 * torch.log10(reference.square().sum() / (reference - y).square().sum()))


def against_peer(name: str, seconds: float, repeats: int) -> list[list[str]]:
    """Rows of both directions, plain and fast."""
    build, kind, peer_encode, peer_decode = PEERS[name]
    torch.manual_seed(0)
    peer = build()
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        ours = kind.from_pretrained(folder)
    fold_weight_norm(ours)
    frames = int(seconds * ours.frame_rate)  # whole ones: the peer drops what is left over
    x = 0.1 * torch.randn(1, 1, ours.num_samples(frames))
    codes, theirs = encode(ours, x), peer_encode(peer, x)
    expected, plain = peer_decode(peer, codes), decode(ours, codes)
    length = min(expected.shape[-1], plain.shape[-1])
    error = (plain[..., :length] - expected[..., :length]).abs().max() / expected.abs().max()
    agree = (codes == theirs).float().mean()
    if agree < 0.97 or error > 1e-5:
        raise SystemExit(f"nothing to compare: {agree:.1%} of codes agree, audio off {error:.1e}")

    def rows(kind: str) -> list[list[str]]:
        pairs = {
            "encode": (partial(encode, ours, x), partial(peer_encode, peer, x)),
            "decode": (partial(decode, ours, codes), partial(peer_decode, peer, codes)),
        }
        return [
            alternate(run, other, repeats=repeats).row(
                f"{name}, {verb} {seconds:g} s, {kind}", seconds, "x real time"
            )
            for verb, (run, other) in pairs.items()
        ]

    table = [[*row, ""] for row in rows("fp32")]
    fast_mode(ours, encoder=True)
    same = (encode(ours, x) == codes).float().mean()
    sounds = [f"{same:.1%} of codes equal", f"{signal_to_noise(plain, decode(ours, codes)):.1f} dB"]
    return table + [[*row, sound] for row, sound in zip(rows("fast"), sounds, strict=True)]


def rave(name: str, codec: RAVE, seconds: float, repeats: int) -> list[list[str]]:
    """Rows of samples per second; the sound is what makes no noise of its own."""
    codec.eval()
    codec.decoder.noisy = False
    fold_weight_norm(codec)
    rate = codec.config.sample_rate
    x = 0.1 * torch.randn(1, 1, int(seconds * rate))
    latents = codec.encode(x)
    plain, table = codec.decode(latents), []
    for mode in ("fp32", "fast"):
        if mode == "fast":
            fast_mode(codec, encoder=True)
        for verb, run in {
            "encode": lambda: codec.encode(x),
            "decode": lambda: codec.decode(latents),
        }.items():
            run()
            times = []
            for _ in range(repeats):
                start = time.perf_counter()
                y = run()
                times.append(time.perf_counter() - start)
            rates = sorted(x.shape[-1] / t / 1e6 for t in times)
            against = {"encode": latents, "decode": plain}[verb]
            sound = f"{signal_to_noise(against, y):.1f} dB" if mode == "fast" else ""
            spread = f"{statistics.median(rates):.2f} MHz ({rates[0]:.2f} to {rates[-1]:.2f})"
            table.append([f"{name}, {verb} {seconds:g} s, {mode}", spread, "none", "", sound])
    return table


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    rows: list[list[str]] = []
    for name in PEERS:
        rows += against_peer(name, arguments.seconds, arguments.repeats)
    torch.manual_seed(0)
    for name, config in {"RAVE v2": rave_v2(), "RAVE v2_small": rave_v2_small()}.items():
        rows += rave(name, RAVE(config), arguments.seconds, arguments.repeats)
    record(
        "Codecs, plain and fast",
        f"{command()} on {machine()}; peer: transformers {transformers.__version__}, eager, fp32, "
        f"as it comes: its EnCodec computes weight norms anew at every call, ours folds them. "
        f"Medians of {arguments.repeats} runs. RAVE without its noise branch; what the fast mode "
        "costs is told of random weights and noise.",
        ["what", "ours", "peer", "ours / peer (spread)", "fast against fp32"],
        rows,
    )


if __name__ == "__main__":
    main()
