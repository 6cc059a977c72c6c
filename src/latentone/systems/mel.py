"""Mel spectrograms and Griffin-Lim: a codec with nothing to learn, the floor for vocoders.

Griffin, Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984; the fast search
is that of Perraudin, Balazs, Sondergaard, "A Fast Griffin-Lim Algorithm", 2013. Training one only
measures it on held-out sound and writes it down as a run. Trained vocoders over the same frames are
the systems `hifigan` and `melgan`.

Differs from the papers: magnitudes are estimated from mel bands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..codecs.base import Codec, CodecConfig
from ..codecs.mel import MelCodecConfig
from ..codecs.mel_config import GriffinLimConfig, hifigan_mel
from ..dsp.mel import MelSpec
from ..hub import build_model, model_class, resolve_folder
from ..training.recipe import Recipe, Stage, TrainConfig
from ..training.task import Batch, Optimization, Run, TaskConfig
from ..training.tasks.codec import CodecTask, CodecTaskConfig
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "AnalyticTask", "AnalyticTaskConfig", "analytic_stage"]

CARD = SystemCard(
    title="Griffin-Lim",
    paper="Signal Estimation from Modified Short-Time Fourier Transform, "
    "https://doi.org/10.1109/TASSP.1984.1164317",
    authors="Griffin, Lim",
    year=1984,
    summary=(
        "Mel spectrograms as latents, and a search for phases that makes sound of them; nothing "
        "is learned, so it is ready at once."
    ),
    sizes={
        "debug": "8 kHz mono, 16 bands, 8 passes; for tests",
        "small": "22 kHz mono, 80 bands, 32 passes of the fast search",
        "classic": "22 kHz mono, 80 bands, 100 passes of the search of 1984",
        "paper": "22 kHz mono, 80 bands, 100 passes of the fast search",
    },
)


@dataclass(frozen=True, kw_only=True)
class AnalyticTaskConfig(TaskConfig):
    """Measuring a codec that has nothing to learn."""

    model: CodecConfig
    """The codec."""

    def build(self, pretrained: Path | None = None) -> AnalyticTask:
        """Make the codec, or take the one in a model folder."""
        if pretrained is None:
            return AnalyticTask(self, build_model(self.model, Codec))
        folder = resolve_folder(pretrained)
        return AnalyticTask(self, model_class(self.model, Codec).from_pretrained(folder))


class AnalyticTask(CodecTask):
    """Runs a codec over sound and says how near it comes; no step changes anything.

    Args:
        config: which codec.
        codec: what is measured.
    """

    def __init__(self, config: AnalyticTaskConfig, codec: Codec) -> None:
        distances = CodecTaskConfig(
            model=config.model, discriminator=None, balanced=False, mel_preset="dac"
        )
        super().__init__(distances, codec)

    def optimizers(self) -> dict[str, Optimization]:
        return {}

    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        return self.validate(batch, run)


def analytic_stage(model: CodecConfig, crop_seconds: float = 1.0) -> Stage:
    """One step and one validation."""
    train = TrainConfig(
        steps=1,
        batch_size=1,
        crop_seconds=crop_seconds,
        log_every=1,
        validate_every=1,
        validate_items=32,
        preview_every=1,
    )
    return Stage(task=AnalyticTaskConfig(model=model), train=train)


def _debug() -> Stage:
    mel = MelSpec(sample_rate=8_000, n_fft=512, hop_length=128, n_mels=16, padding="same")
    model = MelCodecConfig(mel=mel, decoder=GriffinLimConfig(iterations=8))
    return analytic_stage(model, crop_seconds=0.5)


def _stage(iterations: int, momentum: float) -> Stage:
    """All frequencies: music, unlike speech, sounds above 8 kHz."""
    decoder = GriffinLimConfig(iterations=iterations, momentum=momentum)
    return analytic_stage(MelCodecConfig(mel=hifigan_mel(f_max=None), decoder=decoder))


def _recipe(size: str, codec: Callable[[], Stage]) -> Callable[[], Recipe]:
    return lambda: Recipe(system="mel", size=size, codec=codec())


RECIPES: dict[str, Callable[[], Recipe]] = {
    "debug": _recipe("debug", _debug),
    "small": _recipe("small", lambda: _stage(32, 0.99)),
    "classic": _recipe("classic", lambda: _stage(100, 0.0)),
    "paper": _recipe("paper", lambda: _stage(100, 0.99)),
}
