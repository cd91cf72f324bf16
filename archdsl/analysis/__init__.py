"""IR -> what can be known of a network without running it."""

from .analyze import Analysis, FactResult, LayerRow, analyze
from .counts import Counter, Counts, Totals

__all__ = ["Analysis", "Counter", "Counts", "FactResult", "LayerRow", "Totals", "analyze"]
