"""The embeddings that come with latentone: trained by its own recipes, a few MB in all."""

from __future__ import annotations

from importlib.resources import as_file, files

from .trained import TrainedEmbedding

__all__ = ["SHIPPED", "load_shipped"]

SHIPPED = ("classifier", "joint")
"""Names of the folders in `embeddings/weights/`."""


def load_shipped(name: str) -> TrainedEmbedding:
    """Load a shipped embedding in eval mode; nothing is downloaded.

    Raises:
        ValueError: no such name.
    """
    if name not in SHIPPED:
        raise ValueError(f"no embedding {name!r} is shipped, only {', '.join(SHIPPED)}")
    from . import classifier, joint  # noqa: F401  (a saved model finds its class)

    with as_file(files(__package__) / "weights" / name) as folder:
        return TrainedEmbedding.from_pretrained(folder)
