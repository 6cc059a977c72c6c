"""Train a codec of pictures: what it makes and what it is judged by are mel spectrograms.

Both halves of the step are `CodecTask`'s; distances are absolute differences of pixels, as in
Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022. Differs: there
is no perceptual distance, whose network would have to be trained on other sound first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ...codecs.base import Codec, CodecOutput
from ..task import Batch, Run
from .codec import CodecTask
from .codec_config import CodecTaskConfig

__all__ = ["SpectrogramTask", "SpectrogramTaskConfig"]


@dataclass(frozen=True, kw_only=True)
class SpectrogramTaskConfig(CodecTaskConfig):
    """How a codec of pictures is trained; `weights.mel` is that of the difference of pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights.waveform or self.weights.stft or self.noise_db is not None:
            raise ValueError(
                "pictures have no samples to compare: weights.waveform and weights.stft must be 0, "
                "and noise_db None"
            )

    def task_class(self) -> type[CodecTask]:
        return SpectrogramTask


class SpectrogramTask(CodecTask):
    """A codec whose forward pass gives a picture, and what judges it.

    Args:
        config: settings.
        codec: what is trained.
    """

    def __init__(self, config: SpectrogramTaskConfig, codec: Codec) -> None:
        super().__init__(config, codec)
        self.mel = nn.L1Loss()
        self.modules.pop("distances")  # they compare samples

    def validate(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        """`loss`, the difference of pixels, and what else the codec says; items are run alone.

        Norms over time would mix padding into all that is heard.
        """
        real = batch["x"]
        lengths = batch.get("lengths", torch.full((len(real),), real.shape[-1]))
        logs: list[dict[str, Tensor]] = []
        for x, length in zip(real, lengths.tolist(), strict=True):
            alone = x[None, :, :length]
            output: CodecOutput = run.module("codec")({"x": alone})
            picture = cast(Tensor, output.reconstruction).float()
            loss = self.mel(picture, self.codec.target(alone))
            logs.append({"loss": loss, **output.losses, **output.metrics})
        return {name: torch.stack([log[name] for log in logs]).mean() for name in logs[0]}
