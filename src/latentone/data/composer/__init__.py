"""An endless composer: a piece is a function of a seed and a number."""

from .compose import compose
from .genres import GENRES, Genre

__all__ = ["GENRES", "Genre", "compose"]
