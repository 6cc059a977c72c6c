"""Generative models of musical sound: codec x generator x conditioning.

    import latentone
    music = latentone.load("run")
    music.generate("a slow waltz", duration=8).save("waltz.wav")

Names load on first use: importing the package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import Audio, load_audio, save_audio
    from .loading import load
    from .pipeline import Pipeline

__all__ = ["Audio", "Pipeline", "__version__", "load", "load_audio", "save_audio"]

__version__ = "0.1.0"

_HOMES = {
    "Audio": "audio",
    "load_audio": "audio",
    "save_audio": "audio",
    "Pipeline": "pipeline",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
