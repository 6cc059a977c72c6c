"""Whole networks, each with a config."""

__all__: list[str] = []
