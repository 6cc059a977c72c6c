"""MusicGen: frames per second of drawing codes, against transformers, on the same random weights.

    python benchmarks/musicgen.py [--size 300m] [--frames 250] [--repeats 5] [--threads 2]

Both read the same text through the same T5, draw with top-k 250 and stop before the codec. Greedy
codes are compared first: a fast path that computes something else is worth nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from harness import alternate, machine, record
from torch import Tensor

from latentone.generators import Autoregressive, AutoregressiveOptions
from latentone.generators.musicgen_layout import MusicGenFolder, convert_musicgen
from latentone.networks.context import Context, Span
from latentone.systems.musicgen import published_network

TOKENS = 16
"""Length of the text, of random tokens: the weights are random too."""


def build_peer(size: str) -> Any:
    """A MusicGen of a published size with random weights."""
    network = published_network(size)
    decoder = transformers.MusicgenDecoderConfig(
        hidden_size=network.dim,
        num_hidden_layers=network.num_layers,
        num_attention_heads=network.num_heads,
        ffn_dim=network.ffn_dim,
    )
    text = transformers.T5Config(
        d_model=768, d_ff=3072, num_layers=12, num_heads=12, vocab_size=32128
    )
    audio = transformers.EncodecConfig(
        sampling_rate=32000, upsampling_ratios=[8, 5, 4, 4], codebook_size=2048
    )
    config = transformers.MusicgenConfig(text_encoder=text, audio_encoder=audio, decoder=decoder)
    torch.manual_seed(0)
    peer = transformers.MusicgenForConditionalGeneration(config).eval()
    generation = peer.generation_config
    generation.decoder_start_token_id = generation.pad_token_id = generation.bos_token_id = 2048
    return peer


def convert(peer: Any) -> Autoregressive:
    """The peer's weights in our model."""
    decoder = {f"decoder.{k}": v for k, v in peer.decoder.state_dict().items()}
    project = {f"enc_to_dec_proj.{k}": v for k, v in peer.enc_to_dec_proj.state_dict().items()}
    parts = MusicGenFolder(
        peer.config.to_dict(), {}, peer.text_encoder.state_dict(), decoder | project
    )
    model = convert_musicgen(parts)
    # the same tokens for both: there is no tokenizer to agree on
    model.conditioners["text"].prepare = prepare  # type: ignore[method-assign]
    return model


def tokens() -> Tensor:
    return torch.randint(2, 32128, (1, TOKENS), generator=torch.Generator().manual_seed(1))


def prepare(raw: list[str | None]) -> dict[str, Tensor]:
    present = torch.tensor([[value is not None] * TOKENS for value in raw])
    return {"tokens": tokens().expand(len(raw), -1), "present": present}


def peer_runner(peer: Any, frames: int, guidance: float, sample: bool) -> Callable[[], Tensor]:
    """Draw codes with the peer's own `generate`."""
    handed: list[Tensor] = []

    def catch(codes: Tensor, audio_scales: Any = None) -> Any:
        handed.append(codes[0])
        return SimpleNamespace(audio_values=torch.zeros(1, 1, 1))

    peer.audio_encoder.decode = catch

    def run() -> Tensor:
        peer.generate(
            input_ids=tokens(),
            attention_mask=torch.ones(1, TOKENS, dtype=torch.int64),
            guidance_scale=guidance if guidance != 1.0 else None,
            do_sample=sample,
            top_k=250,
            max_length=frames + 4,
        )
        return handed.pop()

    return run


def our_runner(
    model: Autoregressive, frames: int, guidance: float, sample: bool
) -> Callable[[], Tensor]:
    options = AutoregressiveOptions(temperature=1.0 if sample else 0.0)

    def run() -> Tensor:
        return model.sample(frames, {"text": ["text"]}, guidance=guidance, options=options).latents

    return run


def logit_error(fp32: Autoregressive, bf16: Autoregressive) -> str:
    """How far bf16 logits are from fp32 ones, relative to their spread; best codes that agree."""
    torch.manual_seed(2)
    sequence = torch.randint(0, 2048, (2, 4, 100))
    memory = torch.randn(2, 8, fp32.config.network.dim)
    with torch.no_grad():
        exact, rough = (
            model._by_row(
                model.heads(
                    model.network(
                        model._embed(sequence), Context(memory=Span(memory.to(model.heads.weight)))
                    )
                )
            ).float()
            for model in (fp32, bf16)
        )
    error = (rough - exact).square().mean().sqrt() / exact.std()
    agree = (rough.argmax(-1) == exact.argmax(-1)).float().mean()
    return f"logits off by {error:.1%} of their spread, {agree:.1%} of greedy codes the same"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="300m", choices=["300m", "1.5b", "3.3b"])
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()

    peer = build_peer(args.size)
    ours = convert(peer)
    if not torch.equal(our_runner(ours, 8, 3.0, False)(), peer_runner(peer, 8, 3.0, False)()):
        raise SystemExit("greedy codes differ: nothing to compare")

    rows = []
    for guidance in (3.0, 1.0):
        timing = alternate(
            our_runner(ours, args.frames, guidance, True),
            peer_runner(peer, args.frames, guidance, True),
            repeats=args.repeats,
        )
        rows.append([*timing.row(f"fp32, guidance {guidance:g}", args.frames, "frames/s"), "same"])
    rough = convert(peer).to(torch.bfloat16)
    error = logit_error(ours, rough)
    timing = alternate(
        our_runner(rough, args.frames, 3.0, True),
        peer_runner(peer, args.frames, 3.0, True),
        repeats=args.repeats,
    )
    name = "ours bf16, peer fp32, guidance 3"
    rows.append([*timing.row(name, args.frames, "frames/s"), error])
    record(
        f"MusicGen {args.size}, drawing {args.frames} frames",
        f"{machine()}; peer: transformers {transformers.__version__}, eager, its default cache.",
        ["what", "ours", "peer", "ours / peer (spread)", "greedy codes"],
        rows,
    )


if __name__ == "__main__":
    main()
