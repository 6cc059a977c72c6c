"""What is measured of blocks: statistics by hand, one thread, no block left out."""

from __future__ import annotations

import pytest
import torch

from latentone.codecs import IdentityWaveform, IdentityWaveformConfig
from latentone.live import measure_blocks
from latentone.live.benchmark import summarise
from latentone.processes import one_thread


def test_statistics_of_known_times():
    times = torch.tensor([1.0] * 98 + [2.0, 11.0], dtype=torch.float64)
    found = summarise(times, block=160, rate=16_000, delay=80)
    assert (found.block, found.block_ms, found.blocks, found.max_ms) == (160, 10.0, 100, 11.0)
    assert found.mean_ms == pytest.approx(1.11)
    assert found.median_ms == 1.0
    assert found.p99_ms == pytest.approx(2 + 0.01 * 9)  # interpolated as numpy does
    assert found.jitter_ms == pytest.approx(times.numpy().std())
    assert found.late == pytest.approx(0.01)
    assert found.realtime == pytest.approx(10 / 1.11)
    assert found.delay_ms == pytest.approx(15.0)
    assert found.latency_ms == pytest.approx(16.0)
    assert found.safe_latency_ms == pytest.approx(15 + 2.09)


def test_every_block_is_measured():
    codec = IdentityWaveform(IdentityWaveformConfig())
    found = measure_blocks(codec, 160, seconds=0.5, warmup=2)
    assert found.blocks == 50 and found.delay_ms == 10.0
    assert 0 < found.median_ms <= found.p99_ms <= found.max_ms
    with pytest.raises(ValueError, match="measure longer"):
        measure_blocks(codec, 160, seconds=0.001)


def test_one_thread_while_it_lasts():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before
