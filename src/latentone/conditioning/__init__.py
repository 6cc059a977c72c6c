"""What steers a generator: raw values (a caption, a label, a tempo) to embedded conditions."""

from .base import Condition, Conditioner, ConditionerConfig
from .label import LabelConditioner, LabelConfig
from .number import NumberConditioner, NumberConfig
from .t5 import T5Conditioner, T5Config
from .text import ByteTextConditioner, ByteTextConfig

__all__ = [
    "ByteTextConditioner",
    "ByteTextConfig",
    "Condition",
    "Conditioner",
    "ConditionerConfig",
    "LabelConditioner",
    "LabelConfig",
    "NumberConditioner",
    "NumberConfig",
    "T5Conditioner",
    "T5Config",
]
