"""Codes as files: a container with checksums, packed or entropy-coded, for any discrete codec."""

from __future__ import annotations

from .coding import compress, compress_long, decompress, decompress_long, read_streams
from .container import Header, StreamHeader, join, split
from .errors import BitstreamError
from .model import CodeModel

__all__ = [
    "BitstreamError",
    "CodeModel",
    "Header",
    "StreamHeader",
    "compress",
    "compress_long",
    "decompress",
    "decompress_long",
    "join",
    "read_streams",
    "split",
]
