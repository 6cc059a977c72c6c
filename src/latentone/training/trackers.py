"""Where a training's numbers, sounds and pictures go: `metrics.jsonl` and TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..atomic import atomic_file
from ..audio import Audio
from .curves import draw_curves
from .task import Preview

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Tracker", "read_metrics", "spectrogram_image"]

SPECTROGRAM_FFT = 1024
SPECTROGRAM_RANGE_DB = 80.0


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read `metrics.jsonl`; a last line cut short by a kill is left out."""
    records = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return records


def spectrogram_image(audio: Audio) -> Tensor:
    """Draw the first channel, 80 dB of it, as a picture `(3, 513, frames)` in [0, 1]."""
    from matplotlib import colormaps

    x = audio.samples[0].detach().float().cpu()
    x = torch.nn.functional.pad(x, (0, max(0, SPECTROGRAM_FFT - x.shape[-1])))
    window = torch.hann_window(SPECTROGRAM_FFT)
    hop = max(SPECTROGRAM_FFT // 4, x.shape[-1] // 1024)  # at most about a thousand columns
    spectrum = torch.stft(x, SPECTROGRAM_FFT, hop, window=window, return_complex=True).abs()
    level = 20 * torch.log10(spectrum / spectrum.max().clamp_min(1e-5) + 1e-9)
    grey = (1 + level / SPECTROGRAM_RANGE_DB).clamp(0, 1).flip(0)
    return torch.from_numpy(colormaps["magma"](grey.numpy())[..., :3]).permute(2, 0, 1)


class Tracker:
    """Writes `metrics.jsonl`, `curves.png` and TensorBoard events into one folder.

    Args:
        folder: `training/` of a run.
        step: steps done; what an interrupted training recorded beyond it is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.path = folder / "metrics.jsonl"
        self.records = [r for r in read_metrics(self.path) if r["step"] <= step]
        with atomic_file(self.path) as partial:
            partial.write_text("".join(json.dumps(r) + "\n" for r in self.records))
        self.board: SummaryWriter = SummaryWriter(
            str(folder / "tensorboard"), purge_step=step + 1 if step else None
        )

    def scalars(self, step: int, kind: str, values: Mapping[str, float], **more: Any) -> None:
        """Record numbers of one kind (`train`, `valid`) after `step` steps."""
        # JSON has no nan: a number that is none is kept as null.
        clean = {name: value if isfinite(value) else None for name, value in values.items()}
        record = {"step": step, kind: clean, **more}
        self.records.append(record)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name}", value, step)
        for group, numbers in more.items():
            if isinstance(numbers, Mapping):
                for name, value in numbers.items():
                    self.board.add_scalar(f"{group}/{name}", value, step)
            else:
                self.board.add_scalar(f"training/{group}", numbers, step)

    def health(self, step: int, health: Mapping[str, Any]) -> None:
        """Record what one moment of a training is like inside, see `codec_insides`."""
        if not health:
            return
        record = {"step": step, "health": _rounded(health)}
        self.records.append(record)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        for group in ("codes", "latents"):
            for name, values in health.get(group, {}).items():
                self.board.add_histogram(f"health/{group}/{name}", torch.tensor(values), step)
        for row, share in enumerate(health.get("codes", {}).get("use", ())):
            self.board.add_scalar(f"health/use/{row}", share, step)

    def preview(self, step: int, preview: Preview) -> None:
        """Record sounds, their spectrograms, and pictures."""
        for name, audio in preview.audio.items():
            mono = audio.samples.detach().float().cpu().mean(0, keepdim=True).clamp(-1, 1)
            self.board.add_audio(name, mono, step, sample_rate=audio.sample_rate)
            self.board.add_image(f"spectrogram/{name}", spectrogram_image(audio), step)
        for name, picture in preview.images.items():
            layout = "HW" if picture.dim() == 2 else "CHW"
            image = picture.detach().float().cpu().clamp(0, 1)
            self.board.add_image(name, image, step, dataformats=layout)

    def draw(self) -> None:
        """Draw the curves so far."""
        draw_curves(self.records, self.folder / "curves.png")

    def close(self) -> None:
        """Flush and close."""
        self.board.close()


def _rounded(value: Any) -> Any:
    """JSON values with five digits, and null for what is no number."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if isfinite(value) else None
    return value
