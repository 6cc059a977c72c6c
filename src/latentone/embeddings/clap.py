"""CLAP: sound and words in one space, through transformers, from weights that you have.

Wu et al., "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and
Keyword-to-Caption Augmentation", 2023 (https://arxiv.org/abs/2211.06687).

Differs from the feature extractors of the paper's code and of transformers: nothing is drawn. They
take a random ten seconds of a long sound (or three random crops, for the models with fusion, which
they also switch on for a random short one); here a long sound is several windows, each of them
heard as a sound that is not longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import AudioSource
from ..config import load_json
from ..dsp.mel import Mel, MelSpec
from ..hub import fingerprint_of
from .base import TextAudioEmbedding

__all__ = ["ClapEmbedding"]

MAX_TOKENS = 77
"""Longest text that the published models were trained on."""


class ClapEmbedding(TextAudioEmbedding):
    """Vectors of unit length of a CLAP model; the cosine of a text and a sound is its CLAP score.

    A sound shorter than a window (10 s in the published models) is repeated as often as it fits
    whole, and silence follows, as in its training. Scores of different models cannot be compared:
    a hash of the weights is part of the name.

    Args:
        folder: in the layout of transformers: model, tokenizer and feature extractor.
        hop_seconds: distance of windows in a long sound.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: a part is missing from the folder.
        ValueError: weights that do not fit, or a feature extractor of another kind.
    """

    def __init__(self, folder: str | Path, *, hop_seconds: float = 5.0) -> None:
        folder = Path(folder)
        model, tokenizer, extractor = _read(folder)
        rate = extractor.sampling_rate
        source = AudioSource(sample_rate=rate, channels=1)
        super().__init__(source, extractor.nb_max_samples / rate, hop_seconds)
        self.model, self._tokenizer = model.eval().requires_grad_(False), tokenizer
        self._fusion = bool(model.config.audio_config.enable_fusion)
        self.mel = Mel(_bands(extractor, model.config.audio_config, folder))
        config = load_json(folder / "config.json")
        for name in ("transformers_version", "_name_or_path"):
            config.pop(name, None)
        weights = fingerprint_of([config, tokenizer.get_vocab()], model.state_dict().items())
        self.name = f"clap-{weights[:8]}"
        settings = [weights, repr(self.mel.spec), self.window, self.hop]
        self._fingerprint = fingerprint_of(settings, ())

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path, *, hop_seconds: float = 5.0) -> Self:
        """Read a local folder, or a Hub repository that was fetched before.

        Nothing is downloaded: `hf download laion/larger_clap_music` does that.

        Raises:
            FileNotFoundError: neither a folder nor in the cache; the message says what to fetch.
            ImportError, ValueError: see the class.
        """
        folder, name = Path(name_or_folder).expanduser(), str(name_or_folder)
        if folder.is_dir():
            return cls(folder, hop_seconds=hop_seconds)
        if name.count("/") != 1 or name.startswith((".", "/", "~")):
            raise FileNotFoundError(f"{folder} does not exist; expected a CLAP folder or a Hub id")
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(name, local_files_only=True))
        except LocalEntryNotFoundError as error:
            raise FileNotFoundError(
                f"{name} is no folder and is not in the cache of the Hub; latentone fetches "
                f"nothing by itself: run `hf download {name}` once"
            ) from error
        return cls(folder, hop_seconds=hop_seconds)

    @property
    def dim(self) -> int:
        return int(self.model.config.projection_dim)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def fill(self, x: Tensor) -> Tensor:
        """Lengthen a short sound `(..., T)` to a window: whole repetitions, then silence."""
        x = x.repeat(*[1] * (x.ndim - 1), self.window // x.shape[-1])
        return F.pad(x, (0, self.window - x.shape[-1]))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Embed windows `(B, C, T)`, T from 1 to `window`, as `(B, dim)` of unit length."""
        if not 1 <= x.shape[-1] <= self.window:
            raise ValueError(f"expected 1 to {self.window} samples, got {x.shape[-1]}")
        decibels = 10 * self.mel(self.fill(x.mean(1)))
        longer = torch.zeros(len(x), 1, dtype=torch.bool, device=x.device)
        heard = self.model.audio_model(
            input_features=decibels.transpose(1, 2)[:, None],
            **({"is_longer": longer} if self._fusion else {}),
        )
        return F.normalize(self.model.audio_projection(heard.pooler_output).float(), dim=-1)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """See `TextAudioEmbedding.embed_text`.

        Raises:
            ValueError: no text, an empty one, or one of more than 77 tokens.
        """
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"expected one text or more, none of them empty, got {texts!r}")
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt")
        counts = tokens["attention_mask"].sum(1).tolist()
        for text, count in zip(texts, counts, strict=True):
            if count > MAX_TOKENS:
                raise ValueError(
                    f"CLAP reads at most {MAX_TOKENS} tokens of text, got {count} "
                    f"({text[:40]!r} ...): shorten it"
                )
        device = self.model.logit_scale_a.device
        read = self.model.text_model(
            input_ids=tokens["input_ids"].to(device),
            attention_mask=tokens["attention_mask"].to(device),
        )
        return F.normalize(self.model.text_projection(read.pooler_output).float(), dim=-1)


