"""The layer words, one class each, a family a file. Importing this package registers them all."""

from . import activation, conv, historical, linear, merge, norm, pool, regularize, shape
from .planned import PLANNED, SYNONYMS

__all__ = [
    "PLANNED", "SYNONYMS", "activation", "conv", "historical", "linear", "merge", "norm", "pool", "regularize", "shape",
]  # fmt: skip
