"""CLAP: the vectors of transformers on the same random weights, and nothing drawn by chance."""

from __future__ import annotations

import builtins
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("transformers", reason="CLAP needs the transformers extra")

from latentone.audio import Audio
from latentone.embeddings import TextAudioEmbedding, embed_files
from latentone.embeddings.clap import ClapEmbedding

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "slow", "piano", "fast", "drums"]
SIZES: dict[str, Any] = {
    "projection_dim": 16,
    "text_config": {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 100,
    },
}
TOWER = {
    "hidden_size": 32,
    "patch_embeds_hidden_size": 8,
    "depths": [1, 1, 1],
    "num_attention_heads": [2, 2, 2],
    "num_hidden_layers": 3,
    "window_size": 4,
    "spec_size": 64,
    "num_mel_bins": 16,
}
SECONDS, RATE = 2, 48_000


def write(folder: Path, fusion: bool) -> Path:
    """A CLAP folder as transformers writes it, of two-second windows."""
    import transformers as peer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    torch.manual_seed(3)
    tower = {**TOWER, "enable_fusion": fusion, "fusion_type": "aff_2d" if fusion else None}
    model = peer.ClapModel(peer.ClapConfig(**SIZES, audio_config=tower)).eval()
    for p in model.parameters():  # transformers' own scale leaves all vectors nearly equal
        if p.ndim > 1:
            torch.nn.init.normal_(p, 0, 0.2)
    norm = model.audio_model.audio_encoder.batch_norm
    norm.running_mean.fill_(-30), norm.running_var.fill_(400)
    model.save_pretrained(folder)
    peer.ClapFeatureExtractor(
        hop_length=RATE // 64,
        max_length_s=SECONDS,
        frequency_min=50,
        feature_size=16,
        truncation="fusion" if fusion else "rand_trunc",
    ).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", None, [("<s>", 0), ("</s>", 2)]
    )
    peer.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "fusion"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clap"), request.param)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clap"), False)


def sounds(samples: int) -> torch.Tensor:
    """Noise, a decaying tone and a chirp, `(3, 1, samples)`."""
    seconds = torch.arange(samples) / RATE
    noise = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    tone = (-3 * seconds).exp() * (2 * torch.pi * 440 * seconds).sin()
    chirp = 0.3 * (2 * torch.pi * (200 + 2000 * seconds) * seconds).sin()
    return torch.stack([noise, tone, chirp])[:, None]


def by_transformers(folder: Path, x: torch.Tensor) -> torch.Tensor:
    """What transformers makes of sounds `(B, 1, T)` that are no longer than a window."""
    import transformers as peer

    model = peer.ClapModel.from_pretrained(folder).eval()
    extractor = peer.ClapFeatureExtractor.from_pretrained(folder)
    inputs = extractor([s[0].numpy() for s in x], sampling_rate=RATE, return_tensors="pt")
    # With fusion, the extractor declares a random one of them longer than it is.
    none = torch.zeros(len(x), 1, dtype=torch.bool)
    with torch.no_grad():
        found = model.get_audio_features(inputs["input_features"].float(), is_longer=none)
    return found.pooler_output


@pytest.mark.parametrize("samples", [SECONDS * RATE, 60_001, 40_000, 700])
def test_sounds_have_the_vectors_of_transformers(folder: Path, samples: int) -> None:
    x, embedding = sounds(samples), ClapEmbedding(folder)
    expected, found = by_transformers(folder, x), embedding(x)
    assert float(torch.pdist(expected).min()) > 0.03, "different sounds must differ"
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(embedding(x[1:2]), found[1:2], rtol=0, atol=1e-6)
    assert (embedding.dim, embedding.window, embedding.source.sample_rate) == (16, 96_000, RATE)


def test_texts_have_the_vectors_of_transformers(plain: Path) -> None:
    import transformers as peer

    texts = ["slow piano", "fast", "fast drums slow"]
    model = peer.ClapModel.from_pretrained(plain).eval()
    with torch.no_grad():
        expected = [
            model.get_text_features(torch.tensor([[0, *(WORDS.index(w) for w in t.split()), 2]]))
            for t in texts
        ]
    embedding = ClapEmbedding(plain)
    assert isinstance(embedding, TextAudioEmbedding)
    found = embedding.embed_text(texts)
    torch.testing.assert_close(found, torch.cat([e.pooler_output for e in expected]))
    assert float(torch.pdist(found).min()) > 0.01
    torch.testing.assert_close(embedding.embed_text(texts[1:2]), found[1:2])


