"""Folders of audio: what is in them, how they are split, and what a training step reads."""

from __future__ import annotations

from .augment import AugmentConfig, augment
from .captions import Sidecar, read_sidecar
from .crops import AudioCrops
from .inspect import FileReport, FolderReport, inspect_folder
from .manifest import Failure, Item, Manifest
from .sampler import Draw, DrawBy, draw, draw_weights
from .scan import find_audio, scan
from .splits import assign_splits, name_group

__all__ = [
    "AudioCrops",
    "AugmentConfig",
    "Draw",
    "DrawBy",
    "Failure",
    "FileReport",
    "FolderReport",
    "Item",
    "Manifest",
    "Sidecar",
    "assign_splits",
    "augment",
    "draw",
    "draw_weights",
    "find_audio",
    "inspect_folder",
    "name_group",
    "read_sidecar",
    "scan",
]
