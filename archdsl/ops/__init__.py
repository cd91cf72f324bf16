"""The layer words, one class each, a family a file. Importing this package registers them all."""

from . import activation, conv, conv_forms, historical, linear, merge, norm, pool, regularize, scale, shape
from .planned import PLANNED, SYNONYMS

__all__ = [
    "PLANNED", "SYNONYMS", "activation", "conv", "conv_forms", "historical", "linear", "merge", "norm", "pool", "regularize", "scale", "shape",
]  # fmt: skip