def test_files_are_heard_in_windows_and_nothing_is_drawn(folder: Path, tmp_path: Path) -> None:
    short, long = sounds(30_000)[0], sounds(250_000)[2]
    for name, x in (("short", short), ("long", long)):
        Audio(x, RATE).save(tmp_path / f"{name}.wav", subtype="FLOAT")
    paths = [tmp_path / "short.wav", tmp_path / "long.wav"]
    embedding = ClapEmbedding(folder, hop_seconds=1.0)
    found, again = embed_files(embedding, paths), embed_files(embedding, paths)
    assert torch.equal(found.vectors, again.vectors)
    assert found.seconds.tolist() == [0, 0, 1, 2, 3]
    windows = long.unfold(-1, SECONDS * RATE, RATE).transpose(0, 1)
    expected = torch.cat([by_transformers(folder, short[None]), by_transformers(folder, windows)])
    torch.testing.assert_close(found.vectors, expected, rtol=0, atol=1e-4)


def test_silence_has_a_vector_and_a_long_window_is_refused(folder: Path) -> None:
    embedding = ClapEmbedding(folder)
    assert embedding(torch.zeros(2, 1, 100)).isfinite().all()
    for samples in (0, 96_001):
        with pytest.raises(ValueError, match=f"1 to 96000 samples, got {samples}"):
            embedding(torch.zeros(1, 1, samples))


def test_name_and_fingerprint_follow_weights_and_windows(plain: Path, tmp_path: Path) -> None:
    first = ClapEmbedding(plain)
    assert first.fingerprint == ClapEmbedding(plain).fingerprint
    assert first.fingerprint != (half := ClapEmbedding(plain, hop_seconds=2.5)).fingerprint
    assert first.name == half.name

    def change(weights: dict[str, torch.Tensor]) -> None:
        weights["logit_scale_a"] += 1

    other = ClapEmbedding(edited(plain, tmp_path / "other", change))
    assert first.fingerprint != other.fingerprint and first.name != other.name


def edited(folder: Path, out: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    """A copy with other weights."""
    shutil.copytree(folder, out)
    weights = load_file(out / "model.safetensors")
    change(weights)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_a_pickled_copy_gives_the_same_bits(folder: Path) -> None:
    embedding = ClapEmbedding(folder)
    again = pickle.loads(pickle.dumps(embedding))
    assert torch.equal(again(sounds(50_000)), embedding(sounds(50_000)))
    assert torch.equal(again.embed_text(["slow"]), embedding.embed_text(["slow"]))
    assert again.fingerprint == embedding.fingerprint


def test_is_read_from_the_cache_of_the_hub_and_never_fetched(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="run `hf download someone/clap` once"):
        ClapEmbedding.from_pretrained("someone/clap")
    with pytest.raises(FileNotFoundError, match="does not exist; expected a CLAP folder"):
        ClapEmbedding.from_pretrained(tmp_path / "gone" / "clap")
    repository = tmp_path / "models--someone--clap"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(plain, repository / "snapshots" / ("0" * 40))
    found = ClapEmbedding.from_pretrained("someone/clap")
    assert found.fingerprint == ClapEmbedding.from_pretrained(plain).fingerprint


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_a_missing_part_is_named(plain: Path, tmp_path: Path, name: str) -> None:
    broken = shutil.copytree(plain, tmp_path / "broken")
    (broken / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"no whole CLAP model.*{name}"):
        ClapEmbedding(broken)


def test_weights_must_be_those_of_the_config(plain: Path, tmp_path: Path) -> None:
    key, odd = "audio_projection.linear1.bias", "text_model.embeddings.position_ids"
    lacking = edited(plain, tmp_path / "lacking", lambda weights: weights.pop(key))
    with pytest.raises(ValueError, match=f"missing .*{key}"):
        ClapEmbedding(lacking)
    more = edited(plain, tmp_path / "more", lambda weights: weights.update(more=torch.ones(1)))
    with pytest.raises(ValueError, match=r"unexpected .*more"):
        ClapEmbedding(more)
    # Older versions saved a buffer that is of no account.
    old = edited(plain, tmp_path / "old", lambda w: w.update({odd: torch.arange(100)[None]}))
    assert torch.equal(ClapEmbedding(old)(sounds(700)), ClapEmbedding(plain)(sounds(700)))


@pytest.mark.parametrize(
    ("name", "value"), [("truncation", "fusion"), ("padding", "pad"), ("feature_size", 64)]
)
def test_another_feature_extractor_is_refused(
    plain: Path, tmp_path: Path, name: str, value: Any
) -> None:
    other = shutil.copytree(plain, tmp_path / "other")
    path = other / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(ValueError, match=f"{name}={value!r}; expected"):
        ClapEmbedding(other)


def test_texts_that_cannot_be_read_are_refused(plain: Path) -> None:
    embedding = ClapEmbedding(plain)
    for texts in ([], ["slow", " "], [None]):
        with pytest.raises(ValueError, match="one text or more, none of them empty"):
            embedding.embed_text(texts)  # type: ignore[arg-type]
    assert embedding.embed_text(["slow " * 75]).shape == (1, 16)
    with pytest.raises(ValueError, match="at most 77 tokens of text, got 78"):
        embedding.embed_text(["fast", "slow " * 76])


def test_says_which_extra_is_missing(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "transformers":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'latentone\[transformers\]'"):
        ClapEmbedding(plain)
