"""The layer words, one class each, a family a file. Importing this package registers them all."""

from . import (
    activation,
    arrange,
    attention,
    conv,
    conv_forms,
    historical,
    linear,
    merge,
    norm,
    places,
    pool,
    recurrent,
    regularize,
    resample,
    scale,
    sequence,
    shape,
)
from .planned import ARGUMENT_SYNONYMS, FOLLOWING, PLANNED, SYNONYMS, synonym_of

FAMILIES = (
    activation, arrange, attention, conv, conv_forms, historical, linear, merge, norm, places, pool, recurrent, regularize, resample,
    scale, sequence, shape,
)  # fmt: skip

__all__ = ["ARGUMENT_SYNONYMS", "FAMILIES", "FOLLOWING", "PLANNED", "SYNONYMS", "synonym_of"]
