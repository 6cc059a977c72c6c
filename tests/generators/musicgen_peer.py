"""A tiny MusicGen of transformers with random weights, on disk with a tokenizer of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

WORDS = ["<pad>", "</s>", "<unk>", "slow", "piano", "fast", "drums", "and", "a", "bass"]


def build_peer(*, stereo: bool = False, text_dim: int = 24, seed: int = 0) -> Any:
    """A `MusicgenForConditionalGeneration` small enough for a test, its weights spread out."""
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    torch.manual_seed(seed)
    text = T5Config(
        vocab_size=len(WORDS), d_model=text_dim, d_kv=8, d_ff=48, num_layers=2, num_heads=3
    )
    audio = EncodecConfig(
        sampling_rate=800,
        num_filters=2,
        upsampling_ratios=[4, 4],
        codebook_size=32,
        hidden_size=8,
        codebook_dim=8,
        num_lstm_layers=1,
        target_bandwidths=[1.0],
    )
    decoder = MusicgenDecoderConfig(
        vocab_size=32,
        pad_token_id=32,
        bos_token_id=32,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        ffn_dim=96,
        num_codebooks=8 if stereo else 4,
        audio_channels=2 if stereo else 1,
    )
    config = MusicgenConfig(text_encoder=text, audio_encoder=audio, decoder=decoder)
    model = MusicgenForConditionalGeneration(config).eval()
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            # as initialised, greedy decoding repeats one code and proves little
            if parameter.dim() == 2:
                parameter.normal_(std=2 if "embed" in name else 2 * parameter.shape[1] ** -0.5)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    generation = model.generation_config
    generation.decoder_start_token_id = generation.pad_token_id = generation.bos_token_id = 32
    generation.do_sample, generation.guidance_scale = False, None
    return model


def save_peer(model: Any, folder: Path, *, shard_size: str = "5GB") -> Path:
    """Write the model as transformers does, with a word-level tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    model.save_pretrained(folder, max_shard_size=shard_size)
    vocab = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def peer_tokens(texts: list[str]) -> dict[str, Tensor]:
    """Token ids and attention mask, padded on the right."""
    rows = [[WORDS.index(word) for word in text.split()] + [1] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": (torch.arange(longest) < lengths[:, None]).long()}


def peer_codes(model: Any, num_frames: int, **inputs: Any) -> Tensor:
    """Codes `(B, K, F)` that the peer's own `generate` hands to its audio encoder."""
    handed: list[Tensor] = []

    def catch(codes: Tensor, audio_scales: Any = None, **_: Any) -> Any:
        handed.append(codes[0])
        return SimpleNamespace(audio_values=torch.zeros(codes.shape[1], 1, 1))

    own, model.audio_encoder.decode = model.audio_encoder.decode, catch
    try:
        rows = model.config.decoder.num_codebooks
        lag = rows // 2 if model.config.decoder.audio_channels == 2 else rows
        # max_length counts the start column; the peer keeps max_length - lag frames
        model.generate(**inputs, max_length=num_frames + lag, max_new_tokens=None)
    finally:
        model.audio_encoder.decode = own
    if len(handed) == 2:  # left and right, interleaved again
        return torch.stack(handed, dim=2).flatten(1, 2)
    return handed[0]
