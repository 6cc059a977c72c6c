"""Notes to sound: synthesisers in NumPy, and recorded instruments through FluidSynth."""

from .ensemble import frequency, render_score
from .presets import Instrument, instrument

__all__ = ["Instrument", "frequency", "instrument", "render_score"]
