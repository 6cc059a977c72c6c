"""Contract checks that every codec, every streaming module and every generator must pass.

Call them in the tests of a new one; they raise `AssertionError` with what is wrong.
"""

from .codecs import verify_codec
from .generators import verify_generator
from .streaming import verify_streaming

__all__ = ["verify_codec", "verify_generator", "verify_streaming"]
