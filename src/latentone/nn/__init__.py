"""Layers without a config: convolutions, recurrence, attention, normalisation, quantisers."""

__all__: list[str] = []
