"""Where a model runs and in which arithmetic: what `--device` and `--precision` mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["ComputeArgs", "Precision", "arithmetic", "choose_device"]

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class ComputeArgs:
    """The flags that every verb with a model shares."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps; auto takes the first accelerator it finds."""
    precision: Precision = "fp32"
    """bf16 runs matrix products in bfloat16 and is faster on most accelerators."""


def choose_device(name: str = "auto") -> torch.device:
    """Turn auto, cpu, cuda, cuda:N or mps into a device that is there.

    Raises:
        ValueError: an unknown name, or a device this machine does not have.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"unknown device {name!r}; expected auto, cpu, cuda, cuda:N or mps")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"no device {name!r} here: torch sees {torch.cuda.device_count()} CUDA devices; "
            "use --device cpu, or install a torch build with CUDA"
        )
    if device.type == "mps" and not mps:
        raise ValueError("no MPS device here; use --device cpu")
    return device


@contextmanager
def arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    """Run what follows in `precision`: plain fp32, or bfloat16 autocast."""
    import torch

    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield
