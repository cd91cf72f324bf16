"""What only a whole file tells: warnings of what is probably a slip, and mistakes that one misspelt definition explains.

Computed by `archdsl check` alone.
"""

from .misspelt import merged
from .warn import warnings

__all__ = ["merged", "warnings"]
