"""Embedding files: seconds of sound per second, alone and with worker processes, beside librosa.

    python benchmarks/embeddings.py [--files 400] [--seconds 12] [--workers 0 1 2] [--repeats 3]

Stereo FLAC files at 44.1 kHz, so that decoding and resampling take part. librosa computes the same
log-mel statistics of the same windows, and the numbers are compared first. Workers are started in
every run, and that is part of its time. CLAP is timed on sound in memory against transformers, on
the same random weights; VGGish and the shipped classifier have no peer that installs here.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
import transformers
from harness import alternate, machine, record
from torch import Tensor

from latentone.audio import Audio
from latentone.embeddings import Embedding, LogMelStatistics, embed_files, load_shipped
from latentone.embeddings.clap import ClapEmbedding
from latentone.embeddings.vggish import VGGish
from latentone.networks.vggish import VGGishNetwork

RATE = 44_100


def write_files(folder: Path, count: int, seconds: float) -> list[Path]:
    """Chords of decaying tones over a little noise, stereo."""
    rng = torch.Generator().manual_seed(0)
    time_axis = torch.arange(round(seconds * RATE)) / RATE
    paths = []
    for i in range(count):
        hz = 55 * 2 ** (torch.randint(0, 60, (6, 1), generator=rng) / 12)
        decay = (-(time_axis % 0.5) * 6).exp()
        tones = (2 * torch.pi * hz * time_axis).sin() * decay
        noise = 0.01 * torch.randn(2, len(time_axis), generator=rng)
        x = 0.1 * torch.stack([tones[:3].sum(0), tones[3:].sum(0)]) + noise
        paths.append(folder / f"{i:05d}.flac")
        Audio(x, RATE).save(paths[-1], subtype="PCM_16")
    return paths


def by_librosa(embedding: LogMelStatistics, paths: Sequence[Path]) -> np.ndarray:
    """The same statistics, `(N, 128)`."""
    spec, vectors = embedding.spec, []
    for path in paths:
        y, _ = librosa.load(path, sr=spec.sample_rate, mono=True, res_type="soxr_hq")
        y = y.astype(np.float32)
        windows = librosa.util.frame(y, frame_length=embedding.window, hop_length=embedding.hop)
        bands = librosa.feature.melspectrogram(
            y=np.ascontiguousarray(windows.T),
            sr=spec.sample_rate,
            n_fft=spec.n_fft,
            hop_length=spec.hop_length,
            n_mels=spec.n_mels,
            fmin=spec.f_min,
            power=spec.power,
            pad_mode="constant",
        )
        bands = np.log(np.maximum(bands, spec.floor))
        vectors.append(np.concatenate([bands.mean(-1), bands.std(-1)], axis=1))
    return np.concatenate(vectors)


def require_equal(ours: Tensor, peer: Tensor, tolerance: float, name: str) -> None:
    """Stop unless both compute the same."""
    error = float((ours - peer).abs().max()) if ours.shape == peer.shape else float("inf")
    print(f"{name}: ours and the peer's differ by at most {error:.2g}")
    if not error < tolerance:
        raise SystemExit(f"nothing to compare: {name} differs by {error:.2g}")


def alone(run: Callable[[], Any], seconds: float, repeats: int) -> str:
    """Median rate."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return f"{seconds / statistics.median(times):.3g} s/s"


def random_clap(folder: Path) -> Path:
    """CLAP with the published audio tower, random weights and hardly any text tower."""
    torch.manual_seed(0)
    text = {"num_hidden_layers": 1, "vocab_size": 100}
    transformers.ClapModel(transformers.ClapConfig(text_config=text)).save_pretrained(folder)
    extractor = transformers.ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50)
    extractor.save_pretrained(folder)
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
    transformers.RobertaTokenizerFast(vocab=vocabulary, merges=[]).save_pretrained(folder)
    return folder


def peer_clap(model: Any, extractor: Any, x: Tensor) -> Tensor:
    sounds = [sound.numpy() for sound in x[:, 0]]
    inputs = extractor(sounds, sampling_rate=48_000, return_tensors="pt")
    return model.get_audio_features(inputs["input_features"].float()).pooler_output


def clap_row(folder: Path, repeats: int) -> list[str]:
    embedding = ClapEmbedding(random_clap(folder))
    model = transformers.ClapModel.from_pretrained(folder).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    x = 0.1 * torch.randn(4, 1, embedding.window)
    ours, peer = partial(embedding, x), partial(peer_clap, model, extractor, x)
    require_equal(ours(), peer(), 1e-4, "clap")
    timing = alternate(ours, peer, repeats=repeats)
    return timing.row("clap, 4 windows in memory, transformers", 40, "s/s")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()

    seconds, rows = arguments.files * arguments.seconds, []
    with tempfile.TemporaryDirectory() as name:
        paths = write_files(Path(name), arguments.files, arguments.seconds)
        plain = LogMelStatistics()
        peer = torch.from_numpy(by_librosa(plain, paths[:4]))
        require_equal(embed_files(plain, paths[:4]).vectors, peer, 1e-4, "logmel")
        for workers in arguments.workers:
            timing = alternate(
                partial(embed_files, plain, paths, workers=workers),
                partial(by_librosa, plain, paths),
                repeats=arguments.repeats,
                warmup=0,
            )
            rows.append(timing.row(f"logmel, {workers} workers, librosa", seconds, "s/s"))
        others: dict[str, Embedding] = {"vggish": VGGish(VGGishNetwork())}
        try:
            others["classifier"] = load_shipped("classifier")
        except FileNotFoundError as error:
            print(f"left out the classifier: {error}")
        few = paths[: max(1, len(paths) // 10)]
        for label, embedding in others.items():
            for workers in arguments.workers:
                run = partial(embed_files, embedding, few, workers=workers)
                rate = alone(run, len(few) * arguments.seconds, arguments.repeats)
                rows.append([f"{label}, {workers} workers, {len(few)} files", rate, "none", ""])
    with tempfile.TemporaryDirectory() as name:
        rows.append(clap_row(Path(name), arguments.repeats))
    command = f"--files {arguments.files} --seconds {arguments.seconds:g}"
    record(
        "Embedding files, seconds of sound per second",
        f"`python benchmarks/embeddings.py {command} --threads {arguments.threads}` on "
        f"{machine()}; peers: librosa {version('librosa')} in one process, transformers "
        f"{transformers.__version__}. Medians of {arguments.repeats} runs. One thread embeds "
        "files, in this process (0 workers) or in each worker; CLAP in memory has all threads.",
        ["what", "ours", "peer", "ours / peer (spread)"],
        rows,
    )


if __name__ == "__main__":
    main()
