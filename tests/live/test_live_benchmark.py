"""What is measured of blocks: statistics by hand, one thread, no block left out."""

from __future__ import annotations

import pytest
import torch

from latentone.codecs import EnCodec, IdentityWaveform, IdentityWaveformConfig
from latentone.live import measure_blocks
from latentone.live.benchmark import summarise
from latentone.processes import one_thread
from latentone.systems import encodec


def test_statistics_of_known_times():
    times = torch.tensor([1.0] * 98 + [2.0, 11.0], dtype=torch.float64)
    computed = torch.ones(100, dtype=torch.bool)
    found = summarise(times, computed, block=160, rate=16_000, delay=80)
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


def test_blocks_that_only_store_do_not_hide_the_others():
    times = torch.tensor([0.1, 0.1, 0.1, 5.0] * 10, dtype=torch.float64)
    found = summarise(times, times > 1, block=32, rate=16_000, delay=96)
    assert (found.blocks, found.median_ms, found.p99_ms, found.late) == (10, 5.0, 5.0, 1.0)
    assert found.realtime == pytest.approx(2 / 1.325)
    with pytest.raises(ValueError, match="measure longer"):
        summarise(times, times > 9, block=32, rate=16_000, delay=96)


def test_a_block_shorter_than_a_frame_is_measured_when_it_completes_one():
    torch.manual_seed(0)
    codec = EnCodec(encodec.RECIPES["debug"]().codec.task.model)  # frames of 160 samples
    found = measure_blocks(codec, 40, seconds=0.5, warmup=3)
    assert found.blocks == 25


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
