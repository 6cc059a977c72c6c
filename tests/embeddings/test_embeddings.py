"""Windows, batches, caches: the vectors of a file are always the same."""

import math

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import stft as scipy_stft

from latentone.audio import Audio, AudioSource
from latentone.dsp.mel import MelSpec, mel_filterbank
from latentone.embeddings import (
    Embedding,
    EmbeddingCache,
    LatentStatistics,
    LogMelStatistics,
    embed_files,
)
from latentone.embeddings import files as files_module

RATE = 24_000


class Means(Embedding):
    """The mean of each window; counts its calls."""

    name = "means"
    dim, fingerprint = 1, "0123"

    def __init__(self):
        super().__init__(AudioSource(sample_rate=100, channels=1), 1.0, 0.5)
        self.windows = 0

    def forward(self, x):
        self.windows += len(x)
        return x.mean((1, 2))[:, None]


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    for name, samples in (("long", 2050), ("short", 30), ("exact", 100)):
        Audio(0.1 * torch.randn(1, samples), 100).save(tmp_path / f"{name}.wav", subtype="FLOAT")
    return tmp_path


def paths(folder):
    return [folder / f"{name}.wav" for name in ("long", "short", "exact")]


def test_vectors_belong_to_their_windows(folder, monkeypatch):
    found = embed_files(Means(), paths(folder))
    assert found.file.bincount().tolist() == [1 + (2050 - 100) // 50, 1, 1]
    long = torch.tensor(list(Means().starts(2050)))
    x = Means().source.load(folder / "long.wav")[0]
    expected = torch.stack([x[s : s + 100].mean() for s in long.tolist()])
    torch.testing.assert_close(found.vectors[found.file == 0][:, 0], expected)
    assert found.seconds[found.file == 0].tolist() == (long / 100).tolist()
    short = Means().source.load(folder / "short.wav")[0].repeat(4)[:100].mean()
    torch.testing.assert_close(found.vectors[found.file == 1][0, 0], short)
    monkeypatch.setattr(files_module, "BATCH", 3)
    torch.testing.assert_close(embed_files(Means(), paths(folder)).vectors, found.vectors)


def test_a_cache_embeds_once_and_notices_changes(folder, tmp_path):
    first, again = Means(), Means()
    fresh = embed_files(first, paths(folder), cache=tmp_path / "cache")
    cached = embed_files(again, paths(folder), cache=tmp_path / "cache")
    assert again.windows == 0 and torch.equal(fresh.vectors, cached.vectors)
    Audio(torch.full((1, 100), 0.5), 100).save(folder / "exact.wav", subtype="FLOAT")
    changed = embed_files(again, paths(folder), cache=tmp_path / "cache")
    assert again.windows == 1
    assert float(changed.vectors[-1]) == pytest.approx(0.5)


def test_caches_of_different_embeddings_are_different_files(tmp_path):
    one, other = LogMelStatistics(), LogMelStatistics(hop_seconds=0.25)
    assert EmbeddingCache(tmp_path, one).path != EmbeddingCache(tmp_path, other).path
    assert one.fingerprint == LogMelStatistics().fingerprint


def test_bad_files_are_named_and_left_out(folder):
    (folder / "words.wav").write_text("words")
    soundfile.write(folder / "nan.wav", np.full(100, math.nan), 100, subtype="FLOAT")
    names = [folder / "words.wav", folder / "exact.wav", folder / "gone.wav", folder / "nan.wav"]
    found = embed_files(Means(), names)
    assert found.paths == (folder / "exact.wav",) and len(found.vectors) == 1
    assert set(found.failures) == {str(names[i]) for i in (0, 2, 3)}
    with pytest.raises(ValueError, match=r"at least one audio file .*words\.wav"):
        embed_files(Means(), names[:1])


def test_log_mel_statistics_are_those_of_scipy_spectra():
    torch.manual_seed(0)
    spec = MelSpec(sample_rate=RATE, n_fft=512, hop_length=128, n_mels=20)
    embedding = LogMelStatistics(spec, window_seconds=0.5)
    x = 0.1 * torch.randn(3, 1, embedding.window)
    _, _, z = scipy_stft(
        x[:, 0].numpy(), nperseg=512, noverlap=384, window="hann", padded=False, scaling="spectrum"
    )
    magnitudes = np.abs(z) * 256  # scipy divides by the sum of the window
    bands = np.log(np.maximum(mel_filterbank(spec).numpy() @ magnitudes, spec.floor))
    expected = np.concatenate([bands.mean(-1), bands.std(-1)], axis=1)
    np.testing.assert_allclose(embedding(x).numpy(), expected, rtol=1e-4, atol=1e-4)
    assert embedding.dim == 40


def test_latent_statistics_take_an_encoder():
    source = AudioSource(sample_rate=100, channels=2)
    embedding = LatentStatistics(
        lambda x: x.unfold(-1, 10, 10).mean(-1), source, dim=2, fingerprint="a"
    )
    x = torch.randn(4, 2, 100)
    frames = x.view(4, 2, 10, 10).mean(-1)
    expected = torch.cat([frames.mean(-1), frames.std(-1, correction=0)], 1)
    torch.testing.assert_close(embedding(x), expected)
    other = LatentStatistics(lambda x: x, source, dim=2, fingerprint="b")
    assert embedding.fingerprint != other.fingerprint
    with pytest.raises(ValueError, match="hop_seconds must hold one sample"):
        LatentStatistics(lambda x: x, source, dim=2, fingerprint="a", hop_seconds=0.001)
