"""What steers a generator: raw values (a caption, a label, a sound) to embedded conditions."""

from .base import Condition, Conditioner, ConditionerConfig
from .chroma import ChromaConfig
from .frames import FrameMap, FramesConditioner, FramesConfig
from .label import LabelConditioner, LabelConfig
from .number import NumberConditioner, NumberConfig
from .onset import OnsetConfig
from .t5 import T5Conditioner, T5Config
from .text import ByteTextConditioner, ByteTextConfig

__all__ = [
    "ByteTextConditioner",
    "ByteTextConfig",
    "ChromaConfig",
    "Condition",
    "Conditioner",
    "ConditionerConfig",
    "FrameMap",
    "FramesConditioner",
    "FramesConfig",
    "LabelConditioner",
    "LabelConfig",
    "NumberConditioner",
    "NumberConfig",
    "OnsetConfig",
    "T5Conditioner",
    "T5Config",
]
