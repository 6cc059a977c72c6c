"""The T5 conditioner: frozen, self-contained on disk, clear when something is missing."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers", reason="T5 needs the transformers extra")

from latentone.conditioning import T5Conditioner, T5Config

TINY = {"vocab_size": 12, "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 2}
WORDS = ["<pad>", "</s>", "<unk>", "slow", "piano", "fast", "drums"]


def write_source(folder: Path) -> Path:
    """A T5 folder as transformers writes it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import T5Config as Peer
    from transformers import T5EncoderModel

    torch.manual_seed(3)
    T5EncoderModel(Peer(**TINY)).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> T5Conditioner:
    source = write_source(tmp_path_factory.mktemp("t5"))
    conditioner = T5Config(source=str(source), encoder=TINY, max_tokens=5).build(8)
    conditioner.load_source()
    return conditioner.eval()


def test_embeds_what_transformers_embeds(text: T5Conditioner) -> None:
    from transformers import T5EncoderModel

    peer = T5EncoderModel.from_pretrained(text.config.source).eval()
    expected = peer(input_ids=torch.tensor([[3, 4, 1]])).last_hidden_state
    value, mask = text(text.prepare(["slow piano", "fast"]))
    torch.testing.assert_close(value[:1], text.project(expected))
    assert mask.tolist() == [[True] * 3, [True, True, False]]
    assert not value[1, 2].any(), "padding is exactly zero"


def test_only_projection_and_null_are_trained(text: T5Conditioner) -> None:
    trained = {name for name, p in text.named_parameters() if p.requires_grad}
    assert trained == {"project.weight", "project.bias", "null"}
    text.train()
    assert not text.encoder.training, "dropout of the frozen encoder stays off"
    first, second = (text(text.prepare(["slow", None])).value for _ in range(2))
    assert torch.equal(first, second)
    first.sum().backward()
    assert text.null.grad is not None
    text.zero_grad()
    text.eval()


def test_missing_and_dropped_text_is_the_null(text: T5Conditioner) -> None:
    prepared = text.prepare(["slow piano", None, ""])
    dropped = text(text.drop(prepared, torch.tensor([True, False, False])))
    assert not dropped.mask.any()
    assert torch.equal(dropped.value[:, 0], text.null.expand(3, -1))


def test_weights_and_tokenizer_travel_together(text: T5Conditioner) -> None:
    again = T5Config(source="nowhere", encoder=TINY).build(8)
    with pytest.raises(ValueError, match="call `load_source"):
        again.prepare(["slow"])
    again.load_state_dict(text.state_dict(), strict=True)
    expected = text(text.prepare(["fast drums"])).value
    assert torch.equal(again(again.prepare(["fast drums"])).value, expected)


def test_long_text_is_refused(text: T5Conditioner) -> None:
    with pytest.raises(ValueError, match="at most 5 tokens of text, got 6"):
        text.prepare(["slow slow slow slow slow"])


def test_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "transformers":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'latentone\[transformers\]'"):
        T5Config(encoder=TINY).build(8)
