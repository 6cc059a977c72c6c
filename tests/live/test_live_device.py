"""The sound device: never waits, silence for what is late, in step again afterwards."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from latentone.codecs import IdentityWaveform, IdentityWaveformConfig
from latentone.commands.play import _device
from latentone.live import LiveCodec, Player, list_devices

BLOCK = 4


def live() -> LiveCodec:
    return LiveCodec(IdentityWaveform(IdentityWaveformConfig(channels=2)), block=BLOCK)


def block(value: float) -> np.ndarray:
    return np.full((BLOCK, 2), value, dtype=np.float32)


def exchange(player: Player, value: float, status: object = None) -> float:
    """What is heard while a block of this value goes in."""
    out = block(-1.0)
    player.exchange(block(value), out, BLOCK, None, status)
    assert (out == out[0, 0]).all()
    return float(out[0, 0])


def compute(player: Player, count: int) -> None:
    """What the other thread does, for so many blocks, here."""
    items = [player._inbox.get_nowait() for _ in range(count)]
    waiting = [player._inbox.get_nowait() for _ in range(player._inbox.qsize())]
    for item in (*items, None):
        player._inbox.put(item)
    player.work()
    for item in waiting:
        player._inbox.put(item)


def test_a_block_is_heard_one_block_later():
    player = Player(live())
    assert exchange(player, 1.0) == 0
    compute(player, 1)
    assert exchange(player, 2.0) == 1
    compute(player, 1)
    assert exchange(player, 3.0, "input overflow") == 2
    assert (player.underruns, player.dropped, player.glitches) == (0, 0, 1)
    assert player.latency_ms == pytest.approx(1000 * 2 * BLOCK / 16_000)


def test_what_comes_too_late_is_silence_once_and_never_heard():
    player = Player(live())
    heard = [exchange(player, value) for value in (1.0, 2.0, 3.0)]
    assert heard == [0, 0, 0] and player.underruns == 2
    compute(player, 3)
    assert exchange(player, 4.0) == 3  # in step: 1 and 2 are thrown away
    compute(player, 1)
    assert exchange(player, 5.0) == 4
    assert player.underruns == 2


def test_input_that_nobody_computes_is_dropped_and_the_memory_bounded():
    player = Player(live())
    for value in range(20):
        exchange(player, float(value))
    assert (player.dropped, player._inbox.qsize()) == (12, 8)
    compute(player, 8)
    assert exchange(player, 20.0) == 0  # block 19 was dropped
    compute(player, 1)
    assert exchange(player, 21.0) == 20


class Device(ModuleType):
    """Stands for sounddevice: calls back from its own thread until the stream is closed."""

    class PortAudioError(Exception):
        pass

    class CallbackStop(Exception):
        pass

    def __init__(self, refuses: bool = False) -> None:
        super().__init__("sounddevice")
        self.refuses = refuses
        self.heard: list[np.ndarray] = []
        self.settings: dict[str, Any] = {}
        device = self

        class Stream:
            has_input = True

            def __init__(self, callback: Any, **settings: Any) -> None:
                if device.refuses:
                    raise device.PortAudioError("Invalid sample rate")
                device.settings, self.callback = settings, callback
                self.closed = threading.Event()
                self.thread = threading.Thread(target=self.run)

            def run(self) -> None:
                while not self.closed.is_set():
                    out = block(0.0)
                    inputs = (block(0.5),) if self.has_input else ()
                    self.callback(*inputs, out, BLOCK, None, None)
                    device.heard.append(out)
                    self.closed.wait(0.002)

            def __enter__(self) -> None:
                self.thread.start()

            def __exit__(self, *_: Any) -> None:
                self.closed.set()
                self.thread.join()

        class OutputStream(Stream):
            has_input = False

        self.Stream, self.OutputStream = Stream, OutputStream

    def query_devices(self) -> str:
        return "> 0 pretended"


def test_a_sound_is_played_to_its_end(monkeypatch):
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    sound = torch.rand(2, 30)
    player = Player(live(), sound=sound, device=3)
    player.run()
    assert device.settings == {
        "samplerate": 16_000,
        "blocksize": BLOCK,
        "channels": 2,
        "dtype": "float32",
        "latency": "low",
        "device": 3,
    }
    heard = np.concatenate(device.heard)[BLOCK:]
    if not player.underruns:  # a busy machine may be late
        np.testing.assert_allclose(heard[:30], sound.T.numpy(), atol=1e-6)
    assert len(heard) >= 30 and list_devices() == "> 0 pretended"


def test_two_devices_one_to_hear_and_one_to_play(monkeypatch):
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    Player(live(), sound=torch.rand(2, 30), device=(3, "speaker")).run()
    assert device.settings["device"] == "speaker"  # a sound needs no microphone
    player = Player(live(), device=(3, "speaker"))
    player.finished.set()
    player.run()
    assert device.settings["device"] == (3, "speaker")
    assert _device("3, speaker") == (3, "speaker") and _device("2") == 2 and _device(None) is None
    with pytest.raises(ValueError, match="MICROPHONE,LOUDSPEAKER, got '1,2,3'"):
        _device("1,2,3")


def test_an_error_of_the_computing_thread_ends_the_playing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", Device())
    player = Player(live())
    monkeypatch.setattr(player.live, "process", lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        player.run()


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", Device(refuses=True))
    with pytest.raises(ValueError, match=r"16000 Hz with 2 channels: Invalid sample rate; .*list"):
        Player(live()).run()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ImportError, match=r"pip install 'latentone\[live\]'"):
        list_devices()


def test_without_portaudio_it_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(OSError, match="PortAudio library not found: install PortAudio"):
        list_devices()
