"""Text through a frozen T5 encoder (Raffel et al., 2020), as MusicGen and AudioGen do.

The encoder is that of transformers. Its weights and its tokenizer are saved with the generator
(the tokenizer as bytes), so that a model folder stays config.json and model.safetensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from .base import Condition, Conditioner, ConditionerConfig
from .text import with_null

__all__ = ["T5Conditioner", "T5Config"]

BASE: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 768,
    "d_kv": 64,
    "d_ff": 3072,
    "num_layers": 12,
    "num_heads": 12,
    "feed_forward_proj": "relu",
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "dropout_rate": 0.1,
}
"""google-t5/t5-base: all that shapes or scales its encoder."""


@dataclass(frozen=True, kw_only=True)
class T5Config(ConditionerConfig):
    """Which T5, and how much text it reads."""

    source: str = "google-t5/t5-base"
    """Folder or Hub id that `load_source` takes weights and tokenizer from."""
    encoder: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    """Fields of transformers' T5Config that shape the encoder."""
    max_tokens: int = 512
    """Longest text in tokens; a longer one is refused."""

    def build(self, dim: int) -> T5Conditioner:
        return T5Conditioner(self, dim)


class T5Conditioner(Conditioner):
    """A sequence: one vector for each token, projected to the network's width.

    Empty text is missing text. The encoder is frozen and always in eval mode; only the projection
    and the null are trained.
    """

    kind = "sequence"
    tokenizer_json: Tensor

    def __init__(self, config: T5Config, dim: int) -> None:
        super().__init__()
        self.config = config
        transformers = _transformers()
        encoder = transformers.T5Config(**{**config.encoder, "use_cache": False})
        self.encoder = transformers.T5EncoderModel(encoder).requires_grad_(False).eval()
        self.project = nn.Linear(config.encoder["d_model"], dim)
        self.null = nn.Parameter(torch.zeros(dim))
        self.register_buffer("tokenizer_json", torch.zeros(0, dtype=torch.uint8))
        self._tokenizer: tuple[int, Any] | None = None

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.encoder.eval()
        return self

    def load_source(self) -> None:
        """Read the frozen weights and the tokenizer from `config.source`.

        Call it once, before a training that starts from nothing; afterwards both are part of the
        model's own weights.
        """
        transformers = _transformers()
        source = transformers.T5EncoderModel.from_pretrained(self.config.source)
        self.encoder.load_state_dict(source.state_dict(), strict=True)
        self.load_tokenizer(self.config.source)

    def load_tokenizer(self, folder: str | Path) -> None:
        """Read the tokenizer of a transformers folder or Hub id and keep it as bytes."""
        path = Path(folder) / "tokenizer.json"
        if path.is_file():
            data = path.read_bytes()
        else:
            tokenizer = _transformers().AutoTokenizer.from_pretrained(str(folder))
            data = tokenizer.backend_tokenizer.to_str().encode()
        self.tokenizer_json = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(
            self.null.device
        )

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        texts = [self._encode(value) for value in raw]
        longest = max([len(text) for text in texts] + [1])
        padded = [text + [0] * (longest - len(text)) for text in texts]
        lengths = torch.tensor([len(text) for text in texts])
        present = torch.arange(longest) < lengths[:, None]
        return {"tokens": torch.tensor(padded, dtype=torch.int64), "present": present}

    def _encode(self, value: Any) -> list[int]:
        if value is None or value == "":
            return []
        if not isinstance(value, str):
            raise ValueError(f"expected text, got {value!r}")
        tokens: list[int] = self.tokenizer().encode(value).ids
        if len(tokens) > self.config.max_tokens:
            raise ValueError(
                f"this model reads at most {self.config.max_tokens} tokens of text, got "
                f"{len(tokens)} ({len(value)} characters): shorten it"
            )
        return tokens

    def tokenizer(self) -> Any:
        """The tokenizer that `tokenizer_json` describes.

        Raises:
            ValueError: neither a saved model nor `load_source` has given one.
        """
        key = self.tokenizer_json.data_ptr()
        if self.tokenizer_json.numel() == 0:
            raise ValueError(
                f"the T5 text encoder has no tokenizer yet: call `load_source()` to read "
                f"{self.config.source}, or load a saved model"
            )
        if self._tokenizer is None or self._tokenizer[0] != key:
            _transformers()
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_buffer(self.tokenizer_json.cpu().numpy().tobytes())
            tokenizer.no_padding()
            tokenizer.no_truncation()
            self._tokenizer = (key, tokenizer)
        return self._tokenizer[1]

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        tokens, present = prepared["tokens"], prepared["present"]
        # where nothing is present the encoder still reads position 0, lest it divide by nothing
        seen = present.clone()
        seen[:, 0] = True
        with torch.no_grad():
            hidden = self.encoder(input_ids=tokens, attention_mask=seen).last_hidden_state
        return with_null(self.project(hidden.to(self.null.dtype)), present, self.null)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # the tokenizer's size is known only from the weights
        found = state_dict.get(prefix + "tokenizer_json")
        if found is not None and found.shape != self.tokenizer_json.shape:
            self.tokenizer_json = torch.empty_like(found, device=self.tokenizer_json.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "the T5 text encoder needs transformers: pip install 'latentone[transformers]'"
        ) from error
    return transformers
