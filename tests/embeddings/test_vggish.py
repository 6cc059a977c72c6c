"""VGGish: front end and network against the same maths in NumPy, and files that are not it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from latentone.audio import Audio
from latentone.embeddings import embed_files
from latentone.embeddings.vggish import VGGish, VGGishBands
from latentone.networks.vggish import VGGishNetwork

RATE = 16_000


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of random weights that keep the size of what passes through; 289 MB."""
    with torch.device("meta"):
        network = VGGishNetwork()
    rng = torch.Generator().manual_seed(0)
    state = {}
    for name, p in network.state_dict().items():
        scale = (2 / p[0].numel()) ** 0.5 if p.ndim > 1 else 0.1
        state[name] = scale * torch.randn(p.shape, generator=rng)
    path = tmp_path_factory.mktemp("vggish") / "vggish.pth"
    torch.save(state, path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def embedding(weights: Path) -> VGGish:
    return VGGish.from_file(weights)


def sound(samples: int) -> torch.Tensor:
    """Noise and a tone, `(samples,)`."""
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(1))
    return 0.1 * noise + 0.3 * (0.1 * torch.arange(samples)).sin()


def bands_by_numpy(x: np.ndarray) -> np.ndarray:
    """The published front end, `(frames, 64)`: every bin weighed by its place in mel."""
    frames = sliding_window_view(x.astype(np.float64), 400)[::160]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    magnitudes = np.abs(np.fft.rfft(frames * window, 512))
    low, high, bins = (
        1127 * np.log1p(np.asarray(hz) / 700) for hz in (125, 7500, np.arange(257) * 31.25)
    )
    edges = np.linspace(low, high, 66)
    bank = [np.interp(bins, edges[m : m + 3], [0, 1, 0]) for m in range(64)]
    return np.log(magnitudes @ np.array(bank).T + 0.01)


def network_by_numpy(patch: np.ndarray, state: dict[str, torch.Tensor]) -> np.ndarray:
    """The published network on one patch `(96, 64)`, float64 `(128,)` before the last rectifier."""
    tensors = iter(t.double().numpy() for t in state.values())
    x = patch[..., None].astype(np.float64)  # frames, bands, channels
    for convolutions in (1, 1, 2, 2):
        for _ in range(convolutions):
            kernel, bias = next(tensors), next(tensors)
            around = sliding_window_view(np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
            x = np.maximum(np.tensordot(around, kernel, ((2, 3, 4), (1, 2, 3))) + bias, 0)
        x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))
    x = x.reshape(-1)
    for layer in range(3):
        matrix, bias = next(tensors), next(tensors)
        x = matrix @ (np.maximum(x, 0) if layer else x) + bias
    return x


def test_has_the_published_size() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in VGGishNetwork().parameters()) == 72_141_184


def test_bands_are_those_of_numpy() -> None:
    x = sound(20_000)
    found = VGGishBands()(torch.stack([x, 0 * x]))
    assert found.shape == (2, 1 + (20_000 - 400) // 160, 64)
    np.testing.assert_allclose(found[0].numpy(), bands_by_numpy(x.numpy()), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[1].numpy(), np.log(0.01), rtol=1e-6)


def test_vectors_are_those_of_numpy(embedding: VGGish, weights: Path) -> None:
    x = sound(40_000)
    windows = torch.stack([x[s : s + embedding.window] for s in embedding.starts(len(x))])[:, None]
    assert windows.shape == (2, 1, 15_600)
    found = embedding(windows)
    # Patches are cut from the bands of the whole sound, as everyone else does.
    patches = bands_by_numpy(x.numpy())[: 2 * 96].reshape(2, 96, 64)
    state = torch.load(weights, weights_only=True, mmap=True)
    expected = np.stack([network_by_numpy(patch, state) for patch in patches])
    assert (expected < 0).any() and np.abs(expected[0] - expected[1]).max() > 0.1
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    torch.testing.assert_close(embedding(windows[1:]), found[1:])
    rectified = VGGish(embedding.network, rectified=True)
    assert torch.equal(rectified(windows), found.relu())


@pytest.mark.parametrize("samples", [15_600, 30_959, 30_960, 100_000])
def test_windows_are_every_96_frames_that_are_whole(embedding: VGGish, samples: int) -> None:
    frames = 1 + (samples - 400) // 160
    assert len(embedding.starts(samples)) == 1 + (frames - 96) // 96


def test_name_and_fingerprint_follow_weights_and_settings(embedding: VGGish) -> None:
    network = embedding.network
    same, half = VGGish(network), VGGish(network, hop_seconds=0.5)
    rectified = VGGish(network, rectified=True)
    assert same.fingerprint == embedding.fingerprint and same.name == embedding.name
    assert len({e.fingerprint for e in (same, half, rectified)}) == 3
    assert half.hop == 8000 and half.name == same.name != rectified.name
    bias = network.embeddings[0].bias
    bias[0] += 1
    other = VGGish(network)
    bias[0] -= 1
    assert other.fingerprint != same.fingerprint and other.name != same.name


def test_short_and_silent_files_have_vectors(embedding: VGGish, tmp_path: Path) -> None:
    Audio(sound(4000)[None], RATE).save(tmp_path / "short.wav", subtype="FLOAT")
    Audio(torch.zeros(2, 44_100), 44_100).save(tmp_path / "silence.wav")
    found = embed_files(embedding, [tmp_path / "short.wav", tmp_path / "silence.wav"])
    assert found.vectors.shape == (2, 128) and found.vectors.isfinite().all()
    filled = sound(4000).repeat(4)[: embedding.window]
    torch.testing.assert_close(found.vectors[:1], embedding(filled[None, None]))
    with pytest.raises(ValueError, match="windows of 15600 samples, got 4000"):
        embedding(sound(4000)[None, None])


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vggish.pth"
    with pytest.raises(FileNotFoundError, match=r"expected the weights .* fetches nothing"):
        VGGish.from_file(path)
    path.write_text("words")
    with pytest.raises(ValueError, match="no state dict that can be read safely"):
        VGGish.from_file(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="no state dict that can be read safely"):
        VGGish.from_file(path)
    torch.save({"features.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(ValueError, match=r"(?s)not hold the weights of VGGish.*features\.0\.bias"):
        VGGish.from_file(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="not hold the weights of VGGish"):
        VGGish.from_file(path)


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    path, trace = tmp_path / "vggish.pth", tmp_path / "ran"
    torch.save({"features.0.weight": Touch(trace)}, path)
    with pytest.raises(ValueError, match="no state dict that can be read safely"):
        VGGish.from_file(path)
    path.write_bytes(pickle.dumps(Touch(trace), protocol=2))
    with pytest.raises(ValueError, match="no state dict that can be read safely"):
        VGGish.from_file(path)
    assert not trace.exists()
