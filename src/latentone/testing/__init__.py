"""Contract checks that every codec, quantiser, streaming module and generator must pass.

Call them in the tests of a new one; they raise `AssertionError` with what is wrong.
"""

from .bottlenecks import verify_bottleneck
from .codecs import verify_codec
from .export import verify_export
from .generators import verify_generator
from .quantizers import verify_quantizer, verify_quantizer_on_ranks
from .streaming import verify_streaming

__all__ = [
    "verify_bottleneck",
    "verify_codec",
    "verify_export",
    "verify_generator",
    "verify_quantizer",
    "verify_quantizer_on_ranks",
    "verify_streaming",
]
