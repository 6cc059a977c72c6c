"""Step 2: latent stores, what a codec made of a folder of audio.

`encode_folder` writes one, `LatentStore.open` reads it, `LatentCrops` serves it to a training.
"""

from __future__ import annotations

from .dataset import LatentCrops
from .encode import EncodeProgress, encode_folder
from .format import StoredItem, StoreError
from .store import LatentStore
from .summary import describe_store

__all__ = [
    "EncodeProgress",
    "LatentCrops",
    "LatentStore",
    "StoreError",
    "StoredItem",
    "describe_store",
    "encode_folder",
]
