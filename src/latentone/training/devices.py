"""One process, or one of many: how a training meets its devices."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from ..device import choose_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["make_fabric"]


def make_fabric(
    device: str = "auto", precision: Literal["32-true", "bf16-mixed"] = "32-true"
) -> Fabric:
    """Make and launch Fabric on one device, or on all that `torchrun` started processes for.

    Under `torchrun` every process takes the device of its local rank and gradients are averaged
    by DDP. All parameters take part in every step (conditions are masked, never skipped), so DDP
    need not search for unused ones; buffers are not broadcast before a forward, because a GAN's
    discriminator runs twice before its backward: modules keep their statistics equal themselves.

    Raises:
        ValueError: a device this machine does not have.
    """
    from lightning_fabric import Fabric  # 1.6 s to import: only where something is trained
    from lightning_fabric.strategies import DDPStrategy

    chosen = choose_device(device)
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if world == 1 or "TORCHELASTIC_RUN_ID" not in os.environ:
        index = [chosen.index or 0] if chosen.type == "cuda" else 1
        fabric = Fabric(accelerator=chosen.type, devices=index, precision=precision)
    else:
        if chosen.index is not None:
            raise ValueError(f"torchrun gives each process its device; use cuda, not {device!r}")
        strategy = DDPStrategy(find_unused_parameters=False, broadcast_buffers=False)
        fabric = Fabric(
            accelerator=chosen.type,
            devices=local,
            num_nodes=world // local,
            strategy=strategy,
            precision=precision,
        )
    fabric.launch()
    return fabric
