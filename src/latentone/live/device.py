"""Microphone and loudspeaker, through sounddevice and PortAudio where they are installed.

The thread that PortAudio calls must never wait: it hands a block over, takes what is ready, and
returns. Another thread computes; its result is due `LEAD` blocks later, and a block that is not
ready then is silence, counted, and thrown away when it comes.
"""

from __future__ import annotations

import queue
import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .stream import LiveCodec

__all__ = ["Player", "list_devices"]

LEAD = 1
"""Blocks that there are to compute one."""
BACKLOG = 8
"""Blocks that may wait to be computed; further ones are dropped."""

Samples = NDArray[np.float32]


def list_devices() -> str:
    """The sound devices of this computer, one a line with its number.

    Raises:
        ImportError: sounddevice is not installed.
        OSError: PortAudio is not.
    """
    return str(_sounddevice().query_devices())


class Player:
    """Plays the microphone, or a sound, through a codec.

    Args:
        live: the codec; its `block` is the block of the device.
        sound: `(C, T)` at the codec's rate, instead of a microphone.
        device: number or name, as `list_devices` has them, or two of them, to hear with and to
            play through; None takes the usual ones.
    """

    def __init__(
        self,
        live: LiveCodec,
        *,
        sound: Tensor | None = None,
        device: int | str | tuple[int | str, int | str] | None = None,
    ) -> None:
        self.live, self.device = live, device
        self.sound = None if sound is None else sound.T.contiguous().numpy()
        self.underruns = 0
        """Blocks of silence, since the sound was not ready."""
        self.dropped = 0
        """Blocks of input that were not played, since too many were waiting."""
        self.glitches = 0
        """Calls at which the device told of a gap of its own."""
        self.finished = threading.Event()
        self._count = 0
        self._held: tuple[int, Samples] | None = None
        self._inbox: queue.SimpleQueue[tuple[int, Samples] | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[tuple[int, Samples]] = queue.SimpleQueue()
        self._error: Exception | None = None

    @property
    def latency_ms(self) -> float:
        """From microphone to loudspeaker, in ms, without what the device itself adds."""
        spec = self.live.spec
        return self.live.latency_ms + 1000 * LEAD * self.live.block / spec.sample_rate

    def run(self) -> None:
        """Play until the sound ends, or for ever; Ctrl-C ends it.

        Raises:
            ImportError: sounddevice is not installed.
            OSError: PortAudio is not.
            ValueError: the device does not open at the codec's rate and channels.
        """
        module = _sounddevice()
        channels = self.live.codec.source.channels
        settings: dict[str, Any] = {
            "samplerate": self.live.spec.sample_rate,
            "blocksize": self.live.block,
            "channels": channels,
            "dtype": "float32",
            "latency": "low",
            "device": self.device,
        }
        if self.sound is not None and isinstance(self.device, tuple):
            settings["device"] = self.device[1]
        worker = threading.Thread(target=self.work, name="latentone live", daemon=True)
        worker.start()
        try:
            if self.sound is None:
                stream = module.Stream(callback=self.exchange, **settings)
            else:
                stream = module.OutputStream(
                    callback=lambda out, n, t, status: self.exchange(None, out, n, t, status),
                    **settings,
                )
            with stream:
                while not self.finished.wait(0.1):
                    pass
        except module.PortAudioError as error:
            raise ValueError(
                f"the sound device does not open at {settings['samplerate']} Hz with {channels} "
                f"channels: {error}; choose another by --sound-device, see --list-devices"
            ) from error
        finally:
            self._inbox.put(None)
            worker.join()
        if self._error is not None:
            raise self._error

    def exchange(
        self, heard: Samples | None, played: Samples, frames: int, _time: Any, status: Any
    ) -> None:
        """What PortAudio calls: take a block `(n, C)`, fill another; never waits."""
        number, self._count = self._count, self._count + 1
        if status:
            self.glitches += 1
        if self._inbox.qsize() < BACKLOG:
            self._inbox.put((number, self._take(heard, number, frames)))
        else:
            self.dropped += 1
        due = number - LEAD
        while self._held is None or self._held[0] < due:
            try:
                self._held = self._outbox.get_nowait()
            except queue.Empty:
                break
        if self._held is not None and self._held[0] == due:
            played[:] = self._held[1]
        else:
            played.fill(0)
            self.underruns += due >= 0
        if self._ended(number, frames):
            self.finished.set()

    def work(self) -> None:
        """What the other thread does: compute blocks until it is told to stop."""
        try:
            while (item := self._inbox.get()) is not None:
                number, x = item
                y = self.live.process(torch.from_numpy(x).T)
                self._outbox.put((number, y.T.numpy()))
        except Exception as error:
            self._error = error
            self.finished.set()

    def _take(self, heard: Samples | None, number: int, frames: int) -> Samples:
        if self.sound is None:
            assert heard is not None
            return heard.copy()
        x = np.zeros((frames, self.sound.shape[1]), dtype=np.float32)
        piece = self.sound[number * frames : (number + 1) * frames]
        x[: len(piece)] = piece
        return x

    def _ended(self, number: int, frames: int) -> bool:
        """Whether the last sample of the sound has come out."""
        if self.sound is None:
            return False
        return (number + 1 - LEAD) * frames >= len(self.sound) + self.live.delay


def _sounddevice() -> Any:
    """The module, or an error that says what to install."""
    try:
        import sounddevice
    except ImportError as error:
        raise ImportError(
            "live sound needs sounddevice: pip install 'latentone[live]'; `--output` and "
            "`--benchmark` need none"
        ) from error
    except OSError as error:
        raise OSError(
            f"{error}: install PortAudio (Debian and Ubuntu: apt install libportaudio2; the "
            "packages for macOS and Windows bring it); `--output` and `--benchmark` need none"
        ) from error
    return sounddevice
