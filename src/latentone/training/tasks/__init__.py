"""What can be trained: one file a task, each with its whole step in one function."""

from .codec import CodecLossWeights, CodecTask, CodecTaskConfig

__all__ = ["CodecLossWeights", "CodecTask", "CodecTaskConfig"]
