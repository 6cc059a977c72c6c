"""The one error of a stream that cannot be used."""

from __future__ import annotations

__all__ = ["BitstreamError"]


class BitstreamError(ValueError):
    """Bytes that are no stream of ours, are damaged, or belong to another codec."""