def _read(folder: Path) -> tuple[Any, Any, Any]:
    """Model, tokenizer and feature extractor."""
    transformers, local = _transformers(), {"local_files_only": True}
    try:
        # transformers makes up a tokenizer without words where there is none.
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            raise FileNotFoundError("there is no tokenizer.json")
        extractor = transformers.ClapFeatureExtractor.from_pretrained(folder, **local)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
        model, found = transformers.ClapModel.from_pretrained(
            folder, output_loading_info=True, **local
        )
    except OSError as error:
        raise FileNotFoundError(
            f"{folder} is no whole CLAP model; expected config.json, model.safetensors, "
            f"preprocessor_config.json and a tokenizer, as `hf download` fetches them: {error}"
        ) from error
    # A buffer that older versions of transformers saved, and that is counted anew.
    odd = [k for k in found["unexpected_keys"] if not k.endswith("position_ids")]
    if found["missing_keys"] or odd or found["mismatched_keys"]:
        raise ValueError(
            f"the weights in {folder} are not those of its config: missing "
            f"{sorted(found['missing_keys'])[:3]}, unexpected {sorted(odd)[:3]}, of another shape "
            f"{sorted(found['mismatched_keys'])[:3]}"
        )
    # Mapped weights lie in memory as their file has them, and products of matrices may round
    # otherwise where a copy (in a worker process) is aligned; so they are copied here, too.
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    return model.float(), tokenizer, extractor


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "CLAP needs transformers: pip install 'latentone[transformers]'"
        ) from error
    return transformers


def _bands(extractor: Any, tower: Any, folder: Path) -> MelSpec:
    """The extractor's spectrogram; models with fusion were trained on another filter bank."""
    fusion = tower.enable_fusion
    wanted = {
        "truncation": "fusion" if fusion else "rand_trunc",
        "padding": "repeatpad",
        "feature_size": tower.num_mel_bins,
    }
    for name, value in wanted.items():
        if getattr(extractor, name) != value:
            raise ValueError(
                f"the feature extractor in {folder} has {name}={getattr(extractor, name)!r}; "
                f"expected {value!r}, which fits its model"
            )
    return MelSpec(
        sample_rate=extractor.sampling_rate,
        n_fft=extractor.fft_window_size,
        hop_length=extractor.hop_length,
        n_mels=extractor.feature_size,
        f_min=extractor.frequency_min,
        f_max=extractor.frequency_max,
        scale="htk" if fusion else "slaney",
        norm="none" if fusion else "slaney",
        power=2.0,
        log="log10",
        floor=1e-10,
        pad_mode="reflect",
    )
