"""The page that a run folder explains itself with: `report.html`."""

from __future__ import annotations

from .gather import gather, write_report

__all__ = ["gather", "write_report"]
