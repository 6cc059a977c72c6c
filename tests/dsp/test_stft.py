"""STFT against scipy and closed forms; the inverse gives the signal back."""

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.dsp import STFT, istft, stft


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("n_fft", "hop", "win"),
    [(256, 64, 256), (512, 50, 240), (1024, 120, 600), (32, 8, 32), (9, 3, 7)],
)
def test_frames_equal_scipys_transform_of_each_windowed_frame(n_fft, hop, win):
    x = noise(3000)
    left = n_fft // 2
    padded = np.pad(x.numpy(), (left, n_fft))
    window = scipy.signal.get_window("hann", win, fftbins=True)
    window = np.pad(window, ((n_fft - win) // 2, n_fft - win - (n_fft - win) // 2))
    module = STFT(n_fft, hop, win)
    ours = module(x)
    assert ours.shape == (n_fft // 2 + 1, module.num_frames(3000))
    for frame in range(0, ours.shape[1], 7):
        piece = padded[frame * hop : frame * hop + n_fft] * window
        np.testing.assert_allclose(ours[:, frame], np.fft.rfft(piece), atol=1e-5)


def test_equals_torch_stft_with_reflection():
    x = noise(2, 4000).float()
    window = torch.hann_window(256)
    theirs = torch.stft(x, 256, 64, window=window, return_complex=True, pad_mode="reflect")
    ours = STFT(256, 64, pad_mode="reflect")(x)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("padding", ["center", "same", "none"])
@pytest.mark.parametrize("length", [256, 257, 319, 320, 1000])
def test_frame_counts_are_exact(padding, length):
    module = STFT(256, 64, padding=padding)
    frames = module(torch.zeros(length)).shape[-1]
    expected = {
        "center": 1 + (length + 2 * 128 - 256) // 64,
        "same": -(-length // 64),
        "none": 1 + (length - 256) // 64,
    }[padding]
    assert frames == expected == module.num_frames(length)


def test_a_cosine_on_a_bin_is_three_bins_of_a_hann_window():
    n = 128
    x = torch.cos(2 * torch.pi * 20 * torch.arange(n, dtype=torch.float64) / n)
    spectrum = STFT(n, n // 4, padding="none")(x)[:, 0].abs()
    expected = torch.zeros(n // 2 + 1, dtype=torch.float64)
    expected[19:22] = torch.tensor([n / 8, n / 4, n / 8])
    torch.testing.assert_close(spectrum, expected, atol=1e-5, rtol=0)


def test_normalized_white_noise_has_its_variance_in_each_bin():
    module = STFT(256, 64, normalized=True, padding="none")
    power = module(0.3 * noise(200_000)).abs().square().mean(-1)
    torch.testing.assert_close(power[1:-1].mean().item(), 0.09, rtol=0.02, atol=0)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(1, 2000),
    n_fft=st.sampled_from([16, 64, 256, 255]),
    overlap=st.sampled_from([2, 4, 5]),
    channels=st.integers(1, 3),
)
def test_the_inverse_gives_the_signal_back(length, n_fft, overlap, channels):
    x = noise(channels, length, seed=length)
    hop = n_fft // overlap
    again = istft(stft(x, n_fft, hop), length, n_fft, hop)
    torch.testing.assert_close(again, x, atol=1e-6, rtol=0)


def test_batched_equals_single_and_gradients_flow():
    x = noise(2, 3, 700)
    whole = stft(x, 64, 16)
    for b in range(2):
        for c in range(3):
            torch.testing.assert_close(whole[b, c], stft(x[b, c], 64, 16))
    x = noise(40).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(stft(x, 16, 4)), x)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="win_length must be in"):
        STFT(64, 16, 65)
    with pytest.raises(ValueError, match="hop_length must be in"):
        STFT(64, 65)
    with pytest.raises(ValueError, match="reflecting 32 samples needs a longer signal, got 32"):
        STFT(64, 16, pad_mode="reflect")(torch.zeros(32))
    with pytest.raises(ValueError, match="one frame needs 64 samples, got 63"):
        STFT(64, 16, padding="none")(torch.zeros(63))
    with pytest.raises(ValueError, match="lie under no window"):
        STFT(64, 64).inverse(stft(torch.zeros(640), 64, 64), 640)
    with pytest.raises(ValueError, match="frames reach"):
        istft(stft(torch.zeros(640), 64, 16), 5000, 64, 16)
