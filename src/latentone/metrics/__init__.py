"""How close a reconstruction is: numbers with units, ranges and a direction."""

from __future__ import annotations

from .reconstruction import METRICS, Metric, ReconstructionMetrics, reconstruction_metrics

__all__ = ["METRICS", "Metric", "ReconstructionMetrics", "reconstruction_metrics"]
