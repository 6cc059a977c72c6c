"""Windows, batches, caches: the vectors of a file are always the same."""

import math
import os
import signal
import subprocess
import sys
import textwrap

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


class Products(Embedding):
    """Layers whose products round by the number of threads."""

    name, dim, fingerprint = "products", 128, "4567"

    def __init__(self):
        super().__init__(AudioSource(sample_rate=100, channels=1), 1.0, 0.5)
        torch.manual_seed(1)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv1d(1, 64, 9), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(128)
        )
        self.layers(torch.zeros(1, 1, 100))

    def forward(self, x):
        return self.layers(x)


class Threads(Means):
    """The number of threads that compute."""

    def forward(self, x):
        return torch.full((len(x), 1), float(torch.get_num_threads()))


class Misbehaving(Means):
    """Ends its process, or fails, at the shortest sounds."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        if len(x) == 1 and self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if len(x) == 1:
            raise TypeError("a mistake in the embedding")
        return super().forward(x)


def _unsendable():
    embedding = Products()
    embedding.hook = lambda: None
    return embedding


def test_processes_give_the_same_bits_in_the_same_order(folder, tmp_path):
    (folder / "words.wav").write_text("words")
    chosen = [*paths(folder), folder / "words.wav", folder / "gone.wav", *paths(folder)]
    threads = torch.get_num_threads()
    alone = embed_files(Products(), chosen)
    seen = []
    found = embed_files(
        Products(),
        chosen,
        workers=2,
        cache=tmp_path / "cache",
        on_file=lambda done, total: seen.append((done, total)),
    )
    assert torch.equal(found.vectors, alone.vectors) and torch.equal(found.file, alone.file)
    assert found.paths == alone.paths and found.failures == alone.failures
    assert set(found.failures) == {str(p) for p in chosen[3:5]}
    assert seen == [(done, 8) for done in range(1, 9)]
    assert torch.get_num_threads() == threads
    # All is in the cache, and no process is started, which could not be sent this class.
    cached = embed_files(_unsendable(), paths(folder), cache=tmp_path / "cache", workers=2)
    assert torch.equal(cached.vectors, alone.vectors[: len(cached.vectors)])


def test_one_thread_computes_however_many_there_are(folder):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for workers in (0, 1):
            found = embed_files(Threads(), paths(folder), workers=workers)
            assert found.vectors.unique().tolist() == [1]
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_a_killed_process_is_an_error_and_no_hang(folder):
    with pytest.raises(RuntimeError, match=r"a worker process ended at one of .*short\.wav"):
        embed_files(Misbehaving("die"), paths(folder)[1:], workers=1)


def test_a_mistake_in_a_process_is_raised_with_its_traceback(folder):
    with pytest.raises(TypeError, match="a mistake") as raised:
        embed_files(Misbehaving("fail"), paths(folder)[:2], workers=1)
    assert "in forward" in str(raised.value.__cause__)
    with pytest.raises(TypeError, match="a mistake"):
        embed_files(Misbehaving("fail"), paths(folder)[:2])


def test_what_cannot_be_sent_to_a_process_is_refused(folder):
    source = AudioSource(sample_rate=100, channels=1)
    embedding = LatentStatistics(lambda x: x, source, dim=1, fingerprint="a")
    with pytest.raises(ValueError, match=r"latents cannot be sent to worker processes .*workers=0"):
        embed_files(embedding, paths(folder), workers=1)
    with pytest.raises(ValueError, match="workers must be 0 or more, got -1"):
        embed_files(embedding, paths(folder), workers=-1)


def test_no_gradients_are_kept(folder):
    assert not embed_files(Products(), paths(folder)).vectors.requires_grad


class Padded(Means):
    """Fills short sounds with silence."""

    def fill(self, x):
        return torch.nn.functional.pad(x, (0, self.window - x.shape[-1]))


def test_an_embedding_may_fill_short_sounds_its_own_way(folder):
    found = embed_files(Padded(), paths(folder))
    short = Means().source.load(folder / "short.wav").sum() / 100
    torch.testing.assert_close(found.vectors[found.file == 1][0, 0], short)
    plain = embed_files(Means(), paths(folder))
    others = found.file != 1
    assert torch.equal(found.vectors[others], plain.vectors[others])


def test_a_file_that_changes_while_it_is_read_is_embedded_anew(folder, tmp_path):
    path = folder / "exact.wav"

    class Late(Means):
        def forward(self, x):
            Audio(torch.full((1, 100), 0.5), 100).save(path, subtype="FLOAT")
            os.utime(path, (1, 1))
            return super().forward(x)

    before = embed_files(Late(), [path], cache=tmp_path / "cache")
    after = embed_files(Means(), [path], cache=tmp_path / "cache")
    assert float(after.vectors) == pytest.approx(0.5) != pytest.approx(float(before.vectors))


INTERRUPTED = """
    import multiprocessing
    import sys
    import time
    from pathlib import Path

    from latentone.audio import AudioSource
    from latentone.embeddings import Embedding, embed_files

    class Slow(Embedding):
        name, dim, fingerprint = "slow", 1, "89"

        def __init__(self):
            super().__init__(AudioSource(sample_rate=100, channels=1), 1.0, 0.5)

        def forward(self, x):
            time.sleep(600 if len(x) > 1 else 0)
            return x.mean((1, 2))[:, None]

    def say(done, total):
        print(*[p.pid for p in multiprocessing.active_children()], flush=True)

    if __name__ == "__main__":
        folder = Path(sys.argv[1])
        files = [folder / "short.wav", folder / "long.wav", folder / "long.wav"]
        embed_files(Slow(), files, workers=2, on_file=say)
"""


@pytest.mark.slow
def test_an_interrupt_ends_all_processes(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(INTERRUPTED))
    command = [sys.executable, str(script), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        children = [int(pid) for pid in process.stdout.readline().split()]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert len(children) == 2 and errors.rstrip().endswith(b"KeyboardInterrupt")
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
def test_a_script_without_its_guard_is_told_so(folder, tmp_path):
    script = tmp_path / "script.py"
    guard = 'if __name__ == "__main__":'
    script.write_text(textwrap.dedent(INTERRUPTED).replace(guard, "if True:"))
    command = [sys.executable, str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode and b"`if __name__ == '__main__':`" in done.stderr
